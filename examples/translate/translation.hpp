#pragma once

#include "model.hpp"

#include <algorithm>
#include <numeric>

namespace translate {

struct Translation {
    nn::Tokens words;
    Tensor<float> weights; // [words, source words] where there is an attention
};

// What the model writes for each sentence, by a beam; 1: the likeliest word every time. Where it
// writes that it does not know a word, the source word that it looked at most is copied.
inline std::vector<Translation> translate(const Model<float>& model, const Settings& settings,
                                          std::span<const nn::Tokens> sentences, std::size_t beam) {
    const nn::Vocabulary &from = settings.source, &to = settings.target;
    std::vector<std::size_t> order(sentences.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto length = [&](std::size_t i) { return sentences[i].size(); };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return length(a) < length(b); });
    std::vector<std::vector<std::int64_t>> numbers;
    for (const auto& sentence : sentences) numbers.push_back(from.encode(sentence));
    std::vector<Translation> found(sentences.size());
    Tape<float> tape;
    tape.set_recording(false);
    constexpr std::size_t at_once = 50;
    for (std::size_t begin = 0; begin < order.size(); begin += at_once) {
        const auto which = std::span(order).subspan(begin, std::min(at_once, order.size() - begin));
        const auto [x, lengths] = nn::pad_sequences(numbers, which, 0);
        tape.clear();
        const auto written = model.write(tape, x, lengths,
                                         {.beam = beam,
                                          .length_penalty = 1,
                                          .end = to.end(),
                                          .max_length = 2 * length(which.back()) + 10});
        for (std::size_t b = 0; b < which.size(); ++b) {
            const auto& best = written[b].front();
            Translation& translation = found[which[b]];
            translation.words = to.decode(best.tokens);
            translation.weights = best.weights;
            if (best.weights.shape(1) < lengths[b]) continue; // no attention
            for (std::size_t t = 0; t < translation.words.size(); ++t) {
                if (best.tokens[t] != to.unknown()) continue;
                std::size_t looked = 0;
                for (std::size_t s = 1; s < lengths[b]; ++s)
                    if (best.weights(t, s) > best.weights(t, looked)) looked = s;
                translation.words[t] = sentences[which[b]][looked];
            }
        }
    }
    return found;
}

inline double bleu(const Model<float>& model, const Settings& settings,
                   std::span<const HeldOut> held_out, std::size_t beam) {
    std::vector<nn::Tokens> sources;
    for (const auto& sentence : held_out) sources.push_back(sentence.source);
    const auto written = translate(model, settings, sources, beam);
    nn::Bleu score;
    for (std::size_t i = 0; i < written.size(); ++i)
        score.add(written[i].words, held_out[i].references);
    return 100 * score.score();
}

} // namespace translate
