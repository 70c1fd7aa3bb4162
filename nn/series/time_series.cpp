#include <unroll/core/base/scope.hpp>
#include <unroll/nn/series/dates.hpp>
#include <unroll/nn/series/numbers.hpp>
#include <unroll/nn/series/time_series.hpp>
#include <unroll/nn/text/text.hpp>

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

namespace unroll::nn {

using namespace detail;

namespace {

std::size_t index_of(const Cells& cells, const std::string& name) {
    const auto found = std::ranges::find(cells.header, name);
    if (found != cells.header.end()) return static_cast<std::size_t>(found - cells.header.begin());
    std::size_t number = 0;
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data(), end, number);
    if (error == std::errc() && stop == end && number >= 1 && number <= cells.rows[0].cells.size())
        return number - 1;
    std::string names;
    for (const auto& one : cells.header) names += (names.empty() ? "" : ", ") + nn::quoted(one);
    fail(series_reader,
         fmt::format("'{}' has no column {}; it has {}", cells.path, nn::quoted(name),
                     names.empty() ? "no header: give a number" : names));
}

std::string unit_of(const Step& step) {
    const std::map<std::pair<std::int64_t, std::int64_t>, std::string> names{
        {{12, 0}, "years"},   {{3, 0}, "quarters"}, {{1, 0}, "months"},  {{0, 7 * 86400}, "weeks"},
        {{0, 86400}, "days"}, {{0, 3600}, "hours"}, {{0, 60}, "minutes"}};
    const auto found = names.find({step.months, step.seconds});
    if (found != names.end()) return found->second;
    return step.months > 0 ? fmt::format("steps of {} months", step.months)
                           : fmt::format("steps of {} seconds", step.seconds);
}

std::string grouped(std::size_t n) {
    std::string text = std::to_string(n);
    for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
    return text;
}

std::string text_of(const std::chrono::year_month_day& date) {
    return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::string counted(std::size_t n, const std::string& what) {
    return n == 0 ? "" : fmt::format(", {} {}{}", n, what, n == 1 ? "" : "s");
}

} // namespace

std::size_t TimeSeries::season() const {
    const std::int64_t steps = months > 0                 ? 12 / months
                               : seconds >= seconds_a_day ? 365 * seconds_a_day / seconds
                               : seconds > 0              ? seconds_a_day / seconds
                                                          : 1;
    return static_cast<std::size_t>(std::max<std::int64_t>(steps, 1));
}

std::vector<std::size_t> TimeSeries::phases() const {
    using namespace std::chrono;
    std::vector<std::size_t> all;
    for (const Time time : times) {
        const auto date = date_of(time);
        std::int64_t steps = 0;
        if (months > 0) {
            steps = (date.month() - January).count() / months;
        } else if (seconds >= seconds_a_day) {
            const auto days_before = sys_days(date) - sys_days(date.year() / January / 1);
            steps = (days_before.count() * seconds_a_day + time_of_day(time)) / seconds;
        } else if (seconds > 0) {
            steps = time_of_day(time) / seconds;
        }
        all.push_back(static_cast<std::size_t>(steps) % season());
    }
    return all;
}

std::string TimeSeries::date(std::size_t step) const {
    const std::size_t known = std::min(step, times.size() - 1);
    const auto after = static_cast<std::int64_t>(step - known);
    const Time time = times[known] + after * seconds;
    const auto day = date_of(time) + std::chrono::months(after * months);
    if (months > 0) return text_of(day).substr(0, 7);
    if (seconds == 0 || seconds % seconds_a_day == 0) return text_of(day);
    const Time seconds_of_day = time_of_day(time);
    return fmt::format("{} {:02}:{:02}", text_of(day), seconds_of_day / 3600,
                       seconds_of_day / 60 % 60);
}

TimeSeries read_time_series(const std::string& path, const TimeSeriesOptions& options,
                            Where where) {
    const Called here(where);
    const Cells cells = read_cells(path);
    std::string about = cells.about;
    TimeSeries series;
    Dates dates = read_dates(cells, about);
    series.dates = std::move(dates.texts);
    series.times = std::move(dates.times);
    const Step step = step_of(series.times);
    series.months = step.months;
    series.seconds = step.seconds;

    std::vector<std::size_t> indices;
    for (const auto& name : options.columns) indices.push_back(index_of(cells, name));
    for (std::size_t c = 1; c < cells.rows[0].cells.size() && indices.empty(); ++c)
        if (has_numbers(cells, c, options.missing)) indices.push_back(c);
    if (indices.empty()) fail(series_reader, fmt::format("'{}' has no column of numbers", path));
    for (const std::size_t c : indices) {
        series.names.push_back(cells.header.empty() ? std::to_string(c + 1) : cells.header[c]);
        about += ", column " + nn::quoted(series.names.back());
        series.columns.push_back(read_numbers(cells, c, options.missing, about));
    }

    const std::size_t rows = cells.rows.size();
    if (step.falling > 0) {
        if (step.falling + step.repeats + 1 != rows)
            for (std::size_t i = 1; i < rows; ++i)
                if (series.times[i] < series.times[i - 1])
                    cells.refuse(i, nn::quoted(series.dates[i]) +
                                        " is earlier than the previous row; sort the rows");
        std::ranges::reverse(series.times);
        std::ranges::reverse(series.dates);
        for (auto& column : series.columns) std::ranges::reverse(column);
        about += ", descending: reversed";
    }
    series.about =
        fmt::format("{} {}, {} to {}{}{}{}", grouped(rows), unit_of(step),
                    text_of(date_of(series.times[0])), text_of(date_of(series.times.back())), about,
                    counted(step.gaps, "gap"), counted(step.repeats, "repeat"));
    return series;
}

} // namespace unroll::nn
