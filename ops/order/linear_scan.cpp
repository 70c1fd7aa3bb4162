#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/order/columns.hpp>
#include <unroll/ops/order/compensated.hpp>
#include <unroll/ops/order/linear_scan.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/views.hpp>

namespace unroll {

namespace {

using detail::StepRows;

// The states [T + 1, ...] of a scan as rows: that of the start, and those of the steps.
template <class T>
struct StateRows {
    T* data;
    std::size_t steps, width;
    bool backwards;

    // The first row is h0, or the last one if backwards.
    StateRows(Tensor<T> states, const Tensor<T>& h0, bool backwards)
        : data(states.overwrite()), steps(states.shape(0) - 1),
          width(states.size() / states.shape(0)), backwards(backwards) {
        Tensor<T> start = states.select(0, backwards ? steps : 0);
        start.assign(h0.broadcast_to(start.shape()));
    }
    Lanes<T> start(std::size_t i, std::size_t n) const {
        return detail::load<T>(data + (backwards ? steps : 0) * width + i, n);
    }
    // The states before and after step t.
    const T* before(std::size_t t) const { return data + (backwards ? t + 1 : t) * width; }
    T* after(std::size_t t) const { return data + (backwards ? t : t + 1) * width; }
};

// h = a h + b in each column.
template <class T>
struct RealSteps {
    using State = Lanes<T>;
    StepRows<T> a, b;
    StateRows<T> h;

    struct Step {
        typename StepRows<T>::Row a, b;
        const T* from;
        T* to;

        State before(std::size_t i, std::size_t n) const { return detail::load(from + i, n); }
        void operator()(State& state, std::size_t i, std::size_t n) const {
            state = state * a(i, n) + b(i, n);
            detail::store(state, to + i, n);
        }
    };
    State first(std::size_t i, std::size_t n) const { return h.start(i, n); }
    Step step(std::size_t t) const { return {a[t], b[t], h.before(t), h.after(t)}; }
};

// The same with the rounding error of h.
template <class T>
struct CompensatedSteps {
    using State = detail::Compensated<T>;
    StepRows<T> a, b;
    StateRows<T> h;

    State first(std::size_t i, std::size_t n) const { return h.start(i, n); }
    auto step(std::size_t t) const {
        return [a = a[t], b = b[t], to = h.after(t)](State& state, std::size_t i, std::size_t n) {
            state = state * a(i, n) + b(i, n);
            detail::store(state.value, to + i, n);
        };
    }
};

template <class T>
struct ComplexSteps {
    struct State {
        Lanes<T> re, im;
    };
    StepRows<T> a, ai, b, bi;
    StateRows<T> h, hi;
    T sign; // -1: the conjugate of a

    struct Step {
        typename StepRows<T>::Row a, ai, b, bi;
        const T *from, *fromi;
        T *to, *toi;
        T sign;

        State before(std::size_t i, std::size_t n) const {
            return {detail::load(from + i, n), detail::load(fromi + i, n)};
        }
        void operator()(State& state, std::size_t i, std::size_t n) const {
            const Lanes<T> re = a(i, n), im = ai(i, n) * sign;
            state = {re * state.re - im * state.im + b(i, n),
                     re * state.im + im * state.re + bi(i, n)};
            detail::store(state.re, to + i, n);
            detail::store(state.im, toi + i, n);
        }
    };
    State first(std::size_t i, std::size_t n) const { return {h.start(i, n), hi.start(i, n)}; }
    Step step(std::size_t t) const {
        return {a[t], ai[t], b[t], bi[t], h.before(t), hi.before(t), h.after(t), hi.after(t), sign};
    }
};

Shape with_start(Shape shape) {
    ++shape[0];
    return shape;
}

// x without the state of the start, or without the last state in the order of the scan.
template <class T>
Variable<T> after(const Variable<T>& x, bool backwards) {
    return backwards ? slice(x, 0, 0, x.shape(0) - 1) : slice(x, 0, 1, x.shape(0));
}
template <class T>
Variable<T> before(const Variable<T>& x, bool backwards) {
    return after(x, !backwards);
}
template <class T>
Variable<T> first(const Variable<T>& x, bool backwards) {
    return select(x, 0, backwards ? x.shape(0) - 1 : 0);
}
template <class T>
Variable<T> last(const Variable<T>& x, bool backwards) {
    return first(x, !backwards);
}

template <class T, class F>
Complex<T> parts(const Variable<T>& x, const F& f, bool backwards) {
    return {f(select(x, 0, 0), backwards), f(select(x, 0, 1), backwards)};
}

// True for the steps before the end of each sequence: [T, B, 1, ...], of the given rank.
Mask before_end(const Op& op, const Shape& shape, std::span<const std::size_t> lengths) {
    if (shape.size() < 2 || lengths.size() != shape[1])
        fail(op, std::to_string(lengths.size()) + " lengths for " + to_string(shape) +
                     "; expected one for each of the B sequences of [T, B, ...]");
    Shape of_steps(shape.size(), 1);
    of_steps[0] = shape[0];
    of_steps[1] = shape[1];
    Mask mask(of_steps);
    for (std::size_t b = 0; b < lengths.size(); ++b) {
        if (lengths[b] > shape[0])
            fail(op, "length " + std::to_string(lengths[b]) + " of sequence " + std::to_string(b) +
                         " exceeds the " + std::to_string(shape[0]) + " steps of " +
                         to_string(shape));
        for (std::size_t t = 0; t < shape[0]; ++t)
            mask.data()[t * lengths.size() + b] = t < lengths[b];
    }
    return mask;
}

// Checks and broadcasts the operands of a scan.
struct Operands {
    Shape shape, of_state; // [T, ...] and [...]
    Mask mask;             // empty without lengths
    const Op& op;

    Operands(const Op& op, std::initializer_list<const Shape*> steps,
             std::initializer_list<const Shape*> starts, const LinearScanOptions& options)
        : shape(broadcast(op, std::span(steps.begin(), steps.size()))), op(op) {
        if (shape.empty()) fail(op, "a and b are scalars; expected [T, ...]");
        of_state = Shape(shape.begin() + 1, shape.end());
        for (const Shape* start : starts)
            if (!broadcasts_to(*start, of_state))
                fail(op, "h0 " + to_string(*start) + " does not broadcast to a state " +
                             to_string(of_state) + " of " + to_string(shape));
        if (!options.lengths.empty()) mask = before_end(op, shape, options.lengths);
    }
    template <class T>
    static Variable<T> as(const Shape& shape, const Variable<T>& x) {
        return x.shape() == shape ? x : broadcast_to(x, shape);
    }
    template <class T>
    Variable<T> start(const Variable<T>& h0) const {
        return as(of_state, h0);
    }
    // x, and `padding` after the end of a sequence.
    template <class T>
    Variable<T> steps(const Variable<T>& x, T padding) const {
        const Variable<T> all = as(shape, x);
        return mask.storage() ? where(mask, all, padding, op) : all;
    }
};

} // namespace

template <class T>
Variable<T> detail::scan_states(const Op& op, const Variable<T>& a, const Variable<T>& b,
                                const Variable<T>& h0, bool backwards, bool compensated) {
    for (const Variable<T>* x : {&a, &b, &h0}) x->require_value(op);
    Tensor<T> states(with_start(b.shape()));
    const StateRows<T> rows(states, h0.value(), backwards);
    const auto run = [&](double work, const auto& step) {
        if (states.size() > 0) for_columns<T>(rows.steps, rows.width, backwards, work, step);
    };
    Tensor<T> of_a = a.value(), of_b = b.value();
    const StepRows<T> factors(of_a), terms(of_b);
    if (compensated)
        run(40, CompensatedSteps<T>{factors, terms, rows});
    else
        run(2, RealSteps<T>{factors, terms, rows});
    return record<T>(
        op, {&a, &b, &h0}, std::move(states), save_for_backward(a, result),
        // The gradients of the states are the same scan in the other direction.
        [backwards, compensated](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& a,
                                 const Variable<T>& states) {
            const Variable<T> gradients = scan_states(to[0].operation(), a, before(g, backwards),
                                                      last(g, backwards), !backwards, compensated);
            to[2].add(first(gradients, backwards));
            const Variable<T> of_steps = after(gradients, backwards);
            to[1].add(of_steps);
            add_fused(
                to[0], [](auto g, auto h) { return g * h; }, of_steps, before(states, backwards));
        });
}

template <class T>
Variable<T> detail::complex_scan_states(const Op& op, const Complex<T>& a, const Complex<T>& b,
                                        const Complex<T>& h0, bool backwards, bool conjugate) {
    for (const Variable<T>* x : {&a.re, &a.im, &b.re, &b.im, &h0.re, &h0.im}) x->require_value(op);
    Shape shape = with_start(b.re.shape());
    shape.insert(0, 2);
    Tensor<T> states(shape);
    const T sign = conjugate ? T(-1) : T(1);
    std::array<Tensor<T>, 4> of{a.re.value(), a.im.value(), b.re.value(), b.im.value()};
    const ComplexSteps<T> step{StepRows<T>(of[0]),
                               StepRows<T>(of[1]),
                               StepRows<T>(of[2]),
                               StepRows<T>(of[3]),
                               StateRows<T>(states.select(0, 0), h0.re.value(), backwards),
                               StateRows<T>(states.select(0, 1), h0.im.value(), backwards),
                               sign};
    if (states.size() > 0) for_columns<T>(step.h.steps, step.h.width, backwards, 8, step);
    return record<T>(
        op, {&a.re, &a.im, &b.re, &b.im, &h0.re, &h0.im}, std::move(states),
        save_for_backward(a.re, a.im, result),
        // As for real numbers, with the conjugate of a.
        [backwards, conjugate, sign](const Adjoints<T>& to, const Variable<T>& g,
                                     const Variable<T>& re, const Variable<T>& im,
                                     const Variable<T>& states) {
            const Variable<T> gradients =
                complex_scan_states<T>(to[0].operation(), {re, im}, parts(g, before<T>, backwards),
                                       parts(g, last<T>, backwards), !backwards, !conjugate);
            const auto [start, starti] = parts(gradients, first<T>, backwards);
            to[4].add(start);
            to[5].add(starti);
            const auto [d, di] = parts(gradients, after<T>, backwards);
            to[2].add(d);
            to[3].add(di);
            const auto [h, hi] = parts(states, before<T>, backwards);
            add_fused(
                to[0], [](auto d, auto di, auto h, auto hi) { return d * h + di * hi; }, d, di, h,
                hi);
            add_fused(
                to[1],
                [sign](auto d, auto di, auto h, auto hi) { return sign * (di * h - d * hi); }, d,
                di, h, hi);
        });
}

template <class T>
LinearScan<T> linear_scan(const Variable<T>& a, const std::type_identity_t<Variable<T>>& b,
                          const std::type_identity_t<Variable<T>>& h0,
                          const LinearScanOptions& options, Op op) {
    const Operands all(op, {&a.shape(), &b.shape()}, {&h0.shape()}, options);
    const Composite composite(op);
    const Variable<T> states = detail::scan_states(op, all.steps(a, T(1)), all.steps(b, T(0)),
                                                   all.start(h0), options.backwards);
    const Variable<T> output = after(states, options.backwards);
    return {all.steps(output, T(0)), last(states, options.backwards)};
}

template <class T>
ComplexLinearScan<T> complex_linear_scan(const Complex<T>& a,
                                         const std::type_identity_t<Complex<T>>& b,
                                         const std::type_identity_t<Complex<T>>& h0,
                                         const LinearScanOptions& options, Op op) {
    const Operands all(op, {&a.re.shape(), &a.im.shape(), &b.re.shape(), &b.im.shape()},
                       {&h0.re.shape(), &h0.im.shape()}, options);
    const Composite composite(op);
    const Variable<T> states =
        detail::complex_scan_states<T>(op, {all.steps(a.re, T(1)), all.steps(a.im, T(0))},
                                       {all.steps(b.re, T(0)), all.steps(b.im, T(0))},
                                       {all.start(h0.re), all.start(h0.im)}, options.backwards);
    const auto [re, im] = parts(states, after<T>, options.backwards);
    return {{all.steps(re, T(0)), all.steps(im, T(0))}, parts(states, last<T>, options.backwards)};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> detail::scan_states(const Op&, const Variable<T>&, const Variable<T>&,    \
                                             const Variable<T>&, bool, bool);                      \
    template Variable<T> detail::complex_scan_states(                                              \
        const Op&, const Complex<T>&, const Complex<T>&, const Complex<T>&, bool, bool);           \
    template LinearScan<T> linear_scan(const Variable<T>&, const Variable<T>&, const Variable<T>&, \
                                       const LinearScanOptions&, Op);                              \
    template ComplexLinearScan<T> complex_linear_scan(                                             \
        const Complex<T>&, const Complex<T>&, const Complex<T>&, const LinearScanOptions&, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
