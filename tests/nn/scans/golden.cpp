// The cells of nn/scans against values and gradients from their formulas in NumPy
// (tests/golden/make_scans.py).

#include "support.hpp"

#include <unroll/nn/scans/ind_rnn.hpp>
#include <unroll/nn/scans/lru.hpp>
#include <unroll/nn/scans/mamba.hpp>
#include <unroll/nn/scans/min_gru.hpp>
#include <unroll/nn/scans/min_lstm.hpp>
#include <unroll/nn/scans/mlstm.hpp>
#include <unroll/nn/scans/qrnn.hpp>
#include <unroll/nn/scans/rg_lru.hpp>
#include <unroll/nn/scans/s5.hpp>
#include <unroll/nn/scans/slstm.hpp>
#include <unroll/nn/scans/sru.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

using namespace test;

namespace {

// From given states, and in both directions from zeros with sequences of different lengths.
template <template <class> class Cell, class T>
void compare(const SafetensorsFile& file, const std::string& name,
             const nn::cell_options<Cell<T>>& options) {
    const double tolerance = std::is_same_v<T, float> ? 2e-5 : 1e-12;
    for (const bool both : {false, true}) {
        CAPTURE(name);
        CAPTURE(both);
        const auto get = [&](const std::string& key) {
            return file.get<T>(name + (both ? ".both." : ".plain.") + key, Narrowing::allow);
        };
        nn::Recurrent<Cell<T>> net(
            {.input = 3, .hidden = 4, .bidirectional = both, .cell = options});
        for (auto& entry : parameters(net)) entry.set(get(entry.path));
        Tape<T> tape;
        const auto x = tape.variable(get("x"));
        typename nn::Recurrent<Cell<T>>::States initial;
        for (std::size_t s = 0; s < initial.size(); ++s)
            initial[s] = tape.variable(get("initial." + std::to_string(s)));
        const std::vector<std::size_t> lengths{5, both ? 2u : 5u};
        const auto found = net(x, initial, lengths);
        CHECK(distance(found.output.value(), get("output")) < tolerance);
        auto loss = sum(found.output * get("seed.output"));
        for (std::size_t s = 0; s < initial.size(); ++s) {
            const std::string final = "final." + std::to_string(s);
            CAPTURE(final);
            CHECK(distance(found.state[s].value(), get(final)) < tolerance);
            loss = loss + sum(found.state[s] * get("seed." + final));
        }
        tape.backward(loss);
        CHECK(distance(tape.gradient(x), get("grad.x")) < tolerance);
        for (std::size_t s = 0; s < initial.size(); ++s)
            CHECK(distance(tape.gradient(initial[s]), get("grad.initial." + std::to_string(s))) <
                  tolerance);
        for (auto& entry : parameters(net)) {
            CAPTURE(entry.path);
            CHECK(distance(entry.gradient(), get("grad." + entry.path)) < tolerance);
        }
    }
}

template <template <class> class Cell>
void compare(const std::string& name, const nn::cell_options<Cell<double>>& options = {}) {
    const auto file = golden("scans");
    compare<Cell, double>(file, name, options);
    compare<Cell, float>(file, name, options);
}

} // namespace

TEST_CASE("scans equal their formulas in NumPy") {
    compare<nn::MinGruCell>("min_gru");
    compare<nn::MinLstmCell>("min_lstm");
    compare<nn::SruCell>("sru", {.highway_bias = -1});
    compare<nn::QrnnCell>("qrnn", {.window = 3});
    compare<nn::IndRnnCell>("ind_rnn");
    compare<nn::IndRnnCell>("ind_rnn_tanh", {.relu = false});
    compare<nn::LruCell>("lru", {.width = 5});
    compare<nn::RgLruCell>("rg_lru");
    compare<nn::S5Cell>("s5", {.width = 5});
    compare<nn::MambaCell>("mamba", {.states = 3, .window = 3, .expand = 1, .rank = 2});
    compare<nn::SLstmCell>("slstm");
    compare<nn::MLstmCell>("mlstm", {.heads = 2});
}
