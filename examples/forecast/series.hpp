#pragma once

#include "../common/table.hpp"

#include <string>
#include <vector>

namespace forecast {

// Numbers at equal distances in time.
struct Series {
    std::vector<std::string> dates;
    std::vector<double> values;
    // Steps after which it is alike: those of a year, or of a day for steps below a day.
    std::size_t season = 1;
    std::vector<std::size_t> phases; // of every step, within the season: from its date
    std::string about;

    // How much of it is learned from: all but the last fifth.
    std::size_t learned() const { return values.size() - values.size() / 5; }
};

// One column of a table over time. Throws unroll::Error as read_table() does, and for fewer than 40
// values.
Series read_series(const std::string& path, const example::TableOptions& options = {});

// Forecasts of a series' steps from one on, in its own unit, with an interval of 90 %.
struct Forecasts {
    std::size_t begin = 0;
    std::vector<double> middle = {}, low = {}, high = {};
};

// Both over their steps, as SVG, the series from step `begin` on; steps in `marked` stand out.
std::string forecasts_svg(const std::string& title, const Series& series, std::size_t begin,
                          const Forecasts& forecasts, const std::vector<std::size_t>& marked = {});

} // namespace forecast
