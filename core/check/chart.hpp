#pragma once

#include <string>
#include <vector>

namespace unroll {

// A line chart with a legend on the right, as SVG.
struct Chart {
    // Points joined by a line, or markers. Points that are not finite, or not positive on a
    // logarithmic axis, are skipped.
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

    // The filled area between two curves: an interval around a line.
    struct Band {
        std::string name;
        std::vector<double> x = {}, low = {}, high = {};
        int colour = 0;
    };

    std::string title, x, y;  // labels
    bool logarithmic = false; // y axis, limited to the upper twelve decades
    std::vector<Line> lines = {};
    std::vector<Band> bands = {}; // drawn before the lines
    // If x counts steps: the date of each, 2001-12 or 2001-12-31, which the axis shows instead.
    std::vector<std::string> dates = {};
    bool logarithmic_x = false;

    std::string svg() const;
};

} // namespace unroll
