#include <unroll/nn/options.hpp>
#include <unroll/nn/scans/min_gru.hpp>
#include <unroll/ops/fuse/fuse.hpp>

namespace unroll::nn {

namespace {

LinearOptions of_gates(std::size_t input, std::size_t hidden, Where where) {
    require_sizes(Op("MinGruCell", where), {{"input", input}, {"hidden", hidden}});
    return {.input = input, .output = 2 * hidden};
}

} // namespace

template <class T>
MinGruCell<T>::MinGruCell(std::size_t input, std::size_t hidden, Where where)
    : gates(of_gates(input, hidden, where)) {}

template <class T>
void MinGruCell<T>::members(Members<T>& m) {
    m(module_name)("gates", gates);
}

template <class T>
Variable<T> MinGruCell<T>::project(const Variable<T>& x, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::project, caller);
    return gates(x);
}

template <class T>
Scanned<T, 1> MinGruCell<T>::scan(const Variable<T>& z, const State<T, 1>& state,
                                  const LinearScanOptions& options) const {
    const auto [keep, added] =
        fuse("min_gru",
             named("z n -> 1−z z·n",
                   [](auto z, auto n) { return outputs(sigmoid(-z), sigmoid(z) * n); }),
             block(z, 0, 2), block(z, 1, 2));
    const auto [output, h] = linear_scan(keep, added, state[0], options);
    return {output, {h}};
}

template <class T>
State<T, 1> MinGruCell<T>::step(const Variable<T>& z, const State<T, 1>& state,
                                Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::step, caller);
    return detail::scan_step(*this, z, state);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct MinGruCell<T>;                                                                 \
    template class Recurrent<MinGruCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
