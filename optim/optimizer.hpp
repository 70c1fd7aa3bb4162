#pragma once

#include <unroll/core/autograd/parameter.hpp>
#include <unroll/core/base/error.hpp>
#include <unroll/core/base/list.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
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

namespace detail {

// In place of the parameters of T, for which something else was given.
template <class T, class X>
const Parameters<T>& no_parameters(const X&) {
    static_assert(
        sizeof(X) == 0,
        "an optimiser takes the parameters of a model: optim::Adam adam(parameters(model)); "
        "optim::Adam<float> is for parameters of float, optim::Adam<double> for those of double");
    static const Parameters<T> none;
    return none;
}
template <class X, class T>
concept NoParameters = !std::convertible_to<const X&, const Parameters<T>&>;

} // namespace detail

// Updates parameters from their gradients. A step reads the gradients, updates the values and
// clears the gradients for the next backward pass; parameters without gradient are unchanged. It
// shares ownership of the parameters: modules may be moved or destroyed. A copy updates the same
// parameters, with a copy of the state.
template <class T = float>
class Optimizer {
public:
    virtual ~Optimizer() = default;

    const Parameters<T>& parameters() const { return parameters_; }

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

    // Number of calls of step() that updated parameters.
    std::uint64_t steps() const { return steps_; }
    void on_non_finite(NonFinite what) { non_finite_ = what; }
    // Whether parameters that no optimiser holds may receive gradients. By default step() then
    // throws, because they would never be trained.
    void allow_unlisted(bool on) { allows_unlisted_ = on; }

    // Returns false if a gradient was not finite: gradients are cleared and nothing else changes.
    // Throws Error, changing nothing: for a gradient that is not finite, unless on_non_finite(skip)
    // was called; if no parameter has a gradient; and if parameters that no optimiser holds
    // received gradients in this thread's last backward pass.
    bool step(Where where = Where::current());

    // The state for a resumed run, by path: "decoder.out.weight.momentum", and the number of a
    // parameter's updates as "decoder.out.weight.updates". restore() throws Error, changing
    // nothing, with a list of all entries that are missing, unexpected or of the wrong shape.
    std::map<std::string, Tensor<T>> state() const;
    void restore(const std::map<std::string, Tensor<T>>& state, std::uint64_t steps,
                 Where where = Where::current());

protected:
    // `op`: its name and the line that constructs it. `slots`: names of the state tensors of each
    // parameter, initially zeros. Throws Error for two parameters with the same path; duplicates of
    // a parameter are ignored.
    Optimizer(const Op& op, const Parameters<T>& parameters, const UpdateOptions& options,
              std::vector<std::string> slots);
    Optimizer(const Optimizer&) = default;
    Optimizer(Optimizer&&) noexcept = default;
    Optimizer& operator=(const Optimizer&) = default;
    Optimizer& operator=(Optimizer&&) noexcept = default;

    virtual void update(const Update& settings, ParameterRef<T>& parameter,
                        const Tensor<T>& gradient, std::vector<Tensor<T>>& slots) = 0;

private:
    // A parameter, counted in ParameterBody::optimizers, and its state.
    struct Held {
        Held(const ParameterRef<T>& parameter, std::size_t slots);
        Held(const Held& other);
        Held(Held&&) noexcept = default;
        Held& operator=(Held other) noexcept;
        ~Held();

        ParameterRef<T> parameter;
        std::vector<Tensor<T>> slots;
        std::uint64_t updates = 0;
        double factor = 1; // relative to the optimiser's learning rate
        std::optional<double> weight_decay;
    };

    const Held& held(const ParameterRef<T>& parameter) const;
    double decay_of(const Held& held) const;
    void set_group(Held& held, const GroupOptions& options) const;
    void check_group(const Op& op, const GroupOptions& options) const;
    void require_listed(const Op& op) const;

    List<NamedParameter<T>> parameters_;
    List<Held> held_; // by parameter
    UpdateOptions options_;
    double learning_rate_;
    List<std::string> slot_names_;
    std::uint64_t steps_ = 0;
    NonFinite non_finite_ = NonFinite::error;
    bool allows_unlisted_ = false;
};

// Weight decay is coupled (added to the gradient) or decoupled (subtracted from the value, times
// the learning rate; Loshchilov and Hutter 2019). With `decay_vectors = false` parameters of rank 0
// and 1 do not decay: biases, and the gains and shifts of normalisations. The weight decay of a
// group applies to all of its parameters.

struct SgdOptions {
    double learning_rate = 1e-2;
    double momentum = 0;
    bool nesterov = false; // Sutskever et al. 2013
    double weight_decay = 0;
    bool decoupled = false;
    bool decay_vectors = true;
};

// v = momentum v + g;  w -= learning_rate v, or learning_rate (g + momentum v) with Nesterov's
// momentum
template <class T = float>
class Sgd final : public Optimizer<T> {
public:
    explicit Sgd(const Parameters<T>& parameters, const SgdOptions& options = {},
                 Where where = Where::current());
    template <detail::NoParameters<T> X>
    explicit Sgd(const X& model, const SgdOptions& = {}) : Sgd(detail::no_parameters<T>(model)) {}

private:
    void update(const Update&, ParameterRef<T>&, const Tensor<T>&,
                std::vector<Tensor<T>>&) override;
    SgdOptions options_;
};

struct AdagradOptions {
    double learning_rate = 1e-2;
    double epsilon = 1e-10;
    double weight_decay = 0;
    bool decoupled = false;
    bool decay_vectors = true;
};

// s += g^2;  w -= learning_rate g / (sqrt s + epsilon)  (Duchi et al. 2011)
template <class T = float>
class Adagrad final : public Optimizer<T> {
public:
    explicit Adagrad(const Parameters<T>& parameters, const AdagradOptions& options = {},
                     Where where = Where::current());
    template <detail::NoParameters<T> X>
    explicit Adagrad(const X& model, const AdagradOptions& = {})
        : Adagrad(detail::no_parameters<T>(model)) {}

private:
    void update(const Update&, ParameterRef<T>&, const Tensor<T>&,
                std::vector<Tensor<T>>&) override;
    AdagradOptions options_;
};

struct RmspropOptions {
    double learning_rate = 1e-2;
    double decay = 0.99;
    double epsilon = 1e-8;
    double momentum = 0;
    double weight_decay = 0;
    bool decoupled = false;
    bool decay_vectors = true;
};

// s = decay s + (1 - decay) g^2;  v = momentum v + g / (sqrt s + epsilon);  w -= learning_rate v
// (Tieleman and Hinton 2012)
template <class T = float>
class Rmsprop final : public Optimizer<T> {
public:
    explicit Rmsprop(const Parameters<T>& parameters, const RmspropOptions& options = {},
                     Where where = Where::current());
    template <detail::NoParameters<T> X>
    explicit Rmsprop(const X& model, const RmspropOptions& = {})
        : Rmsprop(detail::no_parameters<T>(model)) {}

private:
    void update(const Update&, ParameterRef<T>&, const Tensor<T>&,
                std::vector<Tensor<T>>&) override;
    RmspropOptions options_;
};

struct AdamOptions {
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0;
    bool decoupled = false;
    bool decay_vectors = true;
};

// m = beta1 m + (1 - beta1) g;  s = beta2 s + (1 - beta2) g^2;
// w -= learning_rate m' / (sqrt s' + epsilon), with m' = m / (1 - beta1^t), s' = s / (1 - beta2^t)
// for the t-th update of the parameter  (Kingma and Ba 2015)
template <class T = float>
class Adam : public Optimizer<T> {
public:
    explicit Adam(const Parameters<T>& parameters, const AdamOptions& options = {},
                  Where where = Where::current());
    template <detail::NoParameters<T> X>
    explicit Adam(const X& model, const AdamOptions& = {})
        : Adam(detail::no_parameters<T>(model)) {}

private:
    void update(const Update&, ParameterRef<T>&, const Tensor<T>&,
                std::vector<Tensor<T>>&) override;
    AdamOptions options_;
};

struct AdamWOptions {
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 1e-2;
    bool decay_vectors = true;
};

// Adam with decoupled weight decay.
template <class T = float>
class AdamW final : public Adam<T> {
public:
    explicit AdamW(const Parameters<T>& parameters, const AdamWOptions& o = {},
                   Where where = Where::current())
        : Adam<T>(
              parameters,
              {o.learning_rate, o.beta1, o.beta2, o.epsilon, o.weight_decay, true, o.decay_vectors},
              where) {}
    template <detail::NoParameters<T> X>
    explicit AdamW(const X& model, const AdamWOptions& = {})
        : AdamW(detail::no_parameters<T>(model)) {}
};

} // namespace unroll::optim
