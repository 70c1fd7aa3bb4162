#pragma once

#include <unroll/nn/recurrent/cell.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <span>
#include <string>

namespace unroll::nn {

// Regularisation of the states between steps.
struct ScanOptions {
    double state_dropout = 0;  // of h in the recurrent product, with one mask for all steps
    double weight_dropout = 0; // of weight_hh, drawn once
    double zoneout = 0;        // probability of keeping an element of the old state
};

// One direction of one layer: the loop over the cell's steps, unrolled on the tape.
template <class C>
class Scan {
    static_assert(detail::require_cell<C>());

public:
    using T = cell_scalar<C>;
    using States = cell_state<C>;
    using Result = Scanned<T, cell_states<C>()>;

    // Steps through x [T, B, input], optionally backward. After the end of a sequence the state is
    // unchanged and the output is 0, so a backward scan starts at the end of each sequence. x must
    // be finite after the end of a sequence, see without_padding(). Throws Error, naming the cell,
    // if project or step returns an unexpected shape.
    static Result run(const C& cell, const Variable<T>& x, States state, bool backwards,
                      std::span<const std::size_t> lengths, const ScanOptions& options = {});

private:
    // The number of input steps projected in one product: all, unless four gates would be evicted
    // from the cache before use.
    static std::size_t steps_at_once(const States& state, std::size_t batch) {
        constexpr std::size_t cache = 2 << 20;
        std::size_t width = 0;
        for (const auto& s : state) width = std::max(width, s.shape().back());
        const std::size_t bytes = batch * 4 * width * sizeof(T);
        return std::max<std::size_t>(cache / std::max<std::size_t>(bytes, 1), 1);
    }
    // For graph drawings.
    static void name_states(const States& state) {
        static constexpr auto names = cell_state_names<C>();
        for (std::size_t s = 0; s < state.size(); ++s)
            if (auto* tape = state[s].tape()) tape->name(state[s], names[s]);
    }
};

// ---- implementation ----

namespace detail {

// A step of a cell with scan().
template <class C, class T, std::size_t N>
State<T, N> scan_step(const C& cell, const Variable<T>& z, const State<T, N>& state) {
    return cell.scan(expand_dims(z, 0), state, {}).state;
}

// 1 for the sequences longer than t, otherwise 0: [B, 1].
template <class T>
Variable<T> active(std::span<const std::size_t> lengths, std::size_t t);
// x for the active sequences, otherwise y; stored in `slot` if given.
template <class T>
Variable<T> choose_active(const OutputSlot<T>& slot, const Variable<T>& active,
                          const Variable<T>& x, const Variable<T>& y,
                          std::span<const std::size_t> lengths);
// Variational dropout of x [T, B, n] or of a state [B, n]: the same elements in every step.
template <class T>
Variable<T> locked_dropout(const Variable<T>& x, double p);
// In training, `next` with each element replaced by the old one with probability p; otherwise the
// mean.
template <class T>
Variable<T> zone_out(const OutputSlot<T>& slot, const Variable<T>& old, const Variable<T>& next,
                     double p);
// Throws Error unless z is [steps, batch, ...].
template <class T>
void check_projection(std::string_view name, const Variable<T>& z, std::size_t steps,
                      std::size_t batch);
// Throws Error unless the outputs [T, B, H] of scan() are 0 in the step after each end.
template <class T>
void check_scanned(std::string_view name, const Variable<T>& output, std::size_t steps,
                   std::size_t batch, std::span<const std::size_t> lengths);

} // namespace detail

template <class C>
typename Scan<C>::Result Scan<C>::run(const C& cell, const Variable<T>& x, States state,
                                      bool backwards, std::span<const std::size_t> lengths,
                                      const ScanOptions& options) {
    const detail::LayerRuns runs;
    const std::size_t steps = x.shape(0), batch = x.shape(1), width = state[0].shape().back();
    if constexpr (detail::has_scan<C>)
        if (steps > 0 && options.zoneout == 0) { // zoneout needs every state
            const Variable<T> z = cell.project(x);
            detail::check_projection(cell_name<C>(), z, steps, batch);
            Result result = cell.scan(z, state, {.lengths = lengths, .backwards = backwards});
            detail::check_scanned(cell_name<C>(), result.output, steps, batch, lengths);
            name_states(result.state);
            return result;
        }
    const std::size_t shortest =
        lengths.empty() ? steps : *std::min_element(lengths.begin(), lengths.end());
    const std::size_t at_once = steps_at_once(state, batch);
    std::size_t begin = 0;
    const auto project =
        [&](std::size_t k) { // projects step k of the scan and as many later ones as fit
            const std::size_t n = std::min(at_once, steps - k);
            begin = backwards ? steps - k - n : k;
            const Variable<T> z = cell.project(n == steps ? x : slice(x, 0, begin, begin + n));
            detail::check_projection(cell_name<C>(), z, n, batch);
            return z;
        };
    Variable<T> projected;
    if (steps > 0) projected = project(0);
    // The buffers must be on the tape that records the steps.
    const Variable<T>* recorded = &projected;
    for (const auto& s : state)
        if (!recorded->is_recorded()) recorded = &s;
    const Buffer<T> output(*recorded, {steps, batch, width});
    const std::size_t recurrent_width = detail::recurrent_width(cell);
    const Buffer<T> recurrent(*recorded, {recurrent_width > 0 ? steps : 0, batch, recurrent_width});
    const Variable<T> zero(Tensor<T>::zeros({1, 1}));
    StepContext<T> context;
    Variable<T> weight, kept;
    if constexpr (detail::has_recurrent_weight<C>) {
        if (options.weight_dropout > 0) {
            weight = dropout(cell.weight_hh, options.weight_dropout);
            context.weight_hh = &weight;
        }
        if (options.state_dropout > 0) {
            kept = detail::locked_dropout(Variable<T>(Tensor<T>::ones({batch, width})),
                                          options.state_dropout);
            context.mask = &kept;
        }
    }
    for (std::size_t k = 0; k < steps; ++k) {
        const std::size_t t = backwards ? steps - 1 - k : k;
        if (k > 0 && k % at_once == 0) projected = project(k);
        const Scope scope("t", static_cast<std::int64_t>(t));
        const Variable<T> z = select(projected, 0, t - begin);
        if (recurrent_width > 0) context.recurrent = recurrent.row(t);
        const bool all_active = t < shortest;
        if (all_active && options.zoneout == 0) {
            state = detail::step_into(output, output.row(t), cell, z, state, context);
            name_states(state);
            continue;
        }
        States next = detail::step(cell, z, state, context);
        if (options.zoneout > 0)
            for (std::size_t s = 0; s < next.size(); ++s)
                next[s] = detail::zone_out(s == 0 && all_active ? output.row(t) : OutputSlot<T>(),
                                           state[s], next[s], options.zoneout);
        if (all_active) {
            state = next;
        } else {
            const Variable<T> active = detail::active<T>(lengths, t);
            detail::choose_active(output.row(t), active, next[0], zero, lengths);
            for (std::size_t s = 0; s < next.size(); ++s)
                state[s] = detail::choose_active({}, active, next[s], state[s], lengths);
        }
        name_states(state);
    }
    return {output.rows(0, steps), state};
}

} // namespace unroll::nn
