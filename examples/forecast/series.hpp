#pragma once

#include <unroll/nn/series/time_series.hpp>

#include <string>
#include <vector>

namespace forecast {

// One column of a table, an equally spaced time series.
struct Series {
    unroll::nn::TimeSeries table;
    std::vector<double> values;
    std::size_t season = 1;
    std::vector<std::size_t> phases; // position of every step in the season

    // Number of training steps: all but the last fifth.
    std::size_t training_steps() const { return values.size() - values.size() / 5; }
};

// Reads one column. Throws unroll::Error as read_time_series() does, and for fewer than 40 values.
Series read_series(const std::string& path, const unroll::nn::TimeSeriesOptions& options = {});

// Forecasts of consecutive steps of a series, in its unit, with the 90 % interval.
struct Forecasts {
    std::size_t begin = 0;
    std::vector<double> middle = {}, low = {}, high = {};
};

// Draws both over the steps as SVG, the series from step `begin` on; steps in `marked` are
// highlighted.
std::string forecasts_svg(const std::string& title, const Series& series, std::size_t begin,
                          const Forecasts& forecasts, const std::vector<std::size_t>& marked = {});

} // namespace forecast
