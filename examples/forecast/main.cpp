#include "model.hpp"

#include <set>

namespace forecast {

// The steps before those of [begin, end), at which their forecasts are computed.
std::vector<Place> before(const std::vector<double>& scaled, const Series& series,
                          std::size_t begin, std::size_t end) {
    std::vector<Place> places;
    for (; begin < end; ++begin) places.push_back({&scaled, &series.phases, begin - 1});
    return places;
}

// Forecasts of the steps after the given positions, in standard deviations of the series.
struct Predictions {
    std::vector<double> mean, deviation;

    void add(double m, double d) {
        mean.push_back(m);
        deviation.push_back(d);
    }
    Forecasts from(std::size_t begin, const Settings& s) const {
        Forecasts all{begin};
        for (std::size_t i = 0; i < mean.size(); ++i) {
            all.middle.push_back(s.unscaled(mean[i]));
            all.low.push_back(s.unscaled(mean[i] - 1.645 * deviation[i]));
            all.high.push_back(s.unscaled(mean[i] + 1.645 * deviation[i]));
        }
        return all;
    }
};

Predictions predictions(const Model<float>& model, std::span<const Place> ends) {
    Predictions all;
    example::in_batches(ends.size(), 256, [&](const auto& which) {
        const auto some = ends.subspan(which[0], which.size());
        const auto [mean, log_deviation, next] = model(some, false);
        for (std::size_t i = 0; i < some.size(); ++i)
            all.add(static_cast<double>(mean.value()(i, 0)),
                    std::exp(static_cast<double>(log_deviation.value()(i, 0))));
    });
    return all;
}

// Errors of one-step forecasts of the last fifth, in the unit of the series, and of two baselines:
// the last value and the value one season earlier.
example::Figures figures(const Model<float>& model, const Series& series) {
    const Settings& s = model.settings;
    const std::vector<double>& x = series.values;
    const std::vector<double> all = s.scaled(x);
    const std::size_t begin = series.training_steps(), end = x.size();
    const Predictions ours = predictions(model, before(all, series, begin, end));
    const auto mean = [&](const auto& of) {
        double sum = 0;
        for (std::size_t t = begin; t < end; ++t) sum += of(t);
        return sum / static_cast<double>(end - begin);
    };
    const auto error = [&](const auto& forecast) {
        return std::sqrt(mean([&](std::size_t t) { return std::pow(forecast(t) - x[t], 2); }));
    };
    return {{"rmse", error([&](std::size_t t) { return s.unscaled(ours.mean[t - begin]); })},
            {"persistence", error([&](std::size_t t) { return x[t - 1]; })},
            {"seasonal_naive",
             error([&](std::size_t t) { return t < s.season ? std::nan("") : x[t - s.season]; })},
            {"within_90", mean([&](std::size_t t) {
                 const double off = all[t] - ours.mean[t - begin];
                 return std::abs(off) < 1.645 * ours.deviation[t - begin];
             })}};
}

void add_table(CLI::App& command, std::string& path, nn::TimeSeriesOptions& table) {
    command.add_option("DATA", path, "table with dates and columns of numbers")
        ->check(CLI::ExistingFile);
    command.add_option_function<std::string>(
        "--column", [&](const std::string& name) { table.columns = {name}; },
        "name or number of a column; default: the first with numbers");
    command.add_option("--missing", table.missing, "cells that mean a missing value, such as -200");
}

// Throws Error if the steps of a series differ from those of the training series.
Series read_fitting(const std::string& path, const nn::TimeSeriesOptions& table,
                    const Settings& s) {
    Series series = read_series(path, table);
    if (series.season != s.season)
        fail("forecast", fmt::format("'{}' has seasons of {} steps ({}), the model was trained on "
                                     "seasons of {}",
                                     path, series.season, series.table.about, s.season));
    return series;
}

struct Training : example::TrainingOptions {
    std::string data = example::shipped("series.csv");
    Settings model;
    Series series;
    std::vector<double> scaled;
    nn::TimeSeriesOptions table;
    std::vector<Place> ends; // windows whose next value is used for training

    Training()
        : TrainingOptions{.learning_rate = 2e-3,
                          .minutes = 0,
                          .epochs = 40,
                          .out = "forecast.safetensors",
                          .unit = "windows"} {}
    void options(CLI::App& command) {
        add_table(command, data, table);
        model.fields(command);
        TrainingOptions::options(command, "windows in a batch");
    }
    void shrink() {
        model.hidden = 4;
        model.window = 6;
    }
    std::string prepare() {
        series = resume ? read_fitting(data, table, model) : read_series(data, table);
        const std::size_t end = series.training_steps();
        if (!resume) {
            model.season = series.season;
            const auto all = model.scaled(series.values);
            const Tensor<double> known({end}, std::span(all).first(end));
            model.mean = mean(Variable<double>(known)).item();
            model.deviation = std::max(std::sqrt(variance(Variable<double>(known)).item()), 1e-6);
        }
        scaled = model.scaled(series.values);
        ends = before(scaled, series, std::min(model.window, end / 4), end);
        return fmt::format("{}; {} training values, {} test values", series.table.about, end,
                           scaled.size() - end);
    }
    nn::ShuffledBatches source() const { return {ends.size(), batch, seed}; }
    template <class T>
    Variable<T> loss(const Model<T>& net, example::Numbers which) const {
        std::vector<Place> some;
        for (const std::size_t i : which) some.push_back(ends[i]);
        return net.loss(some);
    }
    example::Figures figures(const Model<float>& net, bool) const {
        return forecast::figures(net, series);
    }
};

struct Use {
    std::string path, data = example::shipped("series.csv"), svg;
    nn::TimeSeriesOptions table;
    std::size_t steps = 0, paths = 200, inject = 10, seed = 1;
    double size = 6, threshold = 4;
};

void evaluate(const Use& use) {
    const auto [s, model] = example::load<Settings, Model>(use.path);
    const Series series = read_fitting(use.data, use.table, s);
    const std::vector<double> all = s.scaled(series.values);
    const std::size_t begin = series.training_steps();
    const auto forecasts =
        predictions(model, before(all, series, begin, all.size())).from(begin, s);
    if (!use.svg.empty())
        write_file_atomically(use.svg, forecasts_svg("One step ahead", series, begin, forecasts));
    example::print_result(figures(model, series));
}

// Continues the series along many sampled paths, each conditioned on its own values; reports mean
// and deviation over the paths.
void predict(const Use& use) {
    const auto [s, model] = example::load<Settings, Model>(use.path);
    const Series series = read_fitting(use.data, use.table, s);
    std::vector<std::vector<double>> paths(use.paths, s.scaled(series.values));
    const std::size_t steps = use.steps > 0 ? use.steps : std::min<std::size_t>(s.season, 60);
    Random random(use.seed);
    Predictions all;
    for (std::size_t step = 0; step < steps; ++step) {
        std::vector<Place> ends;
        for (const auto& path : paths) ends.push_back({&path, &series.phases, path.size() - 1});
        const Predictions next = predictions(model, ends);
        double sum = 0, squares = 0;
        for (std::size_t i = 0; i < paths.size(); ++i) {
            const double drawn = next.mean[i] + next.deviation[i] * random.normal();
            paths[i].push_back(drawn);
            sum += drawn;
            squares += drawn * drawn;
        }
        const double n = static_cast<double>(use.paths), mean = sum / n;
        all.add(mean, std::sqrt(std::max(squares / n - mean * mean, 0.0)));
    }
    const std::size_t end = series.values.size(), shown = std::min(end, 3 * steps);
    const auto forecasts = all.from(end, s);
    for (std::size_t i = 0; i < steps; ++i)
        std::printf("+%zu  %.2f  [%.2f, %.2f]\n", i + 1, forecasts.middle[i], forecasts.low[i],
                    forecasts.high[i]);
    if (!use.svg.empty())
        write_file_atomically(use.svg, forecasts_svg("Forecast", series, end - shown, forecasts));
    example::print_result({{"steps", steps}, {"last", forecasts.middle.back(), 2}});
}

// Perturbs single values of the last fifth and searches for values far from their forecasts.
// Detected values are then replaced by their forecasts.
void anomalies(const Use& use) {
    const auto [s, model] = example::load<Settings, Model>(use.path);
    Series series = read_fitting(use.data, use.table, s);
    std::vector<double> values = s.scaled(series.values);
    const std::size_t begin = series.training_steps(), end = values.size();
    if (use.inject > end - begin)
        fail("forecast",
             fmt::format("only {} values can be perturbed, not {}", end - begin, use.inject));
    // Magnitudes are in units of the forecast error on the training part.
    const std::size_t first = std::min(s.season, begin / 2);
    const Predictions known = predictions(model, before(values, series, first, begin));
    double squares = 0;
    for (std::size_t t = first; t < begin; ++t)
        squares += std::pow(values[t] - known.mean[t - first], 2);
    const double error = std::sqrt(squares / static_cast<double>(begin - first));
    Random random(use.seed);
    std::set<std::size_t> injected;
    const auto order = random.permutation(end - begin);
    for (std::size_t i = 0; i < use.inject; ++i) {
        const std::size_t t = begin + order[i];
        injected.insert(t);
        values[t] += (random.uniform() < 0.5 ? -1 : 1) * use.size * error;
        series.values[t] = s.unscaled(values[t]);
    }
    Predictions all;
    std::vector<std::size_t> found;
    std::size_t right = 0;
    for (std::size_t t = begin; t < end; ++t) {
        const Predictions one = predictions(model, before(values, series, t, t + 1));
        const double mean = one.mean[0], off = (values[t] - mean) / one.deviation[0];
        all.add(mean, one.deviation[0]);
        if (std::abs(off) < use.threshold) continue;
        found.push_back(t);
        right += injected.count(t);
        std::printf("%s: %.2f, expected %.2f, off by %.1f deviations%s\n",
                    series.table.dates[t].c_str(), series.values[t], s.unscaled(mean), off,
                    injected.contains(t) ? ", injected" : "");
        values[t] = mean;
    }
    if (!use.svg.empty())
        write_file_atomically(use.svg, forecasts_svg("Values far from their forecasts", series,
                                                     begin, all.from(begin, s), found));
    const auto scores = nn::Scores::of(right, found.size(), injected.size());
    example::print_result({{"found", found.size()},
                           {"injected", injected.size()},
                           {"precision", scores.precision, 3},
                           {"recall", scores.recall, 3}});
}

} // namespace forecast

int main(int argc, char** argv) {
    using namespace forecast;
    example::Commands program(
        "forecast",
        "Forecasts a series with uncertainty, and detects anomalies. Reads "
        "dates and values from a CSV file.",
        {"train daily-min-temperatures.csv --epochs 5",
         "train airline-passengers.csv --log --window 24 --epochs 60 --batch 16 --dropout 0.3",
         "eval forecast.safetensors daily-min-temperatures.csv --svg test.svg",
         "predict forecast.safetensors daily-min-temperatures.csv --steps 30",
         "anomalies forecast.safetensors daily-min-temperatures.csv --inject 20"});
    program.train("train on a series except its last fifth", example::train<Training, Model>);
    Use use;
    const auto shared = [&](CLI::App& command) {
        add_table(command, use.data, use.table);
        command.add_option("--svg", use.svg, "chart to write");
        command.add_option("--seed", use.seed);
    };
    CLI::App* command =
        program.add("eval", "one-step errors on the last fifth", use.path, [&] { evaluate(use); });
    shared(*command);

    command = program.add("predict", "forecast beyond the end of the series", use.path,
                          [&] { predict(use); });
    shared(*command);
    command->add_option("--steps", use.steps, "steps to predict")
        ->check(CLI::PositiveNumber)
        ->default_str("one season, at most 60");
    command->add_option("--paths", use.paths, "number of sampled paths")
        ->check(CLI::Range(2, 100000));

    command = program.add("anomalies", "detect anomalies", use.path, [&] { anomalies(use); });
    shared(*command);
    command->add_option("--inject", use.inject, "values to perturb");
    command->add_option("--size", use.size,
                        "magnitude of the perturbations, in units of the forecast error");
    command
        ->add_option("--threshold", use.threshold,
                     "detection threshold, in standard deviations of the forecast")
        ->check(CLI::PositiveNumber);

    return program.run(argc, argv);
}
