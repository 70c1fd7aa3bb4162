#pragma once

#include <unroll/core/base/error.hpp>

#include <string>
#include <vector>

namespace unroll {

// A table of named columns, such as metrics over time: CSV and line charts.
class Curves {
public:
    explicit Curves(std::vector<std::string> names = {})
        : names_(std::move(names)), columns_(names_.size()) {}
    // A row, one value per column. Throws Error for another number of values.
    void add(const std::vector<double>& row, Where where = Where::current());
    // Columns may differ in length: missing cells are empty.
    void add_column(const std::string& name, std::vector<double> values);

    // Eight significant digits. `count` is the name of a first column with the row numbers; empty:
    // no such column.
    std::string csv(const std::string& count = "") const;
    // The columns `names` against the first one, as SVG. Throws Error for an unknown name.
    std::string svg(const std::string& title, const std::vector<std::string>& names,
                    Where where = Where::current()) const;

private:
    std::vector<std::string> names_;
    std::vector<std::vector<double>> columns_;
};

} // namespace unroll
