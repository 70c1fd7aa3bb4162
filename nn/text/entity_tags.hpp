#pragma once

#include <unroll/nn/text/text.hpp>

#include <string>
#include <vector>

namespace unroll::nn {

// Sentences whose words have entities' tags, as read_columns() reads them, converted to IOB2: O,
// B-x for the first word of an entity of type x, I-x for its others. Understood are IOB1 and IOB2;
// BIOES and BILOU, whose single words S-x or U-x and last words E-x or L-x become B-x and I-x; B
// and I without a type, whose type is "entity"; and types alone, of which neighbours of one type
// are one entity. Throws Error with path and line for a mixture, and for an entity that BIOES or
// BILOU does not begin or end.
std::vector<TaggedSentence> read_entities(const std::string& path);

} // namespace unroll::nn
