#include <unroll/core/autograd/backward/recompute.hpp>
#include <unroll/core/autograd/tape.hpp>
#include <unroll/core/base/scope.hpp>
#include <unroll/nn/ode/ode.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include <fmt/format.h>

namespace unroll::nn {

namespace {

// y + by[0] k[0] + by[1] k[1] + ..., as one operation.
template <class T, std::size_t N>
Variable<T> moved(const Variable<T>& y, const std::array<Variable<T>, N>& k,
                  const std::array<double, N>& by) {
    const auto sum = [by](auto y, auto... k) {
        return [&]<std::size_t... i>(std::index_sequence<i...>) { return (y + ... + (by[i] * k)); }
        (std::make_index_sequence<sizeof...(k)>());
    };
    return std::apply([&](const auto&... k) { return fuse("runge_kutta", sum, y, k...); }, k);
}

template <std::size_t N>
std::array<double, N> scaled(double h, std::array<double, N> coefficients) {
    for (double& c : coefficients) c *= h;
    return coefficients;
}

template <class T>
class Integration {
public:
    using V = Variable<T>;

    Integration(const Op& op, const OdeFunction<T>& f, const V& y0, std::span<const double> times,
                const OdeOptions& options)
        : op_(op), f_(std::make_shared<const OdeFunction<T>>(f)), times_(times), o_(options),
          y_(y0) {
        check();
        t_ = times[0];
        direction_ = times.size() > 1 && times[1] < times[0] ? -1 : 1;
    }

    OdeSolution<T> run() {
        std::vector<V> values{y_};
        for (const double end : times_.subspan(1)) {
            if (o_.method == OdeMethod::rk4)
                equal_steps(end);
            else
                chosen_steps(end);
            values.push_back(y_);
        }
        solution_.values = stack(values);
        return solution_;
    }

private:
    void check() const {
        if (times_.empty()) fail(op_, "there are no times; the first one is that of y0");
        for (std::size_t i = 0; i < times_.size(); ++i) {
            if (!std::isfinite(times_[i]))
                fail(op_, fmt::format("time {} is {}, expected a finite number", i, times_[i]));
            if (i > 0 && (times_[i] == times_[i - 1] ||
                          (times_[i] > times_[i - 1]) != (times_[1] > times_[0])))
                fail(op_, fmt::format("time {} is {} after {}; times must rise, or all must fall",
                                      i, times_[i], times_[i - 1]));
        }
        const auto require = [&](bool is_valid, const char* name, auto value, const char* what) {
            if (!is_valid) fail(op_, fmt::format("{} is {}, expected {}", name, value, what));
        };
        const auto is_positive = [](double x) { return x > 0 && std::isfinite(x); };
        require(o_.steps > 0, "steps", o_.steps, "at least 1");
        require(o_.max_steps > 0, "max_steps", o_.max_steps, "at least 1");
        require(o_.first_step == 0 || is_positive(o_.first_step), "first_step", o_.first_step,
                "a positive number, or 0 to choose one");
        require(is_positive(o_.absolute_tolerance), "absolute_tolerance", o_.absolute_tolerance,
                "a positive number");
        require(is_positive(o_.relative_tolerance), "relative_tolerance", o_.relative_tolerance,
                "a positive number");
        constexpr double epsilon = std::numeric_limits<T>::epsilon();
        if (o_.method == OdeMethod::dormand_prince && o_.relative_tolerance < 4 * epsilon)
            fail(op_, fmt::format("relative_tolerance is {}, below the rounding error of {}; "
                                  "expected at least {:.1e}",
                                  o_.relative_tolerance, sizeof(T) == 4 ? "float" : "double",
                                  4 * epsilon));
        if (!is_finite(y_)) fail(op_, "y0 is not finite");
    }

    static bool is_finite(const V& x) {
        const auto values = x.value().to_vector();
        return std::all_of(values.begin(), values.end(), [](T v) { return std::isfinite(v); });
    }
    V slope(double t, const V& y) {
        ++solution_.evaluations;
        return slope(op_, *f_, t, y);
    }
    static V slope(const Op& op, const OdeFunction<T>& f, double t, const V& y) {
        const V k = f(t, y);
        if (k.shape() != y.shape())
            fail(op, fmt::format("f returned shape {} for y {}; expected the same shape",
                                 to_string(k.shape()), to_string(y.shape())));
        return k;
    }
    // The results of a step, a function of t -> f(t, y), kept or recomputed.
    template <class Step>
    std::vector<V> taken(std::size_t evaluations, const Step& step) {
        solution_.evaluations += evaluations;
        const auto run = [step, f = f_, op = op_] {
            return step([&](double t, const V& y) { return slope(op, *f, t, y); });
        };
        if (!o_.checkpoint) return run();
        return recompute<T>(Op("checkpoint", op_.where), Tape<T>::recording(y_), run);
    }
    [[noreturn]] void not_finite(double t) const {
        fail(op_,
             fmt::format("y or f(t, y) is not finite at t = {} after {} steps: it grows without "
                         "bound, or needs {}",
                         t, solution_.accepted,
                         o_.method == OdeMethod::rk4 ? "more steps" : "other tolerances"));
    }

    void equal_steps(double end) {
        const double begin = t_, h = (end - begin) / static_cast<double>(o_.steps);
        for (std::size_t i = 0; i < o_.steps; ++i) {
            const Scope scope("step", static_cast<std::int64_t>(solution_.accepted));
            const double t = begin + h * static_cast<double>(i);
            y_ = taken(4, [t, h, y = y_](const auto& slope) -> std::vector<V> {
                const V k1 = slope(t, y);
                const V k2 = slope(t + h / 2, moved<T, 1>(y, {k1}, {h / 2}));
                const V k3 = slope(t + h / 2, moved<T, 1>(y, {k2}, {h / 2}));
                const V k4 = slope(t + h, moved<T, 1>(y, {k3}, {h}));
                return {moved<T, 4>(y, {k1, k2, k3, k4}, {h / 6, h / 3, h / 3, h / 6})};
            })[0];
            if (!is_finite(y_)) not_finite(t + h);
            ++solution_.accepted;
        }
        t_ = end;
    }

    // The root mean square of `x` relative to the tolerances at y and next.
    double norm(const std::vector<double>& x, const V& y, const V& next) const {
        const auto a = y.value().to_vector(), b = next.value().to_vector();
        double sum = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const double most =
                std::max(std::abs(static_cast<double>(a[i])), std::abs(static_cast<double>(b[i])));
            const double one = x[i] / (o_.absolute_tolerance + o_.relative_tolerance * most);
            sum += one * one;
        }
        return x.empty() ? 0 : std::sqrt(sum / static_cast<double>(x.size()));
    }
    // The sum of by[i] k[i], in double.
    template <std::size_t N>
    static std::vector<double> combined(const std::array<V, N>& k,
                                        const std::array<double, N>& by) {
        std::vector<double> sum(k[0].size());
        for (std::size_t j = 0; j < N; ++j) {
            const auto values = k[j].value().to_vector();
            for (std::size_t i = 0; i < sum.size(); ++i)
                sum[i] += by[j] * static_cast<double>(values[i]);
        }
        return sum;
    }

    // A first step by which y and f change little  (Hairer, Nørsett and Wanner).
    double first_step() {
        if (o_.first_step > 0) return direction_ * o_.first_step;
        const NoRecording<> pause;
        const double size = norm(combined<1>({y_}, {1}), y_, y_);
        const double speed = norm(combined<1>({k_}, {1}), y_, y_);
        const double h0 = size < 1e-5 || speed < 1e-5 ? 1e-6 : 0.01 * size / speed;
        const V next = slope(t_ + direction_ * h0, moved<T, 1>(y_, {k_}, {direction_ * h0}));
        const double bend = norm(combined<2>({next, k_}, {1, -1}), y_, y_) / h0;
        const double most = std::max(speed, bend);
        const double h1 = most <= 1e-15 ? std::max(1e-6, h0 * 1e-3) : std::pow(0.01 / most, 0.2);
        const double h = std::min(100 * h0, h1);
        return direction_ * (std::isfinite(h) ? h : h0);
    }

    // One step of length h: the new y and f(t + h, y), and the norm of the error.
    struct Step {
        V y, slope;
        double error;
    };
    Step dormand_prince(double h) {
        std::vector<double> error; // of the first run
        const auto first = std::make_shared<std::vector<double>*>(&error);
        const auto step = taken(6, [t = t_, h, y0 = y_, k1 = k_, first](const auto& slope) {
            const auto at = [&](double c, const V& y) { return slope(t + c * h, y); };
            const V k2 = at(1.0 / 5, moved<T, 1>(y0, {k1}, scaled<1>(h, {1.0 / 5})));
            const V k3 =
                at(3.0 / 10, moved<T, 2>(y0, {k1, k2}, scaled<2>(h, {3.0 / 40, 9.0 / 40})));
            const V k4 = at(4.0 / 5, moved<T, 3>(y0, {k1, k2, k3},
                                                 scaled<3>(h, {44.0 / 45, -56.0 / 15, 32.0 / 9})));
            const V k5 = at(8.0 / 9, moved<T, 4>(y0, {k1, k2, k3, k4},
                                                 scaled<4>(h, {19372.0 / 6561, -25360.0 / 2187,
                                                               64448.0 / 6561, -212.0 / 729})));
            const V k6 = at(1, moved<T, 5>(y0, {k1, k2, k3, k4, k5},
                                           scaled<5>(h, {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247,
                                                         49.0 / 176, -5103.0 / 18656})));
            const V y = moved<T, 5>(
                y0, {k1, k3, k4, k5, k6},
                scaled<5>(h, {35.0 / 384, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84}));
            const V k7 = at(1, y);
            // The difference from the embedded method of order 4.
            if (*first != nullptr)
                **first = combined<6>({k1, k3, k4, k5, k6, k7},
                                      scaled<6>(h, {71.0 / 57600, -71.0 / 16695, 71.0 / 1920,
                                                    -17253.0 / 339200, 22.0 / 525, -1.0 / 40}));
            return std::vector<V>{y, k7};
        });
        *first = nullptr;
        return {step[0], step[1], norm(error, y_, step[0])};
    }

    void chosen_steps(double end) {
        if (solution_.evaluations == 0) {
            k_ = slope(t_, y_);
            if (!is_finite(k_)) not_finite(t_);
            h_ = first_step();
        }
        bool was_rejected = false;
        while (t_ != end) {
            const bool reaches_end = std::abs(end - t_) <= std::abs(h_);
            const double h = reaches_end ? end - t_ : h_;
            if (solution_.accepted + solution_.rejected == o_.max_steps)
                fail(op_, fmt::format("{} steps were not enough; t = {} was reached. Raise "
                                      "max_steps or the tolerances",
                                      o_.max_steps, t_));
            const Scope scope("step", static_cast<std::int64_t>(solution_.accepted));
            const Step step = dormand_prince(h);
            const bool is_valid = std::isfinite(step.error);
            const double growth =
                is_valid ? std::clamp(0.9 * std::pow(step.error, -0.2), 0.2, 5.0) : 0.1;
            if (is_valid && step.error <= 1) {
                ++solution_.accepted;
                t_ = reaches_end ? end : t_ + h;
                y_ = step.y;
                k_ = step.slope;
                const double next = h * (was_rejected ? std::min(growth, 1.0) : growth);
                // A step that was cut short at a time says little about the next ones.
                h_ = reaches_end && std::abs(next) < std::abs(h_) ? h_ : next;
                was_rejected = false;
                continue;
            }
            ++solution_.rejected;
            was_rejected = true;
            h_ = h * growth;
            constexpr double epsilon = std::numeric_limits<double>::epsilon();
            if (std::abs(h_) > 16 * epsilon * std::max(std::abs(t_), std::abs(end))) continue;
            if (!is_valid) not_finite(t_);
            fail(op_,
                 fmt::format("the step at t = {} underflows: the problem is too stiff for this "
                             "method, f is not smooth, or the tolerances are too small",
                             t_));
        }
    }

    const Op& op_;
    std::shared_ptr<const OdeFunction<T>> f_; // also of recomputed steps
    std::span<const double> times_;
    const OdeOptions& o_;
    V y_, k_; // and f(t, y)
    double t_ = 0, h_ = 0, direction_ = 1;
    OdeSolution<T> solution_;
};

} // namespace

template <class T>
OdeSolution<T> odeint(const std::type_identity_t<OdeFunction<T>>& f, const Variable<T>& y0,
                      std::span<const double> times, const OdeOptions& options, Op op) {
    return Integration<T>(op, f, y0, times, options).run();
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template OdeSolution<T> odeint(const OdeFunction<T>&, const Variable<T>&,                      \
                                   std::span<const double>, const OdeOptions&, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
