#include "../common/trainer.hpp"
#include "model.hpp"

#include <cstdio>

#include <CLI/CLI.hpp>

namespace embeddings {

using example::number;

struct Training : example::TrainingOptions {
    std::string text, vectors;
    std::size_t width = 50, window = 5, negatives = 5, min_count = 5;
    double subsample = 1e-4;

    Training() {
        batch = 1024;
        rate = 1e-2;
        minutes = 2;
        out = "embeddings.safetensors";
    }
};

int train(Training o) {
    if (o.text.empty()) o.subsample = 1; // each of its words is frequent
    const auto text = o.text.empty() ? made_up() : words_of(o.text);
    const nn::Vocabulary words({{text}},
                               {.min_count = o.min_count, .special = nn::SpecialSymbols::none()});
    std::vector<std::int64_t> numbers;
    for (const auto& word : text)
        if (words.contains(word)) numbers.push_back(words.number(word));
    const std::size_t batch = o.text.empty() ? o.shards * 128 : o.batch;
    const Pairs pairs(numbers, words.counts(), batch, o.window, o.negatives, o.subsample);
    example::Batches order(pairs.pieces(), 1, o.seed);

    nn::seed(o.seed);
    nn::SkipGram<float> model({.vocabulary = words.size(), .width = o.width});
    std::printf("%zu words of text, %zu different ones of at least %zu; %zu parameters\n",
                text.size(), words.size(), o.min_count, nn::parameter_count(model));
    example::Task task;
    task.batches = pairs.pieces();
    task.units = static_cast<double>(batch);
    task.unit = "words";
    task.begin_epoch = [&](std::uint64_t epoch) { order.begin_epoch(epoch); };
    task.loss = [&](std::size_t shard, Tape<float>& tape, std::size_t batch_number) {
        return pairs.loss(model, tape, order.part(batch_number, 0, 1)[0], shard, o.shards);
    };
    task.words = {{"program", "embeddings"},
                  {"width", std::to_string(o.width)},
                  {"words", example::joined(words)}};
    const int status = example::train(o, task, example::named(model));
    if (!o.vectors.empty()) model.vectors(words).write_text(o.vectors);
    return status;
}

int run_eval(const std::string& path, const std::string& other) {
    const auto vectors = read_vectors(path);
    std::printf("%zu words, %zu numbers each\n", vectors.size(), vectors.width());
    const auto [common, correlation] = agreement(vectors, read_vectors(other));
    example::print_result({{"common_words", std::to_string(common)},
                           {"correlation_of_cosines", number(correlation, 4)}});
    return 0;
}

int show(const std::vector<nn::WordVectors<float>::Neighbour>& found) {
    for (const auto& [word, cosine] : found)
        std::printf("%-20s %.3f\n", word.c_str(), static_cast<double>(cosine));
    example::print_result({{"nearest", found.empty() ? "" : found[0].word}});
    return 0;
}

int check_gradients(const Training& o) {
    nn::seed(o.seed);
    nn::SkipGram<double> model({.vocabulary = 6, .width = 3});
    for (auto* parameter : parameters(model)) // contexts begin with zeros
        parameter->set(nn::normal<double>(parameter->shape(), 1, nn::next_stream()));
    const Indices centres({3}, {0, 1, 2}), contexts({3}, {3, 4, 1});
    const Indices negatives({3, 2}, {5, 4, 0, 2, 3, 3});
    return o.inspection.check(
        [&](Tape<double>& tape) { return model.loss(tape, centres, contexts, negatives); },
        nn::named_parameters(model));
}

} // namespace embeddings

int main(int argc, char** argv) {
    using namespace embeddings;
    CLI::App app{"Learns vectors of words from their neighbourhood, by skip-gram with negative "
                 "sampling, and asks them, or GloVe's, what is alike."};
    app.footer("Examples:\n"
               "  embeddings train book.txt --minutes 2 --vectors book.vectors.txt\n"
               "  embeddings neighbours embeddings.safetensors king\n"
               "  embeddings eval embeddings.safetensors glove.6B.50d.txt\n"
               "  embeddings neighbours glove.6B.50d.txt three\n"
               "  embeddings analogy glove.6B.50d.txt man king woman\n"
               "  embeddings train --check-gradients");
    app.require_subcommand(1);
    Training o;
    auto* train_command = app.add_subcommand("train", "learn from a text");
    train_command->add_option("TEXT", o.text, "without one, made-up sentences");
    const auto count = [&](const char* name, std::size_t& value, const char* what) {
        train_command->add_option(name, value, what)
            ->capture_default_str()
            ->check(CLI::Range(1, 1 << 20));
    };
    count("--width", o.width, "of a vector");
    count("--window", o.window, "the farthest neighbour");
    count("--negatives", o.negatives, "words of noise beside each neighbour");
    count("--min-count", o.min_count, "rarer words are left out");
    train_command->add_option("--subsample", o.subsample, "share from which words are thinned out")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    train_command->add_option("--vectors", o.vectors, "word2vec's text format, beside the model");
    o.add_to(*train_command, "words of text in a batch");
    std::string path, other;
    std::vector<std::string> words;
    std::size_t nearest = 10;
    const auto use = [&](const char* name, const char* what) {
        auto* command = app.add_subcommand(name, what);
        command->add_option("VECTORS", path, "a model, or a text file of vectors")->required();
        return command;
    };
    auto* eval_command = use("eval", "whether other vectors find the same words alike");
    eval_command->add_option("OTHER", other)->required();
    auto* neighbours_command = use("neighbours", "the words nearest to one");
    neighbours_command->add_option("WORD", words)->required()->expected(1);
    auto* analogy_command = use("analogy", "A is to B as C is to what");
    analogy_command->add_option("A B C", words)->required()->expected(3);
    for (auto* command : {neighbours_command, analogy_command})
        command->add_option("--count", nearest)->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        if (*eval_command) return run_eval(path, other);
        const auto vectors = read_vectors(path);
        return show(*neighbours_command ? vectors.nearest(words[0], nearest)
                                        : vectors.analogy(words[0], words[1], words[2], nearest));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "embeddings: %s\n", error.what());
        return 1;
    }
}
