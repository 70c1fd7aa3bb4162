#pragma once

#include <chrono>
#include <string>
#include <utility>
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

// Prints the last line of a program: "result: key=value ...".
void print_result(const std::vector<std::pair<std::string, std::string>>& values);

} // namespace example
