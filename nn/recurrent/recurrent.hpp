#pragma once

#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/recurrent/scan.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <optional>
#include <span>

namespace unroll::nn {

using unroll::detach;

// How the outputs of the two directions are merged.
enum class Merge { concatenate, add, average, multiply };

// How a layer's output f(x) is connected to its input x if both have the same width: f(x), x +
// f(x), or t f(x) + (1 - t) x with t = sigmoid(W x + b)  (He et al. 2016, Srivastava et al. 2015)
enum class Connection { plain, residual, highway };

template <class C>
struct RecurrentOptions {
    std::size_t input = 0;
    std::size_t hidden = 0;
    std::size_t layers = 1;
    double dropout = 0; // between layers, of which there must be several
    bool bidirectional = false;
    Merge merge = Merge::concatenate;
    cell_options<C> cell = {};

    // Variational dropout, with the same mask in every step: of each layer's input, of h in the
    // recurrent product, of the last layer's output  (Gal and Ghahramani 2016)
    double input_dropout = 0, state_dropout = 0, output_dropout = 0;
    double weight_dropout =
        0;              // of the recurrent weights, one mask for all steps  (Merity et al. 2018)
    double zoneout = 0; // probability of keeping an element of the old state  (Krueger et al. 2017)
    bool learned_state = false; // the initial state is a parameter
    Connection connection = Connection::plain;

    // Recomputation in segments of this many steps: the tape keeps the state between segments, and
    // the backward pass runs each segment again, with the same gradients bit for bit. 0: off.
    // Rounded up to a multiple of the steps whose inputs are projected in one product (2 MiB for
    // four gates). A cell with scan() runs again as a whole.
    std::size_t checkpoint_every = 0;
};

namespace detail {

// A value that recomputed functions share until the backward pass. A copy is a separate value; a
// move passes it on, with the same address.
template <class X>
class Shared {
public:
    Shared() = default;
    Shared(const Shared& other) : x_(std::make_shared<X>(other.get())) {}
    Shared(Shared&&) noexcept = default;
    Shared& operator=(const Shared& other) {
        if (this != &other) get() = other.get();
        return *this;
    }
    Shared& operator=(Shared&&) noexcept = default;

    // Of one that was moved from: an empty value.
    X& get() const {
        if (x_ == nullptr) x_ = std::make_shared<X>();
        return *x_;
    }
    template <class Part>
    std::shared_ptr<const Part> part(const Part& part) const {
        return {x_, &part};
    }

private:
    mutable std::shared_ptr<X> x_;
};

} // namespace detail

template <class C>
class Recurrent;

// A recurrent network of any cell, with several layers, one or two directions, sequence lengths and
// a state that can be carried over. See docs/recurrent.md for formulas, weights and their order.
//   auto [output, state] = lstm(x);
template <Cell C>
class Recurrent<C> {
public:
    using value_type = cell_scalar<C>;
    using T = value_type;
    using Options = RecurrentOptions<C>;
    using States = cell_state<C>;
    static constexpr std::size_t states = cell_states<C>();
    struct Result {
        Variable<T> output; // [T, B, width of h], or twice that if directions are concatenated
        States state;       // each [layers * directions, B, its width], forwards first
    };

    // Throws Error for options that are inconsistent or not supported by the cell.
    explicit Recurrent(const Options& options, Where where = Where::current());

    // x [T, B, input]. Without a state it starts from zeros or from learned states; a state of
    // several tensors is given as a whole. `lengths`, one
    // for each of the B sequences, may be in any order and may be 0; x after the end of a sequence
    // is not read, and the output there is 0. Throws Error if shapes or lengths do not match, and
    // for a state of an earlier tape; use detach() to carry it over.
    Result operator()(const Variable<T>& x, const States& state = {},
                      std::span<const std::size_t> lengths = {},
                      Where caller = Where::current()) const;
    template <class Lengths>
    requires(!std::convertible_to<const Lengths&, std::span<const std::size_t>>) Result
    operator()(const Variable<T>&, const States&, const Lengths&, Where = Where()) const {
        static_assert(sizeof(Lengths) == 0,
                      "lengths are std::vector<std::size_t>, one for each sequence of the batch");
        return {};
    }

    const Options& options() const { return options_; }
    std::size_t directions() const { return options_.bidirectional ? 2 : 1; }
    std::size_t output_width() const {
        const bool wide = options_.bidirectional && options_.merge == Merge::concatenate;
        return (wide ? 2 : 1) * widths_[0];
    }
    // The width of each state, h first.
    const std::array<std::size_t, states>& widths() const { return widths_; }
    // Layer by layer, forwards before backwards.
    std::vector<C>& cells() { return cells_.get(); }

    // Named as PyTorch does: weight_ih_l0, weight_hh_l0_reverse, ...; then the learned states, such
    // as h0 and c0, each [layers * directions, 1, width], and highway_l0.weight, ...
    void members(Members<T>& m);

private:
    [[noreturn]] static void refuse(const std::string& problem, Where where = Where()) {
        fail(Op(std::string(cell_name<C>()).c_str(), where), problem);
    }
    void check(const Variable<T>& x, const States& state,
               std::span<const std::size_t> lengths) const;
    Variable<T> merged(const Variable<T>& forwards, const Variable<T>& backwards) const;
    Variable<T> connected(const Variable<T>& in, const Variable<T>& out, std::size_t layer) const;
    cell_state<C> initial(const Variable<T>& x, const States& given, std::size_t number) const;

    Options options_;
    detail::Shared<List<C>> cells_;
    std::array<std::size_t, states> widths_{};
    List<Parameter<T>> initial_; // by state
    List<Linear<T>> highways_;   // by layer; empty ones if widths differ
    ModuleName module_name_{cell_name<C>()};
};

// ---- implementation ----

// For a type that is not a cell: only reports what it lacks.
template <class C>
class Recurrent {
    static_assert(detail::require_cell<C>());

public:
    struct Result {
        Variable<cell_scalar<C>> output;
        cell_state<C> state;
    };
    explicit Recurrent(const RecurrentOptions<C>&, Where = Where()) {}
    template <class... X>
    Result operator()(const X&...) const {
        return {};
    }
    void members(Members<cell_scalar<C>>&) {}
};

namespace detail {

// The name of a learned state: "h0" of h, "real_part0" of "real part".
std::string initial_name(std::string_view state);

// Throws Error for a state of which only some tensors are given.
template <class T>
void require_whole_state(std::string_view layer, std::span<const char* const> names,
                         std::span<const Variable<T>> state);

// t out + (1 - t) in, with t = sigmoid(gate).
template <class T>
Variable<T> highway(const Variable<T>& gate, const Variable<T>& in, const Variable<T>& out);

} // namespace detail

template <Cell C>
Recurrent<C>::Recurrent(const Options& options, Where where) : options_(options) {
    if (options.layers == 0) refuse("layers must be at least 1, got 0", where);
    for (const auto& [what, p] :
         {std::pair("dropout", options.dropout), std::pair("input_dropout", options.input_dropout),
          std::pair("state_dropout", options.state_dropout),
          std::pair("output_dropout", options.output_dropout),
          std::pair("weight_dropout", options.weight_dropout),
          std::pair("zoneout", options.zoneout)})
        require_fraction(Op(std::string(cell_name<C>()).c_str(), where), what, p);
    if (options.dropout > 0 && options.layers == 1)
        refuse("dropout is between layers, but there is one layer; use output_dropout", where);
    if (options.merge != Merge::concatenate && !options.bidirectional)
        refuse("merge needs bidirectional: there is one direction", where);
    if (!detail::has_recurrent_weight<C> && options.weight_dropout + options.state_dropout > 0)
        refuse(std::string(options.weight_dropout > 0 ? "weight_dropout" : "state_dropout") +
                   " needs a cell with a recurrent weight matrix: one derived from "
                   "CellParameters whose step takes a StepContext and passes it to add_recurrent",
               where);
    for (std::size_t layer = 0; layer < options.layers; ++layer)
        for (std::size_t d = 0; d < directions(); ++d) {
            cells_.get().push_back(detail::make_cell<C>(layer == 0 ? options.input : output_width(),
                                                        options.hidden, options.cell, where));
            widths_ = detail::widths(cells_.get().front(), options.hidden);
        }
    if (options.learned_state)
        for (std::size_t s = 0; s < states; ++s)
            initial_.emplace_back(detail::initial_name(cell_state_names<C>()[s]),
                                  Tensor<T>::zeros({cells_.get().size(), 1, widths_[s]}));
    if (options.connection == Connection::plain) return;
    if (options.layers == 1 && options.input != output_width())
        refuse("the connection needs a layer with inputs and outputs of equal width, got " +
                   std::to_string(options.input) + " and " + std::to_string(output_width()),
               where);
    if (options.connection != Connection::highway) return;
    for (std::size_t layer = 0; layer < options.layers; ++layer) {
        // The initial bias makes a layer pass on most of its input.
        highways_.emplace_back(LinearOptions{output_width(), output_width()}, where);
        highways_.back().bias.change().fill(T(-1));
    }
}

template <Cell C>
void Recurrent<C>::members(Members<T>& m) {
    m(module_name_);
    if constexpr (requires(C & cell) { cell.members(m); })
        for (std::size_t i = 0; i < cells_.get().size(); ++i)
            m.with_suffix("_l" + std::to_string(i / directions()) +
                              (i % directions() == 1 ? "_reverse" : ""),
                          cells_.get()[i]);
    for (std::size_t s = 0; s < initial_.size(); ++s)
        m(detail::initial_name(cell_state_names<C>()[s]), initial_[s]);
    for (std::size_t layer = 0; layer < highways_.size(); ++layer)
        if (layer > 0 || options_.input == output_width())
            m("highway_l" + std::to_string(layer), highways_[layer]);
}

template <Cell C>
void Recurrent<C>::check(const Variable<T>& x, const States& state,
                         std::span<const std::size_t> lengths) const {
    if (x.dimension() != 3 || x.shape(2) != options_.input)
        refuse("x has shape " + to_string(x.shape()) + ", expected [T, B, " +
               std::to_string(options_.input) + "]");
    detail::require_whole_state<T>(cell_name<C>(), cell_state_names<C>(), state);
    for (std::size_t s = 0; s < states; ++s) {
        const Shape expected{cells_.get().size(), x.shape(1), widths_[s]};
        if (state[s].has_value() && state[s].shape() != expected)
            refuse(std::string("the state ") + cell_state_names<C>()[s] + " has shape " +
                   to_string(state[s].shape()) + ", expected " + to_string(expected));
    }
    if (!lengths.empty() && lengths.size() != x.shape(1))
        refuse(std::to_string(lengths.size()) + " lengths for a batch of " +
               std::to_string(x.shape(1)));
    for (std::size_t b = 0; b < lengths.size(); ++b)
        if (lengths[b] > x.shape(0))
            refuse("length " + std::to_string(static_cast<std::ptrdiff_t>(lengths[b])) +
                   " of sequence " + std::to_string(b) + " is more than the " +
                   std::to_string(x.shape(0)) + " steps");
}

template <Cell C>
Variable<cell_scalar<C>> Recurrent<C>::merged(const Variable<T>& forwards,
                                              const Variable<T>& backwards) const {
    switch (options_.merge) {
    case Merge::add: return forwards + backwards;
    case Merge::average: return (forwards + backwards) * 0.5;
    case Merge::multiply: return forwards * backwards;
    case Merge::concatenate: break;
    }
    return concatenate({forwards, backwards}, -1);
}

template <Cell C>
Variable<cell_scalar<C>> Recurrent<C>::connected(const Variable<T>& in, const Variable<T>& out,
                                                 std::size_t layer) const {
    if (options_.connection == Connection::plain || in.shape() != out.shape()) return out;
    if (options_.connection == Connection::residual) return in + out;
    return detail::highway(highways_[layer](in), in, out);
}

template <Cell C>
cell_state<C> Recurrent<C>::initial(const Variable<T>& x, const States& given,
                                    std::size_t number) const {
    States state;
    for (std::size_t s = 0; s < states; ++s) {
        const Shape shape{x.shape(1), widths_[s]};
        if (given[s].has_value())
            state[s] = select(given[s], 0, number);
        else if (options_.learned_state)
            state[s] = broadcast_to(select(initial_[s], 0, number), shape);
        else
            state[s] = Tensor<T>::zeros(shape);
    }
    return state;
}

template <Cell C>
typename Recurrent<C>::Result Recurrent<C>::operator()(const Variable<T>& x, const States& state,
                                                       std::span<const std::size_t> lengths,
                                                       Where caller) const {
    const Scope scope(module_name_, caller);
    check(x, state, lengths);
    const Variable<T>* recorded = &x;
    for (const auto& s : state)
        if (!recorded->is_recorded()) recorded = &s;
    std::array<std::optional<Buffer<T>>, states> finals;
    for (std::size_t s = 0; s < states; ++s)
        finals[s].emplace(*recorded, Shape{cells_.get().size(), x.shape(1), widths_[s]});
    const auto run = [&](const Variable<T>& in, std::size_t number) {
        const bool backwards = number % directions() == 1;
        const Scope direction(backwards ? "backwards" : "layer",
                              static_cast<std::int64_t>(number / directions()));
        const std::shared_ptr<const C> cell = cells_.part(cells_.get()[number]);
        auto result = Scan<C>::run(*cell, in, initial(x, state, number), backwards, lengths,
                                   {options_.state_dropout, options_.weight_dropout,
                                    options_.zoneout, options_.checkpoint_every},
                                   cell);
        for (std::size_t s = 0; s < states; ++s)
            detail::copy_to(finals[s]->row(number), result.state[s]);
        return result.output;
    };
    Variable<T> output = lengths.empty() ? x : without_padding(x, lengths);
    for (std::size_t layer = 0; layer < options_.layers; ++layer) {
        if (layer > 0) output = dropout(output, options_.dropout);
        const Variable<T> in = detail::locked_dropout(output, options_.input_dropout);
        const Variable<T> forwards = run(in, layer * directions());
        const Variable<T> out =
            options_.bidirectional ? merged(forwards, run(in, layer * directions() + 1)) : forwards;
        output = connected(output, out, layer);
    }
    Result result{detail::locked_dropout(output, options_.output_dropout), {}};
    for (std::size_t s = 0; s < states; ++s)
        result.state[s] = finals[s]->rows(0, cells_.get().size());
    return result;
}

} // namespace unroll::nn
