#pragma once

#include <unroll/core/autograd/backward/recompute.hpp>
#include <unroll/nn/recurrent/cell.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace unroll::nn {

// Regularisation of the states between steps.
struct ScanOptions {
    double state_dropout = 0;         // of h in the recurrent product, with one mask for all steps
    double weight_dropout = 0;        // of weight_hh, drawn once
    double zoneout = 0;               // probability of keeping an element of the old state
    std::size_t checkpoint_every = 0; // see RecurrentOptions
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
    // if project or step returns an unexpected shape. With checkpoint_every, `owner` keeps the cell
    // until the backward pass.
    static Result run(const C& cell, const Variable<T>& x, States state, bool backwards,
                      std::span<const std::size_t> lengths, const ScanOptions& options = {},
                      std::shared_ptr<const C> owner = {});

private:
    struct Steps {
        Result all;
        bool is_row; // whether the last h is a row of the output
    };
    // What all steps share.
    struct Run {
        const C& cell;
        Variable<T> x;
        std::vector<std::size_t> lengths;
        bool backwards;
        double zoneout;
        Variable<T> weight, mask; // see StepContext; may be empty
        std::shared_ptr<const C> owner;

        // All steps of a cell with scan().
        Result at_once(const States& state) const;
        // Steps [first, last), in the order of the scan. With `follows_row`, the first h was a row
        // of the output of earlier steps, and products over the steps include it.
        Steps steps(States state, std::size_t first, std::size_t last,
                    bool follows_row = false) const;
    };
    static std::vector<Variable<T>> separate(const Result& result, bool with_h);
    static Result joined(const std::vector<Variable<T>>& all);

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
                                      const ScanOptions& options, std::shared_ptr<const C> owner) {
    const detail::LayerRuns runs;
    const std::size_t steps = x.shape(0), batch = x.shape(1);
    Run run{cell, x, {lengths.begin(), lengths.end()}, backwards, options.zoneout, {}, {}, owner};
    const Variable<T>* recorded = &x;
    for (const auto& s : state)
        if (!recorded->is_recorded()) recorded = &s;
    Tape<T>* const tape = options.checkpoint_every > 0 ? Tape<T>::recording(*recorded) : nullptr;
    if constexpr (detail::has_scan<C>)
        if (steps > 0 && options.zoneout == 0) { // zoneout needs every state
            if (tape == nullptr) return run.at_once(state);
            return joined(recompute<T>(Op::unplaced("checkpoint"), tape, [run, state] {
                const detail::LayerRuns runs;
                return separate(run.at_once(state), true);
            }));
        }
    if constexpr (detail::has_recurrent_weight<C>) {
        if (options.weight_dropout > 0)
            run.weight = dropout(cell.weight_hh, options.weight_dropout);
        if (options.state_dropout > 0)
            run.mask = detail::locked_dropout(
                Variable<T>(Tensor<T>::ones({batch, state[0].shape().back()})),
                options.state_dropout);
    }
    if (tape == nullptr || steps == 0) return run.steps(state, 0, steps).all;

    const Buffer<T> output(*recorded, {steps, batch, state[0].shape().back()});
    // Groups of steps that are projected at once are not split, so that sums over their steps have
    // the same order as without checkpoints.
    const std::size_t group = steps_at_once(state, batch);
    const std::size_t wanted = std::min(options.checkpoint_every, steps);
    const std::size_t each = (wanted + group - 1) / group * group;
    bool is_row = false; // whether h is a row of the output
    for (std::size_t first = 0; first < steps; first += each) {
        const std::size_t last = std::min(first + each, steps);
        const std::size_t begin = backwards ? steps - last : first, n = last - first;
        const auto found = recompute<T>(
            Op::unplaced("checkpoint"), tape,
            [run, state, first, last, is_row] {
                const detail::LayerRuns runs;
                const Steps found = run.steps(state, first, last, is_row);
                return separate(found.all, !found.is_row);
            },
            output.part(begin, begin + n));
        is_row = found.size() == state.size();
        state = joined(found).state;
        if (is_row) state[0] = select(output.rows(begin, begin + n), 0, backwards ? 0 : n - 1);
    }
    return {output.rows(0, steps), state};
}

// Outputs, h if it is not one of their rows, and the other states.
template <class C>
std::vector<Variable<typename Scan<C>::T>> Scan<C>::separate(const Result& result, bool with_h) {
    std::vector<Variable<T>> all{result.output};
    all.insert(all.end(), result.state.begin() + (with_h ? 0 : 1), result.state.end());
    return all;
}
template <class C>
typename Scan<C>::Result Scan<C>::joined(const std::vector<Variable<T>>& all) {
    Result result{all[0], {}};
    std::copy_backward(all.begin() + 1, all.end(), result.state.end());
    return result;
}

template <class C>
typename Scan<C>::Result Scan<C>::Run::at_once(const States& state) const {
    const std::size_t steps = x.shape(0), batch = x.shape(1);
    const Variable<T> z = cell.project(x);
    detail::check_projection(cell_name<C>(), z, steps, batch);
    Result result = cell.scan(z, state, {.lengths = lengths, .backwards = backwards});
    detail::check_scanned(cell_name<C>(), result.output, steps, batch, lengths);
    name_states(result.state);
    return result;
}

template <class C>
typename Scan<C>::Steps Scan<C>::Run::steps(States state, std::size_t first, std::size_t last,
                                            bool follows_row) const {
    const std::size_t total = x.shape(0), batch = x.shape(1), width = state[0].shape().back();
    const std::size_t shortest =
        lengths.empty() ? total : *std::min_element(lengths.begin(), lengths.end());
    const std::size_t group = steps_at_once(state, batch);
    const std::size_t recurrent_width = detail::recurrent_width(cell);
    std::size_t begin = 0; // the first step in `projected`
    Variable<T> projected;
    std::optional<Buffer<T>> recurrent;
    const auto project = [&](std::size_t k) { // projects step k of the scan and the next ones
        const std::size_t n = std::min(group, last - k);
        begin = backwards ? total - k - n : k;
        projected = cell.project(n == total ? x : slice(x, 0, begin, begin + n));
        detail::check_projection(cell_name<C>(), projected, n, batch);
    };
    if (first < last) project(first);
    // The buffers must be on the tape that records the steps.
    const Variable<T>* recorded = &projected;
    for (const auto& s : state)
        if (!recorded->is_recorded()) recorded = &s;
    // Rows in the order of time, with one for the h that precedes the steps.
    const std::size_t n = last - first, low = follows_row && !backwards ? 1 : 0;
    const std::size_t first_step = backwards ? total - last : first; // in the order of time
    const Buffer<T> output(*recorded, {n + (follows_row ? 1 : 0), batch, width});
    if (follows_row) state[0] = relocated(state[0], output.row(backwards ? n : 0).memory);
    const Variable<T> zero(Tensor<T>::zeros({1, 1}));
    StepContext<T> context;
    if (weight.has_value()) context.weight_hh = &weight;
    if (mask.has_value()) context.mask = &mask;
    bool is_row = false;
    for (std::size_t k = first; k < last; ++k) {
        const std::size_t t = backwards ? total - 1 - k : k;
        if (k > first && k % group == 0) project(k);
        if (recurrent_width > 0 && k % group == 0)
            recurrent.emplace(*recorded, Shape{projected.shape(0), batch, recurrent_width});
        const Scope scope("t", static_cast<std::int64_t>(t));
        const Variable<T> z = select(projected, 0, t - begin);
        if (recurrent) context.recurrent = recurrent->row(t - begin);
        const OutputSlot<T> row = output.row(low + t - first_step);
        const bool all_active = t < shortest;
        if (all_active && zoneout == 0) {
            state = detail::step_into(output, row, cell, z, state, context);
        } else {
            States next = detail::step(cell, z, state, context);
            if (zoneout > 0)
                for (std::size_t s = 0; s < next.size(); ++s)
                    next[s] = detail::zone_out(s == 0 && all_active ? row : OutputSlot<T>(),
                                               state[s], next[s], zoneout);
            if (all_active) {
                state = next;
            } else {
                const Variable<T> active = detail::active<T>(lengths, t);
                detail::choose_active(row, active, next[0], zero, lengths);
                for (std::size_t s = 0; s < next.size(); ++s)
                    state[s] = detail::choose_active({}, active, next[s], state[s], lengths);
            }
        }
        name_states(state);
        if (k + 1 == last) is_row = output.holds(row, state[0]);
    }
    return {{output.rows(low, low + n), state}, is_row};
}

} // namespace unroll::nn
