#include "comparison.hpp"

#include <cstdio>
#include <filesystem>

#include <CLI/CLI.hpp>

namespace long_memory {

struct Training : example::TrainingOptions {
    Settings model;
    std::size_t batches = 500;
    std::vector<std::size_t> lags{25, 50, 100, 200};

    Training() {
        batch = 50;
        epochs = 6;
        model.hidden = 64;
        out = "long_memory.safetensors";
    }
};

Settings settings_of(const std::string& path) {
    const example::Header words(path, "long_memory");
    return {example::NetworkOptions::from(words), words.word("problem"), words.size("lag"),
            words.size("symbols")};
}

// Trains one network; `found` is told the figures it ends with.
int train(
    Training o, const std::function<void(const example::Figures&)>& found = [](auto&) {}) {
    if (o.resume) o.model = settings_of(o.out);
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
    task.words = o.model.words("long_memory");
    task.words["problem"] = o.model.problem;
    task.words["lag"] = std::to_string(o.model.lag);
    task.words["symbols"] = std::to_string(o.model.symbols);
    return example::train(o, task, example::named(model));
}

// Trains every cell at every lag; writes the models, a table and a chart into the folder --out.
int compare(const Training& o) {
    std::filesystem::create_directories(o.out);
    Comparison found;
    for (const std::size_t lag : o.lags) {
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
    Settings settings = settings_of(path);
    if (lag > 0) settings.lag = lag;
    const auto model = example::load<Model<float>>(path, settings);
    example::print_figures(figures(model, settings, seed, 20),
                           {{"lag", std::to_string(settings.lag)}});
    return 0;
}

} // namespace long_memory

int main(int argc, char** argv) {
    using namespace long_memory;
    CLI::App app{"How long a network remembers: the adding and the copying problem, over lags that "
                 "grow. The data is drawn at random, as much as is needed."};
    app.footer("Examples:\n"
               "  long_memory train --cell lstm --lag 200\n"
               "  long_memory train --problem copying --cell gru --lag 50\n"
               "  long_memory eval long_memory.safetensors --lag 400\n"
               "  long_memory compare --lags 50 100 200 --out adding\n"
               "  long_memory compare --problem copying --out copying");
    app.require_subcommand(1);
    Training o;
    const auto lag = CLI::Range(10, 100000);
    auto* train_command = app.add_subcommand("train", "train one network at one lag");
    auto* compare_command = app.add_subcommand("compare", "every cell at every lag");
    for (auto* command : {train_command, compare_command}) {
        command->add_option("--problem", o.model.problem)
            ->capture_default_str()
            ->check(CLI::IsMember({"adding", "copying"}));
        o.model.add_to(*command);
        command->add_option("--symbols", o.model.symbols, "how many are to be copied")
            ->capture_default_str()
            ->check(CLI::Range(1, 1000));
        command->add_option("--batches", o.batches, "in what is called an epoch")
            ->capture_default_str()
            ->check(CLI::PositiveNumber);
        o.add_to(*command, "sequences in a batch");
    }
    train_command->add_option("--lag", o.model.lag)->capture_default_str()->check(lag);
    compare_command->add_option("--lags", o.lags)->capture_default_str()->check(lag);
    std::string path;
    std::size_t other_lag = 0;
    std::uint64_t seed = 1001;
    auto* eval_command = app.add_subcommand("eval", "errors on new sequences");
    eval_command->add_option("MODEL", path)->required()->check(CLI::ExistingFile);
    eval_command->add_option("--lag", other_lag, "another than it was trained for")->check(lag);
    eval_command->add_option("--seed", seed, "of the sequences")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    return example::guarded("long_memory", [&] {
        if (*eval_command) return run_eval(path, other_lag, seed);
        if (o.inspection.checks()) return check_gradients(o);
        if (*train_command) return train(o);
        if (o.out == Training().out) o.out = "long_memory";
        return compare(o);
    });
}
