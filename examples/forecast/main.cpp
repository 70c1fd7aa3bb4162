#include "use.hpp"

#include <cstdio>

namespace forecast {

struct Training : example::TrainingOptions {
    std::string data;
    Settings model;

    Training() {
        minutes = 0;
        epochs = 40;
        rate = 2e-3;
        out = "forecast.safetensors";
    }
    void fields(example::Fields& f) {
        f.takes("DATA", data, "CSV file", example::Existing::file);
        model.fields(f);
        TrainingOptions::fields(f, "windows in a batch");
    }
};

int train(Training o) {
    if (o.resume) o.model = example::read<Settings>(o.out);
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
    task.glance = task.result = [&] { return figures(model, o.model, series, end, series.size()); };
    task.words = example::words(o.model);
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
    example::Commands program(
        "forecast",
        "Forecasts of one series with their uncertainty, and values that do not fit them. Reads "
        "dates and values from a CSV file; without one, it makes up a series.",
        {"train daily-min-temperatures.csv --epochs 5",
         "train airline-passengers.csv --log --window 24 --epochs 60 --batch 16 --dropout 0.3",
         "eval forecast.safetensors daily-min-temperatures.csv --svg test.svg",
         "predict forecast.safetensors daily-min-temperatures.csv --steps 30",
         "anomalies forecast.safetensors daily-min-temperatures.csv --inject 20"});
    program.train("learn all of a series but its last fifth", train, check_gradients);
    Use use;
    example::Fields shared;
    shared.model(use.path)
        .takes("DATA", use.data, "CSV file", example::Existing::file)
        .takes("--svg", use.svg, "a picture")
        .takes("--seed", use.seed);
    program.add("eval", "errors on the last fifth, one step ahead", [&] { return run_eval(use); })
        .takes(shared);
    program.add("predict", "what comes after the series' end", [&] { return predict(use); })
        .takes(shared)
        .takes("--steps", use.steps, "a season, but at most 60, unless given", example::Positive())
        .takes("--paths", use.paths, "drawn at random", example::Between{2, 100000});
    program.add("anomalies", "values that were not expected", [&] { return anomalies(use); })
        .takes(shared)
        .takes("--inject", use.inject, "values to disturb")
        .takes("--size", use.size, "of the disturbance, in usual errors")
        .takes("--threshold", use.threshold, "in deviations of the forecast", example::Positive());
    return program.run(argc, argv);
}
