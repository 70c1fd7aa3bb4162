#pragma once

#include "../common/chart.hpp"
#include "model.hpp"

#include <cstdio>

namespace long_memory {

// Of every kind of cell its errors, one for each lag.
struct Comparison {
    std::vector<double> lags;
    std::vector<std::pair<std::string, std::vector<double>>> errors{
        {"rnn", {}}, {"lstm", {}}, {"gru", {}}};
};

// As a table and a chart in a folder, and on the screen.
inline void write(const Comparison& found, const Settings& s, const std::string& folder) {
    example::Curves table;
    table.add_column("lag", found.lags);
    example::Chart chart{.title = s.adds() ? "The adding problem" : "The copying problem",
                         .x = "lag",
                         .y = s.adds() ? "mean absolute error" : "share of symbols wrong"};
    example::Figures last;
    for (const auto& [cell, errors] : found.errors) {
        table.add_column(cell, errors);
        chart.lines.push_back({cell, found.lags, errors, static_cast<int>(chart.lines.size())});
        last.emplace_back(cell, errors.back());
    }
    write_file_atomically(folder + "/" + s.problem + ".csv", table.csv());
    write_file_atomically(folder + "/" + s.problem + ".svg", chart.svg());
    std::printf("%s\n%s", chart.y.c_str(), table.csv().c_str());
    example::print_figures(last, {{"lag", example::number(found.lags.back(), 0)}, {"out", folder}});
}

} // namespace long_memory
