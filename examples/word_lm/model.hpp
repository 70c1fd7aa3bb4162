#pragma once

#include "../common/learning.hpp"
#include "../common/stream.hpp"
#include "data.hpp"

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace word_lm {

using namespace unroll;

struct Settings {
    static constexpr const char* program = "word_lm";
    std::size_t width = 256, layers = 2, frequent = 2000, groups = 3;
    double dropout = 0.2, weight_dropout = 0;
    nn::Vocabulary words = example::no_words();

    void fields(example::Fields& f) {
        const example::Between size{1, 65536}, share{0, 0.99};
        f("--width", width, "of a word's vector and of the LSTM", size);
        f("--layers", layers, "of the LSTM", size);
        f("--frequent", frequent, "words that are written at once; 0: all");
        f("--groups", groups, "of rare words", size);
        f("--dropout", dropout, "share of values dropped between layers", share);
        f("--weight-dropout", weight_dropout, "share of recurrent weights dropped", share);
        f.stored("vocabulary", words, special_symbols);
    }
};

// A language model over words numbered by falling frequency: an LSTM between an embedding and an
// output that are one matrix E (Press and Wolf 2017). Rare words are written in two choices, of
// their group and then of a word in it, so that few words' scores are needed for most targets
// (Grave et al. 2017, here with all groups at full width):
//   p(w) = softmax([E_frequent; G] h + b)_w                       for a frequent word,
//   p(w) = softmax([E_frequent; G] h + b)_g softmax(E_g h + b)_w  for a word of group g.
template <class T>
class Model {
public:
    using value_type = T;

    explicit Model(const Settings& s)
        : embed_(nn::uniform<T>({s.words.size(), s.width}, reach(s.width), nn::next_stream())),
          lstm_({.input = s.width,
                 .hidden = s.width,
                 .layers = s.layers,
                 .cell = {.forget_bias = 1},
                 .input_dropout = s.dropout,
                 .output_dropout = s.dropout,
                 .weight_dropout = s.weight_dropout}),
          bias_("bias", Tensor<T>::zeros({s.words.size()})) {
        const std::size_t vocabulary = s.words.size();
        const std::size_t frequent =
            std::min(s.frequent == 0 ? vocabulary : s.frequent, vocabulary);
        bounds_.push_back(frequent);
        if (frequent == vocabulary) return;
        // Each group is larger than the one before by the same factor.
        const double growth = static_cast<double>(vocabulary) / static_cast<double>(frequent);
        for (std::size_t g = 1; g <= s.groups; ++g) {
            const double share = static_cast<double>(g) / static_cast<double>(s.groups);
            const auto bound = static_cast<std::size_t>(
                std::lround(static_cast<double>(frequent) * std::pow(growth, share)));
            bounds_.push_back(std::clamp(bound, bounds_.back() + 1, vocabulary));
        }
        group_weight_ = Parameter<T>(
            "group_weight", nn::uniform<T>({groups(), s.width}, reach(s.width), nn::next_stream()));
        group_bias_ = Parameter<T>("group_bias", Tensor<T>::zeros({groups()}));
    }

    // Lets the biases begin as the words' shares of a text. Without it, the quickest way to these
    // is for cells to saturate, and they stay so.
    void begin_with(std::span<const std::size_t> counts) {
        const auto logarithm = [](std::size_t n) {
            return static_cast<T>(std::log(static_cast<double>(std::max<std::size_t>(n, 1))));
        };
        Tensor<T> word({counts.size()}), group({groups()});
        std::ranges::transform(counts, word.data(), logarithm);
        for (std::size_t g = 0; g < groups(); ++g)
            group.data()[g] = logarithm(std::accumulate(
                counts.begin() + bounds_[g], counts.begin() + bounds_[g + 1], std::size_t{0}));
        bias_.set(word);
        if (groups() > 0) group_bias_.set(group);
    }

    // Words [T, B] -> [T, B, width]. Carries `state` on where one is given.
    Variable<T> read(Tape<T>& tape, const Indices& x, example::Carried<T>* state = nullptr) const {
        typename nn::Lstm<T>::States first;
        if (state != nullptr)
            for (std::size_t s = 0; s < first.size(); ++s) first[s] = (*state)[s];
        auto [output, last] = lstm_(embed_(tape, x), first);
        if (state != nullptr)
            for (std::size_t s = 0; s < last.size(); ++s) (*state)[s] = last[s].value();
        return output;
    }

    // The mean of -log p of the words y [T, B] that follow x.
    Variable<T> loss(Tape<T>& tape, const Indices& x, const Indices& y,
                     example::Carried<T>* state = nullptr) const {
        const Variable<T> h =
            reshape(read(tape, x, state), {static_cast<std::ptrdiff_t>(y.size()), -1});
        Indices first({y.size()});
        std::vector<std::vector<std::int64_t>> rows(groups()), words(groups());
        for (std::size_t i = 0; i < y.size(); ++i) {
            const auto word = static_cast<std::size_t>(y.data()[i]);
            std::size_t g = 0;
            while (word >= bounds_[g]) ++g;
            first.data()[i] = y.data()[i];
            if (g == 0) continue;
            first.data()[i] = static_cast<std::int64_t>(bounds_[0] + g - 1);
            rows[g - 1].push_back(static_cast<std::int64_t>(i));
            words[g - 1].push_back(static_cast<std::int64_t>(word - bounds_[g - 1]));
        }
        Variable<T> total = cross_entropy(frequent_logits(h), first);
        for (std::size_t g = 0; g < groups(); ++g) {
            if (rows[g].empty()) continue;
            const double share =
                static_cast<double>(rows[g].size()) / static_cast<double>(y.size());
            const Shape shape{rows[g].size()};
            const Variable<T> some =
                take(h, Indices(shape, std::span<const std::int64_t>(rows[g])));
            total = total + cross_entropy(group_logits(some, g),
                                          Indices(shape, std::span<const std::int64_t>(words[g]))) *
                                share;
        }
        return total;
    }

    // log p of every word after x [T, 1].
    std::vector<double> next(Tape<T>& tape, const Indices& x) const {
        const Variable<T> h = select(read(tape, x), 0, x.shape(0) - 1);
        const auto first = log_softmax(frequent_logits(h)).value().to_vector();
        std::vector<double> all(first.begin(), first.end() - static_cast<std::ptrdiff_t>(groups()));
        for (std::size_t g = 0; g < groups(); ++g)
            for (const T value : log_softmax(group_logits(h, g)).value().to_vector())
                all.push_back(static_cast<double>(first[bounds_[0] + g] + value));
        return all;
    }

    void members(nn::Members<T>& m) {
        m("embed", embed_)("lstm", lstm_)("bias", bias_);
        if (groups() > 0) m("group_weight", group_weight_)("group_bias", group_bias_);
    }

private:
    // Of the first weights of an embedding: rows have a length of about 1.
    static double reach(std::size_t width) { return std::sqrt(3 / static_cast<double>(width)); }
    std::size_t groups() const { return bounds_.size() - 1; }
    Variable<T> weights(const Variable<T>& h, std::size_t begin, std::size_t end) const {
        return slice(with_tape_of(h, embed_.weight), 0, begin, end);
    }
    Variable<T> biases(const Variable<T>& h, std::size_t begin, std::size_t end) const {
        return slice(with_tape_of(h, bias_), 0, begin, end);
    }
    Variable<T> frequent_logits(const Variable<T>& h) const {
        const Variable<T> weight = weights(h, 0, bounds_[0]), bias = biases(h, 0, bounds_[0]);
        if (groups() == 0) return linear(h, weight, bias);
        return linear(h, concatenate({weight, with_tape_of(h, group_weight_)}, 0),
                      concatenate({bias, with_tape_of(h, group_bias_)}, 0));
    }
    Variable<T> group_logits(const Variable<T>& h, std::size_t g) const {
        return linear(h, weights(h, bounds_[g], bounds_[g + 1]),
                      biases(h, bounds_[g], bounds_[g + 1]));
    }

    nn::Embedding<T> embed_;
    nn::Lstm<T> lstm_;
    Parameter<T> bias_;                      // [vocabulary]
    Parameter<T> group_weight_, group_bias_; // G [groups, width], [groups]
    std::vector<std::size_t> bounds_;        // the end of the frequent words, then of each group
};

} // namespace word_lm
