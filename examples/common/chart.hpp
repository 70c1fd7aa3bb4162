#pragma once

#include <unroll/core/check/chart.hpp>

#include <string>
#include <vector>

namespace example {

using Chart = unroll::Chart;
using Line = Chart::Line;

// A table of named columns: CSV and line charts.
class Curves {
public:
    explicit Curves(std::vector<std::string> names = {})
        : names_(std::move(names)), columns_(names_.size()) {}
    // One value per column.
    void add(const std::vector<double>& row);
    void add_column(const std::string& name, std::vector<double> values);

    // Missing cells are empty. `count` names a first column with the row numbers; empty: none.
    std::string csv(const std::string& count = "") const;
    // The columns `names` against the first one.
    std::string svg(const std::string& title, const std::vector<std::string>& names) const;

private:
    std::vector<std::string> names_;
    std::vector<std::vector<double>> columns_;
};

} // namespace example
