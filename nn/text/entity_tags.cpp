#include <unroll/core/base/scope.hpp>
#include <unroll/nn/text/entity_tags.hpp>

#include <algorithm>
#include <string_view>

namespace unroll::nn {

namespace {

bool is_one_of(char letter, std::string_view letters) {
    return letters.find(letter) != letters.npos;
}

// "B-x" or "B", with any of the schemes' letters.
bool has_prefix(const std::string& tag) {
    return is_one_of(tag[0], "BIESLU") && (tag.size() == 1 || tag[1] == '-');
}

struct Scheme {
    bool has_prefixes = false; // or types alone
    std::string letters = "BI";

    explicit Scheme(const std::vector<TaggedSentence>& sentences) {
        std::string met;
        for (const auto& sentence : sentences)
            for (const auto& tag : sentence.tags)
                if (tag != "O" && has_prefix(tag)) {
                    has_prefixes |= tag.size() > 1 || tag == "B" || tag == "I";
                    met += tag[0];
                }
        if (!has_prefixes) return;
        if (met.find_first_of("LU") != met.npos)
            letters = "BILU";
        else if (met.find_first_of("ES") != met.npos)
            letters = "BIES";
    }
    bool marks_ends() const { return letters.size() > 2; }
    bool allows(const std::string& tag) const {
        return !has_prefixes || (has_prefix(tag) && is_one_of(tag[0], letters) && tag.size() != 2);
    }
    char letter(const std::string& tag) const { return has_prefixes ? tag[0] : 'I'; }
    std::string type(const std::string& tag) const {
        if (!has_prefixes) return tag;
        return tag.size() > 2 ? tag.substr(2) : "entity";
    }
};

void convert(TaggedSentence& sentence, const Scheme& scheme, const std::string& path) {
    std::string open; // type of the current entity; empty: none
    for (std::size_t i = 0; i < sentence.size(); ++i) {
        std::string& tag = sentence.tags[i];
        const auto refuse = [&](const std::string& problem) {
            refuse_line("read_entities", path, sentence.line + i,
                        problem + ", at the tag " + nn::quoted(tag));
        };
        const bool outside = tag == "O";
        if (!outside && !scheme.allows(tag))
            refuse("expected O or a tag that begins with one of " + scheme.letters +
                   ", as others in this file do");
        const char letter = outside ? 'O' : scheme.letter(tag);
        const std::string type = outside ? "" : scheme.type(tag);
        const bool goes_on = type == open && is_one_of(letter, "IEL");
        if (scheme.marks_ends()) {
            if (!open.empty() && !goes_on)
                refuse(std::string("the previous entity has no last word (") + scheme.letters[2] +
                       ")");
            if (!goes_on && is_one_of(letter, "IEL")) refuse("the entity has no first word (B)");
        }
        const bool ends = outside || (scheme.marks_ends() && !is_one_of(letter, "BI"));
        open = ends ? "" : type;
        if (scheme.marks_ends() && !open.empty() && i + 1 == sentence.size())
            refuse(std::string("the entity has no last word (") + scheme.letters[2] + ")");
        if (!outside) tag = (goes_on ? "I-" : "B-") + type;
    }
}

} // namespace

std::vector<TaggedSentence> read_entities(const std::string& path, Where where) {
    const Called here(where);
    auto sentences = read_columns(path);
    const Scheme scheme(sentences);
    for (auto& sentence : sentences) convert(sentence, scheme, path);
    return sentences;
}

} // namespace unroll::nn
