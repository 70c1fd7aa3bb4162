#include <unroll/core/kernels/simd.hpp>
#include <unroll/core/kernels/threads.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/order/linear_scan.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>

namespace unroll {

namespace {

// The steps [T, ...] of an operand as rows: dense, or one number in each.
template <class T>
struct Steps {
    Tensor<T> memory;
    const T* data;
    std::ptrdiff_t step;
    bool is_uniform;

    explicit Steps(const Tensor<T>& x) : memory(x) {
        const Strides& strides = x.strides();
        const Strides dense = row_major(x.shape());
        bool is_dense = true;
        is_uniform = true;
        for (std::size_t a = 1; a < x.dimension(); ++a) {
            is_dense = is_dense && (strides[a] == dense[a] || x.shape(a) == 1);
            is_uniform = is_uniform && (strides[a] == 0 || x.shape(a) == 1);
        }
        if (!is_dense && !is_uniform) memory = x.contiguous();
        data = std::as_const(memory).data();
        step = memory.strides()[0];
    }
    // The numbers of step t from column i on.
    const T* at(std::size_t t, std::size_t i) const {
        return data + static_cast<std::ptrdiff_t>(t) * step +
               (is_uniform ? 0 : static_cast<std::ptrdiff_t>(i));
    }
};

template <class T>
Lanes<T> load(const T* from, bool is_uniform, std::size_t n) {
    if (is_uniform) return Lanes<T>(*from);
    return n == Lanes<T>::width ? Lanes<T>::load(from) : Lanes<T>::load_part(from, n);
}
template <class T>
void store(Lanes<T> x, T* to, std::size_t n) {
    n == Lanes<T>::width ? x.store(to) : x.store_part(to, n);
}

// The scan of columns [begin, end) of a matrix of states [T + 1, width], whose first row, or last
// if backwards, is set.
template <class T>
struct Columns {
    const Steps<T>&a, &b;
    T* states;
    std::size_t steps, width;
    bool backwards;

    // Steps in the order of the scan, from the state in row `from` to that in row `to`.
    template <class F>
    void for_steps(const F& f) const {
        for (std::size_t k = 0; k < steps; ++k) {
            const std::size_t t = backwards ? steps - 1 - k : k;
            f(t, states + (backwards ? t + 1 : t) * width,
              states + (backwards ? t : t + 1) * width);
        }
    }
    void run(std::size_t begin, std::size_t end) const {
        constexpr std::size_t W = Lanes<T>::width, in_cache = 16384 / sizeof(T);
        if (width <= W) return run_in_register();
        for (std::size_t i = begin; i < end; i += in_cache)
            run_in_cache(i, std::min(end, i + in_cache));
    }

private:
    // A state of one vector stays in a register.
    void run_in_register() const {
        Lanes<T> h = load(states + (backwards ? steps : 0) * width, false, width);
        for_steps([&](std::size_t t, const T*, T* to) {
            h = load(a.at(t, 0), a.is_uniform, width) * h + load(b.at(t, 0), b.is_uniform, width);
            store(h, to, width);
        });
    }
    // The row of the last step stays in the cache.
    void run_in_cache(std::size_t begin, std::size_t end) const {
        constexpr std::size_t W = Lanes<T>::width;
        for_steps([&](std::size_t t, const T* from, T* to) {
            for (std::size_t i = begin; i < end; i += W) {
                const std::size_t n = std::min(W, end - i);
                const Lanes<T> h = load(from + i, false, n);
                store(load(a.at(t, i), a.is_uniform, n) * h + load(b.at(t, i), b.is_uniform, n),
                      to + i, n);
            }
        });
    }
};

template <class T>
Tensor<T> states_of(const Tensor<T>& a, const Tensor<T>& b, const Tensor<T>& h0, bool backwards) {
    Shape shape = b.shape();
    const std::size_t steps = shape[0];
    ++shape[0];
    Tensor<T> states(shape);
    states.select(0, backwards ? steps : 0)
        .assign(h0.broadcast_to(Shape(shape.begin() + 1, shape.end())));
    const std::size_t width = states.size() / shape[0];
    if (width == 0 || steps == 0) return states;
    const Steps<T> factors(a), terms(b);
    const Columns<T> columns{factors, terms, states.data(), steps, width, backwards};
    if (threads::worth_splitting(2.0 * static_cast<double>(b.size())))
        threads::for_pieces(width, 64,
                            [&](std::size_t begin, std::size_t end) { columns.run(begin, end); });
    else
        columns.run(0, width);
    return states;
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

} // namespace

template <class T>
Variable<T> detail::scan_states(const Op& op, const Variable<T>& a, const Variable<T>& b,
                                const Variable<T>& h0, bool backwards) {
    return record<T>(
        op, {&a, &b, &h0}, states_of(a.value(), b.value(), h0.value(), backwards),
        save_for_backward(a, result),
        // The gradients of the states are the same scan in the other direction.
        [backwards](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& a,
                    const Variable<T>& states) {
            const std::size_t steps = a.shape(0), first = backwards ? 1 : 0;
            const auto after = [=](const Variable<T>& x) { // the results of the steps
                return slice(x, 0, 1 - first, steps + 1 - first);
            };
            const auto before = [=](const Variable<T>& x) {
                return slice(x, 0, first, steps + first);
            };
            const Variable<T> gradients = scan_states(
                to[0].operation(), a, before(g), select(g, 0, backwards ? 0 : steps), !backwards);
            to[2].add(select(gradients, 0, backwards ? steps : 0));
            to[1].add(after(gradients));
            add_fused(
                to[0], [](auto g, auto h) { return g * h; }, after(gradients), before(states));
        });
}

template <class T>
LinearScan<T> linear_scan(const Variable<T>& a, const std::type_identity_t<Variable<T>>& b,
                          const std::type_identity_t<Variable<T>>& h0,
                          const LinearScanOptions& options, Op op) {
    const Shape shape = broadcast(op, a.shape(), b.shape());
    if (shape.empty()) fail(op, "a and b are scalars; expected [T, ...]");
    const Shape of_state(shape.begin() + 1, shape.end());
    if (!broadcasts_to(h0.shape(), of_state))
        fail(op, "h0 " + to_string(h0.shape()) + " does not broadcast to a state " +
                     to_string(of_state) + " of " + to_string(shape));
    const Composite composite(op);
    const std::size_t steps = shape[0];
    Variable<T> factors = a.shape() == shape ? a : broadcast_to(a, shape);
    Variable<T> terms = b.shape() == shape ? b : broadcast_to(b, shape);
    const Variable<T> start = h0.shape() == of_state ? h0 : broadcast_to(h0, of_state);
    Mask mask;
    if (!options.lengths.empty()) {
        mask = before_end(op, shape, options.lengths);
        factors = where(mask, factors, 1, op);
        terms = where(mask, terms, 0, op);
    }
    const Variable<T> states = detail::scan_states(op, factors, terms, start, options.backwards);
    const Variable<T> output =
        options.backwards ? slice(states, 0, 0, steps) : slice(states, 0, 1, steps + 1);
    const Variable<T> state = select(states, 0, options.backwards ? 0 : steps);
    if (options.lengths.empty()) return {output, state};
    return {where(mask, output, 0, op), state};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> detail::scan_states(const Op&, const Variable<T>&, const Variable<T>&,    \
                                             const Variable<T>&, bool);                            \
    template LinearScan<T> linear_scan(const Variable<T>&, const Variable<T>&, const Variable<T>&, \
                                       const LinearScanOptions&, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
