#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/text/batches.hpp>
#include <unroll/ops/pointwise.hpp>

#include <algorithm>

namespace unroll::nn {

template <class T>
Variable<T> without_padding(const Variable<T>& x, std::span<const std::size_t> lengths, Op op) {
    if (x.dimension() < 2)
        fail(op, "x has shape " + to_string(x.shape()) + ", expected [T, B, ...]");
    const std::size_t steps = x.shape(0);
    const auto ends = checked_lengths(op, steps, x.shape(1), lengths);
    if (std::all_of(ends.begin(), ends.end(), [&](std::size_t n) { return n == steps; })) return x;
    Shape shape(x.dimension(), 1);
    shape[0] = steps;
    shape[1] = x.shape(1);
    const Composite composite(Op::unplaced("without_padding"));
    Variable<T> y = where(active_steps(op, steps, x.shape(1), lengths).reshape(shape), x, 0);
    if (Tape<T>* const tape = Tape<T>::current(); tape && !y.is_recorded() && !x.is_recorded())
        tape->show_as(y, x);
    return detail::with_lengths(std::move(y), ends, &composite);
}

template <class T>
Variable<T> detail::with_lengths(Variable<T> y, std::span<const std::size_t> lengths,
                                 const Composite* own, std::uint32_t input) {
    if (!y.is_recorded()) return y;
    const std::vector<std::int64_t> shown(lengths.begin(), lengths.end());
    return unroll::detail::with_operand(std::move(y), "lengths",
                                        Indices({shown.size()}, std::span(shown)), own, input);
}

template Variable<float> without_padding(const Variable<float>&, std::span<const std::size_t>, Op);
template Variable<double> without_padding(const Variable<double>&, std::span<const std::size_t>,
                                          Op);
template Variable<float> detail::with_lengths(Variable<float>, std::span<const std::size_t>,
                                              const Composite*, std::uint32_t);
template Variable<double> detail::with_lengths(Variable<double>, std::span<const std::size_t>,
                                               const Composite*, std::uint32_t);

} // namespace unroll::nn
