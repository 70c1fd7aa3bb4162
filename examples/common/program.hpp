#pragma once

#include <chrono>
#include <concepts>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace example {

class Stopwatch {
public:
    double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// A progress line, rewritten on a terminal; elsewhere a new line every ten seconds. A failed write
// acts as an interrupt: training saves its model and ends.
class Progress {
public:
    Progress();
    ~Progress();
    // `done` in [0, 1] is the completed fraction of the work, from which the remaining time is
    // estimated.
    void show(double done, const std::string& text);
    // Prints a permanent line.
    void note(const std::string& text);

private:
    bool terminal_;
    bool open_ = false;
    double last_ = -1e9;
    Stopwatch watch_;
};

// A named value, such as a metric.
struct Figure {
    std::string name, text;
    double value = 0;

    Figure(std::string n, double v, int decimals = 4)
        : name(std::move(n)), text(fmt::format("{:.{}f}", v, decimals)), value(v) {}
    Figure(std::string n, std::integral auto v)
        : name(std::move(n)), text(std::to_string(v)), value(static_cast<double>(v)) {}
    Figure(std::string n, std::string t) : name(std::move(n)), text(std::move(t)) {}
};
using Figures = std::vector<Figure>;

// Prints the last line of a program: "result: name=text ...".
void print_result(const Figures& figures, const Figures& more = {});

} // namespace example
