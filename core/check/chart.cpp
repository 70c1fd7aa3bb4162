#include <unroll/core/check/chart.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace unroll {

namespace {

constexpr double width = 760, height = 400, left = 70, right = 190, top = 40, bottom = 50;
constexpr double plot_width = width - left - right, plot_height = height - top - bottom;
const char* const colours[] = {"#1f6fb4", "#d1495b", "#3d8b5f", "#8d5a97",
                               "#c9820a", "#3aa6b9", "#7a5c3e", "#555555"};

std::string text_at(double x, double y, const char* anchor, const std::string& what,
                    const std::string& more = "") {
    return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                       anchor, more, what);
}

// Maps a range of values to page coordinates.
struct Axis {
    double low, high, from, length; // `low` is drawn at `from`
    double step = 1;                // between ticks
    bool logarithmic = false;

    // Widens the range to multiples of a round step, about `ticks` of them.
    void round(int ticks) {
        const double raw = std::max((high - low) / ticks, 1e-12);
        const double decade = std::pow(10, std::floor(std::log10(raw)));
        step = decade;
        for (const double nice : {2.0, 5.0, 10.0})
            if (step < raw) step = nice * decade;
        if (logarithmic) step = std::max(std::ceil(step), 1.0);
        low = std::floor(low / step + 1e-9) * step;
        high = std::max(std::ceil(high / step - 1e-9) * step, low + step);
    }
    double coordinate(double value) const { return from + (value - low) / (high - low) * length; }
    int ticks() const { return static_cast<int>(std::lround((high - low) / step)); }
    double tick(int i) const { return low + step * i; }
    std::string label(int i) const {
        if (logarithmic)
            return fmt::format("10<tspan dy=\"-5\" font-size=\"9\">{}</tspan>",
                               std::lround(tick(i)));
        const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
        return fmt::format("{:.{}f}", tick(i) == 0 ? 0.0 : tick(i), decimals);
    }
};

std::vector<std::pair<double, double>> points(const Chart& chart, const Chart::Line& line) {
    std::vector<std::pair<double, double>> found;
    for (std::size_t i = 0; i < line.x.size(); ++i) {
        const double x = chart.logarithmic_x ? std::log10(line.x[i]) : line.x[i];
        const double y = chart.logarithmic ? std::log10(line.y[i]) : line.y[i];
        if (std::isfinite(x) && std::isfinite(y)) found.emplace_back(x, y);
    }
    return found;
}

} // namespace

std::string escape_xml(const std::string& text) {
    std::string out;
    for (const char c : text) out += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
    return out;
}

std::string Chart::svg() const {
    const double infinity = std::numeric_limits<double>::infinity();
    Axis across{infinity, -infinity, left, plot_width};
    Axis up{infinity, -infinity, top + plot_height, -plot_height};
    across.logarithmic = logarithmic_x;
    up.logarithmic = logarithmic;
    for (const Line& line : lines)
        for (const auto& [px, py] : points(*this, line)) {
            across.low = std::min(across.low, px);
            across.high = std::max(across.high, px);
            up.low = std::min(up.low, py);
            up.high = std::max(up.high, py);
        }
    for (Axis* axis : {&across, &up})
        if (!(axis->low <= axis->high)) axis->low = 0, axis->high = 1;
    if (logarithmic) up.low = std::max(up.low, up.high - 12);
    const double last = across.high;
    across.round(6);
    across.high = std::max(last, across.low + across.step);
    up.round(6);

    std::string out = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:g} {:g}\" "
        "font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\" fill=\"#222222\">\n"
        "<rect width=\"{:g}\" height=\"{:g}\" fill=\"white\"/>\n"
        "<clipPath id=\"plot\"><rect x=\"{:g}\" y=\"{:g}\" width=\"{:g}\" height=\"{:g}\"/>"
        "</clipPath>\n",
        width, height, width, height, left, top - 2, plot_width, plot_height + 4);
    out += text_at(left + plot_width / 2, 24, "middle", escape_xml(title), " font-size=\"14\"");
    out += text_at(left + plot_width / 2, height - 10, "middle", escape_xml(x));
    const double middle = top + plot_height / 2;
    out += text_at(18, middle, "middle", escape_xml(y),
                   fmt::format(" transform=\"rotate(-90 18 {:g})\"", middle));
    for (int i = 0; i <= up.ticks(); ++i) {
        const double at = up.coordinate(up.tick(i));
        out += fmt::format("<path d=\"M{:.1f} {:.1f}h{:.1f}\" stroke=\"{}\"/>\n", left, at,
                           plot_width, i == 0 ? "#888888" : "#e2e2e2");
        out += text_at(left - 8, at + 4, "end", up.label(i));
    }
    for (int i = 0; across.tick(i) <= across.high + 1e-9 * across.step; ++i) {
        const double at = across.coordinate(across.tick(i));
        out += fmt::format("<path d=\"M{:.1f} {:.1f}v5\" stroke=\"#888888\"/>\n", at,
                           top + plot_height);
        out += text_at(at, top + plot_height + 19, "middle", across.label(i));
    }
    double legend = top + 10;
    for (const Line& line : lines) {
        const std::string look = fmt::format(
            "fill=\"none\" stroke-width=\"1.8\" stroke-linejoin=\"round\" stroke=\"{}\"{}",
            colours[line.colour % 8], line.dashed ? " stroke-dasharray=\"5 4\"" : "");
        const auto circle = [&](double cx, double cy) {
            return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" {}/>\n", cx, cy, look);
        };
        if (!line.marks) out += "<polyline clip-path=\"url(#plot)\" " + look + " points=\"";
        for (const auto& [px, py] : points(*this, line))
            out += line.marks
                       ? circle(across.coordinate(px), up.coordinate(py))
                       : fmt::format("{:.1f},{:.1f} ", across.coordinate(px), up.coordinate(py));
        if (!line.marks) out += "\"/>\n";
        out += (line.marks ? circle(width - right + 28, legend)
                           : fmt::format("<path d=\"M{:.1f} {:.1f}h24\" {}/>\n", width - right + 16,
                                         legend, look)) +
               text_at(width - right + 46, legend + 4, "start", escape_xml(line.name));
        legend += 20;
    }
    return out + "</svg>\n";
}

} // namespace unroll
