#pragma once

#include <unroll/unroll.hpp>

#include <string>
#include <vector>

namespace translate {

using namespace unroll;

struct Pair {
    nn::Tokens source, target;
};

// Words and punctuation of a sentence, in small letters of Latin alphabets.
nn::Tokens tokens_of(const std::string& sentence);
// The reverse, as far as that can be told.
std::string sentence_of(const nn::Tokens& tokens);

// A source, a tab and its target a line; further columns are left out. Throws Error with path and
// line for one that has not both, and for a file that is no text or empty.
std::vector<Pair> read_pairs(const std::string& path);
// Every sentence of a small grammar, with its French: words change places and endings.
std::vector<Pair> grammar_pairs();

struct HeldOut {
    nn::Tokens source;
    std::vector<nn::Tokens> references;
};
// `held_out` different sources, drawn the same way every time, with all their targets, and the
// pairs of the others.
struct Split {
    std::vector<Pair> learned;
    std::vector<HeldOut> held_out;
};
Split split(const std::vector<Pair>& pairs, std::size_t held_out);

// Which source tokens, across, each target token, down, was written from: [targets, sources].
std::string alignment_svg(const nn::Tokens& source, const nn::Tokens& target,
                          const Tensor<float>& weights);

} // namespace translate
