#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace speech {

namespace {

// The symbols that a search found in the step-wise probabilities, and on which steps they lie.
template <class T>
std::vector<Heard> hear_by_steps(Tape<T>& tape, const Tensor<T>& x,
                                 std::span<const std::size_t> lengths, const Search& search) {
    std::vector<std::vector<std::int64_t>> symbols;
    const nn::CtcBeamOptions options{.beam = search.beam, .end = search.lexicon ? 0 : -1};
    if (search.lexicon) {
        if constexpr (std::same_as<T, float>)
            for (auto& best :
                 nn::ctc_beam_search(tape, x, lengths, options, *search.lexicon, std::string(), 0))
                symbols.push_back(std::move(best.front().symbols));
    } else if (search.beam == 1) {
        for (auto& best : nn::ctc_greedy(x, lengths)) symbols.push_back(std::move(best.symbols));
    } else {
        for (auto& best : nn::ctc_beam_search(x, lengths, options))
            symbols.push_back(std::move(best.front().symbols));
    }
    const auto paths = nn::ctc_align(x, lengths, nn::pad_sequences(symbols, 0));
    std::vector<Heard> heard;
    for (std::size_t b = 0; b < symbols.size(); ++b) {
        Tensor<float> weights = Tensor<float>::zeros({symbols[b].size(), paths[b].size()});
        std::size_t symbol = 0;
        for (std::size_t t = 0; t < paths[b].size(); ++t) {
            if (paths[b][t] == 0) continue;
            if (t > 0 && paths[b][t] == paths[b][t - 1]) --symbol;
            weights(symbol++, t) = 1;
        }
        heard.push_back({std::move(symbols[b]), std::move(weights)});
    }
    return heard;
}

template <class T>
class Ctc final : public Recogniser<T> {
public:
    using typename Recogniser<T>::Lengths;

    Ctc(const Settings& s, const Alphabet& alphabet)
        : listener({.input = s.input,
                    .hidden = s.hidden,
                    .factors = {2, s.symbols == "digits" ? 2u : 1u},
                    .dropout = s.dropout}),
          output({.input = listener.output_width(), .output = alphabet.size()}),
          dropped(s.dropout) {}

    nn::Frames<T> log_probabilities(const Variable<T>& x, Lengths lengths) const {
        auto frames = listener(x, lengths);
        frames.x = log_softmax(output(dropout(frames.x, dropped)));
        return frames;
    }
    Variable<T> loss(Tape<T>& tape, const Batch<T>& batch) const override {
        const auto frames = log_probabilities(tape.constant(batch.x), batch.lengths);
        return nn::ctc_loss(frames.x, frames.lengths, batch.symbols, {.zero_impossible = true})
            .loss;
    }
    std::vector<Heard> hear(Tape<T>& tape, const Tensor<T>& x, Lengths lengths,
                            const Search& search) const override {
        const auto frames = log_probabilities(tape.constant(x), lengths);
        return hear_by_steps(tape, frames.x.value(), frames.lengths, search);
    }
    std::size_t factor() const override { return listener.factor(); }
    void members(nn::Members<T>& m) override { m("listener", listener)("output", output); }

    nn::Pyramid<nn::LstmCell<T>> listener;
    nn::Linear<T> output;
    double dropped;
};

// What a decoder writes, to its end.
template <class T>
std::vector<Heard> written(std::vector<std::vector<nn::Hypothesis<T>>> found) {
    std::vector<Heard> heard;
    for (auto& hypotheses : found) {
        auto& best = hypotheses.front();
        const std::size_t n = best.tokens.size() - (best.ended ? 1 : 0);
        best.tokens.resize(n);
        Tensor<float> weights(Shape{n, best.weights.shape(1)});
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t s = 0; s < weights.shape(1); ++s)
                weights(i, s) = static_cast<float>(best.weights(i, s));
        heard.push_back({std::move(best.tokens), std::move(weights)});
    }
    return heard;
}

template <class T>
class ListenAttendSpell final : public Recogniser<T> {
public:
    using typename Recogniser<T>::Lengths;
    using Speller = nn::Decoder<nn::LstmCell<T>, nn::LocationAttention<T>>;

    ListenAttendSpell(const Settings& s, const Alphabet& alphabet)
        : listener({.input = s.input, .hidden = s.hidden, .factors = {2, 2}, .dropout = s.dropout}),
          speller({.vocabulary = alphabet.size(),
                   .width = s.hidden / 4,
                   .hidden = s.hidden,
                   .memory = listener.output_width(),
                   .dropout = s.dropout,
                   .attention = {.width = s.hidden, .filters = 8, .window = 15}}) {}

    auto start(const Variable<T>& x, Lengths lengths) const {
        const auto heard = listener(x, lengths);
        const auto memory =
            speller.attention.prepare(heard.x, nn::length_mask(heard.lengths, heard.x.shape(0)));
        nn::State<T, 2> first;
        for (std::size_t i = 0; i < first.size(); ++i)
            first[i] = with_tape_of(heard.x, Tensor<T>::zeros({x.shape(1), speller.widths()[i]}));
        return speller.start({first}, memory);
    }
    Variable<T> loss(Tape<T>& tape, const Batch<T>& batch) const override {
        const auto first = start(tape.constant(batch.x), batch.lengths);
        return cross_entropy(speller(first, batch.spelled).logits, batch.spelled,
                             {.smoothing = 0.1});
    }
    std::vector<Heard> hear(Tape<T>& tape, const Tensor<T>& x, Lengths lengths,
                            const Search& search) const override {
        const auto step = [this](const auto& state, const Indices& tokens) {
            return speller.predict(state, tokens);
        };
        return written(nn::beam_search(tape, step, start(tape.constant(x), lengths),
                                       Indices::zeros({x.shape(1)}),
                                       {.beam = search.beam,
                                        .length_penalty = 1,
                                        .end = 0,
                                        .max_length = x.shape(0) / 5 + 10}));
    }
    std::size_t factor() const override { return listener.factor(); }
    void members(nn::Members<T>& m) override { m("listener", listener)("speller", speller); }

    nn::Pyramid<nn::LstmCell<T>> listener;
    Speller speller;
};

} // namespace

Alphabet::Alphabet(const std::string& symbols) : letters_(symbols == "letters"), symbols_{""} {
    std::set<std::string> all;
    if (letters_) all.insert(" ");
    for (const std::string word : words)
        if (letters_)
            for (const char c : word) all.insert(std::string(1, c));
        else
            symbols_.push_back(word);
    symbols_.insert(symbols_.end(), all.begin(), all.end());
}

std::vector<std::int64_t> Alphabet::encode(std::span<const std::size_t> digits) const {
    std::vector<std::int64_t> found;
    std::string text;
    for (const std::size_t digit : digits) {
        if (!letters_) found.push_back(static_cast<std::int64_t>(digit) + 1);
        text += (text.empty() ? "" : " ") + std::string(words[digit]);
    }
    if (letters_)
        for (const char c : text)
            found.push_back(std::find(symbols_.begin(), symbols_.end(), std::string(1, c)) -
                            symbols_.begin());
    return found;
}

std::vector<std::pair<std::size_t, std::size_t>>
Alphabet::words_among(std::span<const std::int64_t> symbols) const {
    std::vector<std::pair<std::size_t, std::size_t>> found;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= symbols.size(); ++i) {
        const bool space = i < symbols.size() && (*this)[symbols[i]] == " ";
        if (letters_ && i < symbols.size() && !space) continue;
        if (i > begin) found.emplace_back(begin, i);
        begin = space ? i + 1 : i;
    }
    return found;
}

nn::Tokens Alphabet::words_of(std::span<const std::int64_t> symbols) const {
    nn::Tokens found;
    for (const auto& [begin, end] : words_among(symbols)) {
        found.emplace_back();
        for (std::size_t i = begin; i < end; ++i) found.back() += (*this)[symbols[i]];
    }
    return found;
}

std::vector<TimedWord> timed_words(const Alphabet& alphabet, const Heard& heard,
                                   double seconds_a_step) {
    std::vector<TimedWord> found;
    const nn::Tokens texts = alphabet.words_of(heard.symbols);
    for (const auto& [begin, end] : alphabet.words_among(heard.symbols)) {
        std::size_t first = heard.weights.shape(1), last = 0;
        for (std::size_t i = begin; i < end; ++i)
            for (std::size_t s = 0; s < heard.weights.shape(1); ++s) {
                if (heard.weights(i, s) < 0.1f) continue;
                first = std::min(first, s);
                last = std::max(last, s + 1);
            }
        found.push_back({texts[found.size()], static_cast<double>(first) * seconds_a_step,
                         static_cast<double>(last) * seconds_a_step});
    }
    return found;
}

nn::Prediction<std::string, float> Lexicon::operator()(const std::string& word,
                                                       const Indices& tokens) const {
    const std::string& read = (*alphabet_)[tokens(0)];
    const std::string now = read == " " ? "" : word + read;
    const auto is_word = [&](const std::string& w) {
        return std::any_of(words.begin(), words.end(), [&](const char* one) { return w == one; });
    };
    const auto begins_word = [&](const std::string& w) {
        return std::any_of(words.begin(), words.end(),
                           [&](const char* one) { return std::string(one).starts_with(w); });
    };
    Tensor<float> row =
        Tensor<float>::full({1, alphabet_->size()}, -std::numeric_limits<float>::infinity());
    std::vector<std::size_t> allowed;
    for (std::size_t v = 0; v < alphabet_->size(); ++v) {
        const std::string& next = (*alphabet_)[static_cast<std::int64_t>(v)];
        const bool ends = next.empty() || next == " ";
        if (ends ? is_word(now) : begins_word(now + next)) allowed.push_back(v);
    }
    for (const std::size_t v : allowed) row(0, v) = -std::log(static_cast<float>(allowed.size()));
    return {now, Variable<float>(row)};
}

template <class T>
std::unique_ptr<Recogniser<T>> make_recogniser(const Settings& s, const Alphabet& alphabet) {
    if (s.model == "ctc") return std::make_unique<Ctc<T>>(s, alphabet);
    if (s.model == "las") return std::make_unique<ListenAttendSpell<T>>(s, alphabet);
    fail("speech", "there is no model '" + s.model + "'");
}

template std::unique_ptr<Recogniser<float>> make_recogniser(const Settings&, const Alphabet&);
template std::unique_ptr<Recogniser<double>> make_recogniser(const Settings&, const Alphabet&);

} // namespace speech
