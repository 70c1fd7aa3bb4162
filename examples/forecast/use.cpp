#include "use.hpp"

#include "../common/chart.hpp"

#include <algorithm>
#include <cstdio>

namespace forecast {

using example::number;

Series series_of(const std::string& path) {
    return path.empty() ? made_up(480, Random(3)) : read_series(path);
}

std::size_t learned(const Series& series) { return series.size() - series.size() / 5; }

std::vector<double> scaled(const Series& series, const Settings& s) {
    std::vector<double> all;
    for (const double value : series.values) {
        if (s.logarithmic && value <= 0)
            fail("forecast", "--log needs values above 0; there is " + number(value, 3));
        all.push_back(s.scaled(value));
    }
    return all;
}

std::vector<Place> before(const std::vector<double>& scaled, std::size_t begin, std::size_t end) {
    std::vector<Place> places;
    for (; begin < end; ++begin) places.push_back({&scaled, begin - 1});
    return places;
}

example::Figures figures(const Model<float>& model, const Settings& s, const Series& series,
                         std::size_t begin, std::size_t end) {
    const std::vector<double> all = scaled(series, s);
    const auto told = forecast::told(model, s, before(all, begin, end));
    double ours = 0, last = 0, seasonal = 0, within = 0;
    const auto& x = series.values;
    for (std::size_t t = begin; t < end; ++t) {
        const double mean = told.mean[t - begin], reach = 1.645 * told.deviation[t - begin];
        ours += std::pow(s.unscaled(mean) - x[t], 2);
        last += std::pow(x[t - 1] - x[t], 2);
        seasonal += t >= s.season ? std::pow(x[t - s.season] - x[t], 2) : std::nan("");
        within += std::abs(s.scaled(x[t]) - mean) < reach;
    }
    const auto n = static_cast<double>(end - begin);
    return {{"rmse", std::sqrt(ours / n)},
            {"persistence", std::sqrt(last / n)},
            {"seasonal_naive", std::sqrt(seasonal / n)},
            {"within_90", within / n}};
}

namespace {

// The lines of a forecast and its interval of 90 %, for values that begin at step `from`.
void add_forecast(example::Chart& chart, const Settings& s, std::size_t from, const Told& told) {
    for (const auto& [name, reach] :
         {std::pair("forecast", 0.0), std::pair("5 %", -1.645), std::pair("95 %", 1.645)}) {
        example::Line line{name, {}, {}, 1, reach != 0};
        for (std::size_t i = 0; i < told.mean.size(); ++i) {
            line.x.push_back(static_cast<double>(from + i));
            line.y.push_back(s.unscaled(told.mean[i] + reach * told.deviation[i]));
        }
        chart.lines.push_back(line);
    }
}

example::Line values_line(const Series& series, std::size_t begin) {
    example::Line line{"values", {}, {}, 0};
    for (std::size_t t = begin; t < series.size(); ++t) {
        line.x.push_back(static_cast<double>(t));
        line.y.push_back(series.values[t]);
    }
    return line;
}

} // namespace

int run_eval(const Use& use) {
    const auto [s, model] = example::load<Settings, Model<float>>(use.path);
    const Series series = series_of(use.data);
    const std::size_t begin = learned(series);
    if (!use.svg.empty()) {
        example::Chart chart{.title = "One step ahead", .x = "step", .y = "value"};
        chart.lines.push_back(values_line(series, begin));
        const std::vector<double> all = scaled(series, s);
        add_forecast(chart, s, begin, told(model, s, before(all, begin, series.size())));
        write_file_atomically(use.svg, chart.svg());
    }
    example::print_figures(figures(model, s, series, begin, series.size()));
    return 0;
}

int predict(const Use& use) {
    const auto [s, model] = example::load<Settings, Model<float>>(use.path);
    const Series series = series_of(use.data);
    const std::vector<double> known = scaled(series, s);
    std::vector<std::vector<double>> paths(use.paths, known);
    const std::size_t steps = use.steps > 0 ? use.steps : std::min<std::size_t>(s.season, 60);
    Random random(use.seed);
    Told all;
    for (std::size_t step = 0; step < steps; ++step) {
        double sum = 0, squares = 0;
        std::vector<Place> ends;
        for (const auto& path : paths) ends.push_back({&path, path.size() - 1});
        const Told next = told(model, s, ends);
        for (std::size_t i = 0; i < paths.size(); ++i) {
            paths[i].push_back(next.mean[i] + next.deviation[i] * random.normal());
            sum += paths[i].back();
            squares += paths[i].back() * paths[i].back();
        }
        const auto n = static_cast<double>(use.paths);
        all.mean.push_back(sum / n);
        all.deviation.push_back(std::sqrt(std::max(squares / n - sum / n * sum / n, 0.0)));
        std::printf("+%zu  %s  [%s, %s]\n", step + 1, number(s.unscaled(sum / n), 2).c_str(),
                    number(s.unscaled(all.mean[step] - 1.645 * all.deviation[step]), 2).c_str(),
                    number(s.unscaled(all.mean[step] + 1.645 * all.deviation[step]), 2).c_str());
    }
    if (!use.svg.empty()) {
        example::Chart chart{.title = "What comes next", .x = "step", .y = "value"};
        chart.lines.push_back(
            values_line(series, series.size() - std::min(series.size(), 3 * steps)));
        add_forecast(chart, s, series.size(), all);
        write_file_atomically(use.svg, chart.svg());
    }
    example::print_result(
        {{"steps", std::to_string(steps)}, {"last", number(s.unscaled(all.mean.back()), 2)}});
    return 0;
}

int anomalies(const Use& use) {
    const auto [s, model] = example::load<Settings, Model<float>>(use.path);
    Series series = series_of(use.data);
    const std::size_t begin = learned(series);
    std::vector<double> values = scaled(series, s);
    // Sizes are told in errors of the learned part's forecasts.
    const std::size_t first = std::min(s.season, begin / 2);
    const Told known = told(model, s, before(values, first, begin));
    double squares = 0;
    for (std::size_t t = first; t < begin; ++t)
        squares += std::pow(values[t] - known.mean[t - first], 2);
    const double error = std::sqrt(squares / static_cast<double>(begin - first));
    Random random(use.seed);
    std::vector<bool> injected(series.size(), false);
    if (use.inject > series.size() - begin)
        fail("forecast", "only " + std::to_string(series.size() - begin) +
                             " values can be disturbed, not " + std::to_string(use.inject));
    for (std::size_t i = 0; i < use.inject; ++i) {
        std::size_t t = 0;
        do t = begin + random.below(series.size() - begin);
        while (injected[t]);
        injected[t] = true;
        values[t] += (random.uniform() < 0.5 ? -1 : 1) * use.size * error;
        series.values[t] = s.unscaled(values[t]);
    }
    example::Line marks{"anomalies", {}, {}, 4};
    marks.marks = true;
    Told all;
    double right = 0, found = 0;
    for (std::size_t t = begin; t < series.size(); ++t) {
        const Told one = told(model, s, std::vector<Place>{{&values, t - 1}});
        all.mean.push_back(one.mean[0]);
        all.deviation.push_back(one.deviation[0]);
        const double off = (values[t] - one.mean[0]) / one.deviation[0];
        if (std::abs(off) < use.threshold) continue;
        ++found;
        right += injected[t];
        std::printf("%s: %s, expected %s, %s deviations off%s\n", series.dates[t].c_str(),
                    number(series.values[t], 2).c_str(), number(s.unscaled(one.mean[0]), 2).c_str(),
                    number(off, 1).c_str(), injected[t] ? ", injected" : "");
        marks.x.push_back(static_cast<double>(t));
        marks.y.push_back(series.values[t]);
        values[t] = one.mean[0];
    }
    if (!use.svg.empty()) {
        example::Chart chart{.title = "Values far from their forecasts", .x = "step", .y = "value"};
        chart.lines.push_back(values_line(series, begin));
        add_forecast(chart, s, begin, all);
        chart.lines.push_back(marks);
        write_file_atomically(use.svg, chart.svg());
    }
    const auto there = static_cast<double>(std::ranges::count(injected, true));
    example::print_result({{"found", number(found, 0)},
                           {"injected", number(there, 0)},
                           {"precision", number(right / std::max(found, 1.0), 3)},
                           {"recall", number(right / std::max(there, 1.0), 3)}});
    return 0;
}

} // namespace forecast
