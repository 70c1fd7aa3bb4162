#include "../common/learning.hpp"
#include "model.hpp"

#include <cmath>
#include <cstdio>

namespace char_lm {

using example::number;

struct Training : example::TrainingOptions {
    std::vector<std::string> text;
    Settings model;
    std::size_t steps = 64;

    Training() {
        batch = 16;
        out = "char_lm.safetensors";
    }
    void fields(example::Fields& f) {
        f.takes("TEXT", text, "files, or folders of sources", example::Existing::path);
        model.fields(f);
        f.takes("--steps", steps, "bytes a gradient flows back through");
        TrainingOptions::fields(f, "pieces of the text read side by side");
    }
};

std::vector<std::string> or_own_sources(const std::vector<std::string>& paths) {
    return paths.empty() ? std::vector<std::string>{UNROLL_SOURCE_FOLDER} : paths;
}

double bits(double nats) { return nats / std::log(2.0); }

int train(Training o) {
    const std::string text = example::read_texts(or_own_sources(o.text));
    o.model.vocabulary = example::ByteVocabulary(text).hex();
    o.model = o.resume ? example::read<Settings>(o.out) : o.model.completed();
    const example::ByteVocabulary vocabulary = o.model.bytes();
    const std::vector<std::int64_t> numbers = vocabulary.encode(text);
    const std::size_t held_out = numbers.size() / 10;
    const std::span<const std::int64_t> all(numbers);
    const auto learned = all.first(numbers.size() - held_out), valid = all.last(held_out);
    const example::Stream stream(learned, o.batch, o.steps);

    nn::seed(o.seed);
    Model<float> model(o.model);
    std::printf("%zu bytes, %zu different; %zu parameters; %zu threads; %s\n", text.size(),
                vocabulary.size(), nn::parameter_count(model), threads::count(),
                gemm_backend().c_str());
    const auto figures = [&](std::span<const std::int64_t> held) {
        const double nats = evaluate(model, held);
        return example::Figures{{"validation_nats", nats}, {"bits_per_byte", bits(nats)}};
    };
    example::Task task;
    task.unit = "bytes";
    const auto loss = [&](Tape<float>& tape, const Indices& x, const Indices& y,
                          example::Carried<float>* state) {
        return cross_entropy(model(tape, x, state), y);
    };
    // On so much of the text held out that looking costs little of a run's time.
    task.glance = [&] { return figures(valid.first(std::min<std::size_t>(valid.size(), 32768))); };
    task.result = [&] { return figures(valid); };
    task.words = example::words(o.model);
    return example::learn(o, stream, task, loss, example::named(model));
}

// A small model of the kind asked for, over bytes at random.
int check_gradients(Training o) {
    nn::seed(o.seed);
    o.model.hidden = o.model.embedding = 8;
    o.model.vocabulary = example::ByteVocabulary("abcdefghijklmnopq").hex();
    Model<double> model(o.model.completed());
    Random random(2);
    Indices x({5, 3}), y({5, 3});
    for (std::size_t i = 0; i < x.size(); ++i) {
        x.data()[i] = static_cast<std::int64_t>(random.below(17));
        y.data()[i] = static_cast<std::int64_t>(random.below(17));
    }
    return o.inspection.check([&](Tape<double>& tape) { return cross_entropy(model(tape, x), y); },
                              nn::named_parameters(model));
}

int run_eval(const std::string& path, const std::vector<std::string>& text) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const auto numbers = settings.bytes().encode(example::read_texts(or_own_sources(text)));
    const double loss = evaluate(model, std::span<const std::int64_t>(numbers));
    example::print_result({{"nats", number(loss, 4)},
                           {"bits_per_byte", number(bits(loss), 4)},
                           {"perplexity", number(std::exp(loss), 3)},
                           {"bytes", std::to_string(numbers.size())}});
    return 0;
}

int run_sample(const std::string& path, const std::string& prompt, nn::SampleOptions how,
               std::uint64_t seed) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    how.random = Random(seed);
    const std::string text = sample(model, settings.bytes(), prompt, how);
    std::printf("%s%s\n", prompt.c_str(), text.c_str());
    example::print_result({{"bytes", std::to_string(text.size())}});
    return 0;
}

} // namespace char_lm

int main(int argc, char** argv) {
    using namespace char_lm;
    example::Commands program(
        "char_lm",
        "Language models over bytes: learns a text, samples from it, tells how likely a text is.",
        {"train book.txt --minutes 3 --svg loss.svg",
         "sample char_lm.safetensors --prompt 'ROMEO:' --temperature 0.7",
         "eval char_lm.safetensors other.txt", "train book.txt --model transformer --rate 1e-3",
         "train --cell lstm --steps 100 --dump-graph lstm.html",
         "train --cell gru --check-gradients"});
    program.train("learn a text; without one, this project's own sources and documents", train,
                  check_gradients);
    std::string path, prompt;
    std::vector<std::string> text;
    nn::SampleOptions how{.temperature = 0.8, .max_length = 500};
    std::size_t seed = 1;
    program.add("eval", "how well a model predicts a text", [&] { return run_eval(path, text); })
        .model(path)
        .takes("TEXT", text, "", example::Existing::path);
    program.add("sample", "let a model write", [&] { return run_sample(path, prompt, how, seed); })
        .model(path)
        .takes("--prompt", prompt, "what it continues")
        .takes("--length", how.max_length, "bytes to write")
        .takes("--temperature", how.temperature, "0: the likeliest; 1: as learned")
        .takes("--top-k", how.top_k, "only the k likeliest; 0: all")
        .takes("--top-p", how.top_p, "only the likeliest that make up this share")
        .takes("--seed", seed);
    return program.run(argc, argv);
}
