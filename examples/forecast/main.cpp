#include "use.hpp"

#include <cstdio>

#include <CLI/CLI.hpp>

namespace forecast {

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
    std::printf("%zu values to learn, %zu to test; %zu parameters\n", end, series.size() - end,
                nn::parameter_count(model));
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        std::vector<Place> some;
        for (const std::size_t i : which) some.push_back(ends[i]);
        return model.loss(tape, Batch<float>(some, o.model, o.model.every_step));
    };
    example::Task task;
    task.unit = "windows";
    task.glance = [&] { return figures(model, o.model, series, end, series.size()); };
    task.result = task.glance;
    task.words = o.model.words("forecast");
    task.words["log"] = std::to_string(o.model.logarithmic);
    task.words["every_step"] = std::to_string(o.model.every_step);
    task.words["window"] = std::to_string(o.model.window);
    task.words["season"] = std::to_string(o.model.season);
    task.words["mean"] = example::exact(o.model.mean);
    task.words["deviation"] = example::exact(o.model.deviation);
    return example::learn(o, {ends.size(), o.batch, o.seed}, task, loss, example::named(model));
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

} // namespace forecast

int main(int argc, char** argv) {
    using namespace forecast;
    CLI::App app{"Forecasts of one series with their uncertainty, and values that do not fit them. "
                 "Reads dates and values from a CSV file; without one, it makes up a series."};
    app.footer("Examples:\n"
               "  forecast train daily-min-temperatures.csv --epochs 5\n"
               "  forecast train airline-passengers.csv --log --window 24 --epochs 60 --batch 16 "
               "--dropout 0.3\n"
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
    return example::guarded("forecast", [&] {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        if (*eval_command) return run_eval(use);
        return *predict_command ? predict(use) : anomalies(use);
    });
}
