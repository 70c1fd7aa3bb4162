#pragma once

#include <unroll/core/base/error.hpp>
#include <unroll/nn/text/text.hpp>

#include <string>
#include <vector>

namespace unroll::nn {

// Reads sentences with entity tags, as read_columns() does, and converts the tags to IOB2: O, B-x
// for the first word of an entity of type x, I-x for its other words. Accepts IOB1 and IOB2; BIOES
// and BILOU, whose single words S-x or U-x and last words E-x or L-x become B-x and I-x; B and I
// without a type, for which the type is "entity"; and plain types, where adjacent words of the same
// type are one entity. Throws Error with path and line for a mixture, and for entities without a
// beginning or an end in BIOES or BILOU.
std::vector<TaggedSentence> read_entities(const std::string& path, Where where = Where::current());

} // namespace unroll::nn
