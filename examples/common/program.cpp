#include "program.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <limits>

#include <unistd.h>

namespace example {

namespace {

std::atomic<int> signals{0};

extern "C" void on_signal(int) {
    if (signals.fetch_add(1) > 0) _exit(130);
}

} // namespace

void catch_interrupts() {
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
}

bool interrupted() { return signals > 0; }

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
    std::fflush(stdout);
    open_ = terminal_;
}

void Progress::note(const std::string& text) {
    std::printf("%s%s\n", open_ ? "\r\033[K" : "", text.c_str());
    std::fflush(stdout);
    open_ = false;
}

std::string Curves::csv() const {
    std::string text;
    for (const auto& column : columns_) text += (text.empty() ? "" : ",") + column;
    text += "\n";
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            char value[32];
            std::snprintf(value, sizeof value, "%s%.8g", i > 0 ? "," : "", row[i]);
            text += value;
        }
        text += "\n";
    }
    return text;
}

std::string Curves::svg(const std::string& title, const std::vector<std::string>& names) const {
    constexpr double width = 720, height = 400, left = 64, right = 20, top = 40, bottom = 48;
    const char* const colours[] = {"#1f6fb4", "#d1495b", "#3d8b5f", "#8d5a97"};
    double x0 = 0, x1 = 1, y0 = std::numeric_limits<double>::infinity(), y1 = -y0;
    std::vector<std::size_t> chosen;
    for (const auto& name : names)
        chosen.push_back(static_cast<std::size_t>(
            std::find(columns_.begin(), columns_.end(), name) - columns_.begin()));
    for (const auto& row : rows_) {
        x1 = std::max(x1, row[0]);
        for (const std::size_t c : chosen)
            if (std::isfinite(row[c])) y0 = std::min(y0, row[c]), y1 = std::max(y1, row[c]);
    }
    if (!(y0 <= y1)) y0 = 0, y1 = 1;
    const double step = std::pow(10, std::floor(std::log10(std::max(y1 - y0, 1e-9))));
    y0 = std::floor(y0 / step) * step;
    y1 = std::max(std::ceil(y1 / step) * step, y0 + step);
    const auto px = [&](double x) { return left + (x - x0) / (x1 - x0) * (width - left - right); };
    const auto py = [&](double y) {
        return height - bottom - (y - y0) / (y1 - y0) * (height - top - bottom);
    };
    std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 400\" "
                      "font-family=\"Helvetica, sans-serif\" font-size=\"12\">\n"
                      "<rect width=\"720\" height=\"400\" fill=\"white\"/>\n";
    char line[256];
    const auto text = [&](double x, double y, const char* anchor, const std::string& what) {
        std::snprintf(line, sizeof line, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y,
                      anchor);
        out += line + what + "</text>\n";
    };
    text(width / 2, 22, "middle", title);
    text(width / 2, height - 10, "middle", columns_[0]);
    for (int i = 0; i <= 5; ++i) {
        const double y = y0 + (y1 - y0) * i / 5, x = x0 + (x1 - x0) * i / 5;
        std::snprintf(
            line, sizeof line,
            "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#dddddd\"/>\n", left,
            py(y), width - right, py(y));
        out += line;
        text(left - 6, py(y) + 4, "end", number(y, 2));
        text(px(x), height - bottom + 18, "middle", number(x, x1 < 10 ? 1 : 0));
    }
    for (std::size_t k = 0; k < chosen.size(); ++k) {
        out += "<polyline fill=\"none\" stroke-width=\"1.6\" stroke=\"" +
               std::string(colours[k % 4]) + "\" points=\"";
        for (const auto& row : rows_) {
            if (!std::isfinite(row[chosen[k]])) continue;
            std::snprintf(line, sizeof line, "%.1f,%.1f ", px(row[0]), py(row[chosen[k]]));
            out += line;
        }
        out += "\"/>\n";
        std::snprintf(line, sizeof line,
                      "<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"3\" fill=\"%s\"/>\n",
                      width - 180, top + 6 + 18.0 * static_cast<double>(k), colours[k % 4]);
        out += line;
        text(width - 160, top + 12 + 18.0 * static_cast<double>(k), "start", names[k]);
    }
    return out + "</svg>\n";
}

void print_result(const std::vector<std::pair<std::string, std::string>>& values) {
    std::printf("result:");
    for (const auto& [key, value] : values) std::printf(" %s=%s", key.c_str(), value.c_str());
    std::printf("\n");
}

} // namespace example
