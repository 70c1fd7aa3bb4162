#pragma once

#include <string>
#include <vector>

namespace example {

// Points joined by a line. Those with a number that is not finite, or not above 0 on a logarithmic
// axis, are left out.
struct Line {
    std::string name;
    std::vector<double> x, y;
    int colour = 0; // of a palette of eight
    bool dashed = false;
};

// A line chart with its legend on the right, as SVG.
struct Chart {
    std::string title, x, y;  // what the axes show
    bool logarithmic = false; // the y axis, over twelve decades at most
    std::vector<Line> lines;

    std::string svg() const;
};

// Named values over steps: written as CSV, and drawn as a line chart.
class Curves {
public:
    explicit Curves(std::vector<std::string> columns) : columns_(std::move(columns)) {}
    void add(std::vector<double> row) { rows_.push_back(std::move(row)); }
    std::string csv() const;
    // A column over the first one.
    Line line(const std::string& column, int colour = 0) const;
    // The columns named over the first one.
    std::string svg(const std::string& title, const std::vector<std::string>& names) const;

private:
    std::vector<std::string> columns_;
    std::vector<std::vector<double>> rows_;
};

} // namespace example
