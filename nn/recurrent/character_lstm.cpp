#include <unroll/nn/layers/time_pooling.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/recurrent/character_lstm.hpp>
#include <unroll/nn/text/batches.hpp>
#include <unroll/nn/text/text.hpp>
#include <unroll/ops/index.hpp>

#include <algorithm>
#include <map>

namespace unroll::nn {

namespace {

const CharacterLstmOptions& checked(const CharacterLstmOptions& o, Where where) {
    const Op op("CharacterLstm", where);
    require_sizes(op,
                  {{"characters", o.characters.size()}, {"width", o.width}, {"hidden", o.hidden}});
    require_fraction(op, "dropout", o.dropout);
    return o;
}

} // namespace

template <class T>
CharacterLstm<T>::CharacterLstm(const CharacterLstmOptions& o, Where where)
    : options(checked(o, where)),
      characters(
          {.vocabulary = o.characters.size(), .width = o.width, .padding = o.characters.padding()},
          where),
      read({.input = o.width, .hidden = o.hidden, .bidirectional = true}, where) {}

template <class T>
Variable<T> CharacterLstm<T>::operator()(std::span<const Tokens> sentences, Where caller) const {
    const Scope scope(module_name, caller);
    // Padding is an empty word, whose vector is zeros.
    std::vector<std::vector<std::int64_t>> spellings(1), indices;
    std::map<std::string, std::int64_t> known{{"", 0}};
    for (const Tokens& sentence : sentences) {
        indices.emplace_back();
        for (const auto& word : sentence) {
            const auto next = static_cast<std::int64_t>(spellings.size());
            const auto [found, is_new] = known.try_emplace(word, next);
            indices.back().push_back(found->second);
            if (!is_new) continue;
            Tokens letters = split_characters(word);
            if (options.most > 0) letters.resize(std::min(letters.size(), options.most));
            spellings.push_back(options.characters.encode(letters));
        }
    }
    const auto [letters, lengths] =
        pad_sequences(spellings, std::max<std::int64_t>(options.characters.padding(), 0));
    const Variable<T> x = dropout(characters(letters), options.dropout);
    return take(last_layer(read(x, {}, lengths).state[0], true), pad_sequences(indices, 0).numbers);
}

template class CharacterLstm<float>;
template class CharacterLstm<double>;

} // namespace unroll::nn
