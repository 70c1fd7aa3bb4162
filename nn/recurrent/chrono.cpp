#include <unroll/core/base/error.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/recurrent/chrono.hpp>

#include <cmath>

namespace unroll::nn {

namespace {

// log u of each unit of a cell.
template <class T>
std::vector<T> log_times(std::size_t hidden, std::size_t longest, Where where) {
    if (longest == 0)
        fail(Op("initialize_chrono", where), "the longest memory must be at least 1 step");
    Random random = next_stream();
    std::vector<T> logs;
    for (std::size_t k = 0; k < hidden; ++k)
        logs.push_back(
            static_cast<T>(std::log(1 + random.uniform() * static_cast<double>(longest - 1))));
    return logs;
}

// gate: its number among those of bias_ih [gates * hidden].
template <class T>
void add(Parameter<T>& bias, std::size_t gate, const std::vector<T>& values, T sign) {
    T* const to = bias.change().data() + gate * values.size();
    for (std::size_t k = 0; k < values.size(); ++k) to[k] += sign * values[k];
}

} // namespace

template <class T>
void initialize_chrono(Lstm<T>& lstm, std::size_t longest, Where where) {
    for (auto& cell : lstm.cells()) {
        const auto logs = log_times<T>(cell.hidden, longest, where);
        const bool coupled = cell.options.coupled_gates; // f g o, else i f g o
        add(cell.bias_ih, coupled ? 0 : 1, logs, T(1));
        if (!coupled) add(cell.bias_ih, 0, logs, T(-1));
    }
}

template <class T>
void initialize_chrono(Gru<T>& gru, std::size_t longest, Where where) {
    for (auto& cell : gru.cells()) {
        if (cell.options.update != GruOptions::Update::keeps_old)
            fail(Op("initialize_chrono", where), "expected a GRU whose z keeps the old state");
        add(cell.bias_ih, 1, log_times<T>(cell.hidden, longest, where), T(1)); // r z n
    }
}

template void initialize_chrono(Lstm<float>&, std::size_t, Where);
template void initialize_chrono(Lstm<double>&, std::size_t, Where);
template void initialize_chrono(Gru<float>&, std::size_t, Where);
template void initialize_chrono(Gru<double>&, std::size_t, Where);

} // namespace unroll::nn
