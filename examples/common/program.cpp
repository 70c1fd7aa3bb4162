#include "program.hpp"

#include "interrupts.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <unistd.h>

namespace example {

namespace {

void print(const std::string& text) {
    std::fputs(text.c_str(), stdout);
    if (std::fflush(stdout) != 0) interrupt();
}

// "1m 05s"
std::string duration(double seconds) {
    const auto whole = std::lround(std::max(seconds, 0.0));
    if (whole >= 3600) return fmt::format("{}h {:02}m", whole / 3600, whole / 60 % 60);
    if (whole >= 60) return fmt::format("{}m {:02}s", whole / 60, whole % 60);
    return fmt::format("{}s", whole);
}

} // namespace

Progress::Progress() : terminal_(isatty(STDOUT_FILENO) != 0) {}

Progress::~Progress() {
    if (open_) print("\n");
}

void Progress::show(double done, const std::string& text) {
    const double now = watch_.seconds();
    if (now - last_ < (terminal_ ? 0.2 : 10.0)) return;
    last_ = now;
    print(fmt::format("{}{:3.0f} %  {}  {} left{}", terminal_ ? "\r\033[K" : "", 100 * done, text,
                      duration(done > 0 ? now * (1 - done) / done : 0), terminal_ ? "" : "\n"));
    open_ = terminal_;
}

void Progress::note(const std::string& text) {
    print(fmt::format("{}{}\n", open_ ? "\r\033[K" : "", text));
    open_ = false;
}

void print_result(const Figures& figures, const Figures& more) {
    std::string line = "result:";
    for (const auto* const some : {&figures, &more})
        for (const auto& [name, text, value] : *some) line += fmt::format(" {}={}", name, text);
    print(line + "\n");
}

} // namespace example
