#pragma once

#include "../common/learning.hpp"

#include <unroll/unroll.hpp>

#include <cmath>
#include <string>
#include <vector>

namespace embeddings {

using namespace unroll;

struct Settings {
    static constexpr const char* program = "embeddings";
    std::size_t width = 50;
    nn::Vocabulary words = example::no_words();

    void fields(example::Fields& f) {
        f("--width", width, "of a vector", example::Between{1, 1 << 20});
        f.stored("words", words, nn::SpecialSymbols::none());
    }
    nn::SkipGramOptions options() const { return {.vocabulary = words.size(), .width = width}; }
};

// Words in small letters; what has no letter is left out.
inline nn::Tokens words_of(const std::string& path) {
    nn::Tokens all;
    for (const auto& line : nn::read_lines(path))
        for (const auto& token : nn::split_words(nn::to_lower(line)))
            if (token.find_first_of("abcdefghijklmnopqrstuvwxyz") != std::string::npos)
                all.push_back(token);
    if (all.empty()) fail("embeddings", "'" + path + "' has no words");
    return all;
}

// Sentences in which animals and towns have neighbours of their own.
inline nn::Tokens made_up() {
    nn::Tokens all;
    Random random(7);
    const std::vector<nn::Tokens> frames{{"the", "", "sleeps", "and", "eats", "grass"},
                                         {"we", "went", "to", "", "by", "train"}};
    const std::vector<nn::Tokens> fillers{{"cow", "horse", "sheep", "goat"},
                                          {"london", "paris", "rome", "athens"}};
    for (int i = 0; i < 400; ++i) {
        const std::size_t kind = random.below(2);
        for (const auto& word : frames[kind])
            all.push_back(word.empty() ? fillers[kind][random.below(4)] : word);
    }
    return all;
}

// A text as pieces of equal length; pairs and noise are drawn anew for each epoch.
class Pairs {
public:
    // Throws Error for a text shorter than a piece.
    Pairs(std::vector<std::int64_t> text, std::vector<std::size_t> counts, std::size_t piece,
          std::size_t window, std::size_t negatives, double threshold)
        : text_(std::move(text)), counts_(std::move(counts)), noise_(counts_), piece_(piece),
          window_(window), negatives_(negatives), threshold_(threshold) {
        if (pieces() == 0)
            fail("embeddings", "a text of " + std::to_string(text_.size()) +
                                   " known words is shorter than a batch of " +
                                   std::to_string(piece));
    }

    std::size_t pieces() const { return text_.size() / piece_; }

    template <class T>
    Variable<T> loss(const nn::SkipGram<T>& model, Tape<T>& tape, std::size_t piece,
                     std::size_t part, std::size_t parts) const {
        const std::size_t width = piece_ / parts;
        const auto words = std::span(text_).subspan(piece * piece_ + part * width, width);
        Random& random = tape.random();
        auto kept = nn::subsample(words, counts_, threshold_, random);
        if (kept.size() < 2) kept.assign(words.begin(), words.end());
        const auto [centres, contexts] = nn::skip_gram_pairs(kept, window_, random);
        return model.loss(tape, centres, contexts,
                          noise_.draw_beside(contexts, negatives_, random));
    }

private:
    std::vector<std::int64_t> text_;
    std::vector<std::size_t> counts_;
    nn::NoiseTable noise_;
    std::size_t piece_, window_, negatives_;
    double threshold_;
};

// Of a model, or of a text file as GloVe and word2vec write them.
inline nn::WordVectors<float> read_vectors(const std::string& path) {
    if (!path.ends_with(".safetensors")) return nn::WordVectors<float>::read_text(path);
    const auto settings = example::read<Settings>(path);
    nn::SkipGram<float> model(settings.options());
    optim::load_weights(path, example::named(model));
    return model.vectors(settings.words);
}

struct Agreement {
    std::size_t common = 0;
    double correlation = 0;
};

// How alike two sets of vectors find the words that both have: the correlation of their cosines
// over pairs of common words, drawn at random.
inline Agreement agreement(const nn::WordVectors<float>& a, const nn::WordVectors<float>& b) {
    nn::Tokens common;
    for (const auto& word : a.words())
        if (b.contains(word)) common.push_back(word);
    if (common.size() < 3) return {common.size(), 0};
    const auto cosine = [](const nn::WordVectors<float>& v, const std::string& x,
                           const std::string& y) {
        const auto p = v[x].to_vector(), q = v[y].to_vector();
        double pq = 0, pp = 1e-30, qq = 1e-30;
        for (std::size_t i = 0; i < p.size(); ++i) {
            pq += static_cast<double>(p[i] * q[i]);
            pp += static_cast<double>(p[i] * p[i]);
            qq += static_cast<double>(q[i] * q[i]);
        }
        return pq / std::sqrt(pp * qq);
    };
    Random random(1);
    constexpr int draws = 20000;
    double x = 0, y = 0, xx = 0, yy = 0, xy = 0;
    for (int i = 0; i < draws; ++i) {
        const std::size_t first = random.below(common.size());
        const std::size_t second = (first + 1 + random.below(common.size() - 1)) % common.size();
        const double u = cosine(a, common[first], common[second]);
        const double v = cosine(b, common[first], common[second]);
        x += u;
        y += v;
        xx += u * u;
        yy += v * v;
        xy += u * v;
    }
    const double n = draws;
    const double spread = (xx - x * x / n) * (yy - y * y / n);
    return {common.size(), spread > 0 ? (xy - x * y / n) / std::sqrt(spread) : 0};
}

} // namespace embeddings
