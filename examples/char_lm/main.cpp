#include "../common/chart.hpp"
#include "../common/inspection.hpp"
#include "../common/program.hpp"
#include "model.hpp"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include <CLI/CLI.hpp>

namespace char_lm {

namespace {

using example::number;

struct Training {
    std::vector<std::string> text;
    Settings model;
    std::size_t batch = 16, steps = 64, shards = 2, threads = 0;
    double rate = 3e-3, clip = 1.0, minutes = 3, epochs = 0;
    std::uint64_t seed = 1;
    std::string out = "char_lm.safetensors", csv, svg;
    bool resume = false;
    example::Inspection inspection;
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
    Model<T> model(header.settings, header.vocabulary.size());
    optim::load_weights(path, optim::by_name<T>(nn::named_parameters(model)));
    return model;
}

std::vector<std::string> or_own_sources(const std::vector<std::string>& paths) {
    return paths.empty() ? std::vector<std::string>{UNROLL_SOURCE_FOLDER} : paths;
}

double bits(double nats) { return nats / std::log(2.0); }

// What a resumed run reads back beside weights and optimiser.
struct Position {
    std::uint64_t batch = 0;
    double seconds = 0;

    std::string words() const { return std::to_string(batch) + " " + number(seconds, 3); }
    static Position from(const std::string& words) {
        Position p;
        if (!(std::istringstream(words) >> p.batch >> p.seconds))
            fail("char_lm", "the position '" + words + "' of the run cannot be read");
        return p;
    }
};

int train(Training o) {
    example::catch_interrupts();
    if (o.threads > 0) threads::set(o.threads);
    const std::string text = example::read_texts(or_own_sources(o.text));
    Position position;
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
    if (o.shards == 0 || o.batch % o.shards != 0)
        fail("char_lm", "a batch of " + std::to_string(o.batch) + " cannot be cut into " +
                            std::to_string(o.shards) + " equal shards");
    const Stream stream(learned, o.batch, o.steps);

    nn::seed(o.seed);
    Model<float> model(o.model, vocabulary.size());
    optim::Adam<float> adam(parameters(model), {.rate = o.rate});
    optim::Shards<float> shards(o.shards, adam.parameters(), Random(o.seed).split(1));
    std::vector<Model<float>::Carried> states(o.shards);

    optim::Checkpoint<float> checkpoint;
    checkpoint.parameters = optim::by_name<float>(nn::named_parameters(model));
    checkpoint.optimizer = &adam;
    if (before) {
        checkpoint.load(o.out);
        position = Position::from(checkpoint.words["position"]);
        for (std::size_t s = 0; s < o.shards; ++s) {
            const std::string name = "shard" + std::to_string(s);
            shards.tape(s).set_random(Random::restore(optim::random_state(checkpoint.words[name])));
            for (std::size_t i = 0; i < states[s].size(); ++i) {
                const auto found = checkpoint.tensors.find(name + "." + std::to_string(i));
                if (found != checkpoint.tensors.end()) states[s][i] = found->second;
            }
        }
    }
    const auto save = [&](double seconds) {
        checkpoint.words = o.model.words();
        checkpoint.words["vocabulary"] = vocabulary.hex();
        checkpoint.words["position"] = Position{position.batch, seconds}.words();
        checkpoint.tensors.clear();
        for (std::size_t s = 0; s < o.shards; ++s) {
            const std::string name = "shard" + std::to_string(s);
            checkpoint.words[name] = optim::to_words(shards.tape(s).random().state());
            for (std::size_t i = 0; i < states[s].size(); ++i)
                if (states[s][i].storage())
                    checkpoint.tensors[name + "." + std::to_string(i)] = states[s][i];
        }
        checkpoint.save(o.out);
    };

    std::printf("%s bytes, %zu different; %zu parameters; %zu threads; %s\n",
                std::to_string(text.size()).c_str(), vocabulary.size(), nn::parameter_count(model),
                threads::count(), gemm_backend().c_str());
    if (o.inspection.draws()) {
        const auto [x, y] = stream.batch(0, 0, o.batch);
        return o.inspection.draw<float>(
            [&](Tape<float>& tape) { return cross_entropy(model(tape, x), y); });
    }
    example::Progress progress;
    example::Curves curves({"tokens", "train_nats", "validation_nats", "rate", "seconds"});
    const auto last_batch =
        static_cast<std::uint64_t>(std::ceil(o.epochs * static_cast<double>(stream.batches())));
    // Ten reports in a run, on so much of the text held out that they cost little of its time.
    const auto glance = valid.first(std::min<std::size_t>(valid.size(), 32768));
    const example::Stopwatch watch;
    double recent = 0, validation = 0, evaluating = 0, tokens = 0;
    std::size_t counted = 0;
    const auto done = [&] {
        // By batches the run is the same every time; by minutes it depends on the machine.
        if (last_batch > 0)
            return static_cast<double>(position.batch) / static_cast<double>(last_batch);
        return (position.seconds + watch.seconds()) / (60 * o.minutes);
    };
    double next_report = (std::floor(10 * done()) + 1) / 10;
    while (done() < 1 && !example::interrupted()) {
        const std::size_t i = position.batch % stream.batches();
        if (i == 0)
            for (auto& state : states) state = {};
        const double warm = std::min(1.0, static_cast<double>(adam.steps() + 1) / 50);
        adam.set_rate(o.rate * warm *
                      (0.5 * (1 + std::cos(3.141592653589793 * done())) * 0.98 + 0.02));
        const std::size_t width = o.batch / o.shards;
        recent += shards.backward([&](std::size_t s, Tape<float>& tape) {
            const auto [x, y] = stream.batch(i, s * width, (s + 1) * width);
            return cross_entropy(model(tape, x, &states[s]), y);
        });
        ++counted;
        optim::clip_norm(adam.parameters(), o.clip);
        adam.step();
        ++position.batch;
        tokens += static_cast<double>(o.batch * o.steps);
        const double speed = tokens / (watch.seconds() - evaluating);
        progress.show(done(), "loss " + number(recent / static_cast<double>(counted), 3) +
                                  " nats  " + number(speed / 1000, 1) + "k bytes/s");
        if (done() >= next_report) {
            next_report += 0.1;
            const double began = watch.seconds();
            validation = evaluate(model, glance);
            evaluating += watch.seconds() - began;
            const double loss = recent / static_cast<double>(counted);
            const double epoch =
                static_cast<double>(position.batch) / static_cast<double>(stream.batches());
            progress.note("epoch " + number(epoch, 2) + ": training " + number(loss, 4) +
                          " nats, validation " + number(validation, 4) + " nats (" +
                          number(bits(validation), 3) + " bits per byte)");
            curves.add({static_cast<double>(position.batch * o.batch * o.steps), loss, validation,
                        adam.rate(), position.seconds + watch.seconds()});
            recent = 0;
            counted = 0;
        }
    }
    const double seconds = position.seconds + watch.seconds();
    save(seconds);
    if (!o.csv.empty()) write_file_atomically(o.csv, curves.csv());
    if (!o.svg.empty())
        write_file_atomically(
            o.svg, curves.svg("Loss in nats per byte", {"train_nats", "validation_nats"}));
    if (example::interrupted())
        progress.note("interrupted; the run is saved in " + o.out + ", --resume goes on");
    validation = evaluate(model, valid);
    example::print_result(
        {{"validation_nats", number(validation, 4)},
         {"bits_per_byte", number(bits(validation), 4)},
         {"tokens_per_second", number(tokens / (watch.seconds() - evaluating), 0)},
         {"seconds", number(seconds, 1)},
         {"batches", std::to_string(position.batch)},
         {"model", o.out}});
    return example::interrupted() ? 130 : 0;
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
    train_command->add_option("--batch", o.batch, "pieces of the text read side by side")
        ->capture_default_str();
    train_command->add_option("--steps", o.steps, "bytes a gradient flows back through")
        ->capture_default_str();
    train_command->add_option("--rate", o.rate, "Adam's rate, which falls along a cosine")
        ->capture_default_str();
    train_command->add_option("--clip", o.clip, "largest norm of the gradient")
        ->capture_default_str();
    train_command->add_option("--minutes", o.minutes, "how long to train")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    train_command->add_option("--epochs", o.epochs, "passes over the text, instead of minutes")
        ->check(CLI::PositiveNumber);
    train_command->add_option("--shards", o.shards, "parts of a batch that run side by side")
        ->capture_default_str();
    train_command->add_option("--threads", o.threads, "threads; all cores unless given");
    train_command->add_option("--seed", o.seed, "of weights and dropout")->capture_default_str();
    train_command->add_option("-o,--out", o.out, "the model, with everything to resume")
        ->capture_default_str();
    train_command->add_option("--csv", o.csv, "losses over time as a table");
    train_command->add_option("--svg", o.svg, "losses over time as a picture");
    train_command->add_flag("--resume", o.resume, "go on with the run saved in --out");
    o.inspection.add_to(*train_command);

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
