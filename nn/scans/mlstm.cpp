#include <unroll/nn/options.hpp>
#include <unroll/nn/scans/mlstm.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/reduce.hpp>

#include <algorithm>
#include <cmath>

namespace unroll::nn {

namespace {

LinearOptions of_gates(std::size_t input, std::size_t hidden, std::size_t heads, Where where) {
    const Op op("MLstmCell", where);
    require_sizes(op, {{"input", input}, {"hidden", hidden}, {"heads", heads}});
    if (hidden % heads != 0)
        fail(op, "heads must divide hidden, got " + std::to_string(heads) + " and " +
                     std::to_string(hidden));
    return {.input = input, .output = 4 * hidden + 2 * heads};
}

} // namespace

template <class T>
MLstmCell<T>::MLstmCell(std::size_t input, std::size_t hidden, Options options, Where where)
    : options(options), hidden(hidden), width(hidden / std::max<std::size_t>(options.heads, 1)),
      gates(of_gates(input, hidden, options.heads, where)) {
    const std::size_t forget = 4 * hidden + options.heads;
    for (std::size_t i = forget; i < forget + options.heads; ++i)
        gates.bias.change().data()[i] += static_cast<T>(options.forget_bias);
}

template <class T>
void MLstmCell<T>::members(Members<T>& m) {
    m(module_name)("gates", gates);
}

template <class T>
std::array<std::size_t, 4> MLstmCell<T>::widths() const {
    return {hidden, hidden * width, hidden, options.heads};
}

template <class T>
Variable<T> MLstmCell<T>::project(const Variable<T>& x, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::project, caller);
    return gates(x);
}

template <class T>
State<T, 4> MLstmCell<T>::step(const Variable<T>& z, const State<T, 4>& state, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::step, caller);
    const std::size_t B = z.shape(0), H = options.heads, d = width;
    const auto part = [&](std::size_t i, const Shape& shape) {
        return reshape(slice(z, -1, i * hidden, (i + 1) * hidden), shape);
    };
    const auto gate = [&](std::size_t i) {
        return slice(z, -1, 4 * hidden + i * H, 4 * hidden + (i + 1) * H);
    };
    const auto [write, keep, most] =
        fuse("mlstm",
             named("i f m -> i' f' m'",
                   [](auto i, auto f, auto m) {
                       const auto decay = log_sigmoid(f) + m;
                       const auto most = maximum(decay, i);
                       return outputs(exp(i - most), exp(decay - most), most);
                   }),
             gate(0), gate(1), state[3]);
    const double scale = 1 / std::sqrt(static_cast<double>(d));
    const auto memory = named("f i C v k -> C'", [scale](auto f, auto i, auto C, auto v, auto k) {
        return f * C + i * v * (scale * k);
    });
    const Variable<T> C =
        fuse("mlstm", memory, reshape(keep, Shape{B, H, 1, 1}), reshape(write, Shape{B, H, 1, 1}),
             reshape(state[1], Shape{B, H, d, d}), part(2, {B, H, d, 1}), part(1, {B, H, 1, d}));
    const Variable<T> n =
        fuse("mlstm",
             named("f i n k -> n'",
                   [scale](auto f, auto i, auto n, auto k) { return f * n + i * scale * k; }),
             reshape(keep, Shape{B, H, 1}), reshape(write, Shape{B, H, 1}),
             reshape(state[2], Shape{B, H, d}), part(1, {B, H, d}));
    const Variable<T> q = part(0, {B, H, d, 1});
    const Variable<T> read = matmul(C, q);                              // [B, H, d, 1]
    const Variable<T> total = matmul(reshape(n, Shape{B, H, 1, d}), q); // [B, H, 1, 1]
    // 1 / max(|n q|, exp(-m)), which overflows nowhere.
    const Variable<T> h =
        fuse("mlstm",
             named("o r s m -> h",
                   [](auto o, auto read, auto total, auto most) {
                       const auto size = abs(total);
                       return sigmoid(o) * read * where(size > exp(-most), 1 / size, exp(most));
                   }),
             part(3, {B, H, d, 1}), read, total, reshape(most, Shape{B, H, 1, 1}));
    return {reshape(h, Shape{B, hidden}), reshape(C, Shape{B, hidden * d}),
            reshape(n, Shape{B, hidden}), most};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct MLstmCell<T>;                                                                  \
    template class Recurrent<MLstmCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
