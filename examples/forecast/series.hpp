#pragma once

#include <unroll/nn/series/time_series.hpp>

#include <string>
#include <vector>

namespace forecast {

// One column of a table over time.
struct Series {
    unroll::nn::TimeSeries table;
    std::vector<double> values;
    std::size_t season = 1;
    std::vector<std::size_t> phases; // of every step, within the season

    // How much of it is learned from: all but the last fifth.
    std::size_t learned() const { return values.size() - values.size() / 5; }
};

// Throws unroll::Error as read_time_series() does, and for fewer than 40 values.
Series read_series(const std::string& path, const unroll::nn::TimeSeriesOptions& options = {});

// Forecasts of a series' steps from one on, in its own unit, with an interval of 90 %.
struct Forecasts {
    std::size_t begin = 0;
    std::vector<double> middle = {}, low = {}, high = {};
};

// Both over their steps, as SVG, the series from step `begin` on; steps in `marked` stand out.
std::string forecasts_svg(const std::string& title, const Series& series, std::size_t begin,
                          const Forecasts& forecasts, const std::vector<std::size_t>& marked = {});

} // namespace forecast
