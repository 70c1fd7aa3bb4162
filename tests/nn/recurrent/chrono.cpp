#include "support.hpp"

#include <unroll/nn/initialize.hpp>
#include <unroll/nn/recurrent/chrono.hpp>

using namespace test;

namespace {

constexpr std::size_t hidden = 200;

// The increase of the gate biases.
template <class Layer>
std::vector<double> growth(Layer& layer, std::size_t longest) {
    const auto before = layer.cells()[0].bias_ih.value().copy();
    nn::initialize_chrono(layer, longest);
    std::vector<double> by;
    for (std::size_t i = 0; i < before.size(); ++i)
        by.push_back(layer.cells()[0].bias_ih.value()(i) - before(i));
    return by;
}

} // namespace

TEST_CASE("chrono initialisation: log u for u uniform in [1, longest]") {
    nn::seed(1);
    nn::Lstm<double> lstm({.input = 2, .hidden = hidden, .layers = 2});
    const auto by = growth(lstm, 100); // gates i f g o
    double sum = 0;
    for (std::size_t k = 0; k < hidden; ++k) {
        CHECK(by[hidden + k] >= 0);
        CHECK(by[hidden + k] <= std::log(100.0));
        CHECK(by[k] == doctest::Approx(-by[hidden + k]));
        CHECK(by[2 * hidden + k] == 0);
        CHECK(by[3 * hidden + k] == 0);
        sum += std::exp(by[hidden + k]);
    }
    CHECK(std::abs(sum / hidden - 50.5) < 6); // three deviations of the mean
    const auto ones = growth(lstm, 1);
    CHECK(ones == std::vector<double>(4 * hidden, 0));

    nn::Gru<double> gru({.input = 2, .hidden = hidden});
    const auto gates = growth(gru, 100); // r z n
    for (std::size_t k = 0; k < hidden; ++k) {
        CHECK(gates[k] == 0);
        CHECK(gates[hidden + k] >= 0);
        CHECK(gates[2 * hidden + k] == 0);
    }

    nn::Lstm<double> coupled({.input = 2, .hidden = hidden, .cell = {.coupled_gates = true}});
    const auto first = growth(coupled, 100); // f g o
    CHECK(*std::max_element(first.begin(), first.begin() + hidden) > 3);
    CHECK(*std::min_element(first.begin(), first.end()) == 0);
}

TEST_CASE("chrono initialisation: errors") {
    nn::Lstm<float> lstm({.input = 2, .hidden = 2});
    CHECK(contains(error_of([&] { nn::initialize_chrono(lstm, 0); }), "at least 1 step"));
    nn::Gru<float> gru(
        {.input = 2, .hidden = 2, .cell = {.update = nn::GruOptions::Update::lets_new}});
    CHECK(contains(error_of([&] { nn::initialize_chrono(gru, 9); }), "keeps the old state"));
}
