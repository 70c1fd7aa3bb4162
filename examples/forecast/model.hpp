#pragma once

#include "../common/learning.hpp"

#include <cmath>
#include <numbers>
#include <sstream>

namespace forecast {

using namespace unroll;

// Numbers at equal distances in time.
struct Series {
    std::vector<std::string> dates;
    std::vector<double> values;

    // Steps after which it is alike.
    std::size_t season() const { return std::ranges::count(dates[0], '-') == 1 ? 12 : 365; }
    // How much of it is learned from: all but the last fifth.
    std::size_t learned() const { return values.size() - values.size() / 5; }
};

// Dates and values from the first two columns of a CSV file, with or without a line of names.
inline Series read_series(const std::string& path) {
    Series series;
    const auto lines = nn::read_lines(path);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        std::string line = lines[i], date, value;
        std::erase(line, '"');
        std::istringstream cells(line);
        std::getline(std::getline(cells, date, ','), value, ',');
        std::istringstream number(value);
        double read = 0;
        if (number >> read && (number >> std::ws).eof() && std::isfinite(read)) {
            series.dates.push_back(date);
            series.values.push_back(read);
        } else if (i > 0) {
            nn::refuse_line("forecast", path, i + 1, nn::quoted(line) + " is no date and number");
        }
    }
    if (series.values.size() < 40)
        fail("forecast", example::format("'%s' has %zu values, fewer than the 40 that are needed",
                                         path.c_str(), series.values.size()));
    const auto dashes = std::ranges::count(series.dates[0], '-');
    if (dashes != 1 && dashes != 2)
        fail("forecast", "'" + series.dates[0] + "' in '" + path +
                             "' is neither a month, 2001-12, nor a day, 2001-12-31");
    return series;
}

struct Settings : example::NetworkOptions {
    static constexpr const char* program = "forecast";
    bool logarithmic = false, every_step = true;
    std::size_t window = 60, season = 0;
    double mean = 0, deviation = 1; // what is taken off the values, and divided by

    Settings() : NetworkOptions{.cell = "gru", .hidden = 32} {}
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
        if (logarithmic && value <= 0)
            fail("forecast", "--log needs values above 0; there is " + example::number(value, 3));
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

// A step of scaled values, after which one is to be told.
struct Place {
    const std::vector<double>* values;
    std::size_t step;
};

// The window that ends with a step, or what there is of it, [steps, 5]. Of each step its value, the
// one that stood a season before the next, where there is one, the next one's place in the season,
// and last the next value itself, which is to be told.
template <class T>
Tensor<T> window(const Place& end, const Settings& s) {
    const std::vector<double>& values = *end.values;
    const std::size_t length = std::min(s.window, end.step + 1);
    Tensor<T> x({length, 5});
    for (std::size_t i = 0; i < length; ++i) {
        const std::size_t next = end.step + 2 - length + i;
        const double now = values[next - 1], turn = 2 * std::numbers::pi *
                                                    static_cast<double>(next % s.season) /
                                                    static_cast<double>(s.season);
        x(i, 0) = static_cast<T>(now);
        x(i, 1) = static_cast<T>(next >= s.season ? values[next - s.season] - now : 0);
        x(i, 2) = static_cast<T>(std::sin(turn));
        x(i, 3) = static_cast<T>(std::cos(turn));
        x(i, 4) = static_cast<T>(next < values.size() ? values[next] : 0);
    }
    return x;
}

// A normal distribution of the next value: its mean, told as a change from the present value, and
// the logarithm of its deviation.
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
    Forecast operator()(Tape<T>& tape, std::span<const Place> ends, bool every_step) const {
        std::vector<Tensor<T>> windows;
        for (const Place& end : ends) windows.push_back(window<T>(end, settings));
        const auto [frames, lengths] = nn::pad_frames<T>(windows);
        Indices at({ends.size()});
        for (std::size_t b = 0; b < ends.size(); ++b)
            at(b) = static_cast<std::int64_t>((lengths[b] - 1) * ends.size() + b);
        if (every_step) at = example::steps_within(lengths);
        const auto x = tape.constant(frames), there = example::rows(x, at);
        const auto h = example::rows(net(slice(x, 2, 0, known), lengths), at);
        const auto y = head(dropout(h, settings.dropout));
        return {block(y, 0, 2) + block(there, 0, 5), clip(block(y, 1, 2), -6, 4),
                block(there, 4, 5)};
    }
    // Minus the logarithm of the density, less a constant.
    Variable<T> loss(Tape<T>& tape, std::span<const Place> ends) const {
        const auto [mean, log_deviation, next] = (*this)(tape, ends, settings.every_step);
        const auto off = (next - mean) * exp(-log_deviation);
        return unroll::mean(square(off) * 0.5 + log_deviation);
    }
    void members(nn::Members<T>& m) { m("net", net)("head", head); }
};

} // namespace forecast
