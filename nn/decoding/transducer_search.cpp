#include <unroll/nn/decoding/ctc_search.hpp>
#include <unroll/nn/decoding/transducer_search.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <unordered_map>

namespace unroll::nn {

namespace {

constexpr double impossible = -std::numeric_limits<double>::infinity();

void check_options(const char* name, std::int64_t blank, std::size_t max_symbols) {
    if (blank < 0)
        fail(name, "the blank symbol is " + std::to_string(blank) + ", expected at least 0");
    if (max_symbols == 0) fail(name, "max_symbols must be at least 1");
}

std::vector<double> checked_row(const char* name, detail::TransducerSteps& steps, std::size_t frame,
                                std::size_t prefix, std::int64_t blank) {
    std::vector<double> row = steps.log_probabilities(frame, prefix);
    if (static_cast<std::size_t>(blank) >= row.size())
        fail(name, "the blank symbol is " + std::to_string(blank) + ", outside [0, " +
                       std::to_string(row.size()) + ")");
    for (const double value : row)
        if (std::isnan(value)) fail(name, "a log-probability is NaN");
    return row;
}

// A prefix with a probability.
struct Scored {
    std::size_t prefix;
    double log_probability;
};

// Prefixes with the sums of their probabilities, in the order in which they were found.
class Sums {
public:
    void add(std::size_t prefix, double log_probability) {
        if (log_probability == impossible) return;
        const auto [at, is_new] = places_.try_emplace(prefix, all_.size());
        if (is_new) return all_.push_back({prefix, log_probability});
        double& sum = all_[at->second].log_probability;
        sum = detail::log_add(sum, log_probability);
    }
    // The n-th largest; -inf if there are fewer.
    double largest(std::size_t n) const {
        if (all_.size() < n) return impossible;
        std::vector<double> values;
        for (const Scored& s : all_) values.push_back(s.log_probability);
        const auto at = values.begin() + static_cast<std::ptrdiff_t>(n - 1);
        std::nth_element(values.begin(), at, values.end(), std::greater<>());
        return *at;
    }
    const std::vector<Scored>& all() const { return all_; }

private:
    std::vector<Scored> all_;
    std::unordered_map<std::size_t, std::size_t> places_;
};

// The `n` best, best first; the first of equals.
template <class Candidate>
void keep_best(std::vector<Candidate>& all, std::size_t n) {
    std::stable_sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
        return a.log_probability > b.log_probability;
    });
    if (all.size() > n) all.erase(all.begin() + static_cast<std::ptrdiff_t>(n), all.end());
}

class TransducerSearch {
public:
    TransducerSearch(detail::TransducerSteps& steps, const TransducerBeamOptions& options)
        : steps_(steps), o_(options) {}

    void step(std::size_t frame) {
        Sums ended;
        std::vector<Scored> grown = beam_;
        for (std::size_t emitted = 0; !grown.empty(); ++emitted) {
            std::vector<Extension> fresh;
            for (const Scored& prefix : grown) {
                const auto row = checked_row(name, steps_, frame, prefix.prefix, o_.blank);
                const auto blank = static_cast<std::size_t>(o_.blank);
                ended.add(prefix.prefix, prefix.log_probability + row[blank]);
                for (std::size_t v = 0; v < row.size() && emitted < o_.max_symbols; ++v)
                    if (v != blank)
                        fresh.push_back({prefix.prefix, static_cast<std::int64_t>(v),
                                         prefix.log_probability + row[v]});
            }
            const double least = ended.largest(o_.beam);
            std::erase_if(fresh, [&](const Extension& e) { return !(e.log_probability > least); });
            keep_best(fresh, o_.beam);
            grown.clear();
            for (const Extension& e : fresh) grown.push_back({child(e), e.log_probability});
        }
        beam_ = ended.all();
        keep_best(beam_, o_.beam);
        if (beam_.empty()) fail(name, "no symbol is possible in a frame");
    }

    std::vector<TransducerHypothesis> results() const {
        std::vector<TransducerHypothesis> found;
        for (std::size_t i = 0; i < std::min(beam_.size(), o_.n_best); ++i) {
            TransducerHypothesis h{{}, beam_[i].log_probability};
            for (std::size_t at = beam_[i].prefix; at != 0; at = prefixes_[at].parent)
                h.symbols.push_back(prefixes_[at].symbol);
            std::reverse(h.symbols.begin(), h.symbols.end());
            found.push_back(std::move(h));
        }
        return found;
    }

private:
    static constexpr const char* name = detail::transducer_beam_search_name;

    struct Prefix {
        std::size_t parent;
        std::int64_t symbol; // the last one
    };
    // A prefix, extended by one symbol.
    struct Extension {
        std::size_t prefix;
        std::int64_t symbol;
        double log_probability;
    };

    std::size_t child(const Extension& e) {
        const auto [at, is_new] = children_.try_emplace({e.prefix, e.symbol}, prefixes_.size());
        if (is_new) {
            prefixes_.push_back({e.prefix, e.symbol});
            steps_.extend(e.prefix, e.symbol);
        }
        return at->second;
    }

    detail::TransducerSteps& steps_;
    TransducerBeamOptions o_;
    std::vector<Prefix> prefixes_{{0, 0}}; // every prefix that was ever extended; the empty one
    std::map<std::pair<std::size_t, std::int64_t>, std::size_t> children_;
    std::vector<Scored> beam_{{0, 0}}; // best first
};

} // namespace

namespace detail {

TransducerHypothesis transducer_path(std::size_t frames, TransducerSteps& steps, std::int64_t blank,
                                     std::size_t max_symbols) {
    constexpr const char* name = transducer_greedy_name;
    check_options(name, blank, max_symbols);
    TransducerHypothesis path;
    for (std::size_t t = 0; t < frames; ++t)
        for (std::size_t emitted = 0;; ++emitted) {
            const auto row = checked_row(name, steps, t, path.symbols.size(), blank);
            const auto best = std::max_element(row.begin(), row.end());
            if (*best == impossible) fail(name, "no symbol is possible in a frame");
            const auto symbol = static_cast<std::int64_t>(best - row.begin());
            if (symbol == blank || emitted == max_symbols) {
                path.log_probability += row[static_cast<std::size_t>(blank)];
                break;
            }
            path.log_probability += *best;
            steps.extend(path.symbols.size(), symbol);
            path.symbols.push_back(symbol);
        }
    return path;
}

std::vector<TransducerHypothesis> transducer_search(std::size_t frames, TransducerSteps& steps,
                                                    const TransducerBeamOptions& options) {
    constexpr const char* name = transducer_beam_search_name;
    if (options.beam == 0 || options.n_best == 0) fail(name, "beam and n_best must be at least 1");
    check_options(name, options.blank, options.max_symbols);
    TransducerSearch search(steps, options);
    for (std::size_t t = 0; t < frames; ++t) search.step(t);
    return search.results();
}

} // namespace detail

} // namespace unroll::nn
