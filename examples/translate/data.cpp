#include "data.hpp"

#include "../common/svg.hpp"

#include <algorithm>
#include <map>

namespace translate {

using example::escaped, example::format;

namespace {

// nn::to_lower leaves letters with accents; those of French lie in two blocks of Unicode.
std::string to_small(const std::string& text) {
    std::string small = nn::to_lower(text);
    for (std::size_t i = 0; i + 1 < small.size(); ++i) {
        const auto lead = static_cast<unsigned char>(small[i]);
        const auto next = static_cast<unsigned char>(small[i + 1]);
        if (lead == 0xc3 && next >= 0x80 && next <= 0x9e && next != 0x97)
            small[i + 1] = static_cast<char>(next + 0x20);
        else if (lead == 0xc5 && next == 0x92)
            small[i + 1] = static_cast<char>(0x93);
    }
    return small;
}

} // namespace

nn::Tokens tokens_of(const std::string& sentence) { return nn::split_words(to_small(sentence)); }

std::string sentence_of(const nn::Tokens& tokens) {
    std::string text;
    bool joins = true;
    for (const auto& token : tokens) {
        const bool binds = token == "'" || token == "-" || token == "’";
        if (!joins && !binds && token != "." && token != ",") text += ' ';
        text += token;
        joins = binds;
    }
    return text;
}

std::vector<Pair> read_pairs(const std::string& path) {
    std::vector<Pair> pairs;
    const auto lines = nn::read_lines(path);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const std::string& line = lines[i];
        const auto refuse = [&](const char* problem) {
            nn::refuse_line("pairs", path, i + 1, problem + (", in " + nn::quoted(line)));
        };
        const std::size_t tab = line.find('\t');
        if (tab == std::string::npos) refuse("expected a sentence, a tab and another one");
        const std::size_t end = std::min(line.find('\t', tab + 1), line.size());
        Pair pair{tokens_of(line.substr(0, tab)), tokens_of(line.substr(tab + 1, end - tab - 1))};
        if (pair.source.empty()) refuse("there is nothing before the tab");
        if (pair.target.empty()) refuse("there is nothing behind the tab");
        pairs.push_back(std::move(pair));
    }
    if (pairs.empty()) fail("pairs", "'" + path + "' is empty");
    return pairs;
}

std::vector<Pair> grammar_pairs() {
    struct Noun {
        const char *english, *french;
        bool feminine;
    };
    const std::vector<std::pair<const char*, const char*>> verbs{
        {"i see", "je vois"},
        {"you see", "tu vois"},
        {"we see", "nous voyons"},
        {"i want", "je veux"},
        {"you want", "tu veux"},
        {"we want", "nous voulons"},
        {"i don't see", "je ne vois pas"},
        {"we don't want", "nous ne voulons pas"}};
    const std::vector<Noun> nouns{{"cat", "chat", false},   {"dog", "chien", false},
                                  {"car", "voiture", true}, {"house", "maison", true},
                                  {"book", "livre", false}, {"apple", "pomme", true}};
    const std::vector<std::array<const char*, 3>> adjectives{{"", "", ""},
                                                             {"black ", " noir", " noire"},
                                                             {"green ", " vert", " verte"},
                                                             {"red ", " rouge", " rouge"},
                                                             {"white ", " blanc", " blanche"},
                                                             {"heavy ", " lourd", " lourde"}};
    std::vector<Pair> pairs;
    for (const auto& [verb, verbe] : verbs)
        for (const auto& noun : nouns)
            for (const auto& adjective : adjectives)
                pairs.push_back(
                    {tokens_of(std::string(verb) + " the " + adjective[0] + noun.english),
                     tokens_of(std::string(verbe) + (noun.feminine ? " la " : " le ") +
                               noun.french + adjective[noun.feminine ? 2 : 1])});
    return pairs;
}

Split split(const std::vector<Pair>& pairs, std::size_t held_out) {
    std::map<nn::Tokens, std::vector<std::size_t>> by_source;
    for (std::size_t i = 0; i < pairs.size(); ++i) by_source[pairs[i].source].push_back(i);
    std::vector<const std::vector<std::size_t>*> order;
    for (const auto& [source, which] : by_source) order.push_back(&which);
    if (held_out == 0 || held_out >= order.size())
        fail("pairs", "of " + std::to_string(order.size()) + " different sources " +
                          std::to_string(held_out) + " cannot be held out");
    Random random(1);
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
    Split parts;
    for (std::size_t i = 0; i < order.size(); ++i) {
        if (i < held_out) parts.held_out.push_back({pairs[order[i]->front()].source, {}});
        for (const std::size_t pair : *order[i])
            if (i < held_out)
                parts.held_out.back().references.push_back(pairs[pair].target);
            else
                parts.learned.push_back(pairs[pair]);
    }
    return parts;
}

std::string alignment_svg(const nn::Tokens& source, const nn::Tokens& target,
                          const Tensor<float>& weights) {
    constexpr int cell = 30, left = 130, top = 110;
    const auto at = [](std::size_t i) { return static_cast<int>(i) * cell; };
    const int width = left + at(source.size()) + 60, height = top + at(target.size()) + 20;
    std::string svg = format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                             "font-family=\"sans-serif\" font-size=\"14\">\n"
                             "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
                             width, height);
    for (std::size_t s = 0; s < source.size(); ++s)
        svg += format("<text transform=\"translate(%d %d) rotate(-50)\">", left + at(s) + 18,
                      top - 8) +
               escaped(source[s]) + "</text>\n";
    for (std::size_t t = 0; t < target.size(); ++t) {
        svg += format("<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", left - 10, top + at(t) + 20) +
               escaped(target[t]) + "</text>\n";
        for (std::size_t s = 0; s < source.size(); ++s)
            svg +=
                format("<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#1f6fb4\" "
                       "fill-opacity=\"%.3f\" stroke=\"#cccccc\"/>\n",
                       left + at(s), top + at(t), cell, cell, static_cast<double>(weights(t, s)));
    }
    return svg + "</svg>\n";
}

} // namespace translate
