#include <unroll/core/check/chart.hpp>
#include <unroll/core/check/gradcheck.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ostream>

#include <nlohmann/json.hpp>

namespace unroll {

namespace {

using Verdict = GradcheckReport::Verdict;

const char* name_of(Verdict verdict) {
    switch (verdict) {
    case Verdict::zero: return "zero";
    case Verdict::passed: return "ok";
    case Verdict::kink: return "kink";
    case Verdict::noisy: return "noisy";
    case Verdict::failed: break;
    }
    return "FAILED";
}

template <class... X>
std::string text_of(const char* format, X... x) {
    char text[320];
    std::snprintf(text, sizeof text, format, x...);
    return text;
}

std::string line_of(const GradcheckReport::Entry& e) {
    std::string line = text_of("%-6s %-32s %s %zu: analytic %.9g, numeric %.9g", name_of(e.verdict),
                               e.name.c_str(), e.is_direction ? "direction" : "element", e.index,
                               e.analytic, e.numeric);
    if (e.uncertainty > 0 && std::isfinite(e.uncertainty))
        line += text_of(" ± %.1g", e.uncertainty);
    line += text_of(", absolute error %.2g, relative %.2g", e.absolute, e.relative);
    if (e.slope != 0)
        line += std::isinf(e.slope) ? ", no remainder" : text_of(", slope %.2f", e.slope);
    if (e.is_step_reduced) line += text_of(", step reduced to %.1g", e.step);
    if (e.is_one_sided) line += ", from one side";
    if (e.verdict == Verdict::passed && *e.reason != '\0')
        line += std::string(" (above the tolerance, but ") + e.reason + ")";
    return line + "\n";
}

} // namespace

bool GradcheckReport::passed() const {
    return indeterminate.empty() && !zero_everywhere() &&
           std::all_of(entries.begin(), entries.end(),
                       [](const Entry& e) { return e.verdict < Verdict::noisy; });
}

bool GradcheckReport::zero_everywhere() const {
    return !entries.empty() && std::all_of(entries.begin(), entries.end(), [](const Entry& e) {
        return e.verdict == Verdict::zero;
    });
}

bool GradcheckReport::undecided() const {
    const auto has = [&](Verdict verdict) {
        return std::any_of(entries.begin(), entries.end(),
                           [&](const Entry& e) { return e.verdict == verdict; });
    };
    return indeterminate.empty() && has(Verdict::noisy) && !has(Verdict::failed);
}

std::string GradcheckReport::text() const {
    if (!indeterminate.empty())
        return "gradient check FAILED: with the same inputs the function gives " + indeterminate +
               "\n";
    std::string all;
    double needed = 0;
    for (const Entry& e : entries) {
        all += line_of(e);
        if (e.verdict == Verdict::noisy && e.numeric != 0)
            needed = std::max(needed, 2 * e.uncertainty / std::abs(e.numeric));
    }
    if (!located.empty()) all += located + "\n";
    if (zero_everywhere())
        return all +
               "gradient check FAILED: every derivative is zero, so nothing was checked; does "
               "the result depend on the inputs and parameters?\n";
    if (undecided())
        return all +
               "gradient check undecided: the function is too noisy for the tolerance. Does "
               "it compute in float, or at random? Its differences can show a relative error "
               "of " +
               text_of("%.0e", needed) + ", given as the tolerance\n";
    return all + (passed() ? "gradient check passed\n" : "gradient check FAILED\n");
}

std::string GradcheckReport::json() const {
    nlohmann::ordered_json all;
    all["passed"] = passed();
    all["undecided"] = undecided();
    all["evaluations"] = evaluations;
    if (!indeterminate.empty()) all["indeterminate"] = indeterminate;
    if (!located.empty()) all["located"] = located;
    all["entries"] = nlohmann::ordered_json::array();
    for (const Entry& e : entries) {
        all["entries"].push_back({{"name", e.name},
                                  {e.is_direction ? "direction" : "element", e.index},
                                  {"output", e.output},
                                  {"analytic", e.analytic},
                                  {"numeric", e.numeric},
                                  {"uncertainty", e.uncertainty}, // null: not estimated
                                  {"absolute_error", e.absolute},
                                  {"relative_error", e.relative},
                                  {"step", e.step},
                                  {"step_reduced", e.is_step_reduced},
                                  {"one_sided", e.is_one_sided},
                                  {"verdict", name_of(e.verdict)}});
        if (e.slope != 0) all["entries"].back()["slope"] = e.slope;
        if (*e.reason != '\0') all["entries"].back()["reason"] = e.reason;
    }
    for (const Remainder& r : remainders)
        all["remainders"].push_back({{"name", r.name},
                                     {"slope", r.slope},
                                     {"steps", r.steps},
                                     {"remainders", r.remainders}});
    // Names may contain any bytes.
    return all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string GradcheckReport::svg() const {
    Chart chart{.title = "Remainder of the first-order Taylor polynomial",
                .x = "step h",
                .y = "|f(x + h d) - f(x) - h <g, d>|",
                .logarithmic = true,
                .lines = {},
                .logarithmic_x = true};
    for (const Remainder& r : remainders)
        chart.lines.push_back({r.name + (std::isfinite(r.slope) ? text_of(" (%.2f)", r.slope) : ""),
                               r.steps, r.remainders, static_cast<int>(chart.lines.size())});
    // Reference lines of slopes 1 and 2 through the largest remainder.
    double widest = 0, most = 0;
    for (const Remainder& r : remainders)
        for (std::size_t i = 0; i < r.steps.size(); ++i) {
            widest = std::max(widest, r.steps[i]);
            most = std::max(most, r.remainders[i]);
        }
    for (const int slope : {1, 2}) {
        Chart::Line guide{"slope " + std::to_string(slope), {}, {}, 7, true};
        for (double h = widest; most > 0 && h > widest * 1e-6; h /= 2)
            guide.add(h, most * std::pow(h / widest, slope));
        chart.lines.push_back(guide);
    }
    return chart.svg();
}

std::ostream& operator<<(std::ostream& out, const GradcheckReport& report) {
    return out << report.text();
}

} // namespace unroll
