#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace forecast {

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
// Throws unroll::Error, with the path and the line, for what is no number, for fewer than 40
// values, and where a date is neither a month nor a day.
Series read_series(const std::string& path);

// Forecasts of a series' steps from one on, in its own unit, with an interval of 90 %.
struct Forecasts {
    std::size_t begin = 0;
    std::vector<double> middle = {}, low = {}, high = {};
};

// Both over their steps, as SVG, the series from step `begin` on; steps in `marked` stand out.
std::string forecasts_svg(const std::string& title, const Series& series, std::size_t begin,
                          const Forecasts& forecasts, const std::vector<std::size_t>& marked = {});

} // namespace forecast
