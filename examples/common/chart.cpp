#include "chart.hpp"

#include <unroll/core/base/error.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

namespace example {

std::vector<std::string> following_dates(const std::string& last, std::size_t count) {
    using namespace std::chrono;
    int y = 0;
    unsigned m = 0, d = 0;
    const int read = std::sscanf(last.c_str(), "%d-%u-%u", &y, &m, &d);
    year_month_day date{year(y), month(m), day(read == 3 ? d : 1)};
    if (read < 2 || !date.ok())
        unroll::fail("following_dates",
                     "'" + last +
                         "' is neither a month, such as 2001-12, nor a day, such as "
                         "2001-12-31");
    std::vector<std::string> dates;
    for (std::size_t i = 0; i < count; ++i) {
        date = read == 3 ? year_month_day(sys_days(date) + days(1)) : date + months(1);
        dates.push_back(fmt::format("{:04}-{:02}", static_cast<int>(date.year()),
                                    static_cast<unsigned>(date.month())));
        if (read == 3) dates.back() += fmt::format("-{:02}", static_cast<unsigned>(date.day()));
    }
    return dates;
}

void Curves::add(const std::vector<double>& row) {
    for (std::size_t c = 0; c < columns_.size(); ++c) columns_[c].push_back(row[c]);
}

void Curves::add_column(const std::string& name, std::vector<double> values) {
    names_.push_back(name);
    columns_.push_back(std::move(values));
}

std::string Curves::csv(const std::string& count) const {
    std::string text = count;
    std::size_t rows = 0;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
        text += (text.empty() ? "" : ",") + names_[c];
        rows = std::max(rows, columns_[c].size());
    }
    text += "\n";
    for (std::size_t i = 0; i < rows; ++i) {
        std::string line = count.empty() ? "" : std::to_string(i);
        for (std::size_t c = 0; c < columns_.size(); ++c) {
            if (c > 0 || !count.empty()) line += ",";
            if (i < columns_[c].size())
                line += fmt::format("{:.8g}", std::isnan(columns_[c][i]) ? std::abs(columns_[c][i])
                                                                         : columns_[c][i]);
        }
        text += line + "\n";
    }
    return text;
}

std::string Curves::svg(const std::string& title, const std::vector<std::string>& names) const {
    Chart chart{.title = title, .x = names_[0], .y = ""};
    for (const auto& name : names) {
        const auto at = std::find(names_.begin(), names_.end(), name) - names_.begin();
        const auto colour = static_cast<int>(chart.lines.size());
        chart.lines.push_back(
            {name, columns_[0], columns_[static_cast<std::size_t>(at)], colour, false});
    }
    return chart.svg();
}

} // namespace example
