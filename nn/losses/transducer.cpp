#include <unroll/nn/losses/transducer.hpp>
#include <unroll/nn/recurrent/cell.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <limits>

namespace unroll::nn {

namespace {

constexpr const char* name = "Transducer";

template <class T>
constexpr T impossible = -std::numeric_limits<T>::infinity();

// The log-probabilities [B, T, L + 1, V] of a batch with its lengths and targets.
class Lattices {
public:
    Lattices(const Op& op, const Shape& x, std::span<const std::size_t> lengths,
             const PaddedBatch& targets, std::int64_t blank)
        : blank_(blank) {
        if (x.size() != 4)
            fail(op,
                 "log-probabilities have shape " + to_string(x) + ", expected [B, T, L + 1, V]");
        batch_ = x[0], frames_ = x[1], states_ = x[2], symbols_ = x[3];
        detail::check_blank(op, blank, symbols_);
        lengths_ = checked_lengths(op, frames_, batch_, lengths);
        targets_ = detail::checked_targets(op, Op("Transducer: target", op.where), targets, batch_,
                                           symbols_, blank);
        if (const std::size_t longest = targets_.symbols.shape(0); states_ != longest + 1)
            fail(op, "log-probabilities have shape " + to_string(x) +
                         ", expected [B, T, L + 1, V] with L = " + std::to_string(longest) +
                         ", the length of the padded targets");
    }

    std::size_t batch() const { return batch_; }
    std::size_t states() const { return states_; }
    std::size_t length(std::size_t b) const { return lengths_[b]; }
    std::size_t target_length(std::size_t b) const { return targets_.lengths[b]; }
    const std::vector<std::size_t>& target_lengths() const { return targets_.lengths; }

    // The indices of the blank and of the next symbol in frame t after u symbols.
    std::size_t blank(std::size_t b, std::size_t t, std::size_t u) const {
        return row(b, t, u) + static_cast<std::size_t>(blank_);
    }
    std::size_t symbol(std::size_t b, std::size_t t, std::size_t u) const {
        return row(b, t, u) + static_cast<std::size_t>(targets_.symbols.data()[u * batch_ + b]);
    }

private:
    std::size_t row(std::size_t b, std::size_t t, std::size_t u) const {
        return ((b * frames_ + t) * states_ + u) * symbols_;
    }

    std::int64_t blank_;
    std::size_t batch_ = 0, frames_ = 0, states_ = 0, symbols_ = 0;
    std::vector<std::size_t> lengths_;
    detail::CheckedTargets targets_;
};

// The transitions into each state of a diagonal, [2, D, S, B]: by a blank from (t - 1, u), and by a
// symbol from (t, u - 1), both on the diagonal before. The S states of a diagonal are the numbers
// of symbols 0 ... L and an unreachable one, which precedes the first of the next diagonal in
// memory.
struct Transitions {
    Indices indices; // among all log-probabilities
    Mask excluded;

    Transitions(const Lattices& lattices, std::size_t diagonals)
        : indices(Indices::zeros({2, diagonals, lattices.states() + 1, lattices.batch()})),
          excluded(Mask::full(indices.shape(), true)) {
        const std::size_t B = lattices.batch(), diagonal = indices.shape(2) * B;
        std::int64_t* by_blank = indices.data();
        std::int64_t* by_symbol = by_blank + diagonals * diagonal;
        bool* no_blank = excluded.data();
        bool* no_symbol = no_blank + diagonals * diagonal;
        for (std::size_t b = 0; b < B; ++b)
            for (std::size_t t = 0; t < lattices.length(b); ++t)
                for (std::size_t u = 0; u <= lattices.target_length(b); ++u) {
                    const std::size_t to = (t + u) * diagonal + u * B + b;
                    by_blank[to] = static_cast<std::int64_t>(lattices.blank(b, t, u));
                    no_blank[to] = false;
                    if (u == lattices.target_length(b)) continue;
                    by_symbol[to + B] = static_cast<std::int64_t>(lattices.symbol(b, t, u));
                    no_symbol[to + B] = false;
                }
    }
};

// The alphas of a diagonal, from those of the diagonal before: log(e^a + e^b), by the larger term.
template <class T>
void next_diagonal(const OutputSlot<T>& slot, const Variable<T>& stay, const Variable<T>& before,
                   const Variable<T>& blank, const Variable<T>& symbol) {
    fuse_into(slot, "transducer",
              named("stay before blank symbol -> alpha",
                    [](auto stay, auto before, auto blank, auto symbol) {
                        const auto a = stay + blank, b = before + symbol;
                        const auto rises = a <= b;
                        const auto low = where(rises, a, b), high = where(rises, b, a);
                        const auto sum = high + log1p(exp(low - high));
                        return where(a == impossible<T>, b, where(b == impossible<T>, a, sum));
                    }),
              stay, before, blank, symbol);
}

} // namespace

template <class T>
TransducerLoss<T> transducer_loss(const Variable<T>& x, std::span<const std::size_t> lengths,
                                  const PaddedBatch& targets, const TransducerLossOptions& options,
                                  Where caller) {
    const Op op(name, caller);
    const Scope scope(name);
    const Lattices lattices(op, x.shape(), lengths, targets, options.blank);
    const std::size_t S = lattices.states() + 1, B = lattices.batch();
    std::size_t diagonals = 0;
    for (std::size_t b = 0; b < B; ++b)
        if (lattices.length(b) > 0)
            diagonals = std::max(diagonals, lattices.length(b) + lattices.target_length(b));

    const Transitions transitions(lattices, diagonals);
    const Variable<T> scores =
        masked_fill(take(flatten(x), transitions.indices), transitions.excluded, impossible<T>);
    const Variable<T> blanks = select(scores, 0, 0), symbols = select(scores, 0, 1);

    // Row d + 1 holds diagonal d; row 0 precedes the first in memory.
    const Buffer<T> alphas(scores, {diagonals + 2, S, B});
    Tensor<T> start = Tensor<T>::full({S, B}, impossible<T>);
    detail::copy_to(alphas.row(0), Variable<T>(start));
    start.select(0, 0).fill(0);
    detail::copy_to(alphas.row(1), Variable<T>(start));
    for (std::size_t d = 0; d < diagonals; ++d) {
        const Scope diagonal_scope("t", static_cast<std::int64_t>(d));
        const Variable<T> rows = reshape(alphas.rows(d, d + 2), Shape{2 * S, B});
        next_diagonal(alphas.row(d + 2), slice(rows, 0, S, 2 * S), slice(rows, 0, S - 1, 2 * S - 1),
                      select(blanks, 0, d), select(symbols, 0, d));
    }

    // The last blank leads to (T, U). Without frames only the empty target has an alignment.
    Indices ends(Shape{B});
    for (std::size_t b = 0; b < B; ++b) {
        const std::size_t T_b = lattices.length(b), U = lattices.target_length(b);
        const std::size_t d = T_b > 0 ? T_b + U : 0, u = T_b > 0 || U == 0 ? U : S - 1;
        ends(b) = static_cast<std::int64_t>(((d + 1) * S + u) * B + b);
    }
    return detail::ctc_result(op, -take(flatten(alphas.rows(0, diagonals + 2)), ends),
                              lattices.target_lengths(), options);
}

template <class T>
std::vector<std::vector<std::size_t>>
transducer_align(const Tensor<T>& x, std::span<const std::size_t> lengths,
                 const PaddedBatch& targets, std::int64_t blank, Where where) {
    const Op op(name, where);
    const Lattices lattices(op, x.shape(), lengths, targets, blank);
    const Tensor<T> dense = x.contiguous();
    std::vector<std::vector<std::size_t>> frames(lattices.batch());
    for (std::size_t b = 0; b < frames.size(); ++b) {
        const std::size_t steps = lattices.length(b), U = lattices.target_length(b);
        // Before the last blank of a frame; the row before the first frame is the start.
        std::vector<T> scores(U + 1, impossible<T>);
        scores[0] = 0;
        std::vector<unsigned char> emits(steps * (U + 1)); // the last transition is a symbol
        for (std::size_t t = 0; t < steps; ++t)
            for (std::size_t u = 0; u <= U; ++u) {
                if (t > 0) scores[u] += dense.data()[lattices.blank(b, t - 1, u)];
                if (u == 0) continue;
                const T emitted = scores[u - 1] + dense.data()[lattices.symbol(b, t, u - 1)];
                if (!(emitted > scores[u])) continue;
                emits[t * (U + 1) + u] = 1;
                scores[u] = emitted;
            }
        const T last = steps > 0 ? dense.data()[lattices.blank(b, steps - 1, U)] : T(0);
        if (!(scores[U] + last > impossible<T>))
            fail(op, "no alignment of sequence " + std::to_string(b) + " is possible");
        frames[b].resize(U);
        for (std::size_t t = steps, u = U; u > 0;) {
            if (emits[(t - 1) * (U + 1) + u])
                frames[b][--u] = t - 1;
            else
                --t;
        }
    }
    return frames;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template TransducerLoss<T> transducer_loss(const Variable<T>&, std::span<const std::size_t>,   \
                                               const PaddedBatch&, const TransducerLossOptions&,   \
                                               Where);                                             \
    template std::vector<std::vector<std::size_t>> transducer_align(                               \
        const Tensor<T>&, std::span<const std::size_t>, const PaddedBatch&, std::int64_t, Where);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
