#include "tags.hpp"

#include <algorithm>
#include <set>

namespace example {

using namespace unroll;

namespace {

constexpr std::string_view prefixes = "BIESLU";

bool has_prefix(const std::string& tag) {
    return prefixes.find(tag[0]) != prefixes.npos && (tag.size() == 1 || tag[1] == '-');
}
std::string type_of(const std::string& tag) { return tag.size() > 2 ? tag.substr(2) : "entity"; }

} // namespace

std::vector<nn::TaggedSentence> read_entities(const std::string& path) {
    auto sentences = nn::read_columns(path);
    bool has_types_alone = true, has_ends = false, has_last = false;
    std::set<char> letters;
    for (const auto& sentence : sentences)
        for (const auto& tag : sentence.tags) {
            if (tag == "O") continue;
            if (tag.size() > 1 && has_prefix(tag)) has_types_alone = false;
            if (tag == "B" || tag == "I") has_types_alone = false;
            if (has_prefix(tag)) letters.insert(tag[0]);
        }
    if (!has_types_alone) {
        has_last = letters.contains('L') || letters.contains('U');
        has_ends = has_last || letters.contains('E') || letters.contains('S');
    }
    const std::string allowed = has_last ? "BILU" : has_ends ? "BIES" : "BI";
    for (auto& sentence : sentences) {
        std::string type; // type of the current entity; empty: none
        bool is_complete = true;
        for (std::size_t i = 0; i <= sentence.size(); ++i) {
            const std::string tag = i < sentence.size() ? sentence.tags[i] : "O";
            const auto refuse = [&](const std::string& problem) {
                nn::refuse_line("read_entities", path,
                                sentence.line + std::min(i, sentence.size() - 1),
                                problem + ", at the tag " + nn::quoted(tag));
            };
            const bool outside = tag == "O";
            if (!outside && !has_types_alone &&
                (!has_prefix(tag) || allowed.find(tag[0]) == allowed.npos || tag.size() == 2))
                refuse("expected O or a tag that begins with one of " + allowed +
                       ", as others in this file do");
            const char letter = outside || has_types_alone ? 'I' : tag[0];
            const std::string here = outside ? "" : has_types_alone ? tag : type_of(tag);
            const bool goes_on =
                !outside && here == type && (letter == 'I' || letter == 'E' || letter == 'L');
            if (has_ends && !goes_on && !is_complete)
                refuse("the previous entity has no last word (" + allowed.substr(2, 1) + ")");
            if (has_ends && !outside && !goes_on && letter != 'B' && letter != 'S' && letter != 'U')
                refuse("the entity has no first word (B)");
            if (outside) {
                type.clear();
                is_complete = true;
                continue;
            }
            sentence.tags[i] = (goes_on ? "I-" : "B-") + here;
            const bool ends = has_ends && letter != 'B' && letter != 'I';
            type = ends ? "" : here;
            is_complete = !has_ends || ends;
        }
    }
    return sentences;
}

} // namespace example
