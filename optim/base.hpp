#pragma once

#include <unroll/core/autograd/parameter.hpp>
#include <unroll/core/base/error.hpp>
#include <unroll/core/base/list.hpp>
#include <unroll/optim/parameter_list.hpp>
#include <unroll/optim/resumable.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace unroll::optim {

// How step() handles an infinite or NaN gradient.
enum class NonFinite { error, skip };

// Options of a parameter group; by default those of the optimiser.
struct GroupOptions {
    // Scales with the optimiser's learning rate, which schedules change: a group at half the
    // initial rate stays at half.
    std::optional<double> learning_rate = std::nullopt;
    std::optional<double> weight_decay = std::nullopt;
};

// The options common to all optimisers.
struct UpdateOptions {
    double learning_rate, weight_decay;
    bool decoupled, decay_vectors;
};

// The settings of one update of one parameter.
struct Update {
    double learning_rate, weight_decay;
    bool decoupled;
    std::uint64_t count; // number of updates of this parameter, including this one
};

// A state tensor of a parameter, initially zeros.
struct Slot {
    std::string name;
    Shape shape;
};
// The state tensors of a parameter of a given shape.
using Slots = std::function<std::vector<Slot>(const Shape& parameter)>;

// Updates parameters from their gradients. A step reads the gradients, updates the values and
// clears the gradients for the next backward pass; parameters without gradient are unchanged. It
// shares ownership of the parameters: modules may be moved or destroyed. A copy updates the same
// parameters, with a copy of the state.
template <class T = float>
class Optimizer : public Resumable<T> {
public:
    using typename Resumable<T>::State;

    const Parameters<T>& parameters() const override { return parameters_; }

    double learning_rate() const { return learning_rate_; }
    // Scales the learning rates of all groups in proportion. Throws Error if it is negative or not
    // finite.
    void set_learning_rate(double learning_rate, Where where = Where::current());
    // The values for a parameter, from its group. Throws Error if the optimiser does not hold it.
    double learning_rate(const ParameterRef<T>& parameter) const;
    double weight_decay(const ParameterRef<T>& parameter) const;

    // Sets separate options for parameters: for those of a list, adding new ones to the optimiser,
    // or for the held ones that the predicate accepts. A parameter belongs to the last group that
    // it was added to. Groups do not affect state(). Throws Error, changing nothing, if no
    // parameter is accepted, or if two parameters have the same path.
    //   adam.add_group(parameters(head), {.learning_rate = 1e-4, .weight_decay = 0});
    //   adam.add_group([](const auto& p) { return p.path.starts_with("embed."); }, {...});
    void add_group(const Parameters<T>& parameters, const GroupOptions& options,
                   Where where = Where::current());
    void add_group(const std::function<bool(const NamedParameter<T>&)>& predicate,
                   const GroupOptions& options, Where where = Where::current());

    void on_non_finite(NonFinite what) { non_finite_ = what; }
    // Whether parameters that no optimiser holds may receive gradients. By default step() then
    // throws, because they would never be trained.
    void allow_unlisted(bool on) { allows_unlisted_ = on; }

    // Returns false if a gradient was not finite: gradients are cleared and nothing else changes.
    // Throws Error, changing nothing: for a gradient that is not finite, unless on_non_finite(skip)
    // was called; if no parameter has a gradient; and if parameters that no optimiser holds
    // received gradients in this thread's last backward pass.
    bool step(Where where = Where::current());

    // Includes the number of a parameter's updates as "decoder.out.weight.updates".
    State state() const override;
    std::string mismatches(const State& state) const override;

protected:
    // `op`: its name and the line that constructs it. Throws Error for two parameters with the same
    // path; duplicates of a parameter are ignored.
    Optimizer(const Op& op, const Parameters<T>& parameters, const UpdateOptions& options,
              Slots slots);
    Optimizer(const Optimizer&) = default;
    Optimizer(Optimizer&&) noexcept = default;
    Optimizer& operator=(const Optimizer&) = default;
    Optimizer& operator=(Optimizer&&) noexcept = default;

    virtual void update(const Update& settings, ParameterRef<T>& parameter,
                        const Tensor<T>& gradient, std::vector<Tensor<T>>& slots) = 0;

private:
    // A parameter and its state, which a copy copies.
    struct Held {
        Held(const ParameterRef<T>& parameter, const std::vector<Slot>& slots);
        Held(const Held& other);
        Held(Held&&) noexcept = default;
        Held& operator=(Held other) noexcept;

        HeldParameter<T> parameter;
        std::vector<Tensor<T>> slots;
        std::uint64_t updates = 0;
        double factor = 1; // relative to the optimiser's learning rate
        std::optional<double> weight_decay;
    };

    const Held& held(const ParameterRef<T>& parameter) const;
    double decay_of(const Held& held) const;
    void set_group(Held& held, const GroupOptions& options) const;
    void check_group(const Op& op, const GroupOptions& options) const;
    void assign(const State& state) override;

    List<NamedParameter<T>> parameters_;
    List<Held> held_; // by parameter
    UpdateOptions options_;
    double learning_rate_;
    Slots slots_;
    NonFinite non_finite_ = NonFinite::error;
    bool allows_unlisted_ = false;
};

extern template class Optimizer<float>;
extern template class Optimizer<double>;

} // namespace unroll::optim
