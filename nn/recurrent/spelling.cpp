#include <unroll/nn/layers/time_pooling.hpp>
#include <unroll/nn/recurrent/spelling.hpp>
#include <unroll/nn/text/batches.hpp>
#include <unroll/nn/text/text.hpp>
#include <unroll/ops/index.hpp>

#include <algorithm>
#include <map>

namespace unroll::nn {

template <class T>
Spelling<T>::Spelling(const SpellingOptions& o)
    : options(o),
      characters(
          {.vocabulary = o.characters.size(), .width = o.width, .padding = o.characters.padding()}),
      read({.input = o.width, .hidden = o.hidden, .bidirectional = true}) {}

template <class T>
Variable<T> Spelling<T>::operator()(std::span<const Tokens> sentences) const {
    const Scope scope("Spelling");
    // Padding is an empty word, for which the network returns zeros.
    std::vector<std::vector<std::int64_t>> spellings(1), places;
    std::map<std::string, std::int64_t> known{{"", 0}};
    for (const Tokens& sentence : sentences) {
        places.emplace_back();
        for (const auto& word : sentence) {
            const auto next = static_cast<std::int64_t>(spellings.size());
            const auto [found, is_new] = known.try_emplace(word, next);
            places.back().push_back(found->second);
            if (!is_new) continue;
            Tokens letters = split_characters(word);
            if (options.most > 0) letters.resize(std::min(letters.size(), options.most));
            spellings.push_back(options.characters.encode(letters));
        }
    }
    const auto [letters, lengths] =
        pad_sequences(spellings, std::max<std::int64_t>(options.characters.padding(), 0));
    const Variable<T> x = dropout(characters(letters), options.dropout);
    return take(last_layer(read(x, {}, lengths).state[0], true), pad_sequences(places, 0).numbers);
}

template class Spelling<float>;
template class Spelling<double>;

} // namespace unroll::nn
