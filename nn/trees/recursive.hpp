#pragma once

#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/nn/recurrent/rnn.hpp>
#include <unroll/nn/trees/tree.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/views.hpp>

#include <optional>
#include <vector>

namespace unroll::nn {

// A recursive network applies one function of a node's input and of its children's states at every
// node. Cells process a level of a TreeBatch at a time: one product for all nodes of a level, over
// all trees, and one for the inputs of all levels. See docs/trees.md.
//
// h of width `hidden`; x_j the input of node j, h_1 ... h_N the states of its children:
//   Recursive      h = tanh(W x + b + U [h_1 ... h_N])                         (Socher et al. 2011)
//   Tensor         h = tanh(W x + b + U p + p^T V p), p = [h_1 ... h_N]        (Socher et al. 2013)
//   Child-sum      i, o, u from W x + b + U sum_k h_k, f_k from W_f x + b_f + U_f h_k
//   N-ary          i, o, u, f_k from W x + b + U [h_1 ... h_N], each gate with its own U
//                  c = sigmoid(i) tanh(u) + sum_k sigmoid(f_k) c_k,
//                  h = sigmoid(o) tanh(c)                                      (Tai et al. 2015)
struct RecursiveOptions {
    std::size_t input = 0;
    std::size_t hidden = 0;
    // Number of children of an inner node; for an N-ary Tree-LSTM the maximum (missing children
    // count as zeros); not used by child-sum cells, which allow any number.
    std::size_t arity = 2;
    bool inputs_at_leaves = false; // only leaves have an x; otherwise all nodes
};

// Parameters of the cells, initialised uniformly within 1 / sqrt(hidden). For G gates: weight_ih [G
// hidden, input], bias [G hidden]. If only leaves have inputs, weight_ih has no rows for the gates
// f.
template <class T = float>
struct RecursiveParameters {
    RecursiveOptions options;
    Parameter<T> weight_ih, weight_hh, bias;

    // `cell`: its name, and the line that constructs it. Throws Error for a width or an arity of 0.
    RecursiveParameters(const Op& cell, const RecursiveOptions& options,
                        std::size_t gates_of_leaves, std::size_t gates, std::size_t rows,
                        std::size_t columns);
    void members(Members<T>& m);

protected:
    Parameter<T> fresh(const char* name, const Shape& shape) const;
};

// U: weight_hh [hidden, arity hidden]. arity(): the minimum and maximum number of children of an
// inner node.
template <class T = float>
struct RecursiveCell : RecursiveParameters<T> {
    using value_type = T;
    static constexpr std::size_t states = 1;
    static constexpr const char* name = "Recursive";
    class Pass;

    explicit RecursiveCell(const RecursiveOptions& options, Where where = Where::current());
    void members(Members<T>& m);
    std::pair<std::size_t, std::size_t> arity() const;

    std::optional<Parameter<T>> weight_tensor; // only in TensorCell

protected:
    RecursiveCell(const Op& cell, const RecursiveOptions& options);
};

// V: weight_tensor [hidden, arity hidden, arity hidden].
template <class T = float>
struct TensorCell : RecursiveCell<T> {
    static constexpr const char* name = "Rntn";
    explicit TensorCell(const RecursiveOptions& options, Where where = Where::current());
};

// U: weight_hh [3 hidden, hidden], gates i, o, u; U_f: weight_hf [hidden, hidden].
template <class T = float>
struct ChildSumCell : RecursiveParameters<T> {
    using value_type = T;
    static constexpr std::size_t states = 2; // h, c
    static constexpr const char* name = "ChildSumTreeLstm";
    class Pass;

    explicit ChildSumCell(const RecursiveOptions& options, Where where = Where::current());
    void members(Members<T>& m);
    std::pair<std::size_t, std::size_t> arity() const;

    Parameter<T> weight_hf;
};

// U: weight_hh [(3 + arity) hidden, arity hidden], gates i, o, u, f_1 ... f_N.
template <class T = float>
struct NaryCell : RecursiveParameters<T> {
    using value_type = T;
    static constexpr std::size_t states = 2; // h, c
    static constexpr const char* name = "NaryTreeLstm";
    class Pass;

    explicit NaryCell(const RecursiveOptions& options, Where where = Where::current());
    std::pair<std::size_t, std::size_t> arity() const;
};

// From the leaves to the roots.
//   auto [h, c] = tree_lstm(trees, x);
template <class Cell>
class Upward {
public:
    using value_type = typename Cell::value_type;
    using T = value_type;
    using States = State<T, Cell::states>;

    explicit Upward(const RecursiveOptions& options, Where where = Where::current())
        : cell_(detail::construct<Cell>(where, options)) {}

    // x: one row per node, in the order of trees.nodes(), or of trees.leaves() if only leaves have
    // inputs. Returns the states of trees.nodes(), [nodes, hidden]. Throws Error if the shape of x
    // does not match, and for a node with a number of children that the cell does not support.
    States operator()(const TreeBatch& trees, const Variable<T>& x,
                      Where caller = Where::current()) const;

    const RecursiveOptions& options() const { return cell_.options; }
    Cell& cell() { return cell_; }
    void members(Members<T>& m) { m(module_name_)("", cell_); }

private:
    Cell cell_;
    ModuleName module_name_{Cell::name};
};

template <class T = float>
using Recursive = Upward<RecursiveCell<T>>;
template <class T = float>
using Rntn = Upward<TensorCell<T>>;
template <class T = float>
using ChildSumTreeLstm = Upward<ChildSumCell<T>>;
template <class T = float>
using NaryTreeLstm = Upward<NaryCell<T>>;

// From the roots to the leaves: a recurrent cell (recurrent/cell.hpp) in which the previous step of
// a node is its parent; the state before a root is zeros.
template <Cell C>
class Downward {
public:
    using value_type = cell_scalar<C>;
    using T = value_type;

    Downward(std::size_t input, std::size_t hidden, const cell_options<C>& options = {},
             Where where = Where::current())
        : cell_(detail::make_cell<C>(input, hidden, options, where)), input_(input),
          widths_(detail::widths(cell_, hidden)) {}

    // x: the inputs of trees.nodes(), [nodes, input]. Returns their h. Throws Error if the shape of
    // x does not match.
    Variable<T> operator()(const TreeBatch& trees, const Variable<T>& x,
                           Where caller = Where::current()) const;

    C& cell() { return cell_; }
    void members(Members<T>& m) {
        m(module_name_);
        if constexpr (requires(C & cell) { cell.members(m); }) m("", cell_);
    }

private:
    C cell_;
    std::size_t input_;
    std::array<std::size_t, cell_states<C>()> widths_;
    ModuleName module_name_{cell_name<C>()};
};

// ---- implementation ----

template <class Cell>
typename Upward<Cell>::States Upward<Cell>::operator()(const TreeBatch& trees, const Variable<T>& x,
                                                       Where caller) const {
    const Scope scope(module_name_, caller);
    const auto [least, most] = cell_.arity();
    trees.check_arity(Cell::name, least, most);
    const RecursiveOptions& o = cell_.options;
    const Shape expected{o.inputs_at_leaves ? trees.leaves().size() : trees.size(), o.input};
    if (x.shape() != expected)
        fail(Cell::name, "x has shape " + to_string(x.shape()) + ", expected " +
                             to_string(expected) + " for the " +
                             (o.inputs_at_leaves ? "leaves" : "nodes"));
    typename Cell::Pass pass(cell_, trees, x);
    std::vector<Buffer<T>> buffers;
    for (std::size_t s = 0; s < Cell::states; ++s)
        buffers.emplace_back(x, Shape{trees.size(), o.hidden});
    const auto rows = [&](std::size_t begin, std::size_t end) {
        States states;
        for (std::size_t s = 0; s < Cell::states; ++s) states[s] = buffers[s].rows(begin, end);
        return states;
    };
    const auto slots = [&](std::size_t begin, std::size_t end) {
        std::array<OutputSlot<T>, Cell::states> all;
        for (std::size_t s = 0; s < Cell::states; ++s) all[s] = buffers[s].part(begin, end);
        return all;
    };
    for (std::size_t depth = trees.levels().size(); depth-- > 0;) {
        const Scope step("t", static_cast<std::int64_t>(depth));
        const TreeBatch::Level& level = trees.levels()[depth];
        if (level.leaves < level.end) pass.leaves(level, slots(level.leaves, level.end));
        if (level.inner() == 0) continue;
        const TreeBatch::Level& below = trees.levels()[depth + 1];
        pass.inner(level, below, rows(below.begin, below.end), slots(level.begin, level.leaves));
    }
    return rows(0, trees.size());
}

template <Cell C>
Variable<cell_scalar<C>> Downward<C>::operator()(const TreeBatch& trees, const Variable<T>& x,
                                                 Where caller) const {
    const Scope scope(module_name_, caller);
    const detail::LayerRuns runs;
    if (x.shape() != Shape{trees.size(), input_})
        fail(std::string(cell_name<C>()).c_str(),
             "x has shape " + to_string(x.shape()) + ", expected " +
                 to_string(Shape{trees.size(), input_}) + " for the nodes");
    Variable<T> projected;
    cell_state<C> state;
    if (trees.size() > 0) {
        projected = cell_.project(x);
        for (std::size_t s = 0; s < state.size(); ++s)
            state[s] = Tensor<T>::zeros({trees.roots().size(), widths_[s]});
    }
    const Buffer<T> output(projected, {trees.size(), widths_[0]});
    const Buffer<T> before(projected, {trees.size(), widths_[0]}); // the parents' h
    for (std::size_t depth = 0; depth < trees.levels().size(); ++depth) {
        const Scope step("t", static_cast<std::int64_t>(depth));
        const TreeBatch::Level& level = trees.levels()[depth];
        for (std::size_t s = 0; s < state.size() && depth > 0; ++s)
            state[s] = take(state[s], level.parents, "take",
                            s == 0 ? before.part(level.begin, level.end) : OutputSlot<T>());
        StepContext<T> context;
        state = detail::step_into(output, output.part(level.begin, level.end), cell_,
                                  slice(projected, 0, level.begin, level.end), state, context);
    }
    return output.rows(0, trees.size());
}

#define UNROLL_DECLARE(T)                                                                          \
    extern template class Upward<RecursiveCell<T>>;                                                \
    extern template class Upward<TensorCell<T>>;                                                   \
    extern template class Upward<ChildSumCell<T>>;                                                 \
    extern template class Upward<NaryCell<T>>;                                                     \
    extern template class Downward<RnnCell<T>>;                                                    \
    extern template class Downward<LstmCell<T>>;                                                   \
    extern template class Downward<GruCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
