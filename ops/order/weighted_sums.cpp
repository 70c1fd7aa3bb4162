#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/order/columns.hpp>
#include <unroll/ops/order/compensated.hpp>
#include <unroll/ops/order/linear_scan.hpp>
#include <unroll/ops/order/weighted_sums.hpp>
#include <unroll/ops/views.hpp>

#include <limits>

namespace unroll {

namespace {

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

// The sum of v e^q, as sum * e^top, where top is the largest q.
template <class T>
struct WeightedSum {
    Lanes<T> top = Lanes<T>(std::numeric_limits<T>::lowest());
    detail::Compensated<T> sum;

    void add(Lanes<T> v, Lanes<T> q) {
        const auto rises = q > top;
        if (xsimd::any(rises.v)) {
            const Lanes<T> next = where(rises, q, top), down = top - next;
            // sum e^down. The error of many short steps down is that of the whole way, since it is
            // a part of what they take away.
            const auto is_short = down > T(-0.5);
            const Lanes<T> taken = expm1(down);
            const auto shorter = sum + sum.value * taken, scaled = sum * exp(down);
            sum.value = where(is_short, shorter.value, scaled.value);
            sum.rest = where(is_short, shorter.rest + sum.rest * taken, scaled.rest);
            top = next;
        }
        const Lanes<T> weight = where(q == top, 1, exp(q - top));
        sum = sum + where(weight == T(0), 0, v * weight);
    }
    // log(sum e^top) for v = 1, without cancellation where the largest term dominates.
    Lanes<T> log_total() const {
        const Lanes<T>&s = sum.value, r = sum.rest;
        const Lanes<T> of_sum = where(s < T(1.5), log1p((s - 1) + r), log(s) + r / s);
        return top + where(s == T(0), -infinity<T>, of_sum);
    }
};

template <class T>
struct Rows {
    std::size_t width;
    T* data;

    explicit Rows(Tensor<T>& y) : width(y.size() / y.shape(0)), data(y.overwrite()) {}
    T* operator[](std::size_t t) const { return data + t * width; }
};

template <class T>
struct WeightedSteps {
    using State = WeightedSum<T>;
    detail::StepRows<T> v, p, q;
    Rows<T> y;

    State first(std::size_t, std::size_t) const { return {}; }
    auto step(std::size_t t) const {
        return [v = v[t], p = p[t], q = q[t], y = y[t]](State& s, std::size_t i, std::size_t n) {
            s.add(v(i, n), q(i, n));
            detail::store((s.sum.value + s.sum.rest) * exp(p(i, n) + s.top), y + i, n);
        };
    }
};

template <class T>
struct LogSteps {
    using State = WeightedSum<T>;
    detail::StepRows<T> x;
    Rows<T> y;

    State first(std::size_t, std::size_t) const { return {}; }
    auto step(std::size_t t) const {
        return [x = x[t], y = y[t]](State& s, std::size_t i, std::size_t n) {
            s.add(Lanes<T>(1), x(i, n));
            detail::store(s.log_total(), y + i, n);
        };
    }
};

// The sums of g over later elements, for those whose x and y are infinite: +1 and not -1.
template <class T>
Variable<T> infinite_part(const Op& op, const Variable<T>& g, const Variable<T>& x,
                          const Variable<T>& y) {
    const auto chosen = [&](const Variable<T>& v, const Variable<T>& of) {
        return fuse(op, primitive([](auto v, auto of) { return where(of == infinity<T>, v, 0); }),
                    v, of);
    };
    const std::size_t n = x.shape(0);
    const Variable<T> ones = constant(Tensor<T>::scalar(1).broadcast_to(x.shape()));
    const Variable<T> sums =
        detail::scan_states(op, ones, chosen(g, y), Variable<T>(T(0)), true, true);
    return chosen(slice(sums, 0, 0, n), x);
}

} // namespace

template <class T>
Variable<T> detail::weighted_sums(const Op& op, const Variable<T>& v, const Variable<T>& p,
                                  const Variable<T>& q, bool backwards) {
    for (const Variable<T>* x : {&v, &p, &q}) x->require_value(op);
    Tensor<T> y(v.shape());
    std::array<Tensor<T>, 3> of{v.value(), p.value(), q.value()};
    const WeightedSteps<T> step{StepRows<T>(of[0]), StepRows<T>(of[1]), StepRows<T>(of[2]),
                                Rows<T>(y)};
    for_columns<T>(v.shape(0), step.y.width, backwards, 100, step);
    return record<T>(
        op, {&v, &p, &q}, std::move(y), save_for_backward(v, p, q, result),
        // The weight e^(p[i] + q[j]) of v[j] in y[i] is that of g[i] in the gradient of v[j].
        [backwards](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& v,
                    const Variable<T>& p, const Variable<T>& q, const Variable<T>& y) {
            const auto times = [](auto a, auto b) { return a * b; };
            add_fused(to[1], times, g, y);
            if (!to[0].needs_grad() && !to[2].needs_grad()) return;
            const Variable<T> of_v = weighted_sums(to[0].operation(), g, q, p, !backwards);
            to[0].add(of_v);
            add_fused(to[2], times, of_v, v);
        });
}

template <class T>
Variable<T> detail::log_sums(const Op& op, const Variable<T>& x) {
    x.require_value(op);
    Tensor<T> y(x.shape());
    Tensor<T> in = x.value();
    const LogSteps<T> step{StepRows<T>(in), Rows<T>(y)};
    for_columns<T>(x.shape(0), step.y.width, false, 60, step);
    const auto last = y.select(0, x.shape(0) - 1).to_vector();
    const bool is_infinite = std::find(last.begin(), last.end(), infinity<T>) != last.end();
    return record<T>(op, {&x}, std::move(y), save_for_backward(x, result),
                     // The weight of x[i] in y[j] is e^(x[i] - y[j]).
                     [is_infinite](const Adjoints<T>& to, const Variable<T>& g,
                                   const Variable<T>& x, const Variable<T>& y) {
                         const Op op = to[0].operation();
                         const auto finite = [&](const Variable<T>& v, T sign) {
                             return fuse(op, primitive([sign](auto v) {
                                             return where(abs(v) == infinity<T>, -infinity<T>,
                                                          sign * v);
                                         }),
                                         v);
                         };
                         to[0].add(weighted_sums(op, g, finite(x, T(1)), finite(y, T(-1)), true));
                         if (is_infinite) to[0].add(infinite_part(op, g, x, y));
                     });
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> detail::weighted_sums(const Op&, const Variable<T>&, const Variable<T>&,  \
                                               const Variable<T>&, bool);                          \
    template Variable<T> detail::log_sums(const Op&, const Variable<T>&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
