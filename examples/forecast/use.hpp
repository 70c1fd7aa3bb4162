#pragma once

#include "model.hpp"

namespace forecast {

// The series of a file; without one, one that is made up.
Series series_of(const std::string& path);
// How much of a series is learned from: all but the last fifth.
std::size_t learned(const Series& series);
// Throws Error for logarithms of what is not above 0.
std::vector<double> scaled(const Series& series, const Settings& s);
// The steps before those of [begin, end): where their forecasts are made.
std::vector<Place> before(const std::vector<double>& scaled, std::size_t begin, std::size_t end);
// Errors of the forecasts of steps [begin, end) one step ahead, in the series' own unit, beside
// those of the last value and of the value a season before.
example::Figures figures(const Model<float>& model, const Settings& s, const Series& series,
                         std::size_t begin, std::size_t end);

struct Use {
    std::string path, data, svg;
    std::size_t steps = 0, paths = 200, inject = 10, seed = 1;
    double size = 6, threshold = 4;
};

// The commands; they return the program's exit status.
int run_eval(const Use& use);
// Goes on from the end of the series along many paths, each drawn from the forecasts of its own
// steps; tells mean and deviation over the paths.
int predict(const Use& use);
// Disturbs single values of the last fifth, and looks for values far from their forecasts. Those
// that are found are taken for their forecasts from there on.
int anomalies(const Use& use);

} // namespace forecast
