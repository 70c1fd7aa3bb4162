#include <unroll/nn/initialize.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/scans/rg_lru.hpp>
#include <unroll/ops/fuse/fuse.hpp>

#include <cmath>

namespace unroll::nn {

namespace {

LinearOptions of_gates(std::size_t input, std::size_t hidden, Where where) {
    require_sizes(Op("RgLruCell", where), {{"input", input}, {"hidden", hidden}});
    return {.input = hidden, .output = 2 * hidden};
}

} // namespace

template <class T>
RgLruCell<T>::RgLruCell(std::size_t input, std::size_t hidden, Where where)
    : gates(of_gates(input, hidden, where)) {
    if (input != hidden) from_input.emplace(LinearOptions{input, hidden});
    Tensor<double> a({hidden});
    next_stream().fill_uniform(a.data(), hidden, 0.9, 0.999);
    Tensor<T> start({hidden});
    for (std::size_t i = 0; i < hidden; ++i) // softplus(decay) = -log(a) / c
        start.data()[i] = static_cast<T>(std::log(std::expm1(-std::log(a.data()[i]) / c)));
    decay = Parameter<T>("decay", start);
}

template <class T>
void RgLruCell<T>::members(Members<T>& m) {
    m(module_name)("gates", gates)("decay", decay);
    if (from_input) m("input", *from_input);
}

template <class T>
Variable<T> RgLruCell<T>::project(const Variable<T>& x, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::project, caller);
    const Variable<T> u = from_input ? (*from_input)(x) : x;
    return concatenate({gates(u), u}, -1);
}

template <class T>
Scanned<T, 1> RgLruCell<T>::scan(const Variable<T>& z, const State<T, 1>& state,
                                 const LinearScanOptions& options) const {
    const auto [a, b] = fuse("rg_lru",
                             named("r i x Λ -> a √(1−a²)·i·x",
                                   [](auto r, auto i, auto x, auto decay) {
                                       const auto log_a = -c * softplus(decay) * sigmoid(r);
                                       // 1 - a² without cancellation. Where a = 1, the root has no
                                       // derivative.
                                       const auto rest = -expm1(2 * log_a);
                                       const auto root = where(rest > 0, sqrt(rest), 0 * rest);
                                       return outputs(exp(log_a), root * sigmoid(i) * x);
                                   }),
                             block(z, 0, 3), block(z, 1, 3), block(z, 2, 3), decay);
    const auto [output, h] = linear_scan(a, b, state[0], options);
    return {output, {h}};
}

template <class T>
State<T, 1> RgLruCell<T>::step(const Variable<T>& z, const State<T, 1>& state, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::step, caller);
    return detail::scan_step(*this, z, state);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct RgLruCell<T>;                                                                  \
    template class Recurrent<RgLruCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
