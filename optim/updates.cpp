#include <unroll/core/base/error.hpp>
#include <unroll/core/kernels/loops.hpp>
#include <unroll/optim/optimizer.hpp>

#include <cmath>
#include <limits>

// The formulas of the optimisers. Constants are computed in double and rounded once.

namespace unroll::optim {

namespace {

template <class T>
Lanes<T> root(Lanes<T> x) {
    return xsimd::sqrt(x.v);
}

// factor x + y for a factor in [0, 1). Near 1 it is computed as x + (y - (1 - factor) x): rounding
// a factor such as 0.99999 to float changes 1 - factor by up to 3e-3 of its value, and averages
// would have an error of the same size.
template <class T>
struct Decay {
    explicit Decay(double factor)
        : is_near_1(factor >= 0.5), factor(static_cast<T>(is_near_1 ? 1 - factor : factor)) {}

    template <class V>
    V operator()(V x, V y) const {
        return is_near_1 ? x + (y - x * factor) : x * factor + y;
    }

    bool is_near_1;
    T factor;
};

// decay average + (1 - decay) x
template <class T>
struct MovingAverage {
    explicit MovingAverage(double decay) : keep(decay), take(static_cast<T>(1 - decay)) {}

    template <class V>
    V operator()(V average, V x) const {
        return keep(average, x * take);
    }

    Decay<T> keep;
    T take;
};

// The square of x, at most the largest number: an average would never recover from infinity.
template <class T>
Lanes<T> bounded_square(Lanes<T> x) {
    const Lanes<T> squared = x * x, most = std::numeric_limits<T>::max();
    return where(squared > most, most, squared);
}

// One pass over value, gradient and slots: f(gradient, slots...) -> (change, slots...). The change
// and the decay are subtracted from the value with a single rounding.
template <class T, class F, class... Slot>
void sweep(const Update& settings, ParameterRef<T>& parameter, const Tensor<T>& gradient,
           const F& f, Slot&... slots) {
    Tensor<T>& value = parameter.change();
    const double decay = settings.weight_decay;
    const auto coupled = static_cast<T>(settings.decoupled ? 0 : decay);
    const auto decoupled = static_cast<T>(settings.decoupled ? settings.learning_rate * decay : 0);
    map_elements(
        value.shape(),
        std::array{InputOperand<T>(value), InputOperand<T>(gradient), InputOperand<T>(slots)...},
        std::array{OutputOperand<T>(value), OutputOperand<T>(slots)...},
        [&](auto w, auto g, auto... s) {
            auto results = f(g + w * coupled, s...);
            std::get<0>(results) = w - (std::get<0>(results) + w * decoupled);
            return results;
        });
}

template <class Options>
UpdateOptions common(const Options& o) {
    return {o.learning_rate, o.weight_decay, o.decoupled, o.decay_vectors};
}

void require(const Op& op, bool holds, const char* what, double got) {
    if (!holds) fail(op, std::string(what) + ", got " + std::to_string(got));
}

void require_decay(const Op& op, const char* what, double value) {
    require(op, value >= 0 && value < 1, (std::string(what) + " must be in [0, 1)").c_str(), value);
}

void require_epsilon(const Op& op, double value) {
    require(op, value >= 0 && std::isfinite(value), "epsilon must be at least 0 and finite", value);
}

} // namespace

template <class T>
Sgd<T>::Sgd(const Parameters<T>& parameters, const SgdOptions& options, Where where)
    : Optimizer<T>(Op("Sgd", where), parameters, common(options), {"momentum"}), options_(options) {
    const Op op("Sgd", where);
    require_decay(op, "momentum", options.momentum);
    require(op, !options.nesterov || options.momentum > 0, "Nesterov needs a momentum",
            options.momentum);
}

template <class T>
void Sgd<T>::update(const Update& settings, ParameterRef<T>& parameter, const Tensor<T>& gradient,
                    std::vector<Tensor<T>>& slots) {
    const auto rate = static_cast<T>(settings.learning_rate);
    const Decay<T> momentum(options_.momentum);
    const bool nesterov = options_.nesterov;
    sweep(
        settings, parameter, gradient,
        [=](auto g, auto v) {
            const auto next = momentum(v, g);
            return std::tuple((nesterov ? momentum(next, g) : next) * rate, next);
        },
        slots[0]);
}

template <class T>
Adagrad<T>::Adagrad(const Parameters<T>& parameters, const AdagradOptions& options, Where where)
    : Optimizer<T>(Op("Adagrad", where), parameters, common(options), {"squares"}),
      options_(options) {
    const Op op("Adagrad", where);
    require_epsilon(op, options.epsilon);
}

template <class T>
void Adagrad<T>::update(const Update& settings, ParameterRef<T>& parameter,
                        const Tensor<T>& gradient, std::vector<Tensor<T>>& slots) {
    const auto rate = static_cast<T>(settings.learning_rate);
    const auto epsilon = static_cast<T>(options_.epsilon);
    sweep(
        settings, parameter, gradient,
        [=](auto g, auto s) {
            const auto next = s + bounded_square(g);
            return std::tuple(g * rate / (root(next) + epsilon), next);
        },
        slots[0]);
}

template <class T>
Rmsprop<T>::Rmsprop(const Parameters<T>& parameters, const RmspropOptions& options, Where where)
    : Optimizer<T>(Op("Rmsprop", where), parameters, common(options), {"squares", "momentum"}),
      options_(options) {
    const Op op("Rmsprop", where);
    require_decay(op, "decay", options.decay);
    require_decay(op, "momentum", options.momentum);
    require_epsilon(op, options.epsilon);
}

template <class T>
void Rmsprop<T>::update(const Update& settings, ParameterRef<T>& parameter,
                        const Tensor<T>& gradient, std::vector<Tensor<T>>& slots) {
    const auto rate = static_cast<T>(settings.learning_rate);
    const auto epsilon = static_cast<T>(options_.epsilon);
    const MovingAverage<T> average(options_.decay);
    const Decay<T> momentum(options_.momentum);
    sweep(
        settings, parameter, gradient,
        [=](auto g, auto s, auto v) {
            const auto squares = average(s, bounded_square(g));
            const auto velocity = momentum(v, g / (root(squares) + epsilon));
            return std::tuple(velocity * rate, squares, velocity);
        },
        slots[0], slots[1]);
}

template <class T>
Adam<T>::Adam(const Parameters<T>& parameters, const AdamOptions& options, Where where)
    : Optimizer<T>(Op("Adam", where), parameters, common(options), {"mean", "squares"}),
      options_(options) {
    const Op op("Adam", where);
    require_decay(op, "beta1", options.beta1);
    require_decay(op, "beta2", options.beta2);
    require_epsilon(op, options.epsilon);
}

template <class T>
void Adam<T>::update(const Update& settings, ParameterRef<T>& parameter, const Tensor<T>& gradient,
                     std::vector<Tensor<T>>& slots) {
    const auto t = static_cast<double>(settings.count);
    const auto rate = static_cast<T>(settings.learning_rate / (1 - std::pow(options_.beta1, t)));
    const auto unbias = static_cast<T>(1 / std::sqrt(1 - std::pow(options_.beta2, t)));
    const auto epsilon = static_cast<T>(options_.epsilon);
    const MovingAverage<T> average1(options_.beta1), average2(options_.beta2);
    sweep(
        settings, parameter, gradient,
        [=](auto g, auto m, auto s) {
            const auto mean = average1(m, g);
            const auto squares = average2(s, bounded_square(g));
            return std::tuple(mean * rate / (root(squares) * unbias + epsilon), mean, squares);
        },
        slots[0], slots[1]);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template class Sgd<T>;                                                                         \
    template class Adagrad<T>;                                                                     \
    template class Rmsprop<T>;                                                                     \
    template class Adam<T>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::optim
