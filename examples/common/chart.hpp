#pragma once

#include <string>
#include <vector>

namespace example {

// Points joined by a line, or markers. Points that are not finite, or not positive on a logarithmic
// axis, are skipped.
struct Line {
    std::string name;
    std::vector<double> x = {}, y = {};
    int colour = 0; // of a palette of eight
    bool dashed = false;
    bool marks = false; // circles instead of a line

    void add(double at, double value) {
        x.push_back(at);
        y.push_back(value);
    }
};

// What lies between two curves, filled: an interval around a line.
struct Band {
    std::string name;
    std::vector<double> x = {}, low = {}, high = {};
    int colour = 0;
};

// A line chart with a legend on the right, as SVG.
struct Chart {
    std::string title, x, y;  // labels
    bool logarithmic = false; // y axis, limited to the upper twelve decades
    std::vector<Line> lines = {};
    std::vector<Band> bands = {}; // behind the lines
    // If x counts steps: the date of each, 2001-12 or 2001-12-31, which the axis shows instead.
    std::vector<std::string> dates = {};

    std::string svg() const;
};

// The dates that follow one, as far apart as it is from the one before: months or days. Throws
// unroll::Error for what is no date.
std::vector<std::string> following_dates(const std::string& last, std::size_t count);

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
