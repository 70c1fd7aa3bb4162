#include "run.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace programs {

namespace {

// Relative to the largest value that occurs; float rounds to 6e-8.
constexpr double tolerance = 2e-4;

double largest(const Tensor<double>& x) {
    double most = 0;
    for (const double v : x.to_vector()) most = std::max(most, std::abs(v));
    return most;
}

template <class T>
std::string difference(const std::string& what, const Tensor<T>& x, const Tensor<double>& y,
                       double most) {
    const auto got = x.to_vector();
    const auto expected = y.to_vector();
    for (std::size_t k = 0; k < got.size(); ++k) {
        if (std::abs(static_cast<double>(got[k]) - expected[k]) <= most) continue;
        char text[160];
        std::snprintf(text, sizeof text, "%s, element %zu: %.9g in float, %.9g in double\n",
                      what.c_str(), k, static_cast<double>(got[k]), expected[k]);
        return text;
    }
    return {};
}

// The first value or gradient that differs by more than `most`.
template <class T>
std::string difference(const Program& p, const Run<T>& run, const Run<double>& exact, double most) {
    std::string found;
    for (std::size_t v = 0; v < exact.values.size() && found.empty(); ++v)
        found = difference("value of " + name(p, v), run.values[v].value(), exact.values[v].value(),
                           most);
    const auto got = run.gradients();
    const auto expected = exact.gradients();
    for (std::size_t i = 0; i < got.size() && found.empty(); ++i)
        found = difference("gradient of " + name(p, i), got[i], expected[i], most);
    return found;
}

// Whether rounding every value to float, in a run in double, already has a large effect.
bool is_ill_conditioned(const Program& p, const Run<double>& exact, double most) {
    Run<double> rounded(p, [](std::size_t, const unroll::Variable<double>& x) {
        const Tensor<double> value = x.value().contiguous();
        Tensor<double> change(value.shape());
        for (std::size_t k = 0; k < change.size(); ++k)
            change.data()[k] = static_cast<float>(value.data()[k]) - value.data()[k];
        return x + change;
    });
    rounded.tape.backward(rounded.loss);
    return !difference(p, rounded, exact, most).empty();
}

} // namespace

std::string check_float(const Program& p, const Run<double>& exact) {
    Run<float> run(p);
    run.tape.backward(run.loss);
    double scale = 1;
    for (const auto& x : exact.values) scale = std::max(scale, largest(x.value()));
    for (const auto& x : exact.gradients()) scale = std::max(scale, largest(x));
    const std::string found = difference(p, run, exact, tolerance * scale);
    return found.empty() || is_ill_conditioned(p, exact, tolerance / 10 * scale) ? "" : found;
}

} // namespace programs
