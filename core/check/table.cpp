#include <unroll/core/check/table.hpp>

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

namespace unroll {

namespace {

bool is_number(const std::string& cell) {
    char* end = nullptr;
    std::strtod(cell.c_str(), &end);
    return !cell.empty() && *end == '\0';
}

std::string quoted(const std::string& cell) {
    if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
    std::string text = "\"";
    for (const char c : cell) text += c == '"' ? std::string("\"\"") : std::string(1, c);
    return text + "\"";
}

} // namespace

std::string Table::text() const {
    std::vector<std::size_t> widths;
    std::vector<bool> right;
    for (std::size_t c = 0; c < columns.size(); ++c) {
        widths.push_back(columns[c].size());
        right.push_back(!rows.empty());
        for (const auto& row : rows) {
            widths[c] = std::max(widths[c], row[c].size());
            right[c] = right[c] && (row[c].empty() || is_number(row[c]));
        }
    }
    std::string text;
    const auto line = [&](const std::vector<std::string>& cells) {
        std::string out;
        for (std::size_t c = 0; c < cells.size(); ++c) {
            const std::string gap(widths[c] - cells[c].size(), ' ');
            out += (c > 0 ? "  " : "") + (right[c] ? gap + cells[c] : cells[c] + gap);
        }
        out.erase(out.find_last_not_of(' ') + 1);
        text += out + "\n";
    };
    line(columns);
    for (const auto& row : rows) line(row);
    return text;
}

std::string Table::csv() const {
    std::string text;
    const auto line = [&](const std::vector<std::string>& cells) {
        for (std::size_t c = 0; c < cells.size(); ++c)
            text += (c > 0 ? "," : "") + quoted(cells[c]);
        text += "\n";
    };
    line(columns);
    for (const auto& row : rows) line(row);
    return text;
}

std::string format_significant(double value, int digits) {
    return fmt::format("{:.{}g}", value, digits);
}

std::string format_fixed(double value, int decimals) {
    return fmt::format("{:.{}f}", value, decimals);
}

} // namespace unroll
