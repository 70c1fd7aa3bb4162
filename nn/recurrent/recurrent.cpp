#include <unroll/nn/recurrent/recurrent.hpp>
#include <unroll/ops/fuse/fuse.hpp>

namespace unroll::nn {

std::string detail::initial_name(std::string_view state) {
    std::string name(state);
    std::replace(name.begin(), name.end(), ' ', '_');
    return name + "0";
}

template <class T>
void detail::require_whole_state(std::string_view layer, std::span<const char* const> names,
                                 std::span<const Variable<T>> state) {
    std::string all, missing;
    for (std::size_t s = 0; s < state.size(); ++s) {
        all += (s == 0 ? "" : ", ") + std::string(names[s]);
        if (!state[s].has_value()) missing += (missing.empty() ? "" : ", ") + std::string(names[s]);
    }
    if (missing.empty() || missing == all) return;
    fail(Op::unplaced(std::string(layer).c_str()),
         "the state has no " + missing + "; expected {" + all +
             "}, or none of them. A part that is to start from 0 is Tensor::zeros of its shape");
}

template <class T>
Variable<T> detail::highway(const Variable<T>& gate, const Variable<T>& in,
                            const Variable<T>& out) {
    return fuse("highway",
                named("gate x f -> y",
                      [](auto gate, auto x, auto f) {
                          const auto t = sigmoid(gate);
                          return t * f + (1 - t) * x;
                      }),
                gate, in, out);
}

template void detail::require_whole_state(std::string_view, std::span<const char* const>,
                                          std::span<const Variable<float>>);
template void detail::require_whole_state(std::string_view, std::span<const char* const>,
                                          std::span<const Variable<double>>);
template Variable<float> detail::highway(const Variable<float>&, const Variable<float>&,
                                         const Variable<float>&);
template Variable<double> detail::highway(const Variable<double>&, const Variable<double>&,
                                          const Variable<double>&);

} // namespace unroll::nn
