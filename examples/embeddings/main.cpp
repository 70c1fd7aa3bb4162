#include "model.hpp"

#include <cstdio>

namespace embeddings {

using example::number;

struct Training : example::TrainingOptions {
    std::string text, vectors;
    Settings model;
    std::size_t window = 5, negatives = 5, min_count = 5;
    double subsample = 1e-4;

    Training() {
        batch = 1024;
        rate = 1e-2;
        minutes = 2;
        out = "embeddings.safetensors";
    }
    void fields(example::Fields& f) {
        const example::Between count{1, 1 << 20};
        f.takes("TEXT", text, "without one, made-up sentences");
        model.fields(f);
        f.takes("--window", window, "the farthest neighbour", count);
        f.takes("--negatives", negatives, "words of noise beside each neighbour", count);
        f.takes("--min-count", min_count, "rarer words are left out", count);
        f.takes("--subsample", subsample, "share from which words are thinned out",
                example::Positive());
        f.takes("--vectors", vectors, "word2vec's text format, beside the model");
        TrainingOptions::fields(f, "words of text in a batch");
    }
};

int train(Training o) {
    if (o.text.empty()) o.subsample = 1; // each of its words is frequent
    const auto text = o.text.empty() ? made_up() : words_of(o.text);
    const nn::Vocabulary& words = o.model.words =
        nn::Vocabulary({{text}}, {.min_count = o.min_count, .special = nn::SpecialSymbols::none()});
    std::vector<std::int64_t> numbers;
    for (const auto& word : text)
        if (words.contains(word)) numbers.push_back(words.number(word));
    const std::size_t batch = o.text.empty() ? o.shards * 128 : o.batch;
    const Pairs pairs(numbers, words.counts(), batch, o.window, o.negatives, o.subsample);
    example::Batches order(pairs.pieces(), 1, o.seed);

    nn::seed(o.seed);
    nn::SkipGram<float> model(o.model.options());
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
    task.words = example::words(o.model);
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

int check_gradients(Training o) {
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
    example::Commands program(
        "embeddings",
        "Learns vectors of words from their neighbourhood, by skip-gram with negative sampling, "
        "and asks them, or GloVe's, what is alike.",
        {"train book.txt --minutes 2 --vectors book.vectors.txt",
         "neighbours embeddings.safetensors king", "eval embeddings.safetensors glove.6B.50d.txt",
         "neighbours glove.6B.50d.txt three", "analogy glove.6B.50d.txt man king woman",
         "train --check-gradients"});
    program.train("learn from a text", train, check_gradients);
    std::string path, other, a, b, c;
    std::size_t nearest = 10;
    example::Fields vectors, words;
    vectors.needs("VECTORS", path, "a model, or a text file of vectors");
    words.takes("--count", nearest, "how many");
    program
        .add("eval", "whether other vectors find the same words alike",
             [&] { return run_eval(path, other); })
        .takes(vectors)
        .needs("OTHER", other);
    program
        .add("neighbours", "the words nearest to one",
             [&] { return show(read_vectors(path).nearest(a, nearest)); })
        .takes(vectors)
        .needs("WORD", a)
        .takes(words);
    program
        .add("analogy", "A is to B as C is to what",
             [&] { return show(read_vectors(path).analogy(a, b, c, nearest)); })
        .takes(vectors)
        .needs("A", a)
        .needs("B", b)
        .needs("C", c)
        .takes(words);
    return program.run(argc, argv);
}
