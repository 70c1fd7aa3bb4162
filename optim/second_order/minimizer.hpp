#pragma once

#include <unroll/core/autograd/variable.hpp>
#include <unroll/core/base/list.hpp>
#include <unroll/optim/parameter_list.hpp>
#include <unroll/optim/resumable.hpp>

#include <functional>

namespace unroll::optim {

template <class T>
class Objective;

// Why Minimizer::step returned: the gradient or the change of an iteration is below its tolerance,
// a limit was reached, or no lower loss was found along the search direction.
enum class Stop { gradient, change, iterations, evaluations, line_search };
// A sentence: "the gradient is within the tolerance".
const char* to_string(Stop stop);

// The result of Minimizer::step.
struct Minimization {
    double initial_loss = 0, loss = 0;
    double gradient = 0; // the largest magnitude of an element, at the returned point
    std::size_t iterations = 0;
    std::size_t evaluations = 0;      // of the closure
    std::size_t hessian_products = 0; // Hessian-vector products
    Stop stop = Stop::iterations;

    bool has_converged() const { return stop == Stop::gradient || stop == Stop::change; }
};

// The options common to all minimisers. `memory`: number of earlier steps to remember.
struct MinimizerOptions {
    double learning_rate;
    std::size_t max_iterations, max_evaluations, memory;
    double gradient_tolerance, change_tolerance;
};

// Minimises a loss that it can evaluate at any point, unlike an Optimizer, which receives
// gradients. A step runs several iterations, each with a line search. It shares ownership of the
// parameters: modules may be moved or destroyed. Frozen parameters do not change.
template <class T = float>
class Minimizer : public Resumable<T> {
public:
    using typename Resumable<T>::State;
    // Computes the loss, a scalar, from the parameters' current values. It is called repeatedly and
    // must be deterministic: the same batch, no dropout. Its operations are recorded on a tape of
    // the minimiser; it must not call backward.
    using Closure = std::function<Variable<T>()>;

    const Parameters<T>& parameters() const override { return parameters_; }
    // Whether parameters that no optimiser holds may receive gradients, as in Optimizer.
    void allow_unlisted(bool on) { allows_unlisted_ = on; }

    // Never increases the loss. Clears the gradients. Throws Error if the loss or a gradient at the
    // initial point is not finite, if no parameter receives a gradient, or if parameters receive
    // one that no optimiser holds; restores all values then, and if the closure throws.
    Minimization step(const Closure& loss, Where where = Where::current());

    // The remembered steps and changes of the gradient, each [number, elements of the parameter]:
    // "decoder.out.weight.steps", "decoder.out.weight.gradient_changes".
    State state() const override;
    std::string mismatches(const State& state) const override;

protected:
    Minimizer(const Op& op, const Parameters<T>& parameters, const MinimizerOptions& options);
    Minimizer(const Minimizer&) = default;
    Minimizer(Minimizer&&) noexcept = default;
    Minimizer& operator=(const Minimizer&) = default;
    Minimizer& operator=(Minimizer&&) noexcept = default;

    // A step s, the change y of the gradient, and s . y and y . y.
    struct Memory {
        Tensor<T> step, change;
        double step_change, change_change;
    };
    // From oldest to newest.
    const List<Memory>& memory() const { return memory_; }

    struct Direction {
        Tensor<T> vector;
        bool is_scaled; // 1 is a good step
    };
    // The search direction at the objective's current point.
    virtual Direction direction(Objective<T>& objective) const = 0;

private:
    Minimization minimize(Objective<T>& objective);
    void remember(Tensor<T> step, Tensor<T> change);
    void assign(const State& state) override;

    List<NamedParameter<T>> parameters_;
    List<HeldParameter<T>> held_;
    List<Memory> memory_;
    MinimizerOptions options_;
    bool allows_unlisted_ = false;
};

extern template class Minimizer<float>;
extern template class Minimizer<double>;

} // namespace unroll::optim
