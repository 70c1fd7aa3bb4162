#pragma once

#include "../common/learning.hpp"
#include "series.hpp"

#include <cmath>
#include <numbers>

namespace forecast {

using namespace unroll;

struct Settings : example::NetworkOptions {
    static constexpr const char* program = "forecast";
    bool logarithmic = false, every_step = true;
    std::size_t window = 60, season = 0;
    double mean = 0, deviation = 1; // mean and standard deviation for scaling

    Settings() : NetworkOptions{.cell = "gru", .hidden = 32} {}
    void fields(example::Fields f) {
        NetworkOptions::fields(f);
        f("--log", logarithmic, "model the logarithm of the values");
        f->add_flag("!--last-step", every_step,
                    "train on the last step of a window only (many to one)");
        f("--window", window, "steps in a window")->check(CLI::Range(2, 10000));
        f.stored("every_step", every_step);
        f.stored("season", season, CLI::PositiveNumber);
        f.stored("mean", mean);
        f.stored("deviation", deviation, CLI::PositiveNumber);
    }
    double scaled(double value) const {
        if (logarithmic && value <= 0)
            fail("forecast", "--log needs values above 0, got " + fmt::format("{:.3f}", value));
        return ((logarithmic ? std::log(value) : value) - mean) / deviation;
    }
    std::vector<double> scaled(std::vector<double> values) const {
        for (double& value : values) value = scaled(value);
        return values;
    }
    double unscaled(double value) const {
        const double sum = value * deviation + mean;
        return logarithmic ? std::exp(sum) : sum;
    }
};

// A step of the scaled series; the next value is predicted.
struct Place {
    const std::vector<double>* values;
    const std::vector<std::size_t>* phases; // position in the season of the first step
    std::size_t step;

    std::size_t phase(std::size_t at, std::size_t season) const {
        const std::size_t known = phases->size();
        return at < known ? (*phases)[at] : (phases->back() + at - known + 1) % season;
    }
};

// The window that ends with a step, shorter at the beginning of the series, [steps, 5]. Per step:
// its value, the difference to it of the value one season before the next step, the next step's
// position in the season (two columns), and the next value, the target.
template <class T>
Tensor<T> window(const Place& end, const Settings& s) {
    const std::vector<double>& values = *end.values;
    const std::size_t length = std::min(s.window, end.step + 1);
    Tensor<T> x({length, 5});
    for (std::size_t i = 0; i < length; ++i) {
        const std::size_t next = end.step + 2 - length + i;
        const double now = values[next - 1], turn = 2 * std::numbers::pi *
                                                    static_cast<double>(end.phase(next, s.season)) /
                                                    static_cast<double>(s.season);
        x(i, 0) = static_cast<T>(now);
        x(i, 1) = static_cast<T>(next >= s.season ? values[next - s.season] - now : 0);
        x(i, 2) = static_cast<T>(std::sin(turn));
        x(i, 3) = static_cast<T>(std::cos(turn));
        x(i, 4) = static_cast<T>(next < values.size() ? values[next] : 0);
    }
    return x;
}

// A normal distribution of the next value: its mean, as a change from the current value, and the
// logarithm of its standard deviation.
template <class T>
struct Model {
    using value_type = T;
    static constexpr std::size_t known = 4; // features of a step
    Settings settings;
    example::Network<T> net;
    nn::Linear<T> head;

    explicit Model(const Settings& s)
        : settings(s), net(s, known), head({.input = s.width(), .output = 2}) {}

    struct Forecast {
        Variable<T> mean, log_deviation, next; // [rows, 1]
    };
    // After the last step of each window, or after every step of them.
    Forecast operator()(std::span<const Place> ends, bool every_step) const {
        std::vector<Tensor<T>> windows;
        for (const Place& end : ends) windows.push_back(window<T>(end, settings));
        const auto [frames, lengths] = nn::pad_frames<T>(windows);
        Indices at({ends.size()});
        for (std::size_t b = 0; b < ends.size(); ++b)
            at(b) = static_cast<std::int64_t>((lengths[b] - 1) * ends.size() + b);
        if (every_step) at = example::steps_within(lengths);
        const auto x = Variable(frames), there = example::rows(x, at);
        const auto h = example::rows(net(slice(x, 2, 0, known), lengths), at);
        const auto y = head(dropout(h, settings.dropout));
        return {block(y, 0, 2) + block(there, 0, 5), clip(block(y, 1, 2), -6, 4),
                block(there, 4, 5)};
    }
    // The negative log density, up to a constant.
    Variable<T> loss(std::span<const Place> ends) const {
        const auto [mean, log_deviation, next] = (*this)(ends, settings.every_step);
        const auto off = (next - mean) * exp(-log_deviation);
        return unroll::mean(square(off) * 0.5 + log_deviation);
    }
    void members(nn::Members<T>& m) { m("net", net)("head", head); }
};

} // namespace forecast
