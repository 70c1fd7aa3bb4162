#include "series.hpp"

#include "../common/chart.hpp"

#include <unroll/core/base/error.hpp>

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

namespace forecast {

using namespace unroll;

namespace {

constexpr example::Time day = 86400;

std::size_t season_of(const example::Table& table) {
    if (table.months > 0)
        return static_cast<std::size_t>(std::max<std::int64_t>(12 / table.months, 1));
    if (table.seconds >= day)
        return static_cast<std::size_t>(std::max<std::int64_t>(365 * day / table.seconds, 1));
    return static_cast<std::size_t>(table.seconds > 0 ? day / table.seconds : 1);
}

std::size_t phase_of(const example::Table& table, example::Time time, std::size_t season) {
    const example::Date date = example::date_of(time);
    std::int64_t steps = 0;
    if (table.months > 0) {
        steps = (static_cast<std::int64_t>(date.month) - 1) / table.months;
    } else if (table.seconds >= day) {
        using namespace std::chrono;
        const auto new_year = sys_days(year(static_cast<int>(date.year)) / January / 1);
        steps = (time - new_year.time_since_epoch().count() * day) / table.seconds;
    } else if (table.seconds > 0) {
        steps = ((time % day + day) % day) / table.seconds;
    }
    return static_cast<std::size_t>(steps) % season;
}

} // namespace

Series read_series(const std::string& path, const example::TableOptions& options) {
    const example::Table table = example::read_table(path, options);
    if (table.columns[0].size() < 40)
        fail("forecast", fmt::format("'{}' has {} values; at least 40 are needed", path,
                                     table.columns[0].size()));
    Series series{table.dates, table.columns[0], season_of(table), {}, table.about};
    for (const example::Time time : table.times)
        series.phases.push_back(phase_of(table, time, series.season));
    return series;
}

std::string forecasts_svg(const std::string& title, const Series& series, std::size_t begin,
                          const Forecasts& forecasts, const std::vector<std::size_t>& marked) {
    example::Line values{.name = "values"}, marks{.name = "anomalies", .colour = 4, .marks = true};
    for (std::size_t t = begin; t < series.values.size(); ++t)
        values.add(static_cast<double>(t), series.values[t]);
    for (const std::size_t t : marked) marks.add(static_cast<double>(t), series.values[t]);
    example::Line middle{.name = "forecast", .colour = 1};
    example::Band interval{.name = "90 % interval", .colour = 1};
    for (std::size_t i = 0; i < forecasts.middle.size(); ++i) {
        const auto t = static_cast<double>(forecasts.begin + i);
        middle.add(t, forecasts.middle[i]);
        interval.x.push_back(t);
    }
    interval.low = forecasts.low;
    interval.high = forecasts.high;
    example::Chart chart{.title = title,
                         .x = "",
                         .y = "value",
                         .lines = {values, middle},
                         .bands = {interval},
                         .dates = series.dates};
    const std::size_t end = forecasts.begin + forecasts.middle.size();
    if (end > chart.dates.size())
        for (auto& date : example::following_dates(chart.dates.back(), end - chart.dates.size()))
            chart.dates.push_back(std::move(date));
    if (!marked.empty()) chart.lines.push_back(marks);
    return chart.svg();
}

} // namespace forecast
