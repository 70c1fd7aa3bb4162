#include "../common/header.hpp"
#include "model.hpp"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include <CLI/CLI.hpp>

namespace char_lm {

namespace {

using example::number;

struct Training : example::TrainingOptions {
    std::vector<std::string> text;
    Settings model;
    std::size_t steps = 64;

    Training() {
        batch = 16;
        out = "char_lm.safetensors";
    }
};

struct Loaded {
    example::ByteVocabulary vocabulary;
    Settings settings;
    std::map<std::string, std::string> words;
};

Loaded read_header(const std::string& path) {
    const auto words = SafetensorsFile::read(path).metadata();
    const auto vocabulary = words.find("vocabulary");
    if (vocabulary == words.end())
        fail("char_lm", "'" + path + "' was not written by char_lm: it has no vocabulary");
    return {example::ByteVocabulary::from_hex(vocabulary->second), Settings::from(words), words};
}

template <class T>
Model<T> read_model(const std::string& path, const Loaded& header) {
    return example::load<Model<T>>(path, header.settings, header.vocabulary.size());
}

std::vector<std::string> or_own_sources(const std::vector<std::string>& paths) {
    return paths.empty() ? std::vector<std::string>{UNROLL_SOURCE_FOLDER} : paths;
}

double bits(double nats) { return nats / std::log(2.0); }

int train(Training o) {
    const std::string text = example::read_texts(or_own_sources(o.text));
    std::optional<Loaded> before;
    if (o.resume) {
        before = read_header(o.out);
        o.model = before->settings;
    }
    const example::ByteVocabulary vocabulary =
        before ? before->vocabulary : example::ByteVocabulary(text);
    const std::vector<std::int64_t> numbers = vocabulary.encode(text);
    const std::size_t held_out = numbers.size() / 10;
    const std::span<const std::int64_t> all(numbers);
    const auto learned = all.first(numbers.size() - held_out), valid = all.last(held_out);
    const example::Stream stream(learned, o.batch, o.steps);

    nn::seed(o.seed);
    Model<float> model(o.model, vocabulary.size());
    std::printf("%zu bytes, %zu different; %zu parameters; %zu threads; %s\n", text.size(),
                vocabulary.size(), nn::parameter_count(model), threads::count(),
                gemm_backend().c_str());

    const auto figures = [&](std::span<const std::int64_t> held) {
        const double nats = evaluate(model, held);
        return example::Figures{{"validation_nats", nats}, {"bits_per_byte", bits(nats)}};
    };
    example::Task task;
    task.batches = stream.batches();
    task.units = static_cast<double>(o.batch * o.steps);
    task.unit = "bytes";
    example::CarriedStates states(o.shards, task);
    task.loss = [&](std::size_t shard, Tape<float>& tape, std::size_t batch) {
        const std::size_t width = o.batch / o.shards;
        const auto [x, y] = stream.batch(batch, shard * width, (shard + 1) * width);
        return cross_entropy(model(tape, x, &states.of(shard)), y);
    };
    // On so much of the text held out that looking costs little of a run's time.
    task.glance = [&] { return figures(valid.first(std::min<std::size_t>(valid.size(), 32768))); };
    task.result = [&] { return figures(valid); };
    task.words = o.model.words();
    task.words["vocabulary"] = vocabulary.hex();
    return example::train(o, task, example::named(model));
}

int run_eval(const std::string& path, const std::vector<std::string>& text) {
    const Loaded header = read_header(path);
    const auto model = read_model<float>(path, header);
    const auto numbers = header.vocabulary.encode(example::read_texts(or_own_sources(text)));
    const double loss = evaluate(model, std::span<const std::int64_t>(numbers));
    example::print_result({{"nats", number(loss, 4)},
                           {"bits_per_byte", number(bits(loss), 4)},
                           {"perplexity", number(std::exp(loss), 3)},
                           {"bytes", std::to_string(numbers.size())}});
    return 0;
}

int run_sample(const std::string& path, const std::string& prompt, const Sampling& how,
               std::uint64_t seed) {
    const Loaded header = read_header(path);
    const auto model = read_model<float>(path, header);
    const std::string text = sample(model, header.vocabulary, prompt, how, Random(seed));
    std::printf("%s%s\n", prompt.c_str(), text.c_str());
    example::print_result({{"bytes", std::to_string(text.size())}});
    return 0;
}

// A small model of the kind asked for, over bytes at random.
int check_gradients(Training o) {
    nn::seed(o.seed);
    o.model.hidden = o.model.embedding = 8;
    Model<double> model(o.model, 17);
    Random random(2);
    Indices x({5, 3}), y({5, 3});
    for (std::size_t i = 0; i < x.size(); ++i) {
        x.data()[i] = static_cast<std::int64_t>(random.below(17));
        y.data()[i] = static_cast<std::int64_t>(random.below(17));
    }
    return o.inspection.check([&](Tape<double>& tape) { return cross_entropy(model(tape, x), y); },
                              nn::named_parameters(model));
}

void add_model_options(CLI::App* app, Settings& s) {
    app->add_option("--cell", s.cell, "recurrent cell")
        ->check(CLI::IsMember({"rnn", "lstm", "gru"}))
        ->capture_default_str();
    app->add_option("--layers", s.layers, "recurrent layers")
        ->capture_default_str()
        ->check(CLI::Range(1, 64));
    app->add_option("--hidden", s.hidden, "width of a layer")
        ->capture_default_str()
        ->check(CLI::Range(1, 65536));
    app->add_option("--embedding", s.embedding, "width of a byte's vector")
        ->capture_default_str()
        ->check(CLI::Range(1, 65536));
    app->add_option("--dropout", s.dropout, "share of values dropped between layers")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 1.0));
}

} // namespace

} // namespace char_lm

int main(int argc, char** argv) {
    using namespace char_lm;
    CLI::App app{
        "Language models over bytes: learns a text, samples from it, tells how likely a text is."};
    app.footer("Examples:\n"
               "  char_lm train book.txt --minutes 3 --svg loss.svg\n"
               "  char_lm sample char_lm.safetensors --prompt 'ROMEO:' --temperature 0.7\n"
               "  char_lm eval char_lm.safetensors other.txt\n"
               "  char_lm train --cell lstm --steps 100 --dump-graph lstm.html\n"
               "  char_lm train --cell gru --check-gradients");
    app.require_subcommand(1);

    Training o;
    auto* train_command = app.add_subcommand(
        "train", "learn a text; without one, this project's own sources and documents");
    train_command->add_option("TEXT", o.text, "files, or folders of sources")
        ->check(CLI::ExistingPath);
    add_model_options(train_command, o.model);
    train_command->add_option("--steps", o.steps, "bytes a gradient flows back through")
        ->capture_default_str();
    o.add_to(*train_command, "pieces of the text read side by side");

    std::string path, prompt;
    std::vector<std::string> text;
    Sampling how;
    std::uint64_t seed = 1;
    auto* eval_command = app.add_subcommand("eval", "how well a model predicts a text");
    eval_command->add_option("MODEL", path)->required()->check(CLI::ExistingFile);
    eval_command->add_option("TEXT", text)->check(CLI::ExistingPath);
    auto* sample_command = app.add_subcommand("sample", "let a model write");
    sample_command->add_option("MODEL", path)->required()->check(CLI::ExistingFile);
    sample_command->add_option("--prompt", prompt, "what it continues");
    sample_command->add_option("--length", how.length, "bytes to write")->capture_default_str();
    sample_command->add_option("--temperature", how.temperature, "0: the likeliest; 1: as learned")
        ->capture_default_str();
    sample_command->add_option("--top-k", how.top_k, "only the k likeliest; 0: all")
        ->capture_default_str();
    sample_command->add_option("--top-p", how.top_p, "only the likeliest that make up this share")
        ->capture_default_str();
    sample_command->add_option("--seed", seed)->capture_default_str();

    CLI11_PARSE(app, argc, argv);
    try {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        if (*eval_command) return run_eval(path, text);
        return run_sample(path, prompt, how, seed);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "char_lm: %s\n", error.what());
        return 1;
    }
}
