#include "model.hpp"

#include <algorithm>
#include <sstream>

namespace forecast {

namespace {

// The fields of a line, without the quotes around them; two quotes in a quoted one are one.
std::vector<std::string> fields_of(const std::string& line) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"')
            fields.back() += line[++i];
        else if (c == '"')
            quoted = !quoted;
        else if (c == ',' && !quoted)
            fields.emplace_back();
        else if (c != '\r')
            fields.back() += c;
    }
    return fields;
}

} // namespace

Series read_series(const std::string& path) {
    const auto bytes = read_file(path);
    std::istringstream lines(
        std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    Series series;
    std::string line;
    for (std::size_t number = 1; std::getline(lines, line); ++number) {
        const auto fields = fields_of(line);
        double value = 0;
        const bool good = fields.size() >= 2 && [&] {
            std::istringstream text(fields[1]);
            return text >> value && (text >> std::ws).eof() && std::isfinite(value);
        }();
        if (number == 1 && !good && fields.size() >= 2) continue; // names of columns
        if (!good)
            fail("forecast", "line " + std::to_string(number) + " of '" + path +
                                 "' is no date and number: '" + line.substr(0, 60) + "'");
        series.dates.push_back(fields[0]);
        series.values.push_back(value);
    }
    if (series.size() < 40)
        fail("forecast", "'" + path + "' has " + std::to_string(series.size()) +
                             " values, fewer than the 40 that are needed");
    const auto dashes = std::ranges::count(series.dates[0], '-');
    if (dashes != 1 && dashes != 2)
        fail("forecast", "'" + series.dates[0] + "' in '" + path +
                             "' is neither a month, 2001-12, nor a day, 2001-12-31");
    series.season = dashes == 1 ? 12 : 365;
    return series;
}

Series made_up(std::size_t length, Random random) {
    Series series;
    series.season = 24;
    double drift = 0;
    for (std::size_t t = 0; t < length; ++t) {
        drift = 0.7 * drift + 0.5 * random.normal();
        const auto x = static_cast<double>(t);
        series.dates.push_back("step " + std::to_string(t));
        series.values.push_back(20 + 0.005 * x + 5 * std::sin(2 * std::numbers::pi * x / 24) +
                                drift);
    }
    return series;
}

Told told(const Model<float>& model, const Settings& s, std::span<const Place> ends) {
    Tape<float> tape;
    tape.set_recording(false);
    Told all;
    for (std::size_t begin = 0; begin < ends.size(); begin += 256) {
        const auto some = ends.subspan(begin, std::min<std::size_t>(256, ends.size() - begin));
        const auto [mean, log_deviation] = model(tape, Batch<float>(some, s, false));
        for (std::size_t i = 0; i < some.size(); ++i) {
            all.mean.push_back(static_cast<double>(mean.value()(i, 0)));
            all.deviation.push_back(std::exp(static_cast<double>(log_deviation.value()(i, 0))));
        }
    }
    return all;
}

} // namespace forecast
