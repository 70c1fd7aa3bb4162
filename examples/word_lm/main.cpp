#include "training.hpp"

#include <numeric>

#include <CLI/CLI.hpp>

namespace word_lm {

int run_eval(const std::string& path, const std::string& text) {
    const Loaded loaded(path);
    const auto numbers = encode(loaded.vocabulary, text.empty() ? small_text() : read_text(text));
    const double loss = evaluate(loaded.model, numbers);
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
    const Loaded loaded(path);
    std::vector<std::pair<double, nn::Tokens>> scored;
    Tape<float> tape;
    tape.set_recording(false);
    for (const auto& sentence : sentences) {
        const nn::Tokens words = nn::split_whitespace(sentence);
        if (words.empty()) fail("score", "a sentence is empty");
        for (const auto& reading :
             alike ? homophones(words, loaded.vocabulary) : std::vector<nn::Tokens>{words}) {
            const auto numbers = loaded.vocabulary.encode(reading, nn::Vocabulary::Ends::end);
            const Indices all = column(numbers, loaded.vocabulary);
            const Indices y({numbers.size(), 1}, std::span<const std::int64_t>(numbers));
            const Indices x({numbers.size(), 1},
                            std::span<const std::int64_t>(all.data(), numbers.size()));
            const double loss = static_cast<double>(loaded.model.loss(tape, x, y).item());
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
            std::printf(" %s%s", word.c_str(), loaded.vocabulary.contains(word) ? "" : "(unknown)");
        std::printf("\n");
    }
    example::print_result({{"sentences", std::to_string(scored.size())},
                           {"best_log_p", number(scored.front().first, 3)}});
    return 0;
}

int run_next(const std::string& path, const std::string& text, std::size_t count) {
    const Loaded loaded(path);
    Tape<float> tape;
    tape.set_recording(false);
    const auto scores = loaded.model.next(
        tape, column(loaded.vocabulary.encode(nn::split_whitespace(text)), loaded.vocabulary));
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    order.resize(std::min(count, order.size()));
    for (const std::size_t i : order)
        std::printf("%8.4f  %s\n", std::exp(scores[i]), loaded.vocabulary.symbols()[i].c_str());
    example::print_result({{"next", loaded.vocabulary.symbols()[order[0]]},
                           {"p", number(std::exp(scores[order[0]]), 4)}});
    return 0;
}

} // namespace word_lm

int main(int argc, char** argv) {
    using namespace word_lm;
    CLI::App app{"Language models over words: learns a text, tells how likely sentences are and "
                 "which of several that sound alike is meant, and guesses the next word."};
    app.footer("Examples:\n"
               "  word_lm train wiki.train.tokens --valid wiki.valid.tokens --minutes 30\n"
               "  word_lm eval word_lm.safetensors wiki.test.tokens\n"
               "  word_lm score word_lm.safetensors 'apple and pair salad' "
               "'apple and pear salad'\n"
               "  word_lm score word_lm.safetensors --homophones 'they new the hole story'\n"
               "  word_lm next word_lm.safetensors 'the end of the'\n"
               "  word_lm train --width 32 --epochs 5");
    app.require_subcommand(1);
    Training o;
    auto* train_command = app.add_subcommand(
        "train", "learn a text of words between spaces; without one, some of its own");
    train_command->add_option("TEXT", o.text)->check(CLI::ExistingFile);
    train_command->add_option("--valid", o.valid, "measure with; else a tenth of the text")
        ->check(CLI::ExistingFile);
    for (const auto& [name, value, about] :
         {std::tuple("--width", &o.model.width, "of a word's vector and of the LSTM"),
          std::tuple("--layers", &o.model.layers, "of the LSTM"),
          std::tuple("--groups", &o.model.groups, "of rare words"),
          std::tuple("--steps", &o.steps, "words a gradient flows back through"),
          std::tuple("--min-count", &o.min_count, "words that are rarer are unknown")})
        train_command->add_option(name, *value, about)
            ->check(CLI::Range(1, 65536))
            ->capture_default_str();
    train_command
        ->add_option("--frequent", o.model.frequent, "words that are written at once; 0: all")
        ->capture_default_str();
    for (const auto& [name, value, about] :
         {std::tuple("--dropout", &o.model.dropout, "share of values dropped between layers"),
          std::tuple("--weight-dropout", &o.model.weight_dropout,
                     "share of recurrent weights dropped")})
        train_command->add_option(name, *value, about)
            ->check(CLI::Range(0.0, 0.99))
            ->capture_default_str();
    o.add_to(*train_command, "pieces of the text read side by side");

    std::string path, text;
    std::vector<std::string> sentences;
    bool alike = false;
    std::size_t count = 10;
    auto* eval_command = app.add_subcommand("eval", "perplexity of a text");
    auto* score_command = app.add_subcommand("score", "how likely sentences are, best first");
    auto* next_command = app.add_subcommand("next", "the likeliest words after a beginning");
    for (auto* command : {eval_command, score_command, next_command})
        command->add_option("MODEL", path)->required()->check(CLI::ExistingFile);
    eval_command->add_option("TEXT", text)->check(CLI::ExistingFile);
    score_command->add_option("SENTENCE", sentences)->required();
    score_command->add_flag("--homophones", alike, "with every word that sounds alike");
    next_command->add_option("TEXT", text)->required();
    next_command->add_option("--count", count)->check(CLI::PositiveNumber)->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        if (*eval_command) return run_eval(path, text);
        if (*score_command) return run_score(path, sentences, alike);
        return run_next(path, text, count);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "word_lm: %s\n", error.what());
        return 1;
    }
}
