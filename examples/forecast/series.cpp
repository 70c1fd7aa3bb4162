#include "series.hpp"

#include <unroll/core/base/error.hpp>
#include <unroll/core/check/chart.hpp>

#include <fmt/format.h>

namespace forecast {

using namespace unroll;

Series read_series(const std::string& path, const nn::TimeSeriesOptions& options) {
    const nn::TimeSeries table = nn::read_time_series(path, options);
    if (table.columns[0].size() < 40)
        fail("forecast", fmt::format("'{}' has {} values; at least 40 are needed", path,
                                     table.columns[0].size()));
    return {table, table.columns[0], table.season(), table.phases()};
}

std::string forecasts_svg(const std::string& title, const Series& series, std::size_t begin,
                          const Forecasts& forecasts, const std::vector<std::size_t>& marked) {
    Chart::Line values{.name = "values"}, marks{.name = "anomalies", .colour = 4, .marks = true};
    for (std::size_t t = begin; t < series.values.size(); ++t)
        values.add(static_cast<double>(t), series.values[t]);
    for (const std::size_t t : marked) marks.add(static_cast<double>(t), series.values[t]);
    Chart::Line middle{.name = "forecast", .colour = 1};
    Chart::Band interval{.name = "90 % interval", .colour = 1};
    for (std::size_t i = 0; i < forecasts.middle.size(); ++i) {
        const auto t = static_cast<double>(forecasts.begin + i);
        middle.add(t, forecasts.middle[i]);
        interval.x.push_back(t);
    }
    interval.low = forecasts.low;
    interval.high = forecasts.high;
    Chart chart{
        .title = title, .x = "", .y = "value", .lines = {values, middle}, .bands = {interval}};
    const std::size_t end = forecasts.begin + forecasts.middle.size();
    for (std::size_t t = 0; t < std::max(end, series.values.size()); ++t)
        chart.dates.push_back(series.table.date(t));
    if (!marked.empty()) chart.lines.push_back(marks);
    return chart.svg();
}

} // namespace forecast
