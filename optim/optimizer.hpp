#pragma once

#include <unroll/core/autograd/parameter.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace unroll::optim {

// What to do about a gradient that is infinite or no number.
enum class NonFinite { error, skip };

// Changes parameters by their gradients. A step reads the gradients, writes the values and leaves
// the gradients empty for the next backward pass; parameters without a gradient stay as they are.
template <class T>
class Optimizer {
public:
    virtual ~Optimizer() = default;

    const Parameters<T>& parameters() const { return parameters_; }
    double rate() const { return rate_; }
    void set_rate(double rate) { rate_ = rate; }
    std::uint64_t steps() const { return steps_; }
    void on_non_finite(NonFinite what) { non_finite_ = what; }

    // False: a gradient was not finite, and nothing was changed. Throws Error instead unless
    // on_non_finite(skip) was asked for.
    bool step();

    // Everything that a resumed run needs, by name; restore() throws Error, changing nothing, where
    // an entry is missing or does not fit.
    std::map<std::string, Tensor<T>> state() const;
    void restore(const std::map<std::string, Tensor<T>>& state, std::uint64_t steps);

protected:
    // `slots`: names of the tensors kept for each parameter, all zeros at first.
    Optimizer(Parameters<T> parameters, double rate, std::vector<std::string> slots);

    virtual void update(ParameterRef<T>& parameter, const Tensor<T>& gradient,
                        std::vector<Tensor<T>>& slots) = 0;

    double rate_;
    std::uint64_t steps_ = 0;

private:
    Parameters<T> parameters_;
    std::vector<std::string> slot_names_;
    std::vector<std::vector<Tensor<T>>> slots_; // by parameter
    NonFinite non_finite_ = NonFinite::error;
};

// Weight decay is coupled (added to the gradient) or decoupled (taken off the value, times the
// rate; Loshchilov and Hutter 2019).

struct SgdOptions {
    double rate = 1e-2;
    double momentum = 0;
    bool nesterov = false; // Sutskever et al. 2013
    double weight_decay = 0;
    bool decoupled = false;
};

// v = momentum v + g;  w -= rate v, or rate (g + momentum v) with Nesterov's momentum
template <class T>
class Sgd final : public Optimizer<T> {
public:
    explicit Sgd(Parameters<T> parameters, const SgdOptions& options = {});

private:
    void update(ParameterRef<T>&, const Tensor<T>&, std::vector<Tensor<T>>&) override;
    SgdOptions options_;
};

struct AdagradOptions {
    double rate = 1e-2;
    double epsilon = 1e-10;
    double weight_decay = 0;
    bool decoupled = false;
};

// s += g^2;  w -= rate g / (sqrt s + epsilon)  (Duchi et al. 2011)
template <class T>
class Adagrad final : public Optimizer<T> {
public:
    explicit Adagrad(Parameters<T> parameters, const AdagradOptions& options = {});

private:
    void update(ParameterRef<T>&, const Tensor<T>&, std::vector<Tensor<T>>&) override;
    AdagradOptions options_;
};

struct RmspropOptions {
    double rate = 1e-2;
    double decay = 0.99;
    double epsilon = 1e-8;
    double momentum = 0;
    double weight_decay = 0;
    bool decoupled = false;
};

// s = decay s + (1 - decay) g^2;  v = momentum v + g / (sqrt s + epsilon);  w -= rate v
// (Tieleman and Hinton 2012)
template <class T>
class Rmsprop final : public Optimizer<T> {
public:
    explicit Rmsprop(Parameters<T> parameters, const RmspropOptions& options = {});

private:
    void update(ParameterRef<T>&, const Tensor<T>&, std::vector<Tensor<T>>&) override;
    RmspropOptions options_;
};

struct AdamOptions {
    double rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0;
    bool decoupled = false;
};

// m = beta1 m + (1 - beta1) g;  s = beta2 s + (1 - beta2) g^2;
// w -= rate m' / (sqrt s' + epsilon), with m' = m / (1 - beta1^t), s' = s / (1 - beta2^t)
// (Kingma and Ba 2015)
template <class T>
class Adam : public Optimizer<T> {
public:
    explicit Adam(Parameters<T> parameters, const AdamOptions& options = {});

private:
    void update(ParameterRef<T>&, const Tensor<T>&, std::vector<Tensor<T>>&) override;
    AdamOptions options_;
};

// Adam with decoupled weight decay, 0.01 unless given.
template <class T>
class AdamW final : public Adam<T> {
public:
    explicit AdamW(Parameters<T> parameters, AdamOptions options = {.weight_decay = 0.01})
        : Adam<T>(std::move(parameters), decoupled(options)) {}

private:
    static AdamOptions decoupled(AdamOptions options) {
        options.decoupled = true;
        return options;
    }
};

// Scales all gradients so that their common Euclidean norm is at most `most`; returns the norm
// before. Throws Error where the norm is not finite, or `most` not positive.
template <class T>
double clip_norm(const Parameters<T>& parameters, double most);
// Holds every element of every gradient within [-most, most].
template <class T>
void clip_value(const Parameters<T>& parameters, double most);

} // namespace unroll::optim
