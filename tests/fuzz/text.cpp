// Readers of nn/.

#include "readers.hpp"

#include <unroll/nn/series/time_series.hpp>
#include <unroll/nn/text/entity_tags.hpp>
#include <unroll/nn/text/text.hpp>
#include <unroll/nn/text/vocabulary.hpp>
#include <unroll/nn/text/word_vectors.hpp>
#include <unroll/nn/trees/treebank.hpp>

#include <cmath>

namespace {

using namespace unroll;

void require(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
}

const fuzz::Add lines("lines", [](const std::string& path) {
    bool latin1 = false;
    fuzz::accepts([&] { nn::read_lines(path, {.blank_end = true, .latin1 = &latin1}); });
    for (const auto& line : nn::read_lines(path)) {
        nn::word_forms(nn::split_whitespace(nn::to_lower(line)));
        nn::join_words(nn::split_words(line));
        nn::treebank_words(line);
        nn::quoted(line);
        std::string joined;
        for (const auto& character : nn::split_characters(line)) joined += character;
        require(joined == line, "characters do not make up their line");
    }
});

const fuzz::Add pairs("pairs",
                      [](const std::string& path) { nn::read_pairs(path, nn::split_words); });

const fuzz::Add columns("columns", [](const std::string& path) {
    fuzz::accepts([&] { nn::read_columns(path, {.word = 1, .tag = 3, .only_tabs = true}); });
    for (const auto& sentence : nn::read_columns(path))
        require(sentence.words.size() == sentence.tags.size(), "a word has no tag");
});

const fuzz::Add entities("entities", [](const std::string& path) { nn::read_entities(path); });

const fuzz::Add vocabulary("vocabulary", [](const std::string& path) {
    const auto vocabulary = nn::Vocabulary::load(path);
    const std::string copy = path + ".copy";
    vocabulary.save(copy);
    require(nn::Vocabulary::load(copy).symbols() == vocabulary.symbols(), "saved differently");
});

template <class T>
void check(const nn::WordVectors<T>& vectors) {
    for (std::size_t i = 0; i < vectors.vectors().size(); ++i)
        require(std::isfinite(vectors.vectors().data()[i]), "a number is not finite");
    vectors.nearest(vectors.words()[0], 2);
}

const fuzz::Add vectors("vectors", [](const std::string& path) {
    fuzz::accepts([&] {
        check(nn::WordVectors<double>::read_text(
            path, {.most = 3, .keeps_first = true, .has_words_with_spaces = true}));
    });
    check(nn::WordVectors<float>::read_text(path));
});

const fuzz::Add binary_vectors("binary_vectors", [](const std::string& path) {
    fuzz::accepts([&] {
        check(nn::WordVectors<double>::read_binary(path, {.most = 3, .keeps_first = true}));
    });
    check(nn::WordVectors<float>::read_binary(path));
});

const fuzz::Add series("series", [](const std::string& path) {
    const auto series = nn::read_time_series(path, {.missing = {"-200"}});
    for (const std::size_t phase : series.phases())
        require(phase < series.season(), "a phase is outside of the season");
    for (const auto& column : series.columns)
        for (const double value : column) require(std::isfinite(value), "a number is not finite");
    for (const std::size_t step : {std::size_t{0}, series.times.size(), series.times.size() + 100})
        series.date(step);
});

const fuzz::Add trees("trees", [](const std::string& path) {
    for (const auto& tree : nn::read_trees(path))
        require(tree.tree().size() == tree.nodes.size(), "a node is missing");
});

} // namespace
