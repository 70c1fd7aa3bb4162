#pragma once

#include <unroll/core/autograd/accumulator.hpp>
#include <unroll/core/autograd/backward/linear_maps.hpp>
#include <unroll/core/base/scope.hpp>

#include <map>
#include <unordered_map>
#include <vector>

namespace unroll {

// Gradients as variables, computed by the recorded operations of linear_maps.hpp, so that the
// backward pass can be differentiated. Stores the contributions to each root.
template <class T>
class Recorded final : public Accumulator<T> {
public:
    explicit Recorded(Tape<T>& tape);
    ~Recorded() override;

    bool needs(NodeId id) const override;
    const char* derivative_name() const override { return derivative_name_; }
    void add(NodeId root, const StridedView& part, const Variable<T>& x, T scale) override;
    void add_product(NodeId root, const StridedView& part, const Variable<T>& a,
                     const Variable<T>& b, T scale) override;
    void scatter_rows(NodeId root, const StridedView& part, const Indices& rows,
                      const Variable<T>& x) override;
    void scatter_elements(NodeId root, const StridedView& part, const Indices& elements,
                          const Variable<T>& x) override;
    OutputOperand<T> open(NodeId root, const StridedView& part) override;
    Variable<T> arrived(NodeId id, bool is_last) override;
    void release(NodeId root) override { roots_.erase(root); }

    void begin_rule(NodeId id, std::span<const Variable<T>> gradients) override;
    void end_rule() override;

private:
    struct Factors {
        Variable<T> a, b;
    };
    struct Root {
        // Keyed by offset, so that a time step finds its parts among those of many steps. None is
        // longer than `longest`; the few that span much of the buffer are stored separately.
        std::multimap<std::size_t, Part<T>> parts;
        std::size_t longest = 0;
        std::size_t size = 0; // of the buffer
        std::vector<Part<T>> wide;
        std::vector<Factors> products;
    };
    void keep(NodeId root, const StridedView& part, Variable<T> x);
    // The sum of the products, as one product of concatenated factors.
    static Variable<T> joined(std::span<const Factors> products);
    // A rule's contribution x. Throws Error if plain tensors contributed to it, since they may
    // depend on the inputs of the operation; for a rule that is differentiable once, returns a
    // variable that cannot be differentiated.
    Variable<T> checked(const Variable<T>& x) const;
    bool is_once() const {
        return this->running_ != nullptr && this->running_->rule->is_differentiable_once();
    }
    const char* name_of_derivative(const char* name);

    std::unordered_map<NodeId, Root> roots_;
    std::vector<std::pair<const char*, const char*>> derivative_names_;
    const char* derivative_name_ = "";
    std::vector<Variable<T>> read_; // by a rule marked by once(): all that its result may depend on
    std::uint32_t outer_run_;       // of the rule that runs this pass
    const void* outer_tape_;
    std::uint32_t outer_scope_;
};

extern template class Recorded<float>;
extern template class Recorded<double>;

} // namespace unroll
