#include <unroll/nn/decoding/ctc_search.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace unroll::nn {

namespace {

constexpr const char* name = "ctc_beam_search";
constexpr double impossible = -std::numeric_limits<double>::infinity();
constexpr std::int64_t nothing = -1;

// A prefix, with the total probabilities of its paths that end in a blank and of the other paths.
struct Prefix {
    std::size_t parent;
    std::int64_t symbol; // the last symbol of the prefix
    double language = 0; // contribution of the language model and the bonus to the score
    double blank = impossible, no_blank = impossible;
    double next_blank = impossible, next_no_blank = impossible;
    std::size_t number = detail::none; // its number in the language model
    std::vector<double> next = {};     // the language model's log-probabilities of the next symbol
    bool in_beam = false;

    double total() const { return detail::log_add(blank, no_blank); }
};

// A candidate for the beam: a prefix, or a prefix extended by one symbol.
struct Candidate {
    std::size_t prefix;
    std::int64_t symbol;
    double log_probability, language;

    double score() const { return log_probability + language; }
};

template <class T>
class PrefixSearch {
public:
    PrefixSearch(const CtcBeamOptions& options, const detail::Continue<T>& language_model,
                 std::size_t symbols, std::int64_t start)
        : o_(options), symbols_(symbols) {
        if (options.language > 0) language_model_ = language_model;
        prefixes_.push_back({detail::none, start});
        prefixes_[0].blank = 0;
        enter(0);
    }

    void step(const T* row) {
        std::vector<Candidate> all, fresh;
        for (const std::size_t p : beam_) extend(p, row, fresh);
        for (const std::size_t p : beam_) {
            Prefix& prefix = prefixes_[p];
            prefix.in_beam = false;
            prefix.blank = std::exchange(prefix.next_blank, impossible);
            prefix.no_blank = std::exchange(prefix.next_no_blank, impossible);
            all.push_back({p, nothing, prefix.total(), prefix.language});
        }
        all.insert(all.end(), fresh.begin(), fresh.end());
        std::erase_if(all, [](const Candidate& c) { return !(c.score() > impossible); });
        if (all.empty()) fail(name, "no symbol is possible at a step");
        std::stable_sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
            return a.score() > b.score();
        });
        if (all.size() > o_.beam)
            all.erase(all.begin() + static_cast<std::ptrdiff_t>(o_.beam), all.end());
        beam_.clear();
        for (const Candidate& c : all) {
            if (c.symbol == nothing) {
                enter(c.prefix);
                continue;
            }
            const std::size_t p = child(c);
            prefixes_[p].blank = impossible;
            prefixes_[p].no_blank = c.log_probability;
            enter(p);
        }
    }

    std::vector<CtcHypothesis> results() const {
        std::vector<CtcHypothesis> found;
        for (const std::size_t p : beam_) {
            const Prefix& prefix = prefixes_[p];
            CtcHypothesis h;
            for (std::size_t at = p; at != 0; at = prefixes_[at].parent)
                h.symbols.push_back(prefixes_[at].symbol);
            std::reverse(h.symbols.begin(), h.symbols.end());
            h.log_probability = prefix.total();
            h.score = h.log_probability + prefix.language;
            if (language_model_ && o_.end >= 0) h.score += o_.language * language_score(p, o_.end);
            found.push_back(std::move(h));
        }
        std::stable_sort(found.begin(), found.end(),
                         [](const auto& a, const auto& b) { return a.score > b.score; });
        found.resize(std::min(found.size(), o_.n_best));
        return found;
    }

private:
    // Continuations of a prefix: unchanged, by a blank or a repeated symbol, or extended by one
    // symbol.
    void extend(std::size_t p, const T* row, std::vector<Candidate>& fresh) {
        const double total = prefixes_[p].total(), blank = prefixes_[p].blank;
        const std::int64_t last = p == 0 ? nothing : prefixes_[p].symbol;
        for (std::size_t v = 0; v < symbols_; ++v) {
            const auto symbol = static_cast<std::int64_t>(v);
            const double emitted = static_cast<double>(row[v]);
            if (std::isnan(emitted)) fail(name, "a log-probability is NaN");
            if (emitted == impossible) continue;
            Prefix& prefix = prefixes_[p];
            if (symbol == o_.blank) {
                prefix.next_blank = detail::log_add(prefix.next_blank, total + emitted);
                continue;
            }
            if (symbol == last)
                prefix.next_no_blank =
                    detail::log_add(prefix.next_no_blank, prefix.no_blank + emitted);
            const double grown = (symbol == last ? blank : total) + emitted;
            const auto found = children_.find({p, symbol});
            if (found != children_.end() && prefixes_[found->second].in_beam) {
                Prefix& child = prefixes_[found->second];
                child.next_no_blank = detail::log_add(child.next_no_blank, grown);
            } else {
                const double language =
                    language_model_ ? o_.language * language_score(p, symbol) : 0;
                fresh.push_back({p, symbol, grown, prefix.language + language + o_.bonus});
            }
        }
    }

    double language_score(std::size_t p, std::int64_t symbol) const {
        return prefixes_[p].next[static_cast<std::size_t>(symbol)];
    }

    // The prefix of a chosen candidate.
    std::size_t child(const Candidate& c) {
        const auto [at, is_new] = children_.try_emplace({c.prefix, c.symbol}, prefixes_.size());
        if (is_new) {
            prefixes_.push_back({c.prefix, c.symbol});
            prefixes_.back().language = c.language;
        }
        return at->second;
    }

    void enter(std::size_t p) {
        beam_.push_back(p);
        Prefix& prefix = prefixes_[p];
        prefix.in_beam = true;
        if (!language_model_ || prefix.number != detail::none) return;
        prefix.number = asked_++;
        const std::size_t before =
            prefix.parent == detail::none ? detail::none : prefixes_[prefix.parent].number;
        const Tensor<T> row = language_model_(before, prefix.symbol);
        const auto least =
            std::max<std::size_t>(symbols_, o_.end < 0 ? 0 : static_cast<std::size_t>(o_.end) + 1);
        if (row.dimension() != 2 || row.shape(0) != 1 || row.shape(1) < least)
            fail(name, "the language model's log-probabilities have shape " +
                           to_string(row.shape()) + ", expected [1, " + std::to_string(least) +
                           "] or more");
        for (const T value : row.to_vector()) prefix.next.push_back(static_cast<double>(value));
        for (std::size_t v = 0; v < prefix.next.size(); ++v)
            if (std::isnan(prefix.next[v]) && static_cast<std::int64_t>(v) != o_.blank)
                fail(name, "the language model's log-probability of symbol " + std::to_string(v) +
                               " is NaN");
    }

    CtcBeamOptions o_;
    detail::Continue<T> language_model_;
    std::size_t symbols_, asked_ = 0;
    std::vector<Prefix> prefixes_; // every prefix that was ever in the beam
    std::map<std::pair<std::size_t, std::int64_t>, std::size_t> children_;
    std::vector<std::size_t> beam_; // best first
};

} // namespace

namespace detail {

double log_add(double a, double b) {
    const double top = std::max(a, b);
    return top == impossible ? top : top + std::log1p(std::exp(std::min(a, b) - top));
}

template <class T>
std::vector<CtcHypothesis> ctc_search(const Tensor<T>& x, const CtcBeamOptions& options,
                                      const Continue<T>& language_model, std::int64_t start) {
    const Tensor<T> dense = x.contiguous();
    PrefixSearch<T> search(options, language_model, x.shape(1), start);
    for (std::size_t t = 0; t < x.shape(0); ++t) search.step(dense.data() + t * x.shape(1));
    return search.results();
}

std::vector<std::size_t> checked_search(const Shape& x, std::span<const std::size_t> lengths,
                                        const CtcBeamOptions& options) {
    if (options.beam == 0 || options.n_best == 0) fail(name, "beam and n_best must be at least 1");
    if (!(options.language >= 0))
        fail(name, "the language model's weight must be at least 0, got " +
                       std::to_string(options.language));
    return checked_ctc(Op::unplaced(name), x, lengths, options.blank);
}

} // namespace detail

template <class T>
std::vector<std::vector<CtcHypothesis>> ctc_beam_search(const Tensor<T>& x,
                                                        std::span<const std::size_t> lengths,
                                                        const CtcBeamOptions& options) {
    const auto ends = detail::checked_search(x.shape(), lengths, options);
    std::vector<std::vector<CtcHypothesis>> found;
    for (std::size_t b = 0; b < ends.size(); ++b)
        found.push_back(detail::ctc_search<T>(x.select(1, b).slice(0, 0, ends[b]), options, {}, 0));
    return found;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template std::vector<CtcHypothesis> detail::ctc_search(                                        \
        const Tensor<T>&, const CtcBeamOptions&, const detail::Continue<T>&, std::int64_t);        \
    template std::vector<std::vector<CtcHypothesis>> ctc_beam_search(                              \
        const Tensor<T>&, std::span<const std::size_t>, const CtcBeamOptions&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
