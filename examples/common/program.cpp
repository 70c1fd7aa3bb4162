#include "program.hpp"

#include "interrupts.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <unistd.h>

namespace example {

std::string duration(double seconds) {
    const auto whole = static_cast<long>(std::lround(std::max(seconds, 0.0)));
    char text[32];
    if (whole >= 3600)
        std::snprintf(text, sizeof text, "%ldh %02ldm", whole / 3600, whole / 60 % 60);
    else if (whole >= 60)
        std::snprintf(text, sizeof text, "%ldm %02lds", whole / 60, whole % 60);
    else
        std::snprintf(text, sizeof text, "%lds", whole);
    return text;
}

std::string number(double value, int decimals) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", decimals, value);
    return text;
}

Progress::Progress() : terminal_(isatty(STDOUT_FILENO) != 0) {}

Progress::~Progress() {
    if (open_) std::printf("\n");
}

void Progress::show(double done, const std::string& text) {
    const double now = watch_.seconds();
    if (now - last_ < (terminal_ ? 0.2 : 10.0)) return;
    last_ = now;
    const double left = done > 0 ? now * (1 - done) / done : 0;
    std::printf("%s%3.0f %%  %s  %s left%s", terminal_ ? "\r\033[K" : "", 100 * done, text.c_str(),
                duration(left).c_str(), terminal_ ? "" : "\n");
    if (std::fflush(stdout) != 0) interrupt();
    open_ = terminal_;
}

void Progress::note(const std::string& text) {
    std::printf("%s%s\n", open_ ? "\r\033[K" : "", text.c_str());
    if (std::fflush(stdout) != 0) interrupt();
    open_ = false;
}

void print_result(const std::vector<std::pair<std::string, std::string>>& values) {
    std::printf("result:");
    for (const auto& [key, value] : values) std::printf(" %s=%s", key.c_str(), value.c_str());
    std::printf("\n");
}

} // namespace example
