#include "series.hpp"

#include "../common/chart.hpp"

#include <unroll/core/base/error.hpp>
#include <unroll/nn/text/text.hpp>

#include <cmath>
#include <sstream>

#include <fmt/format.h>

namespace forecast {

using namespace unroll;

Series read_series(const std::string& path) {
    Series series;
    const auto lines = nn::read_lines(path);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        std::string line = lines[i], date, value;
        std::erase(line, '"');
        std::istringstream cells(line);
        std::getline(std::getline(cells, date, ','), value, ',');
        std::istringstream number(value);
        double read = 0;
        if (number >> read && (number >> std::ws).eof() && std::isfinite(read)) {
            series.dates.push_back(date);
            series.values.push_back(read);
        } else if (i > 0) {
            nn::refuse_line("forecast", path, i + 1, nn::quoted(line) + " is no date and number");
        }
    }
    if (series.values.size() < 40)
        fail("forecast", fmt::format("'{}' has {} values, fewer than the 40 that are needed", path,
                                     series.values.size()));
    const auto dashes = std::ranges::count(series.dates[0], '-');
    if (dashes != 1 && dashes != 2)
        fail("forecast", "'" + series.dates[0] + "' in '" + path +
                             "' is neither a month, 2001-12, nor a day, 2001-12-31");
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
