#pragma once

#include <unroll/core/autograd/tape.hpp>
#include <unroll/core/check/table.hpp>

#include <vector>

namespace unroll {

// Euclidean norm, largest magnitude and fraction of zeros of a tensor's elements. A NaN element
// makes norm and largest NaN.
struct Summary {
    std::size_t count = 0;
    double norm = 0, largest = 0, zeros = 0;

    // Combines this with the summary of another tensor.
    void add(const Summary& other);
};
template <class T>
Summary summarize(const Tensor<T>& x);

// The least and the largest finite element (inf and -inf if there is none), and the numbers of NaN
// and infinite elements.
struct Range {
    double least, largest;
    std::size_t nans = 0, plus = 0, minus = 0;
};
template <class T>
Range range_of(const Tensor<T>& x);
template <class T>
bool is_finite(const Tensor<T>& x);

// The gradient of a parameter, or the gradients of one output of all operations with the same name
// in one time step of a module ("encoder.t").
struct GradientRow {
    std::string module, name;
    std::size_t output = 0;
    std::int64_t step = -1; // -1: none
    Summary gradient;
};
// As a table; without time steps it has no columns for output and step.
Table table(const std::vector<GradientRow>& rows);

// Summaries of the values and gradients of a tape's nodes.
class Summaries {
public:
    // Whether it measures this tape, and the tape still exists.
    virtual bool is_of(const void* tape) const = 0;
    // The summary of a node; null if there is none.
    const Summary* value(NodeId id) const { return found(values_, id); }
    const Summary* gradient(NodeId id) const { return found(gradients_, id); }

protected:
    ~Summaries() = default;
    struct Seen {
        Summary summary;
        bool is_there = false;
    };
    static const Summary* found(const std::vector<Seen>& all, NodeId id) {
        return id < all.size() && all[id].is_there ? &all[id].summary : nullptr;
    }

    std::vector<Seen> values_, gradients_;
};

// Summarises the results and gradients of its tape's operations during its lifetime. Restarts when
// the tape is cleared.
template <class T = float>
class Statistics final : public Monitor<T>, public Summaries {
public:
    explicit Statistics(Tape<T>& tape) : Monitor<T>(tape) {}

    bool is_of(const void* tape) const override { return this->tape() == tape; }

    // Parameters that received a gradient, in order of first use. A gradient is the sum over all
    // backward passes.
    std::vector<GradientRow> parameters() const;
    // Operations within time steps, in recording order, by increasing step.
    std::vector<GradientRow> steps() const;

    void recorded(NodeId first, std::span<const Variable<T>* const> inputs,
                  std::span<const Variable<T>> results) override;
    void before_rule(NodeId first, std::span<const Variable<T>> gradients) override;
    void leaf(NodeId id, const Tensor<T>& gradient) override;
    void cleared() override;

private:
    static void see(std::vector<Seen>& all, NodeId id, const Tensor<T>& x);
};

extern template class Statistics<float>;
extern template class Statistics<double>;

} // namespace unroll
