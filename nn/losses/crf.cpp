#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/losses/crf.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/text/batches.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <limits>
#include <optional>

namespace unroll::nn {

namespace {

constexpr const char* name = "Crf";

template <class T>
constexpr T impossible = -std::numeric_limits<T>::infinity();

Mask negated(const Mask& mask) {
    Mask result(mask.shape());
    const auto values = mask.to_vector();
    std::transform(values.begin(), values.end(), result.data(), [](bool b) { return !b; });
    return result;
}

std::vector<std::size_t> lengths_from(const Mask& active) {
    std::vector<std::size_t> lengths(active.shape(1), 0);
    for (std::size_t i = 0; i < active.size(); ++i)
        lengths[i % active.shape(1)] += active.data()[i] ? 1 : 0;
    return lengths;
}

} // namespace

TagConstraints bio_constraints(std::span<const std::string> tags) {
    constexpr const char* owner = "bio_constraints";
    if (tags.empty()) fail(owner, "no tags are given");
    const std::size_t K = tags.size();
    for (std::size_t i = 0; i < K; ++i) {
        const std::string& tag = tags[i];
        const bool has_type = tag.size() > 2 && tag[1] == '-' && (tag[0] == 'B' || tag[0] == 'I');
        if (tag != "O" && !has_type)
            fail(owner,
                 "tag " + std::to_string(i) + " is '" + tag + "'; expected O, B-type or I-type");
        if (std::find(tags.begin(), tags.begin() + static_cast<std::ptrdiff_t>(i), tag) !=
            tags.begin() + static_cast<std::ptrdiff_t>(i))
            fail(owner, "tag '" + tag + "' occurs twice");
    }
    TagConstraints c{Mask::ones({K, K}), Mask::ones({K}), Mask::ones({K})};
    for (std::size_t to = 0; to < K; ++to) {
        if (tags[to][0] != 'I') continue;
        c.starts(to) = false;
        for (std::size_t from = 0; from < K; ++from)
            c.transitions(from, to) =
                tags[from] != "O" && tags[from].substr(1) == tags[to].substr(1);
    }
    return c;
}

template <class T>
Crf<T>::Crf(const CrfOptions& options, Where where) : options(options) {
    const Op op(name, where);
    require_sizes(op, {{"tags", options.tags}});
    const std::size_t K = options.tags;
    const auto fitting = [&](const char* which, const Mask& mask, const Shape& shape) {
        mask.require_not_moved(op);
        if (mask.storage() && mask.shape() != shape)
            fail(op, std::string("allowed ") + which + " have shape " + to_string(mask.shape()) +
                         ", expected " + to_string(shape));
        return mask.storage() ? mask.copy() : Mask::ones(shape);
    };
    auto& c = this->options.constraints;
    c.transitions = fitting("transitions", c.transitions, {K, K});
    c.starts = fitting("starts", c.starts, {K});
    c.ends = fitting("ends", c.ends, {K});
    const auto fresh = [](const char* parameter, const Shape& shape) {
        return Parameter<T>(parameter, uniform<T>(shape, 0.1, next_stream()));
    };
    transitions = fresh("transitions", {K, K});
    start = fresh("start", {K});
    end = fresh("end", {K});
}

template <class T>
void Crf<T>::members(Members<T>& m) {
    m(module_name)("transitions", transitions)("start", start)("end", end);
}

template <class T>
typename Crf<T>::Weights Crf<T>::weights() const {
    const auto& c = options.constraints;
    const auto allowed = [&](const Parameter<T>& weight, const Mask& mask) {
        return masked_fill(weight, negated(mask), impossible<T>);
    };
    return {allowed(transitions, c.transitions), allowed(start, c.starts), allowed(end, c.ends)};
}

template <class T>
Mask Crf<T>::check(const Variable<T>& emissions, Lengths lengths) const {
    if (emissions.dimension() != 3 || emissions.shape(2) != options.tags)
        fail(name, "emissions have shape " + to_string(emissions.shape()) + ", expected [T, B, " +
                       std::to_string(options.tags) + "]");
    return active_steps(Op::unplaced(name), emissions.shape(0), emissions.shape(1), lengths);
}

template <class T>
Indices Crf<T>::checked_tags(const Indices& tags, const Mask& active) const {
    if (tags.shape() != active.shape())
        fail(name, "tags have shape " + to_string(tags.shape()) + ", expected " +
                       to_string(active.shape()));
    const auto& c = options.constraints;
    const std::size_t B = active.shape(1);
    const auto lengths = lengths_from(active);
    Indices checked = tags.copy();
    for (std::size_t i = 0; i < checked.size(); ++i) {
        const std::size_t t = i / B, b = i % B;
        std::int64_t& tag = checked.data()[i];
        if (t >= lengths[b]) {
            tag = 0;
            continue;
        }
        const auto refuse = [&](const std::string& problem) {
            fail(name, "tag " + std::to_string(tag) + " at step " + std::to_string(t) +
                           " of sequence " + std::to_string(b) + " " + problem);
        };
        if (tag < 0 || static_cast<std::uint64_t>(tag) >= options.tags)
            refuse("is outside [0, " + std::to_string(options.tags) + ")");
        if (t == 0 && !c.starts(tag)) refuse("must not be the first");
        if (t > 0 && !c.transitions(checked.data()[i - B], tag))
            refuse("must not follow tag " + std::to_string(checked.data()[i - B]));
        if (t + 1 == lengths[b] && !c.ends(tag)) refuse("must not be the last");
    }
    return checked;
}

template <class T>
Variable<T> Crf<T>::partition_of(const Variable<T>& emissions, const Weights& w,
                                 const Mask& active) const {
    const std::size_t steps = active.shape(0);
    if (steps == 0) return sum(emissions, {0, -1}); // zeros on the tape, so that backward works
    const auto lengths = lengths_from(active);
    const std::size_t shortest =
        lengths.empty() ? steps : *std::min_element(lengths.begin(), lengths.end());
    const Variable<T> to_from = transpose(w.transitions);
    Variable<T> paths = select(emissions, 0, 0) + w.start; // [B, K], by the last tag
    for (std::size_t t = 1; t < steps; ++t) {
        const Scope scope("t", static_cast<std::int64_t>(t));
        const Variable<T> next =
            logsumexp(expand_dims(paths, 1) + to_from, {-1}) + select(emissions, 0, t);
        paths = t < shortest ? next : where(active.select(0, t).expand_dims(-1), next, paths);
    }
    const Variable<T> total = logsumexp(paths + w.end, {-1});
    return shortest > 0 ? total : where(active.select(0, 0), total, 0);
}

template <class T>
Variable<T> Crf<T>::score_of(const Variable<T>& emissions, const Weights& w, const Indices& tags,
                             const Mask& active) const {
    const std::size_t steps = active.shape(0), B = active.shape(1);
    if (steps == 0) return sum(emissions, {0, -1});
    const auto K = static_cast<std::int64_t>(options.tags);
    const auto lengths = lengths_from(active);
    Indices last(Shape{B}), moves(Shape{steps - 1, B});
    for (std::size_t b = 0; b < B; ++b)
        last.data()[b] = lengths[b] == 0 ? 0 : tags.data()[(lengths[b] - 1) * B + b];
    for (std::size_t i = 0; i < moves.size(); ++i)
        moves.data()[i] = tags.data()[i] * K + tags.data()[i + B];
    const Variable<T> ends = take(w.start, tags.select(0, 0)) + take(w.end, last);
    const Variable<T> inner =
        where(active.slice(0, 1, steps), take(flatten(w.transitions), moves), 0);
    const Variable<T> emitted = where(active, pick(emissions, tags), 0);
    return where(active.select(0, 0), ends, 0) + sum(inner, {0}) + sum(emitted, {0});
}

template <class T>
Variable<T> Crf<T>::log_partition(const Variable<T>& emissions, Lengths lengths,
                                  Where caller) const {
    const Scope scope(module_name, caller);
    const Mask active = check(emissions, lengths);
    return partition_of(without_padding(emissions, lengths), weights(), active);
}

template <class T>
Variable<T> Crf<T>::score(const Variable<T>& emissions, const Indices& tags, Lengths lengths,
                          Where caller) const {
    const Scope scope(module_name, caller);
    const Mask active = check(emissions, lengths);
    return score_of(without_padding(emissions, lengths), weights(), checked_tags(tags, active),
                    active);
}

template <class T>
Variable<T> Crf<T>::log_likelihood(const Variable<T>& emissions, const Indices& tags,
                                   Lengths lengths, Where caller) const {
    const Scope scope(module_name, caller);
    const Mask active = check(emissions, lengths);
    const Indices checked = checked_tags(tags, active);
    const Variable<T> e = without_padding(emissions, lengths);
    const Weights w = weights();
    const Variable<T> scores = score_of(e, w, checked, active);
    return where(equal(scores, impossible<T>), impossible<T>, scores - partition_of(e, w, active));
}

template <class T>
Variable<T> Crf<T>::loss(const Variable<T>& emissions, const Indices& tags, Lengths lengths,
                         Where caller) const {
    return -mean_or_zero(log_likelihood(emissions, tags, lengths, caller));
}

template <class T>
std::vector<typename Crf<T>::Path> Crf<T>::decode(const Tensor<T>& emissions, Lengths lengths,
                                                  Where caller) const {
    const Scope scope(module_name, caller);
    const std::size_t K = options.tags;
    const Mask active = check(emissions, lengths);
    const auto ends_at = lengths_from(active);
    const auto [w_moves, w_start, w_end] = weights();
    const Tensor<T> moves = w_moves.value(), first = w_start.value(), last = w_end.value();
    const Tensor<T> dense = emissions.contiguous();

    // The best predecessor by the scores of `from`; none if all are impossible.
    const auto best = [&](const auto& from) {
        std::optional<std::size_t> found;
        T highest = impossible<T>;
        for (std::size_t k = 0; k < K; ++k) {
            const T s = from(k);
            if (!(s > highest)) continue;
            highest = s;
            found = k;
        }
        return std::pair(found, highest);
    };
    std::vector<Path> paths(active.shape(1));
    std::vector<T> scores(K), next(K);
    std::vector<std::size_t> back;
    for (std::size_t b = 0; b < paths.size(); ++b) {
        if (ends_at[b] == 0) continue;
        const auto emission = [&](std::size_t t) {
            return dense.data() + (t * paths.size() + b) * K;
        };
        for (std::size_t k = 0; k < K; ++k) scores[k] = first.data()[k] + emission(0)[k];
        back.assign(ends_at[b] * K, 0);
        for (std::size_t t = 1; t < ends_at[b]; ++t) {
            for (std::size_t to = 0; to < K; ++to) {
                const auto [from, score] =
                    best([&](std::size_t k) { return scores[k] + moves.data()[k * K + to]; });
                back[t * K + to] = from.value_or(0);
                next[to] = score + emission(t)[to];
            }
            scores.swap(next);
        }
        const auto [tag, score] = best([&](std::size_t k) { return scores[k] + last.data()[k]; });
        if (!tag) fail(name, "no path of sequence " + std::to_string(b) + " is possible");
        paths[b] = {std::vector<std::int64_t>(ends_at[b]), score};
        std::size_t at = *tag;
        for (std::size_t t = ends_at[b]; t-- > 0; at = back[t * K + at])
            paths[b].tags[t] = static_cast<std::int64_t>(at);
    }
    return paths;
}

template class Crf<float>;
template class Crf<double>;

} // namespace unroll::nn
