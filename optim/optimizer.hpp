#pragma once

#include <unroll/optim/base.hpp>

namespace unroll::optim {

// The optimiser that its options select, as Adam<T> is OptimizerOf<T, AdamOptions>. Errors of the
// options name the line that constructs it.
template <class T, class Options>
class OptimizerOf final : public Optimizer<T> {
public:
    explicit OptimizerOf(const Parameters<T>& parameters, const Options& options = {},
                         Where where = Where::current());
    template <detail::NoParameters<T> X>
    explicit OptimizerOf(const X& model, const Options& = {})
        : OptimizerOf(detail::no_parameters<T>(model)) {}

private:
    void update(const Update&, ParameterRef<T>&, const Tensor<T>&,
                std::vector<Tensor<T>>&) override;

    Options options_;
};

// g: gradient, w: value, t: number of the parameter's update from 1. Constants are computed in
// double and rounded once.
//
// Weight decay is coupled (added to the gradient) or decoupled (subtracted from the value, times
// the learning rate; Loshchilov and Hutter 2019). With `decay_vectors = false` parameters of rank 0
// and 1 do not decay: biases, and the gains and shifts of normalisations. The weight decay of a
// group applies to all of its parameters.

// v = momentum v + g;  w -= learning_rate v, or learning_rate (g + momentum v) with Nesterov's
// momentum
struct SgdOptions {
    double learning_rate = 1e-2;
    double momentum = 0;
    bool nesterov = false; // Sutskever et al. 2013
    double weight_decay = 0;
    bool decoupled = false;
    bool decay_vectors = true;
};
template <class T = float>
using Sgd = OptimizerOf<T, SgdOptions>;

// s += g^2;  w -= learning_rate g / (sqrt s + epsilon)  (Duchi et al. 2011)
struct AdagradOptions {
    double learning_rate = 1e-2;
    double epsilon = 1e-10;
    double weight_decay = 0;
    bool decoupled = false;
    bool decay_vectors = true;
};
template <class T = float>
using Adagrad = OptimizerOf<T, AdagradOptions>;

// s = decay s + (1 - decay) g^2;  u = g sqrt(d + epsilon) / sqrt(s + epsilon);
// d = decay d + (1 - decay) u^2;  w -= learning_rate u  (Zeiler 2012)
struct AdadeltaOptions {
    double learning_rate = 1;
    double decay = 0.9;
    double epsilon = 1e-6;
    double weight_decay = 0;
    bool decoupled = false;
    bool decay_vectors = true;
};
template <class T = float>
using Adadelta = OptimizerOf<T, AdadeltaOptions>;

// s = decay s + (1 - decay) g^2;  v = momentum v + g / (sqrt s + epsilon);  w -= learning_rate v
// (Tieleman and Hinton 2012). `centered`: s is the variance of g instead of its mean square (Graves
// 2013).
struct RmspropOptions {
    double learning_rate = 1e-2;
    double decay = 0.99;
    double epsilon = 1e-8;
    double momentum = 0;
    double weight_decay = 0;
    bool decoupled = false;
    bool decay_vectors = true;
    bool centered = false;
};
template <class T = float>
using Rmsprop = OptimizerOf<T, RmspropOptions>;

// m = beta1 m + (1 - beta1) g;  s = beta2 s + (1 - beta2) g^2;
// w -= learning_rate m' / (sqrt s' + epsilon), with m' = m / (1 - beta1^t), s' = s / (1 - beta2^t)
// (Kingma and Ba 2015). `amsgrad`: s' is computed from the largest s so far (Reddi et al. 2018).
struct AdamOptions {
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0;
    bool decoupled = false;
    bool decay_vectors = true;
    bool amsgrad = false;
};
template <class T = float>
using Adam = OptimizerOf<T, AdamOptions>;

// Adam with decoupled weight decay.
struct AdamWOptions {
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 1e-2;
    bool decay_vectors = true;
    bool amsgrad = false;
};
template <class T = float>
using AdamW = OptimizerOf<T, AdamWOptions>;

// Adam with Nesterov's momentum (Dozat 2016): m' = mu_(t+1) m / (1 - mu_1 ... mu_(t+1)) +
// (1 - mu_t) g / (1 - mu_1 ... mu_t), with mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2)
struct NAdamOptions {
    double learning_rate = 2e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double momentum_decay = 4e-3;
    double weight_decay = 0;
    bool decoupled = false;
    bool decay_vectors = true;
};
template <class T = float>
using NAdam = OptimizerOf<T, NAdamOptions>;

// Adam whose first updates are reduced as s is not yet known well, instead of a warm-up (Liu et al.
// 2020). With R = 2 / (1 - beta2) - 1 and
// r = R - 2 t beta2^t / (1 - beta2^t):
//   r > 5: w -= learning_rate m' l sqrt(1 - beta2^t) / (sqrt s + epsilon),
//          l^2 = (r - 4) (r - 2) R / ((R - 4) (R - 2) r)
//   else:  w -= learning_rate m'
struct RAdamOptions {
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0;
    bool decoupled = false;
    bool decay_vectors = true;
};
template <class T = float>
using RAdam = OptimizerOf<T, RAdamOptions>;

// m = beta1 m + (1 - beta1) g;  u = max(beta2 u, |g| + epsilon);
// w -= learning_rate m / ((1 - beta1^t) u)  (Kingma and Ba 2015)
struct AdamaxOptions {
    double learning_rate = 2e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0;
    bool decoupled = false;
    bool decay_vectors = true;
};
template <class T = float>
using Adamax = OptimizerOf<T, AdamaxOptions>;

// w -= learning_rate sign(beta1 m + (1 - beta1) g);  m = beta2 m + (1 - beta2) g. Decoupled weight
// decay. (Chen et al. 2023)
struct LionOptions {
    double learning_rate = 1e-4;
    double beta1 = 0.9;
    double beta2 = 0.99;
    double weight_decay = 0;
    bool decay_vectors = true;
};
template <class T = float>
using Lion = OptimizerOf<T, LionOptions>;

// Stores mean squares of rows and columns instead of elements (Shazeer and Stern 2018). With
// k = t^beta2_decay:
//   r = (1 - k) r + k (mean of g^2 over the last axis), c the same over the last but one;
//   s = r c / max(mean of r, epsilon1); for vectors s = (1 - k) s + k g^2
//   u = g / sqrt(max(s, epsilon1^2));
//   w -= min(learning_rate, 1 / sqrt t) max(epsilon2, rms w) u / max(1, rms u / clip)
// Decoupled weight decay.
struct AdafactorOptions {
    double learning_rate = 1e-2;
    double beta2_decay = -0.8;
    std::optional<double> epsilon1 = std::nullopt; // by default the machine epsilon of T
    double epsilon2 = 1e-3;
    double clip = 1; // largest root mean square of u
    double weight_decay = 0;
    bool decay_vectors = true;
};
template <class T = float>
using Adafactor = OptimizerOf<T, AdafactorOptions>;

extern template class OptimizerOf<float, SgdOptions>;
extern template class OptimizerOf<double, SgdOptions>;
extern template class OptimizerOf<float, AdagradOptions>;
extern template class OptimizerOf<double, AdagradOptions>;
extern template class OptimizerOf<float, AdadeltaOptions>;
extern template class OptimizerOf<double, AdadeltaOptions>;
extern template class OptimizerOf<float, RmspropOptions>;
extern template class OptimizerOf<double, RmspropOptions>;
extern template class OptimizerOf<float, AdamOptions>;
extern template class OptimizerOf<double, AdamOptions>;
extern template class OptimizerOf<float, AdamWOptions>;
extern template class OptimizerOf<double, AdamWOptions>;
extern template class OptimizerOf<float, NAdamOptions>;
extern template class OptimizerOf<double, NAdamOptions>;
extern template class OptimizerOf<float, RAdamOptions>;
extern template class OptimizerOf<double, RAdamOptions>;
extern template class OptimizerOf<float, AdamaxOptions>;
extern template class OptimizerOf<double, AdamaxOptions>;
extern template class OptimizerOf<float, LionOptions>;
extern template class OptimizerOf<double, LionOptions>;
extern template class OptimizerOf<float, AdafactorOptions>;
extern template class OptimizerOf<double, AdafactorOptions>;

} // namespace unroll::optim
