#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/scans/mlstm.hpp>
#include <unroll/nn/scans/past.hpp>
#include <unroll/nn/text/batches.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace unroll::nn {

namespace {

// Steps that scan() computes at once. Only the memories between such chunks are stored.
constexpr std::size_t chunk = 64;

// [T, 1, 1, T + 1]: what each step can read, the state before the chunk, which comes first, and
// what was written up to that step, or before it.
Mask readable(std::size_t steps, bool own) {
    Mask mask({steps, 1, 1, steps + 1});
    for (std::size_t t = 0; t < steps; ++t)
        for (std::size_t s = 0; s <= steps; ++s)
            mask.data()[t * (steps + 1) + s] = s < t + (own ? 2 : 1);
    return mask;
}

LinearOptions of_gates(std::size_t input, std::size_t hidden, std::size_t heads, Where where) {
    const Op op("MLstmCell", where);
    require_sizes(op, {{"input", input}, {"hidden", hidden}, {"heads", heads}});
    if (hidden % heads != 0)
        fail(op, "heads must divide hidden, got " + std::to_string(heads) + " and " +
                     std::to_string(hidden));
    return {.input = input, .output = 4 * hidden + 2 * heads};
}

// sigmoid(o) C q / max(|n q|, exp(-m)), which overflows nowhere.
auto normalized() {
    return named("o r s m -> h", [](auto o, auto read, auto total, auto most) {
        const auto size = abs(total);
        return sigmoid(o) * read * where(size > exp(-most), 1 / size, exp(most));
    });
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
    const Variable<T> h = fuse("mlstm", normalized(), part(3, {B, H, d, 1}), read, total,
                               reshape(most, Shape{B, H, 1, 1}));
    return {reshape(h, Shape{B, hidden}), reshape(C, Shape{B, hidden * d}),
            reshape(n, Shape{B, hidden}), most};
}

template <class T>
Scanned<T, 4> MLstmCell<T>::scan(const Variable<T>& z, const State<T, 4>& state,
                                 const LinearScanOptions& options) const {
    const std::size_t steps = z.shape(0), B = z.shape(1), H = this->options.heads, d = width;
    constexpr T infinity = std::numeric_limits<T>::infinity();
    const Variable<T> of_heads = slice(z, -1, 4 * hidden, 4 * hidden + 2 * H);
    Variable<T> write = slice(of_heads, -1, 0, H), keep = slice(of_heads, -1, H, 2 * H);
    if (!options.lengths.empty()) { // padding writes nothing and keeps everything
        const Mask active = active_steps("MLstm", steps, B, options.lengths).reshape({steps, B, 1});
        write = where(active, write, -infinity);
        keep = where(active, keep, infinity);
    }
    const auto in_order = [&](const Variable<T>& x) { return options.backwards ? flip(x, 0) : x; };
    const Variable<T> qkvo = in_order(slice(z, -1, 0, 4 * hidden));
    write = in_order(write);
    keep = in_order(log_sigmoid(keep));

    // n is the part of the memory that 1 is written to.
    Variable<T> memory = concatenate(
        {reshape(state[1], Shape{B, H, d, d}), reshape(state[2], Shape{B, H, 1, d})}, 2);
    Variable<T> most = state[3];
    std::vector<Variable<T>> outputs{slice(z, -1, 0, hidden)};
    for (std::size_t first = 0; first < steps; first += chunk) {
        const std::size_t L = std::min(chunk, steps - first);
        const auto now = [&](const Variable<T>& x) { return slice(x, 0, first, first + L); };
        const auto part = [&](std::size_t i) { // [B, H, L, d]
            return transpose(
                reshape(slice(now(qkvo), -1, i * hidden, (i + 1) * hidden), Shape{L, B, H, d}),
                {1, 2, 0, 3});
        };
        // log weights [L, B, H, L + 1] of what each step reads: the decay since it was written and
        // the gate by which it was.
        const Variable<T> decay =
            linear_scan(T(1), where(readable(L, false), expand_dims(now(keep), -1), T(0))).output;
        const Variable<T> written =
            transpose(concatenate({expand_dims(most, 0), now(write)}), {1, 2, 0});
        const Variable<T> log_weights = where(readable(L, true), decay + written, -infinity);
        const Variable<T> size = amax(log_weights, {-1}, true); // m
        const Variable<T> weights = transpose(exp(log_weights - size), {1, 2, 0, 3});
        const Variable<T> before = slice(weights, -1, 0, 1), own = slice(weights, -1, 1, L + 1);

        const double scale = 1 / std::sqrt(static_cast<double>(d));
        const Variable<T> q = part(0), k = part(1);
        const Variable<T> v = concatenate({part(2), Tensor<T>::ones({B, H, L, 1})}, -1);
        const Variable<T> read = matmul(own * scaled_matmul(q, swapaxes(k, -1, -2), scale), v) +
                                 before * matmul(q, swapaxes(memory, -1, -2));
        outputs.push_back(fuse("mlstm", normalized(), part(3), slice(read, -1, 0, d),
                               slice(read, -1, d, d + 1), transpose(size, {1, 2, 0, 3})));
        const auto at_end = [&](const Variable<T>& x) { return slice(x, 2, L - 1, L); };
        memory = at_end(before) * memory +
                 scaled_matmul(swapaxes(v * swapaxes(at_end(own), -1, -2), -1, -2), k, scale);
        most = reshape(select(size, 0, L - 1), Shape{B, H});
    }
    if (steps > 0) {
        outputs.erase(outputs.begin());
        outputs = {
            reshape(transpose(concatenate(outputs, 2), {2, 0, 1, 3}), Shape{steps, B, hidden})};
    }
    const Variable<T> h = without_padding(in_order(outputs[0]), options.lengths);
    return {h,
            {detail::last_steps(h, state[0], 1, options),
             reshape(slice(memory, 2, 0, d), Shape{B, hidden * d}),
             reshape(slice(memory, 2, d, d + 1), Shape{B, hidden}), most}};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct MLstmCell<T>;                                                                  \
    template class Recurrent<MLstmCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
