#include <unroll/nn/decoding/decode.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace unroll::nn {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Rounding may make the logarithm of a probability slightly larger than 0.
constexpr double slack = 1e-3;

void check(const char* name, const SampleOptions& options) {
    if (!(options.temperature >= 0))
        fail(name,
             "the temperature must be at least 0, got " + fmt::to_string(options.temperature));
    if (!(options.top_p >= 0 && options.top_p <= 1))
        fail(name, "top_p must be in [0, 1], got " + fmt::to_string(options.top_p));
}

// The tokens that may be drawn, likeliest first, with their probabilities; empty if no token is
// possible.
struct Choices {
    std::vector<std::size_t> tokens;
    std::vector<double> probabilities;
};

template <class T>
Choices choices(const T* row, std::size_t vocabulary, const SampleOptions& options) {
    Choices found;
    for (std::size_t v = 0; v < vocabulary; ++v)
        if (static_cast<double>(row[v]) > -infinity) found.tokens.push_back(v);
    auto& tokens = found.tokens;
    if (tokens.empty()) return found;
    const auto likelier = [&](std::size_t a, std::size_t b) {
        return row[a] > row[b] || (row[a] == row[b] && a < b);
    };
    std::size_t most = options.temperature == 0 || options.top_p == 0 ? 1 : tokens.size();
    if (options.top_k > 0) most = std::min(most, options.top_k);
    most = std::min(most, tokens.size());
    const bool all = most == tokens.size() && options.top_p == 1;
    if (!all)
        std::partial_sort(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(most),
                          tokens.end(), likelier);
    tokens.resize(most);

    const std::size_t best = *std::min_element(tokens.begin(), tokens.end(), likelier);
    const auto weight = [&](std::size_t v) {
        const double below = static_cast<double>(row[v]) - static_cast<double>(row[best]);
        return below == 0 ? 1.0 : std::exp(below / options.temperature);
    };
    double total = 0;
    for (const std::size_t v : tokens) total += found.probabilities.emplace_back(weight(v));
    if (options.top_p < 1) {
        std::size_t kept = 0;
        double sum = 0;
        while (kept < most && (kept == 0 || sum < options.top_p * total))
            sum += found.probabilities[kept++];
        tokens.resize(kept);
        found.probabilities.resize(kept);
        total = sum;
    }
    for (double& p : found.probabilities) p /= total;
    return found;
}

// Throws Error unless x is a matrix of log-probabilities.
template <class T>
Tensor<T> checked_rows(const char* name, const Tensor<T>& x, std::size_t rows) {
    if (x.dimension() != 2 || x.shape(0) != rows || x.shape(1) == 0)
        fail(name, "log-probabilities have shape " + to_string(x.shape()) + ", expected [" +
                       std::to_string(rows) + ", V]");
    const Tensor<T> dense = x.contiguous();
    for (std::size_t i = 0; i < dense.size(); ++i)
        if (!(dense.data()[i] <= slack))
            fail(name, "the log-probability of token " + std::to_string(i % x.shape(1)) +
                           " in row " + std::to_string(i / x.shape(1)) + " is " +
                           std::to_string(dense.data()[i]));
    return dense;
}

} // namespace

template <class T>
Variable<T> reorder(const Variable<T>& state, const Indices& parents) {
    if (state.dimension() < 2)
        fail("reorder", "a state has shape " + to_string(state.shape()) + ", expected [..., B, H]");
    if (state.dimension() == 2) return take(state, parents);
    return swapaxes(take(swapaxes(state, 0, -2), parents), 0, -2);
}

bool detail::reorder_sources(Indices& sources, const Indices& parents) {
    Indices next(parents.shape());
    bool same = parents.size() == sources.size();
    for (std::size_t i = 0; i < parents.size(); ++i) {
        next.data()[i] = sources(parents(i));
        same = same && next.data()[i] == sources(i);
    }
    sources = next;
    return !same;
}

template <class T>
Tokens words_of(const Hypothesis<T>& written, const Vocabulary& vocabulary, const Tokens& source) {
    const Tensor<T>& weights = written.weights;
    Indices looked_at;
    if (!source.empty() && weights.storage() && weights.shape(1) >= source.size())
        looked_at = argmax(Variable<T>(weights.slice(1, 0, source.size())));
    Tokens words;
    for (std::size_t t = 0; t < written.tokens.size(); ++t) {
        const std::int64_t token = written.tokens[t];
        if (token == vocabulary.end()) break;
        if (looked_at.storage() && token == vocabulary.unknown())
            words.push_back(source[static_cast<std::size_t>(looked_at(t))]);
        else
            for (const auto& word : vocabulary.decode(std::span(&token, 1))) words.push_back(word);
    }
    return words;
}

template <class T>
Tensor<T> sampling_distribution(const Tensor<T>& log_probabilities, const SampleOptions& options) {
    const char* const name = "sampling_distribution";
    check(name, options);
    const std::size_t rows = log_probabilities.dimension() == 2 ? log_probabilities.shape(0) : 0;
    const Tensor<T> dense = checked_rows(name, log_probabilities, rows);
    Tensor<T> result = Tensor<T>::zeros(dense.shape());
    const std::size_t vocabulary = dense.shape(1);
    for (std::size_t i = 0; i < rows; ++i) {
        const Choices found = choices(dense.data() + i * vocabulary, vocabulary, options);
        if (found.tokens.empty()) fail(name, "row " + std::to_string(i) + " allows no token");
        for (std::size_t k = 0; k < found.tokens.size(); ++k)
            result.data()[i * vocabulary + found.tokens[k]] =
                static_cast<T>(found.probabilities[k]);
    }
    return result;
}

template <class T>
Search<T>::Search(const char* name, const Indices& start, const DecodeLimits& limits)
    : name_(name), limits_(limits), before_(start.size()) {
    if (start.dimension() != 1)
        fail(name, "start tokens have shape " + to_string(start.shape()) + ", expected [B]");
    if (limits.max_length == 0) fail(name, "max_length must be at least 1");
    for (std::size_t b = 0; b < start.size(); ++b) rows_.push_back({b, b, start(b), 0, -1});
}

template <class T>
void Search<T>::require_batch(const Shape& state) const {
    if (state[state.size() - 2] != rows_.size())
        fail(name_, "a state has shape " + to_string(state) + ", a batch of " +
                        std::to_string(state[state.size() - 2]) + ", but there are " +
                        std::to_string(rows_.size()) +
                        " start tokens; expected one for each sequence");
}

template <class T>
Indices Search<T>::tokens() const {
    Indices tokens(Shape{rows_.size()});
    for (std::size_t i = 0; i < rows_.size(); ++i) tokens.data()[i] = rows_[i].token;
    return tokens;
}

template <class T>
Indices Search<T>::parents() const {
    Indices parents(Shape{rows_.size()});
    for (std::size_t i = 0; i < rows_.size(); ++i)
        parents.data()[i] = static_cast<std::int64_t>(rows_[i].parent);
    return parents;
}

template <class T>
bool Search<T>::keeps_order() const {
    if (rows_.size() != before_) return false;
    for (std::size_t i = 0; i < rows_.size(); ++i)
        if (rows_[i].parent != i) return false;
    return true;
}

template <class T>
Tensor<T> Search<T>::checked(const Variable<T>& log_probabilities,
                             const Variable<T>& weights) const {
    if (weights.has_value() && (weights.dimension() != 2 || weights.shape(0) != rows_.size()))
        fail(name_, "attention weights have shape " + to_string(weights.shape()) + ", expected [" +
                        std::to_string(rows_.size()) + ", S]");
    const Tensor<T> rows = checked_rows(name_, log_probabilities.value(), rows_.size());
    if (limits_.end >= static_cast<std::int64_t>(rows.shape(1)))
        fail(name_, "the end token is " + std::to_string(limits_.end) + " of a vocabulary of " +
                        std::to_string(rows.shape(1)));
    return rows;
}

template <class T>
void Search<T>::no_token(std::size_t sequence) const {
    fail(name_, "sequence " + std::to_string(sequence) + " allows no token after " +
                    std::to_string(length_) + " of them");
}

template <class T>
void Search<T>::continue_with(std::vector<Row> chosen, const Variable<T>& weights) {
    const std::vector<Row> before = std::move(rows_);
    before_ = before.size();
    rows_.clear();
    ++length_;
    for (Row& row : chosen) {
        Tensor<T> weights_row;
        if (weights.has_value()) weights_row = weights.value().select(0, row.parent);
        traces_.push_back({before[row.parent].trace, row.token, weights_row});
        row.trace = static_cast<std::ptrdiff_t>(traces_.size()) - 1;
        if (row.token == limits_.end || length_ == limits_.max_length)
            finish(row, hypothesis(row));
        else
            rows_.push_back(row);
    }
}

template <class T>
Hypothesis<T> Search<T>::hypothesis(const Row& row) const {
    Hypothesis<T> found{std::vector<std::int64_t>(length_),
                        row.log_probability,
                        row.log_probability,
                        row.token == limits_.end,
                        {}};
    std::size_t at = length_;
    for (auto trace = row.trace; trace >= 0;
         trace = traces_[static_cast<std::size_t>(trace)].parent) {
        const Trace& step = traces_[static_cast<std::size_t>(trace)];
        found.tokens[--at] = step.token;
        if (!step.weights.storage()) continue;
        if (!found.weights.storage()) found.weights = Tensor<T>({length_, step.weights.size()});
        found.weights.select(0, at).assign(step.weights);
    }
    return found;
}

template <class T>
Sampling<T>::Sampling(const Indices& start, const SampleOptions& options, const char* name)
    : Search<T>(name, start, {options.end, options.max_length}), options_(options),
      results_(start.size()) {
    check(this->name_, options);
    for (std::size_t b = 0; b < start.size(); ++b) randoms_.push_back(options.random.split(b));
}

template <class T>
void Sampling<T>::advance(const Variable<T>& log_probabilities, const Variable<T>& weights) {
    const Tensor<T> rows = this->checked(log_probabilities, weights);
    const std::size_t vocabulary = rows.shape(1);
    std::vector<Row> chosen;
    for (std::size_t i = 0; i < this->rows_.size(); ++i) {
        const Row& row = this->rows_[i];
        const T* const p = rows.data() + i * vocabulary;
        const Choices found = choices(p, vocabulary, options_);
        if (found.tokens.empty()) this->no_token(row.sequence);
        std::size_t k = 0;
        if (found.tokens.size() > 1)
            for (double left = randoms_[row.sequence].uniform() - found.probabilities[0];
                 left >= 0 && k + 1 < found.tokens.size(); left -= found.probabilities[k])
                ++k;
        const std::size_t token = found.tokens[k];
        chosen.push_back({row.sequence, i, static_cast<std::int64_t>(token),
                          row.log_probability + static_cast<double>(p[token]), -1});
    }
    this->continue_with(std::move(chosen), weights);
}

template <class T>
void Sampling<T>::finish(const Row& row, Hypothesis<T> hypothesis) {
    results_[row.sequence] = std::move(hypothesis);
}

template <class T>
Beam<T>::Beam(const Indices& start, const BeamOptions& options)
    : Search<T>("beam_search", start, {options.end, options.max_length}), options_(options),
      results_(start.size()) {
    if (options.beam == 0 || options.n_best == 0)
        fail(this->name_, "beam and n_best must be at least 1, got " +
                              std::to_string(options.beam) + " and " +
                              std::to_string(options.n_best));
    if (!(options.length_penalty >= 0 && options.length_penalty < infinity))
        fail(this->name_, "the length penalty must be at least 0, got " +
                              fmt::to_string(options.length_penalty));
}

template <class T>
double Beam<T>::penalty(std::size_t length) const {
    const auto n = static_cast<double>(length);
    return std::pow(options_.penalty == BeamOptions::Penalty::wu ? (5 + n) / 6 : n,
                    options_.length_penalty);
}

// Whether an unfinished hypothesis of log-probability `best`, which can only decrease, cannot enter
// the n best at any length.
template <class T>
bool Beam<T>::is_decided(std::size_t sequence, double best) const {
    const auto& found = results_[sequence];
    return found.size() == options_.n_best &&
           found.back().score >= std::min(best, 0.0) / penalty(this->limits_.max_length);
}

template <class T>
void Beam<T>::advance(const Variable<T>& log_probabilities, const Variable<T>& weights) {
    const Tensor<T> table = this->checked(log_probabilities, weights);
    const std::size_t vocabulary = table.shape(1);
    const auto& rows = this->rows_;
    const auto better = [](const Row& a, const Row& b) { // rows are sorted best first
        if (a.log_probability != b.log_probability) return a.log_probability > b.log_probability;
        return a.parent != b.parent ? a.parent < b.parent : a.token < b.token;
    };
    std::vector<Row> chosen, best; // a heap with the worst hypothesis first
    for (std::size_t begin = 0, end; begin < rows.size(); begin = end) {
        const std::size_t sequence = rows[begin].sequence;
        best.clear();
        for (end = begin; end < rows.size() && rows[end].sequence == sequence; ++end)
            for (std::size_t v = 0; v < vocabulary; ++v) {
                const auto p = static_cast<double>(table.data()[end * vocabulary + v]);
                const Row row{sequence, end, static_cast<std::int64_t>(v),
                              rows[end].log_probability + p, -1};
                const bool full = best.size() == options_.beam;
                if (p == -infinity || (full && !better(row, best.front()))) continue;
                if (full) {
                    std::pop_heap(best.begin(), best.end(), better);
                    best.pop_back();
                }
                best.push_back(row);
                std::push_heap(best.begin(), best.end(), better);
            }
        if (best.empty() && results_[sequence].empty()) this->no_token(sequence);
        std::sort_heap(best.begin(), best.end(), better);
        chosen.insert(chosen.end(), best.begin(), best.end());
    }
    this->continue_with(std::move(chosen), weights);
    bool decided = false;
    std::size_t last = results_.size();
    std::erase_if(this->rows_, [&](const Row& row) {
        // The first row of a sequence is its best and decides for all of them.
        if (std::exchange(last, row.sequence) != row.sequence)
            decided = is_decided(row.sequence, row.log_probability);
        return decided;
    });
}

template <class T>
void Beam<T>::finish(const Row& row, Hypothesis<T> hypothesis) {
    hypothesis.score = row.log_probability / penalty(hypothesis.tokens.size());
    auto& found = results_[row.sequence];
    const auto at = std::find_if(found.begin(), found.end(), [&](const Hypothesis<T>& other) {
        return other.score < hypothesis.score;
    });
    found.insert(at, std::move(hypothesis));
    if (found.size() > options_.n_best) found.pop_back();
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> reorder(const Variable<T>&, const Indices&);                              \
    template Tokens words_of(const Hypothesis<T>&, const Vocabulary&, const Tokens&);              \
    template Tensor<T> sampling_distribution(const Tensor<T>&, const SampleOptions&);              \
    template class Search<T>;                                                                      \
    template class Sampling<T>;                                                                    \
    template class Beam<T>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
