#include "../common/chart.hpp"
#include "../common/trainer.hpp"
#include "model.hpp"

#include <algorithm>
#include <cstdio>

#include <CLI/CLI.hpp>

namespace forecast {

using example::number;

struct Training : example::TrainingOptions {
    std::string data;
    Settings model;

    Training() {
        epochs = 40;
        rate = 2e-3;
        model.cell = "gru";
        model.hidden = 32;
        out = "forecast.safetensors";
    }
};

Series series_of(const std::string& path) {
    return path.empty() ? made_up(480, Random(3)) : read_series(path);
}

// The last fifth is not learned from.
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

Settings settings_of(const std::string& path) {
    const auto words = example::Words::read(path, "forecast");
    return {example::NetworkOptions::from(words),
            words.size("log") != 0,
            words.size("every_step") != 0,
            words.size("window"),
            words.size("season"),
            words.real("mean"),
            words.real("deviation")};
}

Model<float> read_model(const std::string& path, const Settings& settings) {
    Model<float> model(settings);
    optim::load_weights(path, optim::by_name<float>(nn::named_parameters(model)));
    return model;
}

// The steps before those of [begin, end): where their forecasts are made.
std::vector<Place> before(const std::vector<double>& scaled, std::size_t begin, std::size_t end) {
    std::vector<Place> places;
    for (; begin < end; ++begin) places.push_back({&scaled, begin - 1});
    return places;
}

// Errors of the forecasts of steps [begin, end) one step ahead, in the series' own unit, beside
// those of the last value and of the value a season before.
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
        seasonal += t >= s.season ? std::pow(x[t - s.season] - x[t], 2) : 0;
        within += std::abs(s.scaled(x[t]) - mean) < reach;
    }
    const auto n = static_cast<double>(end - begin);
    return {{"rmse", std::sqrt(ours / n)},
            {"persistence", std::sqrt(last / n)},
            {"seasonal_naive", std::sqrt(seasonal / n)},
            {"within_90", within / n}};
}

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

int train(Training o) {
    if (o.resume) o.model = settings_of(o.out);
    const Series series = series_of(o.data);
    const std::size_t end = learned(series);
    o.model.season = series.season;
    if (!o.resume) {
        const std::vector<double> all = scaled(series, o.model);
        const auto n = static_cast<double>(end);
        double sum = 0, squares = 0;
        for (std::size_t t = 0; t < end; ++t) sum += all[t];
        for (std::size_t t = 0; t < end; ++t) squares += std::pow(all[t] - sum / n, 2);
        o.model.mean = sum / n;
        o.model.deviation = std::max(std::sqrt(squares / n), 1e-6);
    }
    const std::vector<double> all = scaled(series, o.model);
    nn::seed(o.seed);
    Model<float> model(o.model);
    // Windows end where a value follows that is learned from, and are whole but for short series.
    const std::size_t first = std::min(o.model.window, end / 4);
    const std::vector<Place> ends = before(all, first, end);
    example::Shuffled order(ends.size(), o.batch, o.seed);
    std::printf("%zu values to learn, %zu to test; %zu parameters\n", end, series.size() - end,
                nn::parameter_count(model));
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        std::vector<Place> some;
        for (const std::size_t i : which) some.push_back(ends[i]);
        return model.loss(tape, Batch<float>(some, o.model, o.model.every_step));
    };
    if (o.inspection.draws())
        return o.inspection.draw<float>(
            [&](Tape<float>& tape) { return loss(tape, order.part(0, 0, 1)); });
    example::Task task;
    task.batches = order.batches();
    task.units = static_cast<double>(o.batch);
    task.unit = "windows";
    task.loss = [&](std::size_t shard, Tape<float>& tape, std::size_t batch) {
        return loss(tape, order.part(batch, shard, o.shards));
    };
    task.begin_epoch = [&](std::uint64_t epoch) { order.begin_epoch(epoch); };
    task.glance = [&] { return figures(model, o.model, series, end, series.size()); };
    task.result = task.glance;
    task.words = o.model.words("forecast");
    task.words["log"] = std::to_string(o.model.logarithmic);
    task.words["every_step"] = std::to_string(o.model.every_step);
    task.words["window"] = std::to_string(o.model.window);
    task.words["season"] = std::to_string(o.model.season);
    task.words["mean"] = example::exact(o.model.mean);
    task.words["deviation"] = example::exact(o.model.deviation);
    return example::train(o, task, optim::by_name<float>(nn::named_parameters(model)));
}

int check_gradients(Training o) {
    nn::seed(o.seed);
    o.model.hidden = 4;
    o.model.window = 6;
    o.model.season = 12;
    Model<double> model(o.model);
    std::vector<double> values;
    for (int t = 0; t < 20; ++t) values.push_back(std::sin(t * 0.7));
    const std::vector<Place> ends{{&values, 3}, {&values, 9}, {&values, 17}};
    const Batch<double> batch(ends, o.model, o.model.every_step);
    return o.inspection.check([&](Tape<double>& tape) { return model.loss(tape, batch); },
                              nn::named_parameters(model));
}

struct Use {
    std::string path, data, svg;
    std::size_t steps = 0, paths = 200, inject = 10;
    double size = 6, threshold = 4;
    std::uint64_t seed = 1;
};

int run_eval(const Use& use) {
    const Settings s = settings_of(use.path);
    const Series series = series_of(use.data);
    const auto model = read_model(use.path, s);
    const std::size_t begin = learned(series);
    std::vector<std::pair<std::string, std::string>> result;
    for (const auto& [name, value] : figures(model, s, series, begin, series.size()))
        result.emplace_back(name, number(value, 4));
    if (!use.svg.empty()) {
        example::Chart chart{.title = "One step ahead", .x = "step", .y = "value"};
        chart.lines.push_back(values_line(series, begin));
        const std::vector<double> all = scaled(series, s);
        add_forecast(chart, s, begin, told(model, s, before(all, begin, series.size())));
        write_file_atomically(use.svg, chart.svg());
        result.emplace_back("picture", use.svg);
    }
    example::print_result(result);
    return 0;
}

// Goes on from the end of the series along many paths, each drawn from the forecasts of its own
// steps; tells mean and deviation over the paths.
int predict(const Use& use) {
    const Settings s = settings_of(use.path);
    const Series series = series_of(use.data);
    const auto model = read_model(use.path, s);
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

// Disturbs single values of the last fifth, and looks for values far from their forecasts. Those
// that are found are taken for their forecasts from there on.
int anomalies(const Use& use) {
    const Settings s = settings_of(use.path);
    Series series = series_of(use.data);
    const auto model = read_model(use.path, s);
    const std::size_t begin = learned(series);
    std::vector<double> values = scaled(series, s);
    // Sizes are told in errors of the learned part's forecasts.
    const Told before_them = told(model, s, before(values, s.season, begin));
    double squares = 0;
    for (std::size_t t = s.season; t < begin; ++t)
        squares += std::pow(values[t] - before_them.mean[t - s.season], 2);
    const double error = std::sqrt(squares / static_cast<double>(begin - s.season));
    Random random(use.seed);
    std::vector<bool> injected(series.size(), false);
    for (std::size_t i = 0; i < use.inject; ++i) {
        const std::size_t t = begin + random.below(series.size() - begin);
        if (injected[t]) continue;
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
                           {"precision", number(right / found, 3)},
                           {"recall", number(right / there, 3)}});
    return 0;
}

} // namespace forecast

int main(int argc, char** argv) {
    using namespace forecast;
    CLI::App app{"Forecasts of one series with their uncertainty, and values that do not fit them. "
                 "Reads dates and values from a CSV file; without one, it makes up a series."};
    app.footer("Examples:\n"
               "  forecast train daily-min-temperatures.csv\n"
               "  forecast train airline-passengers.csv --log --window 24 --epochs 200\n"
               "  forecast eval forecast.safetensors daily-min-temperatures.csv --svg test.svg\n"
               "  forecast predict forecast.safetensors daily-min-temperatures.csv --steps 30\n"
               "  forecast anomalies forecast.safetensors daily-min-temperatures.csv --inject 20");
    app.require_subcommand(1);
    Training o;
    auto* train_command = app.add_subcommand("train", "learn all of a series but its last fifth");
    train_command->add_option("DATA", o.data, "CSV file")->check(CLI::ExistingFile);
    o.model.add_to(*train_command);
    train_command->add_flag("--log", o.model.logarithmic, "of values whose swings grow with them");
    train_command->add_flag("!--last-step", o.model.every_step,
                            "learn from the last step of a window alone: many to one");
    train_command->add_option("--window", o.model.window, "steps that the network sees")
        ->capture_default_str()
        ->check(CLI::Range(2, 10000));
    o.add_to(*train_command, "windows in a batch");
    Use use;
    auto* eval_command = app.add_subcommand("eval", "errors on the last fifth, one step ahead");
    auto* predict_command = app.add_subcommand("predict", "what comes after the series' end");
    auto* anomalies_command = app.add_subcommand("anomalies", "values that were not expected");
    for (auto* command : {eval_command, predict_command, anomalies_command}) {
        command->add_option("MODEL", use.path)->required()->check(CLI::ExistingFile);
        command->add_option("DATA", use.data, "CSV file")->check(CLI::ExistingFile);
        command->add_option("--svg", use.svg, "a picture");
        command->add_option("--seed", use.seed)->capture_default_str();
    }
    predict_command->add_option("--steps", use.steps, "a season, but at most 60, unless given");
    predict_command->add_option("--paths", use.paths, "drawn at random")
        ->capture_default_str()
        ->check(CLI::Range(2, 100000));
    anomalies_command->add_option("--inject", use.inject, "values to disturb")
        ->capture_default_str();
    anomalies_command->add_option("--size", use.size, "of the disturbance, in usual errors")
        ->capture_default_str();
    anomalies_command->add_option("--threshold", use.threshold, "in deviations of the forecast")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    CLI11_PARSE(app, argc, argv);
    try {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        if (*eval_command) return run_eval(use);
        return *predict_command ? predict(use) : anomalies(use);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "forecast: %s\n", error.what());
        return 1;
    }
}
