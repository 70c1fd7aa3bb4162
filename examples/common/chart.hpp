#pragma once

#include <unroll/core/check/chart.hpp>
#include <unroll/core/check/svg.hpp>

#include <string>
#include <vector>

namespace example {

using unroll::Chart;
using unroll::Svg;
using Line = Chart::Line;
using Band = Chart::Band;

// The dates after the last one, at the distance of the last two: months or days. Throws
// unroll::Error for an invalid date.
std::vector<std::string> following_dates(const std::string& last, std::size_t count);

// A table of named columns: CSV and line charts.
class Curves {
public:
    explicit Curves(std::vector<std::string> names = {})
        : names_(std::move(names)), columns_(names_.size()) {}
    // One value per column.
    void add(const std::vector<double>& row);
    void add_column(const std::string& name, std::vector<double> values);

    // Missing cells are empty. `count` is the name of a first column with the row numbers; empty:
    // no such column.
    std::string csv(const std::string& count = "") const;
    // The columns `names` against the first one.
    std::string svg(const std::string& title, const std::vector<std::string>& names) const;

private:
    std::vector<std::string> names_;
    std::vector<std::vector<double>> columns_;
};

} // namespace example
