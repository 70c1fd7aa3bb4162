#include "chart.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace example {

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
