#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/losses/ctc.hpp>
#include <unroll/nn/recurrent/cell.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace unroll::nn {

namespace {

constexpr const char* name = "Ctc";

template <class T>
constexpr T impossible = -std::numeric_limits<T>::infinity();

// The states of each target: a blank, then each symbol followed by a blank; and after the states of
// the longest target two unreachable states. These make a step one operation: the two states before
// the first are, in memory, the unreachable states of the previous step.
class States {
public:
    States(const Op& op, const PaddedBatch& targets, std::size_t batch, std::size_t symbols,
           std::int64_t blank)
        : blank_(blank), batch_(batch),
          targets_(detail::checked_targets(op, Op("Ctc: target", op.where), targets, batch, symbols,
                                           blank)),
          count_(2 * targets_.symbols.shape(0) + 1) {}

    std::size_t count() const { return count_; }
    std::size_t padded() const { return count_ + 2; }
    std::size_t batch() const { return batch_; }
    const std::vector<std::size_t>& target_lengths() const { return targets_.lengths; }
    std::size_t target_length(std::size_t b) const { return targets_.lengths[b]; }

    std::int64_t symbol(std::size_t s, std::size_t b) const {
        return is_symbol(s, b) ? targets_.symbols.data()[s / 2 * batch_ + b] : blank_;
    }
    // Whether a path may enter from state s - 2, skipping a blank.
    bool skips(std::size_t s, std::size_t b) const {
        return s > 1 && is_symbol(s, b) && symbol(s, b) != symbol(s - 2, b);
    }

private:
    bool is_symbol(std::size_t s, std::size_t b) const {
        return s % 2 == 1 && s / 2 < target_length(b);
    }

    std::int64_t blank_;
    std::size_t batch_;
    detail::CheckedTargets targets_;
    std::size_t count_;
};

// The tables of all states, [S, B]: the index of the state's symbol among the log-probabilities of
// a step; 0 if a path may skip the blank before it, otherwise -inf; 0 if the state exists,
// otherwise -inf.
template <class T>
struct StateTables {
    Indices indices;
    Tensor<T> skips, exists;

    StateTables(const States& states, std::size_t symbols)
        : indices(Shape{states.padded(), states.batch()}),
          skips(Tensor<T>::full(indices.shape(), impossible<T>)), exists(skips.copy()) {
        for (std::size_t s = 0; s < states.padded(); ++s)
            for (std::size_t b = 0; b < states.batch(); ++b) {
                indices(s, b) = static_cast<std::int64_t>(b * symbols) + states.symbol(s, b);
                if (states.skips(s, b)) skips(s, b) = 0;
                if (s < states.count()) exists(s, b) = 0;
            }
    }
};

// alpha, from the previous step's alpha of the same state, one state back and two states back. The
// largest term is factored out of the sum, which leaves log(1 + the others).
template <class T>
void forward_step(const OutputSlot<T>& slot, const Variable<T>& stay, const Variable<T>& next,
                  const Variable<T>& skip, const Variable<T>& emission,
                  const StateTables<T>& tables) {
    fuse_into(slot, "ctc",
              named("stay next skip emission skips exists -> alpha",
                    [](auto stay, auto next, auto skip, auto emission, auto skips, auto exists) {
                        const auto third = skip + skips;
                        const auto rises = stay <= next;
                        const auto low = where(rises, stay, next);
                        const auto high = where(rises, next, stay);
                        const auto is_third = high <= third;
                        const auto top = where(is_third, third, high);
                        const auto middle = where(is_third, high, third);
                        const auto others = exp(low - top) + exp(middle - top);
                        return where(top == impossible<T>, impossible<T>, top + log1p(others)) +
                               emission + exists;
                    }),
              stay, next, skip, emission, tables.skips, tables.exists);
}

} // namespace

void detail::check_blank(const Op& op, std::int64_t blank, std::size_t symbols) {
    if (blank < 0 || static_cast<std::uint64_t>(blank) >= symbols)
        fail(op, "the blank symbol is " + std::to_string(blank) + ", outside [0, " +
                     std::to_string(symbols) + ")");
}

std::vector<std::size_t> detail::checked_ctc(const Op& op, const Shape& x,
                                             std::span<const std::size_t> lengths,
                                             std::int64_t blank) {
    if (x.size() != 3)
        fail(op, "log-probabilities have shape " + to_string(x) + ", expected [T, B, V]");
    check_blank(op, blank, x[2]);
    return checked_lengths(op, x[0], x[1], lengths);
}

detail::CheckedTargets detail::checked_targets(const Op& op, const Op& target_op,
                                               const PaddedBatch& targets, std::size_t batch,
                                               std::size_t symbols, std::int64_t blank) {
    const Indices all = targets.numbers.contiguous();
    if (all.dimension() != 2 || all.shape(1) != batch)
        fail(op, "targets have shape " + to_string(all.shape()) + ", expected [L, " +
                     std::to_string(batch) + "]");
    CheckedTargets checked{all, checked_lengths(target_op, all.shape(0), batch, targets.lengths)};
    for (std::size_t b = 0; b < batch; ++b)
        for (std::size_t i = 0; i < checked.lengths[b]; ++i) {
            const std::int64_t symbol = all.data()[i * batch + b];
            const auto refuse = [&](const std::string& problem) {
                fail(op, "symbol " + std::to_string(symbol) + " at position " + std::to_string(i) +
                             " of target " + std::to_string(b) + " " + problem);
            };
            if (symbol < 0 || static_cast<std::uint64_t>(symbol) >= symbols)
                refuse("is outside [0, " + std::to_string(symbols) + ")");
            if (symbol == blank) refuse("is the blank");
        }
    return checked;
}

template <class T>
CtcLoss<T> detail::ctc_result(const Op& op, Variable<T> losses,
                              std::span<const std::size_t> target_lengths,
                              const CtcOptions& options) {
    CtcLoss<T> result;
    Mask is_possible(losses.shape());
    Tensor<T> symbols(losses.shape());
    for (std::size_t b = 0; b < target_lengths.size(); ++b) {
        const T loss = losses.value()(b);
        if (loss < T(-0.01)) // more than rounding
            fail(op, "the loss of target " + std::to_string(b) + " is negative, " +
                         fmt::format("{:.4g}", loss) +
                         ": expected log-probabilities, which log_softmax makes of logits");
        is_possible(b) = loss != -impossible<T>;
        if (!is_possible(b)) ++result.impossible;
        symbols(b) = static_cast<T>(std::max<std::size_t>(target_lengths[b], 1));
    }
    // No gradient flows to the losses of impossible targets.
    if (result.impossible > 0)
        losses = where(is_possible, losses, options.zero_impossible ? T(0) : -impossible<T>);
    if (options.reduction == Reduction::mean) losses = losses / symbols;
    result.loss = unroll::detail::reduced(losses, options.reduction);
    return result;
}

template <class T>
CtcLoss<T> ctc_loss(const Variable<T>& x, std::span<const std::size_t> lengths,
                    const PaddedBatch& targets, const CtcOptions& options, Where caller) {
    const Op op(name, caller);
    const Scope scope(name);
    const auto ends = detail::checked_ctc(op, x.shape(), lengths, options.blank);
    const std::size_t steps = x.shape(0), B = x.shape(1);
    const States states(op, targets, B, x.shape(2), options.blank);
    const std::size_t S = states.padded();

    const StateTables<T> tables(states, x.shape(2));

    // Before the first step a path is in state 0; row 0 precedes the states in memory.
    const Variable<T> emissions =
        reshape(without_padding(x, lengths, op), Shape{steps, B * x.shape(2)});
    const Buffer<T> alphas(emissions, {steps + 2, S, B});
    Tensor<T> start = Tensor<T>::full({S, B}, impossible<T>);
    detail::copy_to(alphas.row(0), Variable<T>(start));
    start.select(0, 0).fill(0);
    detail::copy_to(alphas.row(1), Variable<T>(start));
    for (std::size_t t = 0; t < steps; ++t) {
        const Scope step_scope("t", static_cast<std::int64_t>(t));
        const Variable<T> before = reshape(alphas.rows(t, t + 2), Shape{2 * S, B});
        const auto shifted = [&](std::size_t by) { return slice(before, 0, S - by, 2 * S - by); };
        forward_step(alphas.row(t + 2), shifted(0), shifted(1), shifted(2),
                     take(select(emissions, 0, t), tables.indices), tables);
    }

    // A path ends in the last symbol or the blank after it.
    Indices last({2, B});
    for (std::size_t b = 0; b < B; ++b) {
        const std::size_t blank = 2 * states.target_length(b);
        const std::size_t symbol = blank > 0 ? blank - 1 : states.count();
        const auto at = [&](std::size_t s) {
            return static_cast<std::int64_t>(((ends[b] + 1) * S + s) * B + b);
        };
        last(0, b) = at(blank);
        last(1, b) = at(symbol);
    }
    return detail::ctc_result(op, -logsumexp(take(flatten(alphas.rows(0, steps + 2)), last), {0}),
                              states.target_lengths(), options);
}

template <class T>
std::vector<std::vector<std::int64_t>>
ctc_align(const Tensor<T>& x, std::span<const std::size_t> lengths, const PaddedBatch& targets,
          std::int64_t blank, Where where) {
    const Op op(name, where);
    const auto ends = detail::checked_ctc(op, x.shape(), lengths, blank);
    const States states(op, targets, x.shape(1), x.shape(2), blank);
    const Tensor<T> dense = x.contiguous();
    std::vector<std::vector<std::int64_t>> paths(x.shape(1));
    for (std::size_t b = 0; b < paths.size(); ++b) {
        const std::size_t S = 2 * states.target_length(b) + 1;
        std::vector<T> scores(S, impossible<T>), next(S);
        std::vector<unsigned char> back(ends[b] * S); // how many states back
        scores[0] = 0;
        for (std::size_t t = 0; t < ends[b]; ++t) {
            const T* emission = dense.data() + (t * x.shape(1) + b) * x.shape(2);
            for (std::size_t s = 0; s < S; ++s) {
                std::size_t best = 0;
                if (s > 0 && scores[s - 1] > scores[s]) best = 1;
                if (states.skips(s, b) && scores[s - 2] > scores[s - best]) best = 2;
                back[t * S + s] = static_cast<unsigned char>(best);
                next[s] = scores[s - best] + emission[states.symbol(s, b)];
            }
            scores.swap(next);
        }
        std::size_t s = S > 1 && scores[S - 2] > scores[S - 1] ? S - 2 : S - 1;
        if (!(scores[s] > impossible<T>))
            fail(op, "no path of sequence " + std::to_string(b) + " is possible");
        paths[b].resize(ends[b]);
        for (std::size_t t = ends[b]; t-- > 0; s -= back[t * S + s])
            paths[b][t] = states.symbol(s, b);
    }
    return paths;
}

CtcSymbols ctc_collapse(std::span<const std::int64_t> path, std::int64_t blank) {
    CtcSymbols found;
    for (std::size_t t = 0; t < path.size(); ++t) {
        if (path[t] == blank || (t > 0 && path[t] == path[t - 1])) continue;
        found.symbols.push_back(path[t]);
        found.steps.push_back(t);
    }
    return found;
}

template <class T>
std::vector<CtcSymbols> ctc_greedy(const Tensor<T>& x, std::span<const std::size_t> lengths,
                                   std::int64_t blank, Where where) {
    const auto ends = detail::checked_ctc(Op(name, where), x.shape(), lengths, blank);
    const Indices best = argmax(Variable<T>(x));
    std::vector<CtcSymbols> found;
    for (std::size_t b = 0; b < ends.size(); ++b) {
        std::vector<std::int64_t> path(ends[b]);
        for (std::size_t t = 0; t < path.size(); ++t) path[t] = best(t, b);
        found.push_back(ctc_collapse(path, blank));
    }
    return found;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template CtcLoss<T> detail::ctc_result(const Op&, Variable<T>, std::span<const std::size_t>,   \
                                           const CtcOptions&);                                     \
    template CtcLoss<T> ctc_loss(const Variable<T>&, std::span<const std::size_t>,                 \
                                 const PaddedBatch&, const CtcOptions&, Where);                    \
    template std::vector<std::vector<std::int64_t>> ctc_align(                                     \
        const Tensor<T>&, std::span<const std::size_t>, const PaddedBatch&, std::int64_t, Where);  \
    template std::vector<CtcSymbols> ctc_greedy(const Tensor<T>&, std::span<const std::size_t>,    \
                                                std::int64_t, Where);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
