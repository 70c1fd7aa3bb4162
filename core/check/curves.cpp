#include <unroll/core/base/scope.hpp>
#include <unroll/core/check/chart.hpp>
#include <unroll/core/check/curves.hpp>
#include <unroll/core/check/table.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace unroll {

void Curves::add(const std::vector<double>& row, Where where) {
    const Called here(where);
    if (row.size() != columns_.size())
        fail("Curves", fmt::format("expected a value for each of {} columns, got {}",
                                   columns_.size(), row.size()));
    for (std::size_t c = 0; c < columns_.size(); ++c) columns_[c].push_back(row[c]);
}

void Curves::add_column(const std::string& name, std::vector<double> values) {
    names_.push_back(name);
    columns_.push_back(std::move(values));
}

std::string Curves::csv(const std::string& count) const {
    Table table{names_, {}};
    std::size_t rows = 0;
    for (const auto& column : columns_) rows = std::max(rows, column.size());
    table.rows.assign(rows, std::vector<std::string>(columns_.size()));
    for (std::size_t c = 0; c < columns_.size(); ++c)
        for (std::size_t i = 0; i < columns_[c].size(); ++i) {
            const double value = columns_[c][i];
            table.rows[i][c] = std::isnan(value) ? "nan" : fmt::format("{:.8g}", value);
        }
    if (!count.empty()) {
        table.columns.insert(table.columns.begin(), count);
        for (std::size_t i = 0; i < rows; ++i)
            table.rows[i].insert(table.rows[i].begin(), std::to_string(i));
    }
    return table.csv();
}

std::string Curves::svg(const std::string& title, const std::vector<std::string>& names,
                        Where where) const {
    const Called here(where);
    Chart chart{.title = title, .x = names_.empty() ? "" : names_[0], .y = ""};
    for (const auto& name : names) {
        const auto found = std::ranges::find(names_, name);
        if (found == names_.end()) fail("Curves", "there is no column '" + name + "'");
        const auto& values = columns_[static_cast<std::size_t>(found - names_.begin())];
        const int colour = static_cast<int>(chart.lines.size());
        chart.lines.push_back({name, columns_[0], values, colour});
    }
    return chart.svg();
}

} // namespace unroll
