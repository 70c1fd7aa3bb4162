#include "comparison.hpp"

#include <cstdio>
#include <filesystem>

namespace long_memory {

constexpr example::Between lag{10, 100000};

struct Training : example::TrainingOptions {
    Settings model;
    std::size_t batches = 500;

    Training() {
        batch = 50;
        minutes = 0;
        epochs = 6;
        out = "long_memory.safetensors";
    }
    // Without the lag, of which a comparison has several.
    void fields_of_all(example::Fields& f) {
        model.fields(f);
        f.takes("--batches", batches, "in what is called an epoch", example::Positive());
        TrainingOptions::fields(f, "sequences in a batch");
    }
    void fields(example::Fields& f) {
        fields_of_all(f);
        f.takes("--lag", model.lag, "", lag);
    }
};

// Trains one network; `found` is told the figures it ends with.
int train(Training o, const std::function<void(const example::Figures&)>& found) {
    if (o.resume) o.model = example::read<Settings>(o.out);
    nn::seed(o.seed);
    Model<float> model(o.model);
    std::uint64_t epoch = 0;
    // A batch is a function of seed, epoch and number, so that a resumed run goes on with the same.
    const auto drawn = [&](std::size_t shard, std::size_t batch) {
        Random random = Random(o.seed).split(1 + shard + o.shards * (batch + o.batches * epoch));
        return Batch<float>(o.model, o.batch / o.shards, random);
    };
    std::printf("%s over a lag of %zu with %s: %zu parameters\n", o.model.problem.c_str(),
                o.model.lag, o.model.cell.c_str(), nn::parameter_count(model));
    example::Task task;
    task.batches = o.batches;
    task.loss = [&](std::size_t shard, Tape<float>& tape, std::size_t number) {
        const auto batch = drawn(shard, number);
        return model.loss(model(tape, batch), batch);
    };
    task.begin_epoch = [&](std::uint64_t begun) { epoch = begun; };
    task.glance = [&] { return figures(model, o.model, o.seed, 2); };
    task.result = [&] {
        const example::Figures last = figures(model, o.model, o.seed, 20);
        found(last);
        return last;
    };
    task.words = example::words(o.model);
    return example::train(o, task, example::named(model));
}

int train_one(Training o) {
    return train(o, [](const example::Figures&) {});
}

// Trains every cell at every lag; writes the models, a table and a chart into the folder --out.
int compare(const Training& o, const std::vector<std::size_t>& lags) {
    std::filesystem::create_directories(o.out);
    Comparison found;
    for (const std::size_t lag : lags) {
        found.lags.push_back(static_cast<double>(lag));
        for (auto& [cell, errors] : found.errors) {
            Training one = o;
            one.model.lag = lag;
            one.model.cell = cell;
            one.out = o.out + "/" + cell + "_" + std::to_string(lag) + ".safetensors";
            const int status = train(one, [&, &into = errors](const example::Figures& last) {
                into.push_back(last[0].second);
            });
            if (status != 0) return status;
        }
    }
    write(found, o.model, o.out);
    return 0;
}

int check_gradients(Training o) {
    nn::seed(o.seed);
    o.model.hidden = 4;
    o.model.lag = 10;
    o.model.symbols = 2;
    Model<double> model(o.model);
    Random random(2);
    const Batch<double> batch(o.model, 3, random);
    return o.inspection.check(
        [&](Tape<double>& tape) { return model.loss(model(tape, batch), batch); },
        nn::named_parameters(model));
}

int run_eval(const std::string& path, std::size_t lag, std::uint64_t seed) {
    auto [settings, model] = example::load<Settings, Model<float>>(path);
    if (lag > 0) settings.lag = lag;
    example::print_figures(figures(model, settings, seed, 20),
                           {{"lag", std::to_string(settings.lag)}});
    return 0;
}

} // namespace long_memory

int main(int argc, char** argv) {
    using namespace long_memory;
    example::Commands program(
        "long_memory",
        "How long a network remembers: the adding and the copying problem, over lags that grow. "
        "The data is drawn at random, as much as is needed.",
        {"train --cell lstm --lag 200", "train --problem copying --cell gru --lag 50",
         "eval long_memory.safetensors --lag 400", "compare --lags 50 100 200 --out adding",
         "compare --problem copying --out copying"});
    program.train("train one network at one lag", train_one, check_gradients);
    Training compared;
    compared.out = "long_memory";
    std::vector<std::size_t> lags{25, 50, 100, 200};
    auto& comparison = program.add("compare", "every cell at every lag", [&] {
        return compared.inspection.checks() ? check_gradients(compared) : compare(compared, lags);
    });
    compared.fields_of_all(comparison);
    comparison.takes("--lags", lags, "", lag);
    std::string path;
    std::size_t other_lag = 0, seed = 1001;
    program.add("eval", "errors on new sequences", [&] { return run_eval(path, other_lag, seed); })
        .model(path)
        .takes("--lag", other_lag, "another than it was trained for", lag)
        .takes("--seed", seed, "of the sequences");
    return program.run(argc, argv);
}
