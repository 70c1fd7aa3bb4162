#pragma once

#include "../common/learning.hpp"

#include <cmath>
#include <numbers>

namespace forecast {

using namespace unroll;

// Numbers at equal distances in time.
struct Series {
    std::vector<std::string> dates;
    std::vector<double> values;
    std::size_t season = 0; // steps after which it is alike: 12 of months, 365 of days

    std::size_t size() const { return values.size(); }
};

// Dates and values from the first two columns of a CSV file; fields may be quoted. Throws Error
// with the path and the line that is not so, or where a date is neither a month nor a day.
Series read_series(const std::string& path);
// Seasons of 24 steps on a slope, with noise.
Series made_up(std::size_t length, Random random);

struct Settings : example::NetworkOptions {
    static constexpr const char* program = "forecast";
    bool logarithmic = false, every_step = true;
    std::size_t window = 60, season = 0;
    double mean = 0, deviation = 1; // what is taken off the values, and divided by

    Settings() {
        cell = "gru";
        hidden = 32;
    }
    void fields(example::Fields& f) {
        NetworkOptions::fields(f);
        f("--log", logarithmic, "of values whose swings grow with them");
        f.takes("!--last-step", every_step,
                "learn from the last step of a window alone: many to one");
        f("--window", window, "steps that the network sees", example::Between{2, 10000});
        f.stored("every_step", every_step).stored("season", season);
        f.stored("mean", mean).stored("deviation", deviation);
    }
    double scaled(double value) const {
        return ((logarithmic ? std::log(value) : value) - mean) / deviation;
    }
    double unscaled(double value) const {
        const double sum = value * deviation + mean;
        return logarithmic ? std::exp(sum) : sum;
    }
};

constexpr std::size_t features = 4;

// What is known of step t where the next value is to be told: its value, the one that stood a
// season before the next, where there is one, and the next one's place in the season.
template <class T>
void describe(const std::vector<double>& scaled, std::size_t t, std::size_t season, T* to) {
    const double turn =
        2 * std::numbers::pi * static_cast<double>((t + 1) % season) / static_cast<double>(season);
    const double values[features] = {scaled[t],
                                     t + 1 >= season ? scaled[t + 1 - season] - scaled[t] : 0,
                                     std::sin(turn), std::cos(turn)};
    for (std::size_t i = 0; i < features; ++i) to[i] = static_cast<T>(values[i]);
}

// A step of scaled values, after which one is to be told.
struct Place {
    const std::vector<double>* values;
    std::size_t step;
};

// Windows that end with the steps given, side by side; those at the beginning are shorter.
template <class T>
struct Batch {
    Tensor<T> x; // [window, B, features]
    std::vector<std::size_t> lengths;
    Indices at;          // rows that the forecast is read at: of the last step, or of every step
    Tensor<T> now, next; // [rows, 1]: the values of those steps, and those that follow

    Batch(std::span<const Place> ends, const Settings& s, bool every_step) {
        const std::size_t width = ends.size();
        for (const Place& end : ends) lengths.push_back(std::min(s.window, end.step + 1));
        const std::size_t steps = *std::ranges::max_element(lengths);
        x = Tensor<T>::zeros({steps, width, features});
        at = every_step ? example::steps_within(lengths) : Indices({width});
        for (std::size_t b = 0; b < width; ++b) {
            if (!every_step) at.data()[b] = static_cast<std::int64_t>((lengths[b] - 1) * width + b);
            for (std::size_t t = 0; t < lengths[b]; ++t)
                describe(*ends[b].values, ends[b].step + 1 - lengths[b] + t, s.season,
                         x.data() + (t * width + b) * features);
        }
        now = Tensor<T>({at.size(), 1});
        next = Tensor<T>::zeros({at.size(), 1});
        for (std::size_t row = 0; row < at.size(); ++row) {
            const auto place = static_cast<std::size_t>(at.data()[row]);
            const std::size_t b = place % width, t = ends[b].step + 1 - lengths[b] + place / width;
            const std::vector<double>& scaled = *ends[b].values;
            now.data()[row] = static_cast<T>(scaled[t]);
            if (t + 1 < scaled.size()) next.data()[row] = static_cast<T>(scaled[t + 1]);
        }
    }
};

// A normal distribution of the next value: its mean, told as a change from the present value, and
// the logarithm of its deviation.
template <class T>
struct Model {
    using value_type = T;
    double dropped;
    example::Network<T> net;
    nn::Linear<T> head;

    explicit Model(const Settings& s)
        : dropped(s.dropout), net(s, features), head({.input = s.width(), .output = 2}) {}

    struct Forecast {
        Variable<T> mean, log_deviation; // [rows, 1]
    };
    Forecast operator()(Tape<T>& tape, const Batch<T>& batch) const {
        const auto h = example::rows(net(tape.constant(batch.x), batch.lengths), batch.at);
        const auto y = head(dropout(h, dropped));
        return {block(y, 0, 2) + batch.now, clip(block(y, 1, 2), -6, 4)};
    }
    // Minus the logarithm of the density, less a constant.
    Variable<T> loss(Tape<T>& tape, const Batch<T>& batch) const {
        const auto [mean, log_deviation] = (*this)(tape, batch);
        const auto off = (batch.next - mean) * exp(-log_deviation);
        return unroll::mean(square(off) * 0.5 + log_deviation);
    }
    void members(nn::Members<T>& m) { m("net", net)("head", head); }
};

// The forecast of the step after each of `ends`, in deviations of the series.
struct Told {
    std::vector<double> mean, deviation;
};
Told told(const Model<float>& model, const Settings& s, std::span<const Place> ends);

} // namespace forecast
