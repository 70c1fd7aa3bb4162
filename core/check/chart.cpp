#include <unroll/core/check/chart.hpp>
#include <unroll/core/check/svg.hpp>

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

// The positions and labels of the ticks of a date axis: years, months or days, at most about eight.
std::vector<std::pair<std::size_t, std::string>> date_ticks(const std::vector<std::string>& dates,
                                                            std::size_t first, std::size_t last) {
    constexpr std::size_t most = 8;
    std::vector<std::pair<std::size_t, std::string>> ticks;
    // The length of the prefix that shows the year, month or day.
    for (const std::size_t unit : {4, 7, 10}) {
        ticks.clear();
        for (std::size_t t = std::max<std::size_t>(first, 1); t <= last; ++t)
            if (dates[t].size() >= unit && dates[t].substr(0, unit) != dates[t - 1].substr(0, unit))
                ticks.emplace_back(t, dates[t].substr(0, unit));
        if (ticks.size() >= 3) break;
    }
    std::vector<std::pair<std::size_t, std::string>> some;
    const std::size_t every = (ticks.size() + most - 1) / most;
    for (std::size_t i = 0; i < ticks.size(); i += every) some.push_back(ticks[i]);
    return some;
}

// Draws the data of a chart, then its axes and legend.
class Drawer {
public:
    explicit Drawer(const Chart& chart) : chart_(chart), svg_(width, height) {
        choose_axes();
        svg_.clip(left, top - 2, plot_width, plot_height + 4);
        draw_axes();
        for (const Chart::Band& band : chart.bands) draw(band);
        for (const Chart::Line& line : chart.lines) draw(line);
        draw_legend();
    }
    std::string str() const { return svg_.str(); }

private:
    double place_x(double x) const { return chart_.logarithmic_x ? std::log10(x) : x; }
    double value(double y) const { return chart_.logarithmic ? std::log10(y) : y; }

    void choose_axes() {
        across_.logarithmic = chart_.logarithmic_x;
        up_.logarithmic = chart_.logarithmic;
        const auto cover = [&](double x, double y) {
            if (!is_shown(x, y)) return;
            across_.low = std::min(across_.low, place_x(x));
            across_.high = std::max(across_.high, place_x(x));
            up_.low = std::min(up_.low, value(y));
            up_.high = std::max(up_.high, value(y));
        };
        for (const Chart::Line& line : chart_.lines)
            for (std::size_t i = 0; i < line.x.size(); ++i) cover(line.x[i], line.y[i]);
        for (const Chart::Band& band : chart_.bands)
            for (std::size_t i = 0; i < band.x.size(); ++i) {
                cover(band.x[i], band.low[i]);
                cover(band.x[i], band.high[i]);
            }
        for (Axis* axis : {&across_, &up_})
            if (!(axis->low <= axis->high)) axis->low = 0, axis->high = 1;
        if (chart_.logarithmic) up_.low = std::max(up_.low, up_.high - 12);
        up_.round(6);
        if (has_dates()) {
            across_.high = std::max(across_.high, across_.low + 1);
            return;
        }
        const double last = across_.high;
        across_.round(6);
        across_.high = std::max(last, across_.low + across_.step);
    }
    bool has_dates() const {
        return !chart_.dates.empty() && !chart_.logarithmic_x && across_.low >= 0 &&
               across_.high < static_cast<double>(chart_.dates.size());
    }

    void draw_axes() {
        svg_.text(left + plot_width / 2, 24, chart_.title, {.anchor = "middle", .size = 14});
        svg_.text(left + plot_width / 2, height - 10, chart_.x, {.anchor = "middle"});
        svg_.text(18, top + plot_height / 2, chart_.y, {.anchor = "middle", .turned = -90});
        for (int i = 0; i <= up_.ticks(); ++i) {
            const double at = up_.coordinate(up_.tick(i));
            svg_.path(fmt::format("M{:.1f} {:.1f}h{:.1f}", left, at, plot_width),
                      {.stroke = i == 0 ? "#888888" : "#e2e2e2"});
            svg_.markup(left - 8, at + 4, up_.label(i), {.anchor = "end"});
        }
        const auto tick = [&](double x, const std::string& label) {
            const double at = across_.coordinate(x);
            svg_.path(fmt::format("M{:.1f} {:.1f}v5", at, top + plot_height),
                      {.stroke = "#888888"});
            svg_.text(at, top + plot_height + 19, label, {.anchor = "middle"});
        };
        if (has_dates()) {
            for (const auto& [t, date] :
                 date_ticks(chart_.dates, static_cast<std::size_t>(across_.low),
                            static_cast<std::size_t>(across_.high)))
                tick(static_cast<double>(t), date);
            return;
        }
        for (int i = 0; across_.tick(i) <= across_.high + 1e-9 * across_.step; ++i)
            tick(across_.tick(i), across_.label(i));
    }

    SvgPaint pen(const Chart::Line& line) const {
        return {.stroke = colours[line.colour % 8], .width = 1.8, .dashed = line.dashed};
    }
    static SvgPaint shade(const Chart::Band& band) {
        return {.fill = colours[band.colour % 8], .opacity = 0.22};
    }
    std::pair<double, double> to_page(double x, double y) const {
        return {across_.coordinate(place_x(x)), up_.coordinate(value(y))};
    }
    bool is_shown(double x, double y) const {
        return std::isfinite(place_x(x)) && std::isfinite(value(y));
    }

    void draw(const Chart::Line& line) {
        std::vector<std::pair<double, double>> points;
        for (std::size_t i = 0; i < line.x.size(); ++i)
            if (is_shown(line.x[i], line.y[i])) points.push_back(to_page(line.x[i], line.y[i]));
        if (!line.marks) return svg_.line(points, pen(line), true);
        for (const auto& [x, y] : points) svg_.circle(x, y, 4, pen(line));
    }
    void draw(const Chart::Band& band) {
        std::string there, back;
        for (std::size_t i = 0; i < band.x.size(); ++i) {
            if (!is_shown(band.x[i], band.low[i]) || !is_shown(band.x[i], band.high[i])) continue;
            const auto [x, high] = to_page(band.x[i], band.high[i]);
            there += fmt::format("{}{:.1f} {:.1f}", there.empty() ? "M" : "L", x, high);
            back = fmt::format("L{:.1f} {:.1f}", x, to_page(band.x[i], band.low[i]).second) + back;
        }
        if (!there.empty()) svg_.path(there + back + "Z", shade(band), true);
    }

    void draw_legend() {
        double y = top + 10;
        const double x = width - right + 16;
        const auto name = [&](const std::string& text) {
            svg_.text(x + 30, y + 4, text);
            y += 20;
        };
        for (const Chart::Line& line : chart_.lines) {
            if (line.marks)
                svg_.circle(x + 12, y, 4, pen(line));
            else
                svg_.path(fmt::format("M{:.1f} {:.1f}h24", x, y), pen(line));
            name(line.name);
        }
        for (const Chart::Band& band : chart_.bands) {
            svg_.rectangle(x, y - 6, 24, 12, shade(band));
            name(band.name);
        }
    }

    static constexpr double infinity = std::numeric_limits<double>::infinity();
    const Chart& chart_;
    Svg svg_;
    Axis across_{infinity, -infinity, left, plot_width};
    Axis up_{infinity, -infinity, top + plot_height, -plot_height};
};

} // namespace

std::string Chart::svg() const { return Drawer(*this).str(); }

} // namespace unroll
