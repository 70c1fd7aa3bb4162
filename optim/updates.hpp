#pragma once

#include <unroll/core/base/error.hpp>
#include <unroll/core/kernels/loops.hpp>
#include <unroll/optim/optimizer.hpp>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

// What the formulas of optimisers are written with.

namespace unroll::optim {

// An update of one parameter.
template <class T>
struct Change {
    const Update& settings;
    ParameterRef<T>& parameter;
    const Tensor<T>& gradient;
    std::vector<Tensor<T>>& slots;
};

// The formula of an optimiser, specialised for its options:
//   static constexpr const char* name;
//   static void check(const Op& op, const Options& o);
//   static std::vector<Slot> slots(const Options& o, const Shape& shape);
//   template <class T> static void update(const Options& o, const Change<T>& change);
template <class Options>
struct UpdateRule;

template <class T>
Lanes<T> root(Lanes<T> x) {
    return xsimd::sqrt(x.v);
}

template <class T>
Lanes<T> magnitude(Lanes<T> x) {
    return xsimd::abs(x.v);
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

// An epsilon in T, at least the smallest normal number: 0 / 0 would not be 0.
template <class T>
T positive(double epsilon) {
    return std::max(static_cast<T>(epsilon), std::numeric_limits<T>::min());
}

// x, at most the largest number: an average would never recover from infinity.
template <class T>
Lanes<T> bounded(Lanes<T> x) {
    const Lanes<T> most = std::numeric_limits<T>::max();
    return where(x > most, most, x);
}

template <class T>
Lanes<T> bounded_square(Lanes<T> x) {
    return bounded(x * x);
}

// One pass over value, gradient and the first N slots: f(gradient, slots...) -> (change, slots...).
// The change and the decay are subtracted from the value with a single rounding.
template <std::size_t N, class T, class F>
void sweep(const Change<T>& change, const F& f) {
    Tensor<T>& value = change.parameter.change();
    const Update& settings = change.settings;
    const double decay = settings.weight_decay;
    const auto coupled = static_cast<T>(settings.decoupled ? 0 : decay);
    const auto decoupled = static_cast<T>(settings.decoupled ? settings.learning_rate * decay : 0);
    const auto run = [&]<std::size_t... I>(std::index_sequence<I...>) {
        map_elements(value.shape(),
                     std::array{InputOperand<T>(value), InputOperand<T>(change.gradient),
                                InputOperand<T>(change.slots[I])...},
                     std::array{OutputOperand<T>(value), OutputOperand<T>(change.slots[I])...},
                     [&](auto w, auto g, auto... s) {
                         auto results = f(g + w * coupled, s...);
                         std::get<0>(results) = w - (std::get<0>(results) + w * decoupled);
                         return results;
                     });
    };
    run(std::make_index_sequence<N>());
}

// Slots of the parameter's shape.
inline std::vector<Slot> slots_of(const Shape& shape, std::initializer_list<const char*> names) {
    std::vector<Slot> slots;
    for (const char* name : names) slots.push_back({name, shape});
    return slots;
}

inline void require(const Op& op, bool holds, const std::string& what, double got) {
    if (!holds) fail(op, what + ", got " + std::to_string(got));
}

inline void require_decay(const Op& op, const std::string& what, double value) {
    require(op, value >= 0 && value < 1, what + " must be in [0, 1)", value);
}

inline void require_epsilon(const Op& op, double value, const std::string& what = "epsilon") {
    require(op, value >= 0 && std::isfinite(value), what + " must be at least 0 and finite", value);
}

// Optimisers without the option always decouple their weight decay.
template <class Options>
UpdateOptions common(const Options& o) {
    bool decoupled = true;
    if constexpr (requires { o.decoupled; }) decoupled = o.decoupled;
    return {o.learning_rate, o.weight_decay, decoupled, o.decay_vectors};
}

template <class T, class Options>
OptimizerOf<T, Options>::OptimizerOf(const Parameters<T>& parameters, const Options& options,
                                     Where where)
    : Optimizer<T>(
          Op(UpdateRule<Options>::name, where), parameters, common(options),
          [options](const Shape& shape) { return UpdateRule<Options>::slots(options, shape); }),
      options_(options) {
    UpdateRule<Options>::check(Op(UpdateRule<Options>::name, where), options);
}

template <class T, class Options>
void OptimizerOf<T, Options>::update(const Update& settings, ParameterRef<T>& parameter,
                                     const Tensor<T>& gradient, std::vector<Tensor<T>>& slots) {
    UpdateRule<Options>::update(options_, Change<T>{settings, parameter, gradient, slots});
}

} // namespace unroll::optim

#define UNROLL_OPTIMIZER(Options)                                                                  \
    template class OptimizerOf<float, Options>;                                                    \
    template class OptimizerOf<double, Options>;
