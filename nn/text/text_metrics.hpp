#pragma once

#include <unroll/core/check/table.hpp>
#include <unroll/nn/text/metrics.hpp>
#include <unroll/nn/text/vocabulary.hpp>

#include <map>

namespace unroll::nn {

// A chunk of a sentence: tokens [begin, end).
struct Entity {
    std::string type;
    std::size_t begin, end;

    friend auto operator<=>(const Entity&, const Entity&) = default;
};
// The chunks that the shared tasks' conlleval finds (Tjong Kim Sang and Buchholz 2000), in order:
// one begins at B, at an I after O or at the start, and at an I of a different type than the
// previous tag, so that BIO, IOB1 and ill-formed tags are all accepted. Throws Error, with the
// position, for a tag other than O, B, I, B-type and I-type.
std::vector<Entity> entities(std::span<const std::string> tags, Where where = Where::current());

// Precision, recall and F1 of entities as conlleval counts them: an entity is correct if its type
// and both boundaries are.
class EntityScores {
public:
    // Adds the tags of a sentence. Throws Error, counting nothing, if the numbers of tags differ,
    // and as entities() does.
    void add(std::span<const std::string> targets, std::span<const std::string> predicted,
             Where where = Where::current());

    Scores overall() const;
    Scores of_type(const std::string& type) const;
    std::vector<std::string> types() const; // sorted by bytes
    double token_accuracy() const;          // 0 if nothing was added
    // A row for all types together and one per type, in percent.
    Table table() const;

private:
    struct Count {
        std::size_t right = 0, predicted = 0, actual = 0;
        Scores scores() const { return Scores::of(right, predicted, actual); }
    };
    Count sum() const;
    std::map<std::string, Count> types_;
    std::size_t tokens_ = 0, right_tokens_ = 0;
};

// BLEU of a corpus (Papineni, Roukos, Ward and Zhu 2002): BP exp(mean over n = 1 ... N of
// log p_n). p_n: modified n-gram precision, with counts clipped at the maximum count in any one
// reference. BP = min(1, exp(1 - r / c)): c the total candidate length, r the total length of the
// references closest in length, the shorter on ties. In [0, 1].
class Bleu {
public:
    enum class Smoothing {
        none,   // 0 if any p_n is 0
        add_one // to both counts of p_n, n > 1  (Lin and Och 2004)
    };
    // Throws Error for an order of 0.
    explicit Bleu(std::size_t order = 4, Smoothing smoothing = Smoothing::none,
                  Where where = Where::current());

    // Throws Error without references.
    void add(const Tokens& candidate, std::span<const Tokens> references,
             Where where = Where::current());

    double score() const; // 0 if nothing was added
    double precision(std::size_t n, Where where = Where::current()) const;
    double brevity_penalty() const;

private:
    Smoothing smoothing_;
    std::vector<std::size_t> matched_, all_; // by n - 1
    std::size_t candidates_ = 0, references_ = 0;
};

// The minimum number of insertions, deletions and substitutions that turn one sequence into the
// other (Levenshtein 1966). Divided by a reference's length it is an error rate of words or
// characters.
std::size_t edit_distance(std::span<const std::string> a, std::span<const std::string> b);
std::size_t edit_distance(std::span<const std::int64_t> a, std::span<const std::int64_t> b);

} // namespace unroll::nn
