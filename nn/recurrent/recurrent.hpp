#pragma once

#include <unroll/nn/recurrent/cells.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <optional>
#include <span>

namespace unroll::nn {

// How the outputs of the two directions become one.
enum class Merge { concatenate, add, average, multiply };

// How a layer's output joins its input x, where both are of one width: f(x), x + f(x), or
// t f(x) + (1 - t) x with t = sigmoid(W x + b)  (He et al. 2016, Srivastava et al. 2015)
enum class Connection { plain, residual, highway };

template <class Cell>
struct RecurrentOptions {
    std::size_t input = 0;
    std::size_t hidden = 0;
    std::size_t layers = 1;
    double dropout = 0; // between layers
    bool bidirectional = false;
    Merge merge = Merge::concatenate;
    typename Cell::Options cell = {};

    // Dropped at the same places in every step of a sequence: of each layer's input, of the h that
    // the recurrent product reads, of the last layer's output  (Gal and Ghahramani 2016)
    double input_dropout = 0, state_dropout = 0, output_dropout = 0;
    double weight_dropout = 0;  // of the recurrent weights, once a sequence  (Merity et al. 2018)
    double zoneout = 0;         // of the new state, which stays the old one  (Krueger et al. 2017)
    bool learned_state = false; // where no state is given, it begins with parameters
    Connection connection = Connection::plain;
};

// One direction of one layer: the cell's own loop, unrolled on the tape.
template <class Cell>
class Scan {
public:
    using T = typename Cell::value_type;
    using States = State<T, Cell::states>;
    struct Result {
        Variable<T> output; // [T, B, hidden]
        States state;       // each [B, hidden]
    };

    // Steps through x [T, B, in], backwards where asked. Beyond a sequence's length the state
    // stays as it is and the output is 0, so that a backward scan begins at each sequence's end.
    static Result run(const Cell& cell, const Variable<T>& x, States state, bool backwards,
                      std::span<const std::size_t> lengths,
                      const RecurrentOptions<Cell>& options = {});

private:
    // How many steps of the input are projected in one product: all of them, unless four gates
    // would have left the cache before they are used.
    static std::size_t steps_at_once(const Cell& cell, std::size_t batch) {
        constexpr std::size_t cache = 2 << 20;
        const std::size_t bytes = batch * 4 * cell.hidden * sizeof(T);
        return std::max<std::size_t>(cache / std::max<std::size_t>(bytes, 1), 1);
    }
    // For pictures: h, and c where a cell carries more.
    static void name_states(const States& state) {
        for (std::size_t s = 0; s < state.size(); ++s)
            if (auto* tape = state[s].tape()) tape->name(state[s], s == 0 ? "h" : "c");
    }
    // 1 for the sequences that have a step t, [B, 1].
    static Variable<T> active(std::span<const std::size_t> lengths, std::size_t t);
};

// A recurrent network of any cell, with depth, both directions, lengths and a state that can be
// carried on. See docs/recurrent.md for formulas, weights and their order.
//   auto [output, state] = lstm(x);
template <class Cell>
class Recurrent {
public:
    using value_type = typename Cell::value_type;
    using T = value_type;
    using Options = RecurrentOptions<Cell>;
    using States = State<T, Cell::states>;
    struct Result {
        Variable<T> output; // [T, B, hidden], or [T, B, 2 hidden] of two directions concatenated
        States state;       // each [layers * directions, B, hidden], forwards before backwards
    };

    // Throws Error for options that make no sense.
    explicit Recurrent(const Options& options);

    // x [T, B, in]. Without a state it begins with zeros. `lengths`, one for each of the B
    // sequences, may be in any order and 0. Throws Error for shapes and lengths that do not fit.
    Result operator()(const Variable<T>& x, const States& state = {},
                      std::span<const std::size_t> lengths = {}) const;

    const Options& options() const { return options_; }
    std::size_t directions() const { return options_.bidirectional ? 2 : 1; }
    std::size_t output_width() const {
        const bool wide = options_.bidirectional && options_.merge == Merge::concatenate;
        return (wide ? 2 : 1) * widths_[0];
    }
    // The width of each state, h first.
    const std::array<std::size_t, Cell::states>& widths() const { return widths_; }
    // Layer by layer, forwards before backwards.
    std::vector<Cell>& cells() { return cells_; }

    // Named as PyTorch does: weight_ih_l0, weight_hh_l0_reverse, ...; then initial_0 (h), initial_1
    // (c), each [layers * directions, 1, width], and highway_l0.weight, ...
    void members(Members<T>& m);

private:
    void check(const Variable<T>& x, const States& state,
               std::span<const std::size_t> lengths) const;
    Variable<T> merged(const Variable<T>& forwards, const Variable<T>& backwards) const;
    Variable<T> connected(const Variable<T>& in, const Variable<T>& out, std::size_t layer) const;
    State<T, Cell::states> initial(const Variable<T>& x, const States& given,
                                   std::size_t number) const;

    Options options_;
    std::vector<Cell> cells_;
    std::array<std::size_t, Cell::states> widths_;
    std::vector<Parameter<T>> initial_; // by state
    std::vector<Linear<T>> highways_;   // by layer; empty ones where widths differ
};

template <class T>
using Rnn = Recurrent<RnnCell<T>>;
template <class T>
using Lstm = Recurrent<LstmCell<T>>;
template <class T>
using Gru = Recurrent<GruCell<T>>;

// The same state without its history, for the next piece of a long sequence (truncated
// back-propagation through time).
template <class T, std::size_t N>
State<T, N> detach(State<T, N> state) {
    for (auto& s : state) s = Variable<T>(s.value());
    return state;
}

// ---- implementation ----

namespace detail {

// x where a sequence is active, else y; the first result lies in `place` where one is given.
template <class T>
Variable<T> choose_active(const Place<T>& place, const Variable<T>& active, const Variable<T>& x,
                          const Variable<T>& y);
template <class T>
Variable<T> copy_to(const Place<T>& place, const Variable<T>& x);

// x [T, B, n] or a state [B, n] with the same elements dropped for every step.
template <class T>
Variable<T> locked_dropout(const Variable<T>& x, double p);
// While training, new with a share of its elements as they were; else the mean of that.
template <class T>
Variable<T> zone_out(const Place<T>& place, const Variable<T>& old, const Variable<T>& next,
                     double p);
// t out + (1 - t) in, with t = sigmoid(gate).
template <class T>
Variable<T> highway(const Variable<T>& gate, const Variable<T>& in, const Variable<T>& out);

// The widths of a cell's states, h first: hidden, unless it says otherwise.
template <class Cell>
std::array<std::size_t, Cell::states> widths(const Cell& cell) {
    if constexpr (requires { cell.widths(); }) {
        return cell.widths();
    } else {
        std::array<std::size_t, Cell::states> all;
        all.fill(cell.hidden);
        return all;
    }
}

// Whether a cell heeds what a StepContext tells of its recurrent weights.
template <class Cell>
inline constexpr bool has_recurrent_weight =
    std::is_base_of_v<CellParameters<typename Cell::value_type>, Cell>;

} // namespace detail

template <class Cell>
Variable<typename Cell::value_type> Scan<Cell>::active(std::span<const std::size_t> lengths,
                                                       std::size_t t) {
    Tensor<T> mask(Shape{lengths.size(), 1});
    for (std::size_t b = 0; b < lengths.size(); ++b) mask.data()[b] = t < lengths[b] ? T(1) : T(0);
    return mask;
}

template <class Cell>
typename Scan<Cell>::Result Scan<Cell>::run(const Cell& cell, const Variable<T>& x, States state,
                                            bool backwards, std::span<const std::size_t> lengths,
                                            const RecurrentOptions<Cell>& options) {
    const std::size_t steps = x.shape(0), batch = x.shape(1);
    const std::size_t shortest =
        lengths.empty() ? steps : *std::min_element(lengths.begin(), lengths.end());
    const std::size_t at_once = steps_at_once(cell, batch);
    std::size_t begin = 0;
    const auto project = [&](std::size_t k) { // step k of the scan and those after it
        const std::size_t n = std::min(at_once, steps - k);
        begin = backwards ? steps - k - n : k;
        return cell.project(n == steps ? x : slice(x, 0, begin, begin + n));
    };
    Variable<T> projected = project(0);
    const Buffer<T> output(projected, {steps, batch, detail::widths(cell)[0]});
    const Buffer<T> recurrent(projected, {steps * (Cell::recurrent_gates > 0), batch,
                                          Cell::recurrent_gates * cell.hidden});
    const Variable<T> zero(Tensor<T>::zeros({1, 1}));
    StepContext<T> context;
    Variable<T> weight, kept;
    if constexpr (detail::has_recurrent_weight<Cell>) {
        if (options.weight_dropout > 0) {
            weight = dropout(cell.weight_hh, options.weight_dropout);
            context.weight_hh = &weight;
        }
        if (options.state_dropout > 0) {
            const Tensor<T> ones = Tensor<T>::ones({batch, detail::widths(cell)[0]});
            kept = detail::locked_dropout(Variable<T>(ones), options.state_dropout);
            context.mask = &kept;
        }
    }
    for (std::size_t k = 0; k < steps; ++k) {
        const std::size_t t = backwards ? steps - 1 - k : k;
        if (k > 0 && k % at_once == 0) projected = project(k);
        const Scope scope("t", static_cast<std::int64_t>(t));
        const Variable<T> z = select(projected, 0, t - begin);
        if constexpr (Cell::recurrent_gates > 0) context.recurrent = recurrent.row(t);
        const bool all_active = t < shortest;
        context.h = all_active && options.zoneout == 0 ? output.row(t) : Place<T>();
        States next = cell.step(z, state, context);
        if (options.zoneout > 0)
            for (std::size_t s = 0; s < Cell::states; ++s)
                next[s] = detail::zone_out(s == 0 && all_active ? output.row(t) : Place<T>(),
                                           state[s], next[s], options.zoneout);
        if (all_active) {
            state = next;
            name_states(state);
            continue;
        }
        const Variable<T> mask = active(lengths, t);
        detail::choose_active(output.row(t), mask, next[0], zero);
        for (std::size_t s = 0; s < Cell::states; ++s)
            state[s] = detail::choose_active({}, mask, next[s], state[s]);
        name_states(state);
    }
    return {output.rows(0, steps), state};
}

template <class Cell>
Recurrent<Cell>::Recurrent(const Options& options) : options_(options) {
    if (options.layers == 0) fail(Cell::name, "at least one layer is needed");
    for (const auto& [what, p] :
         {std::pair("dropout", options.dropout), std::pair("input_dropout", options.input_dropout),
          std::pair("state_dropout", options.state_dropout),
          std::pair("output_dropout", options.output_dropout),
          std::pair("weight_dropout", options.weight_dropout),
          std::pair("zoneout", options.zoneout)})
        if (!(p >= 0 && p <= 1))
            fail(Cell::name, std::string(what) + " must be in [0, 1], got " + std::to_string(p));
    if (!detail::has_recurrent_weight<Cell> && options.weight_dropout + options.state_dropout > 0)
        fail(Cell::name, "weight_dropout and state_dropout are of weight_hh, which it has not");
    for (std::size_t layer = 0; layer < options.layers; ++layer)
        for (std::size_t d = 0; d < directions(); ++d) {
            cells_.emplace_back(layer == 0 ? options.input : output_width(), options.hidden,
                                options.cell);
            widths_ = detail::widths(cells_.front());
        }
    if (options.learned_state)
        for (std::size_t s = 0; s < Cell::states; ++s)
            initial_.emplace_back("initial_" + std::to_string(s),
                                  Tensor<T>::zeros({cells_.size(), 1, widths_[s]}));
    if (options.connection == Connection::plain) return;
    if (options.layers == 1 && options.input != output_width())
        fail(Cell::name, "no layer's output, of width " + std::to_string(output_width()) +
                             ", has the width of its input, " + std::to_string(options.input));
    if (options.connection != Connection::highway) return;
    for (std::size_t layer = 0; layer < options.layers; ++layer) {
        // A layer begins by passing on most of its input.
        highways_.emplace_back(LinearOptions{output_width(), output_width()});
        highways_.back().bias.change().fill(T(-1));
    }
}

template <class Cell>
void Recurrent<Cell>::members(Members<T>& m) {
    for (std::size_t i = 0; i < cells_.size(); ++i)
        m.with_suffix("_l" + std::to_string(i / directions()) +
                          (i % directions() == 1 ? "_reverse" : ""),
                      cells_[i]);
    for (auto& state : initial_) m(state.name(), state);
    for (std::size_t layer = 0; layer < highways_.size(); ++layer)
        if (layer > 0 || options_.input == output_width())
            m("highway_l" + std::to_string(layer), highways_[layer]);
}

template <class Cell>
void Recurrent<Cell>::check(const Variable<T>& x, const States& state,
                            std::span<const std::size_t> lengths) const {
    if (x.dimension() != 3 || x.shape(2) != options_.input)
        fail(Cell::name, "x has shape " + to_string(x.shape()) + ", expected [T, B, " +
                             std::to_string(options_.input) + "]");
    for (std::size_t s = 0; s < Cell::states; ++s) {
        const Shape expected{cells_.size(), x.shape(1), widths_[s]};
        if (state[s].value().storage() && state[s].shape() != expected)
            fail(Cell::name, "a state has shape " + to_string(state[s].shape()) + ", expected " +
                                 to_string(expected));
    }
    if (!lengths.empty() && lengths.size() != x.shape(1))
        fail(Cell::name, std::to_string(lengths.size()) + " lengths for a batch of " +
                             std::to_string(x.shape(1)));
    for (std::size_t b = 0; b < lengths.size(); ++b)
        if (lengths[b] > x.shape(0))
            fail(Cell::name, "length " + std::to_string(lengths[b]) + " of sequence " +
                                 std::to_string(b) + " is more than the " +
                                 std::to_string(x.shape(0)) + " steps");
}

template <class Cell>
Variable<typename Cell::value_type> Recurrent<Cell>::merged(const Variable<T>& forwards,
                                                            const Variable<T>& backwards) const {
    switch (options_.merge) {
    case Merge::add: return forwards + backwards;
    case Merge::average: return (forwards + backwards) * 0.5;
    case Merge::multiply: return forwards * backwards;
    case Merge::concatenate: break;
    }
    return concatenate({forwards, backwards}, -1);
}

template <class Cell>
Variable<typename Cell::value_type>
Recurrent<Cell>::connected(const Variable<T>& in, const Variable<T>& out, std::size_t layer) const {
    if (options_.connection == Connection::plain || in.shape() != out.shape()) return out;
    if (options_.connection == Connection::residual) return in + out;
    return detail::highway(highways_[layer](in), in, out);
}

template <class Cell>
State<typename Cell::value_type, Cell::states>
Recurrent<Cell>::initial(const Variable<T>& x, const States& given, std::size_t number) const {
    States state;
    for (std::size_t s = 0; s < Cell::states; ++s) {
        const Shape shape{x.shape(1), widths_[s]};
        if (given[s].value().storage())
            state[s] = select(given[s], 0, number);
        else if (options_.learned_state)
            state[s] = broadcast_to(select(initial_[s], 0, number), shape);
        else
            state[s] = Tensor<T>::zeros(shape);
    }
    return state;
}

template <class Cell>
typename Recurrent<Cell>::Result
Recurrent<Cell>::operator()(const Variable<T>& x, const States& state,
                            std::span<const std::size_t> lengths) const {
    const Scope scope(Cell::name);
    check(x, state, lengths);
    const std::size_t batch = x.shape(1);
    std::array<std::optional<Buffer<T>>, Cell::states> finals;
    for (std::size_t s = 0; s < Cell::states; ++s)
        finals[s].emplace(x, Shape{cells_.size(), batch, widths_[s]});
    const auto run = [&](const Variable<T>& in, std::size_t number) {
        const bool backwards = number % directions() == 1;
        const Scope direction(backwards ? "backwards" : "layer",
                              static_cast<std::int64_t>(number / directions()));
        auto result = Scan<Cell>::run(cells_[number], in, initial(x, state, number), backwards,
                                      lengths, options_);
        for (std::size_t s = 0; s < Cell::states; ++s)
            detail::copy_to(finals[s]->row(number), result.state[s]);
        return result.output;
    };
    Variable<T> output = x;
    for (std::size_t layer = 0; layer < options_.layers; ++layer) {
        if (layer > 0) output = dropout(output, options_.dropout);
        const Variable<T> in = detail::locked_dropout(output, options_.input_dropout);
        const Variable<T> forwards = run(in, layer * directions());
        const Variable<T> out =
            options_.bidirectional ? merged(forwards, run(in, layer * directions() + 1)) : forwards;
        output = connected(output, out, layer);
    }
    Result result{detail::locked_dropout(output, options_.output_dropout), {}};
    for (std::size_t s = 0; s < Cell::states; ++s)
        result.state[s] = finals[s]->rows(0, cells_.size());
    return result;
}

#define UNROLL_DECLARE(T)                                                                          \
    extern template class Recurrent<RnnCell<T>>;                                                   \
    extern template class Recurrent<LstmCell<T>>;                                                  \
    extern template class Recurrent<GruCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
