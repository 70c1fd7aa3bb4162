#include "../common/learning.hpp"

#include <optional>

namespace embeddings {

using namespace unroll;
using Vectors = nn::WordVectors<float>;

struct Settings {
    static constexpr const char* program = "embeddings";
    std::size_t width = 50;
    nn::Vocabulary words = example::empty_vocabulary();

    void fields(example::Fields f) {
        f("--width", width, "width of a vector")->check(CLI::Range(1, 1 << 20));
        f.stored("words", words, nn::SpecialSymbols::none());
    }
};

template <class T>
struct Model : nn::SkipGram<T> {
    explicit Model(const Settings& s)
        : nn::SkipGram<T>({.vocabulary = s.words.size(), .width = s.width}) {}
};

// Lower-case words; tokens without a letter are omitted.
nn::Tokens words_of(const std::string& path) {
    nn::Tokens all;
    for (const auto& line : nn::read_lines(path))
        for (const auto& token : nn::split_words(nn::to_lower(line)))
            if (token.find_first_of("abcdefghijklmnopqrstuvwxyz") != std::string::npos)
                all.push_back(token);
    if (all.empty()) fail("embeddings", "'" + path + "' has no words");
    return all;
}

struct Training : example::TrainingOptions {
    static constexpr std::size_t piece = 128; // words of the text that are processed at once
    std::string text = example::shipped("animals_and_towns.txt"), vectors;
    Settings model;
    std::size_t window = 5, negatives = 5, min_count = 5;
    double subsample = 0;
    std::vector<std::int64_t> numbers;
    std::optional<nn::NoiseTable> noise;

    Training()
        : TrainingOptions{.batch = 8,
                          .learning_rate = 1e-2,
                          .minutes = 2,
                          .out = "embeddings.safetensors",
                          .unit = "words"} {}
    void options(CLI::App& command) {
        const CLI::Range count(1, 1 << 20);
        command.add_option("TEXT", text);
        model.fields(command);
        command.add_option("--window", window, "largest distance of a context word")->check(count);
        command.add_option("--negatives", negatives, "negative samples per context word")
            ->check(count);
        command.add_option("--min-count", min_count, "omit rarer words")->check(count);
        command.add_option("--subsample", subsample, "frequency above which words are subsampled")
            ->check(CLI::PositiveNumber)
            ->default_str("1e-4 in long texts");
        command.add_option("--vectors", vectors, "also write word2vec's text format");
        TrainingOptions::options(command, "segments of 128 words in a batch");
    }
    void shrink() { model.width = 3; }
    std::string prepare() {
        const auto all = words_of(text);
        model.words = nn::Vocabulary(
            {{all}}, {.min_count = min_count, .special = nn::SpecialSymbols::none()});
        for (const auto& word : all)
            if (model.words.contains(word)) numbers.push_back(model.words.number(word));
        noise.emplace(model.words.counts());
        units = static_cast<double>(batch * piece);
        if (subsample == 0) subsample = all.size() < 100000 ? 1 : 1e-4;
        return fmt::format("{} words of text, {} distinct words with count at least {}", all.size(),
                           model.words.size(), min_count);
    }
    nn::ShuffledBatches source() const { return {numbers.size() / piece, batch, seed}; }
    // Occurrences, pairs and noise are sampled again each time.
    template <class T>
    Variable<T> loss(const Model<T>& net, example::Numbers which) const {
        std::vector<Variable<T>> losses;
        for (const std::size_t i : which) {
            const auto words = std::span(numbers).subspan(i * piece, piece);
            auto kept = nn::subsample(words, model.words.counts(), subsample, current_random<T>());
            if (kept.size() < 2) kept.assign(words.begin(), words.end());
            const auto [centres, contexts] = nn::skip_gram_pairs(kept, window, current_random<T>());
            losses.push_back(net.loss(
                centres, contexts, noise->draw_beside(contexts, negatives, current_random<T>())));
        }
        return mean(stack(losses));
    }
    example::Figures figures(const Model<float>& net, bool last) const {
        if (last && !vectors.empty()) net.vectors(model.words).write_text(vectors);
        return {};
    }
};

// The vectors of a model, or of a text file in GloVe's or word2vec's format.
Vectors read_vectors(const std::string& path) {
    if (!path.ends_with(".safetensors")) return Vectors::read_text(path);
    const auto [settings, model] = example::load<Settings, Model>(path);
    return model.vectors(settings.words);
}

// The agreement of two sets of vectors: the correlation of their cosines over random pairs of
// common words.
void compare(const std::string& path, const std::string& other) {
    const Vectors a = read_vectors(path), b = read_vectors(other);
    std::printf("%zu words, %zu numbers each\n", a.size(), a.width());
    nn::Tokens common;
    for (const auto& word : a.words())
        if (b.contains(word)) common.push_back(word);
    constexpr std::size_t draws = 20000;
    Tensor<float> ours = Tensor<float>::zeros({draws}), theirs = ours.copy();
    Random random(1);
    for (std::size_t i = 0; common.size() > 2 && i < draws; ++i) {
        const std::size_t x = random.below(common.size());
        const std::size_t y = (x + 1 + random.below(common.size() - 1)) % common.size();
        ours(i) = a.similarity(common[x], common[y]);
        theirs(i) = b.similarity(common[x], common[y]);
    }
    example::print_result({{"correlation_of_cosines", nn::correlation(ours, theirs)}},
                          {{"common_words", common.size()}});
}

void show(const std::vector<Vectors::Neighbour>& found) {
    for (const auto& [word, cosine] : found)
        std::printf("%-20s %.3f\n", word.c_str(), static_cast<double>(cosine));
    example::print_result({{"nearest", found.empty() ? "" : found[0].word}});
}

} // namespace embeddings

int main(int argc, char** argv) {
    using namespace embeddings;
    example::Commands program(
        "embeddings",
        "Trains word vectors by skip-gram with negative sampling, "
        "and queries these, or GloVe's, for similar words.",
        {"train book.txt --minutes 2 --vectors book.vectors.txt",
         "neighbours embeddings.safetensors king", "eval embeddings.safetensors glove.6B.50d.txt",
         "neighbours glove.6B.50d.txt three", "analogy glove.6B.50d.txt man king woman",
         "train --check-gradients"});
    program.train("train on a text", example::train<Training, Model>);
    std::string path, other, a, b, c;
    std::size_t nearest = 10;
    const auto vectors = [&](CLI::App& command) {
        command.add_option("VECTORS", path, "a model, or a text file of vectors")->required();
    };
    const auto words = [&](CLI::App& command) {
        command.add_option("--count", nearest, "number of words");
    };
    CLI::App* command =
        program.add("eval", "agreement with other vectors", [&] { return compare(path, other); });
    vectors(*command);
    command->add_option("OTHER", other)->required();

    command = program.add("neighbours", "the nearest words",
                          [&] { return show(read_vectors(path).nearest(a, nearest)); });
    vectors(*command);
    command->add_option("WORD", a)->required();
    words(*command);

    command = program.add("analogy", "A is to B as C is to what",
                          [&] { return show(read_vectors(path).analogy(a, b, c, nearest)); });
    vectors(*command);
    command->add_option("A", a)->required();
    command->add_option("B", b)->required();
    command->add_option("C", c)->required();
    words(*command);

    return program.run(argc, argv);
}
