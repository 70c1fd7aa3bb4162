#pragma once

#include <string>
#include <vector>

namespace example {

// Points joined by a line, or marked. Those with a number that is not finite, or not above 0 on a
// logarithmic axis, are left out.
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

// A line chart with its legend on the right, as SVG.
struct Chart {
    std::string title, x, y;  // what the axes show
    bool logarithmic = false; // the y axis, over twelve decades at most
    std::vector<Line> lines = {};

    std::string svg() const;
};

// Values over their number, as means of so many at a time that at most `points` are left.
Line averaged(const std::string& name, const std::vector<double>& values, std::size_t points,
              int colour = 0, bool dashed = false);

// Named columns of numbers: written as CSV, and drawn as a line chart.
class Curves {
public:
    explicit Curves(std::vector<std::string> names = {})
        : names_(std::move(names)), columns_(names_.size()) {}
    // A number for every column.
    void add(const std::vector<double>& row);
    void add_column(const std::string& name, std::vector<double> values);

    // Cells that are missing are empty. Rows are numbered under the name of `count`, if given.
    std::string csv(const std::string& count = "") const;
    // The columns named over the first one.
    std::string svg(const std::string& title, const std::vector<std::string>& names) const;

private:
    std::vector<std::string> names_;
    std::vector<std::vector<double>> columns_;
};

} // namespace example
