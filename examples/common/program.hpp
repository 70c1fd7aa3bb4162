#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

// What the example programs share: progress and results.
namespace example {

class Stopwatch {
public:
    double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// One line that is rewritten on a terminal, and a plain line every ten seconds elsewhere. Output
// that cannot be written is an interrupt: a training saves and ends.
class Progress {
public:
    Progress();
    ~Progress();
    // `done` of the work, in [0, 1]; the time left is told from it.
    void show(double done, const std::string& text);
    // A line that stays.
    void note(const std::string& text);

private:
    bool terminal_;
    bool open_ = false;
    double last_ = -1e9;
    Stopwatch watch_;
};

// "1m 05s"
std::string duration(double seconds);
// printf's text, of at most 511 bytes.
template <class... A>
std::string format(const char* pattern, A... values) {
    char text[512];
    std::snprintf(text, sizeof text, pattern, values...);
    return text;
}

// printf's %.*g or %.*f
std::string number(double value, int decimals);

// The last line of a program: "result: key=value ...".
void print_result(const std::vector<std::pair<std::string, std::string>>& values);

} // namespace example
