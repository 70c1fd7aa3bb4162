#pragma once

#include <unroll/unroll.hpp>

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace names {

using namespace unroll;

constexpr std::int64_t start = 2, end = 3; // symbols of every vocabulary

// Names as numbers of letters, with the class of each: the file that it came from.
struct Names {
    std::vector<std::vector<std::int64_t>> letters;
    std::vector<std::int64_t> classes;
};

struct Spelled {
    nn::Tokens letters;
    std::size_t class_of;
};

// Files with a name a line, each name of a file once. Throws Error, with path and line, for an
// empty line, and for a file without a name.
inline std::vector<Spelled> read_names(const std::vector<std::string>& paths) {
    std::vector<Spelled> all;
    for (std::size_t c = 0; c < paths.size(); ++c) {
        std::set<std::string> met;
        const auto lines = nn::read_lines(paths[c]);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            if (lines[i].find_first_not_of(" \t") == std::string::npos)
                nn::refuse_line("read_names", paths[c], i + 1, "expected a name, got none");
            if (met.insert(lines[i]).second) all.push_back({nn::split_characters(lines[i]), c});
        }
        if (met.empty()) fail("read_names", "'" + paths[c] + "' is empty");
    }
    return all;
}

// Two made-up languages that differ in their vowels and ends.
inline std::vector<Spelled> made_up() {
    std::vector<Spelled> all;
    for (const std::string a : {"b", "d", "k", "l", "m", "n"})
        for (const std::string b : {"b", "d", "k", "l", "m", "n"})
            for (std::size_t c = 0; c < 2; ++c)
                all.push_back(
                    {nn::split_characters(c == 0 ? a + "a" + b + "o" : a + "e" + b + "is"), c});
    return all;
}

// Every tenth name of a random order is held out.
inline std::pair<std::vector<Spelled>, std::vector<Spelled>>
divide(const std::vector<Spelled>& all) {
    std::pair<std::vector<Spelled>, std::vector<Spelled>> parts;
    Random random(12345);
    const auto order = random.permutation(all.size());
    for (std::size_t i = 0; i < order.size(); ++i)
        (i % 10 == 9 ? parts.second : parts.first).push_back(all[order[i]]);
    return parts;
}

inline Names encode(const std::vector<Spelled>& names, const nn::Vocabulary& letters) {
    Names all;
    for (const auto& name : names) {
        all.letters.push_back(letters.encode(name.letters));
        all.classes.push_back(static_cast<std::int64_t>(name.class_of));
    }
    return all;
}

struct Batch {
    nn::PaddedBatch x; // from the start symbol on
    Indices y;         // to the end symbol; -100 beyond it
    Indices classes;
};

inline Batch make_batch(const Names& names, std::span<const std::size_t> which) {
    std::vector<std::vector<std::int64_t>> x, y;
    Batch batch{{}, {}, Indices({which.size()})};
    for (std::size_t b = 0; b < which.size(); ++b) {
        y.push_back(names.letters[which[b]]);
        x.push_back(y.back());
        x.back().insert(x.back().begin(), start);
        y.back().push_back(end);
        batch.classes.data()[b] = names.classes[which[b]];
    }
    batch.x = nn::pad_sequences(x, 0);
    batch.y = nn::pad_sequences(y, -100).numbers;
    return batch;
}

// The baseline: a letter's share behind the n - 1 before it, mixed with that behind fewer in the
// proportion of how many different letters were met there  (Witten and Bell 1991)
class NGrams {
public:
    NGrams(const Names& names, std::size_t order, std::size_t letters)
        : order_(order), letters_(letters) {
        for (const auto& name : names.letters)
            walk(name, [&](const Context& before, std::int64_t letter) {
                for (std::size_t n = 0; n < order_; ++n) {
                    auto& seen = counts_[last(before, n)];
                    ++seen.letters[letter];
                    ++seen.total;
                }
            });
    }

    double bits_per_character(const Names& names) const {
        double nats = 0;
        std::size_t characters = 0;
        for (const auto& name : names.letters)
            walk(name, [&](const Context& before, std::int64_t letter) {
                nats -= std::log(probability(before, letter));
                ++characters;
            });
        return nn::bits_per_character(nats, characters);
    }

private:
    using Context = std::vector<std::int64_t>;
    struct Seen {
        std::map<std::int64_t, double> letters;
        double total = 0;
    };

    static Context last(const Context& before, std::size_t n) {
        return {before.end() - static_cast<std::ptrdiff_t>(n), before.end()};
    }
    template <class F>
    void walk(const std::vector<std::int64_t>& name, const F& f) const {
        Context before(order_, start);
        for (std::size_t i = 0; i <= name.size(); ++i) {
            const std::int64_t letter = i < name.size() ? name[i] : end;
            f(before, letter);
            before.push_back(letter);
        }
    }
    double probability(const Context& before, std::int64_t letter) const {
        double p = 1 / static_cast<double>(letters_ - 3); // without padding, unknown and start
        for (std::size_t n = 0; n < order_; ++n) {
            const auto seen = counts_.find(last(before, n));
            if (seen == counts_.end()) break;
            const auto found = seen->second.letters.find(letter);
            const double count = found == seen->second.letters.end() ? 0 : found->second;
            const auto kinds = static_cast<double>(seen->second.letters.size());
            p = (count + kinds * p) / (seen->second.total + kinds);
        }
        return p;
    }

    std::size_t order_, letters_;
    std::map<Context, Seen> counts_;
};

} // namespace names
