#include <unroll/nn/options.hpp>
#include <unroll/nn/scans/min_lstm.hpp>
#include <unroll/ops/fuse/fuse.hpp>

namespace unroll::nn {

namespace {

LinearOptions of_gates(std::size_t input, std::size_t hidden, Where where) {
    require_sizes(Op("MinLstmCell", where), {{"input", input}, {"hidden", hidden}});
    return {.input = input, .output = 3 * hidden};
}

} // namespace

template <class T>
MinLstmCell<T>::MinLstmCell(std::size_t input, std::size_t hidden, Where where)
    : gates(of_gates(input, hidden, where)) {}

template <class T>
void MinLstmCell<T>::members(Members<T>& m) {
    m(module_name)("gates", gates);
}

template <class T>
Variable<T> MinLstmCell<T>::project(const Variable<T>& x, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::project, caller);
    return gates(x);
}

template <class T>
Scanned<T, 1> MinLstmCell<T>::scan(const Variable<T>& z, const State<T, 1>& state,
                                   const LinearScanOptions& options) const {
    // f / (f + i) = sigmoid(log f - log i), where log f = -softplus(-f): accurate in both tails.
    const auto [keep, added] = fuse("min_lstm",
                                    named("f i n -> f' i'·n",
                                          [](auto f, auto i, auto n) {
                                              const auto ratio = softplus(-i) - softplus(-f);
                                              return outputs(sigmoid(ratio), sigmoid(-ratio) * n);
                                          }),
                                    block(z, 0, 3), block(z, 1, 3), block(z, 2, 3));
    const auto [output, h] = linear_scan(keep, added, state[0], options);
    return {output, {h}};
}

template <class T>
State<T, 1> MinLstmCell<T>::step(const Variable<T>& z, const State<T, 1>& state,
                                 Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::step, caller);
    return detail::scan_step(*this, z, state);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct MinLstmCell<T>;                                                                \
    template class Recurrent<MinLstmCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
