#include "model.hpp"

#include <cstdio>
#include <numeric>

namespace word_lm {

using example::number;

struct Training : example::TrainingOptions {
    std::string text, valid;
    Settings model;
    std::size_t steps = 35, min_count = 1;

    Training() {
        batch = 40;
        rate = 3e-3;
        clip = 0.5;
        minutes = 30;
        out = "word_lm.safetensors";
    }
    void fields(example::Fields& f) {
        const example::Between size{1, 65536};
        f.takes("TEXT", text, "", example::Existing::file);
        f.takes("--valid", valid, "measure with; else a tenth of the text",
                example::Existing::file);
        model.fields(f);
        f.takes("--steps", steps, "words a gradient flows back through", size);
        f.takes("--min-count", min_count, "words that are rarer are unknown", size);
        TrainingOptions::fields(f, "pieces of the text read side by side");
    }
};

double evaluate(const Model<float>& model, std::span<const std::int64_t> text) {
    const std::size_t columns = std::clamp<std::size_t>(text.size() / 2000, 1, 20);
    Tape<float> tape;
    return example::mean_loss(tape, example::Stream(text, columns, 35),
                              [&](const Indices& x, const Indices& y, auto* state) {
                                  tape.clear();
                                  return model.loss(tape, x, y, state);
                              });
}

int check_gradients(Training o) {
    const nn::Tokens words{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    o.model = {.width = 5,
               .layers = o.model.layers,
               .frequent = 5,
               .groups = 2,
               .dropout = 0,
               .words = nn::Vocabulary::of(words, special_symbols)};
    nn::seed(o.seed);
    Model<double> model(o.model);
    const Indices x({3, 2}, {0, 3, 6, 11, 2, 7}), y({3, 2}, {6, 11, 2, 7, 1, 4});
    return o.inspection.check([&](Tape<double>& tape) { return model.loss(tape, x, y); },
                              nn::named_parameters(model));
}

int train(Training o) {
    std::vector<nn::Tokens> lines = o.text.empty() ? small_text() : read_text(o.text), held;
    if (o.valid.empty()) {
        const auto last = lines.end() - static_cast<std::ptrdiff_t>((lines.size() + 9) / 10);
        held.assign(last, lines.end());
        lines.erase(last, lines.end());
    } else {
        held = read_text(o.valid);
    }
    const nn::Vocabulary& vocabulary = o.model.words =
        nn::Vocabulary(lines, {.min_count = o.min_count, .special = special_symbols});
    if (o.resume) o.model = example::read<Settings>(o.out);
    const auto learned = encode(vocabulary, lines), valid = encode(vocabulary, held);
    nn::seed(o.seed);
    Model<float> model(o.model);
    if (!o.resume) model.begin_with(vocabulary.counts());
    std::printf("%zu words, %zu different; %zu to measure with; %zu parameters; %zu threads\n",
                learned.size(), vocabulary.size(), valid.size(), nn::parameter_count(model),
                threads::count());

    const example::Stream stream(learned, o.batch, o.steps);
    example::Task task;
    task.unit = "words";
    const auto loss = [&](Tape<float>& tape, const Indices& x, const Indices& y,
                          example::Carried<float>* state) { return model.loss(tape, x, y, state); };
    const auto figures = [&](std::size_t words) {
        const std::span<const std::int64_t> some(valid.data(), std::min(words, valid.size()));
        return example::Figures{{"validation_perplexity", std::exp(evaluate(model, some))}};
    };
    task.glance = [&] { return figures(20000); };
    task.result = [&] { return figures(valid.size()); };
    task.words = example::words(o.model);
    return example::learn(o, stream, task, loss, example::named(model));
}

int run_eval(const std::string& path, const std::string& text) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const auto numbers = encode(settings.words, text.empty() ? small_text() : read_text(text));
    const double loss = evaluate(model, numbers);
    example::print_result({{"perplexity", number(std::exp(loss), 2)},
                           {"nats", number(loss, 4)},
                           {"words", std::to_string(numbers.size())}});
    return 0;
}

// As numbers, after the end of a sentence before, for a model that reads them side by side.
Indices column(std::vector<std::int64_t> numbers, const nn::Vocabulary& vocabulary) {
    numbers.insert(numbers.begin(), vocabulary.end());
    return Indices({numbers.size(), 1}, std::span<const std::int64_t>(numbers));
}

int run_score(const std::string& path, const std::vector<std::string>& sentences, bool alike) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    std::vector<std::pair<double, nn::Tokens>> scored;
    Tape<float> tape;
    tape.set_recording(false);
    for (const auto& sentence : sentences) {
        const nn::Tokens words = nn::split_whitespace(sentence);
        if (words.empty()) fail("score", "a sentence is empty");
        for (const auto& reading :
             alike ? homophones(words, settings.words) : std::vector<nn::Tokens>{words}) {
            const auto numbers = settings.words.encode(reading, nn::Vocabulary::Ends::end);
            const Indices all = column(numbers, settings.words);
            const Indices y({numbers.size(), 1}, std::span<const std::int64_t>(numbers));
            const Indices x({numbers.size(), 1},
                            std::span<const std::int64_t>(all.data(), numbers.size()));
            const double loss = static_cast<double>(model.loss(tape, x, y).item());
            scored.emplace_back(-loss * static_cast<double>(numbers.size()), reading);
        }
    }
    std::stable_sort(scored.begin(), scored.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    std::printf("%9s  %10s\n", "log p", "perplexity");
    for (const auto& [score, words] : scored) {
        const double nats = -score / static_cast<double>(words.size() + 1);
        std::printf("%9.3f  %10.2f ", score, std::exp(nats));
        for (const auto& word : words)
            std::printf(" %s%s", word.c_str(), settings.words.contains(word) ? "" : "(unknown)");
        std::printf("\n");
    }
    example::print_result({{"sentences", std::to_string(scored.size())},
                           {"best_log_p", number(scored.front().first, 3)}});
    return 0;
}

int run_next(const std::string& path, const std::string& text, std::size_t count) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    Tape<float> tape;
    tape.set_recording(false);
    const auto scores =
        model.next(tape, column(settings.words.encode(nn::split_whitespace(text)), settings.words));
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    order.resize(std::min(count, order.size()));
    for (const std::size_t i : order)
        std::printf("%8.4f  %s\n", std::exp(scores[i]), settings.words.symbols()[i].c_str());
    example::print_result({{"next", settings.words.symbols()[order[0]]},
                           {"p", number(std::exp(scores[order[0]]), 4)}});
    return 0;
}

} // namespace word_lm

int main(int argc, char** argv) {
    using namespace word_lm;
    example::Commands program(
        "word_lm",
        "Language models over words: learns a text, tells how likely sentences are and which of "
        "several that sound alike is meant, and guesses the next word.",
        {"train wiki.train.tokens --valid wiki.valid.tokens --minutes 30",
         "eval word_lm.safetensors wiki.test.tokens",
         "score word_lm.safetensors 'apple and pair salad' 'apple and pear salad'",
         "score word_lm.safetensors --homophones 'they new the hole story'",
         "next word_lm.safetensors 'the end of the'", "train --width 32 --epochs 5"});
    program.train("learn a text of words between spaces; without one, some of its own", train,
                  check_gradients);
    std::string path, text;
    std::vector<std::string> sentences;
    bool alike = false;
    std::size_t count = 10;
    program.add("eval", "perplexity of a text", [&] { return run_eval(path, text); })
        .model(path)
        .takes("TEXT", text, "", example::Existing::file);
    program
        .add("score", "how likely sentences are, best first",
             [&] { return run_score(path, sentences, alike); })
        .model(path)
        .needs("SENTENCE", sentences)
        .takes("--homophones", alike, "with every word that sounds alike");
    program
        .add("next", "the likeliest words after a beginning",
             [&] { return run_next(path, text, count); })
        .model(path)
        .needs("TEXT", text)
        .takes("--count", count, "how many", example::Positive());
    return program.run(argc, argv);
}
