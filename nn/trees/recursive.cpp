#include <unroll/nn/initialize.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/trees/recursive.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/reduce.hpp>

#include <cmath>
#include <limits>

namespace unroll::nn {

using Level = TreeBatch::Level;

namespace {

// Pre-activations of the nodes: the contribution of the inputs, one product for the whole batch,
// plus that of the children, one product per level, accumulated in place.
template <class T>
class Sums {
public:
    // `width`: that of the sums; `inputs` may have another width.
    Sums(const RecursiveOptions& options, const TreeBatch& trees, Variable<T> inputs,
         Variable<T> bias, std::size_t width)
        : at_leaves_(options.inputs_at_leaves), inputs_(std::move(inputs)), bias_(std::move(bias)),
          width_(width),
          sums_(inputs_, {at_leaves_ ? trees.size() - trees.leaves().size() : 0, width}) {}

    Variable<T> of_leaves(const Level& level) const {
        const std::size_t begin = at_leaves_ ? level.leaves_before : level.leaves;
        return slice(inputs_, 0, begin, begin + level.end - level.leaves);
    }
    // + x W^T, for the inner nodes.
    Variable<T> with(const Level& level, const Variable<T>& x, const Parameter<T>& weight) const {
        if (at_leaves_)
            return linear(x, weight, bias_,
                          sums_.part(level.inner_before, level.inner_before + level.inner()));
        return add_linear(inputs_of_inner(level, 0, width_), x, weight);
    }
    Variable<T> inputs_of_inner(const Level& level, std::size_t begin, std::size_t end) const {
        const Variable<T> rows = slice(inputs_, 0, level.begin, level.leaves);
        return end - begin == rows.shape(1) ? rows : slice(rows, 1, begin, end);
    }

private:
    bool at_leaves_;
    Variable<T> inputs_, bias_;
    std::size_t width_;
    Buffer<T> sums_;
};

// The concatenated children of every inner node, [inner, arity width]; zeros for missing children.
template <class T>
class SideBySide {
public:
    SideBySide(const RecursiveOptions& options, const TreeBatch& trees, const Variable<T>& like)
        : arity_(options.arity),
          rows_(like, {(trees.size() - trees.leaves().size()) * arity_, options.hidden}) {}

    Variable<T> operator()(const Level& level, const Level& below, const Variable<T>& rows) const {
        Indices slots(Shape{below.size()});
        const auto arity = static_cast<std::int64_t>(arity_);
        for (std::size_t i = 0; i < below.size(); ++i)
            slots.data()[i] = below.parents.data()[i] * arity + below.numbers.data()[i];
        const std::size_t begin = level.inner_before * arity_, count = level.inner() * arity_;
        const auto all =
            scatter_add(rows, slots, count, "children", rows_.part(begin, begin + count));
        return reshape(all, Shape{level.inner(), arity_ * rows.shape(1)});
    }

private:
    std::size_t arity_;
    Buffer<T> rows_;
};

// Gates i, o, u are the first blocks of the pre-activations.
template <class T>
Variable<T> gate(const Variable<T>& sums, std::size_t i, std::size_t hidden) {
    return slice(sums, 1, i * hidden, (i + 1) * hidden);
}

template <class T>
void leaf_lstm(const std::array<OutputSlot<T>, 2>& slots, const Variable<T>& sums,
               std::size_t hidden) {
    fuse_into(slots, "tree_lstm",
              named("i o u -> h c",
                    [](auto i, auto o, auto u) {
                        const auto c = sigmoid(i) * tanh(u);
                        return outputs(sigmoid(o) * tanh(c), c);
                    }),
              gate(sums, 0, hidden), gate(sums, 1, hidden), gate(sums, 2, hidden));
}

// `kept`: the sum of the children's c, weighted by the forget gates.
template <class T>
void inner_lstm(const std::array<OutputSlot<T>, 2>& slots, const Variable<T>& sums,
                const Variable<T>& kept, std::size_t hidden) {
    fuse_into(slots, "tree_lstm",
              named("i o u fc -> h c",
                    [](auto i, auto o, auto u, auto kept) {
                        const auto c = sigmoid(i) * tanh(u) + kept;
                        return outputs(sigmoid(o) * tanh(c), c);
                    }),
              gate(sums, 0, hidden), gate(sums, 1, hidden), gate(sums, 2, hidden), kept);
}

template <class T>
Variable<T> forget(const Variable<T>& f, const Variable<T>& c) {
    return fuse("tree_lstm", named("f c -> fc", [](auto f, auto c) { return sigmoid(f) * c; }), f,
                c);
}

} // namespace

template <class T>
RecursiveParameters<T>::RecursiveParameters(const Op& cell, const RecursiveOptions& options,
                                            std::size_t gates_of_leaves, std::size_t gates,
                                            std::size_t rows, std::size_t columns)
    : options(options) {
    require_sizes(cell,
                  {{"input", options.input}, {"hidden", options.hidden}, {"arity", options.arity}});
    const std::size_t H = options.hidden;
    weight_ih = fresh("weight_ih",
                      {(options.inputs_at_leaves ? gates_of_leaves : gates) * H, options.input});
    weight_hh = fresh("weight_hh", {rows * H, columns * H});
    bias = fresh("bias", {gates * H});
}

template <class T>
Parameter<T> RecursiveParameters<T>::fresh(const char* name, const Shape& shape) const {
    const double bound = 1 / std::sqrt(static_cast<double>(options.hidden));
    return Parameter<T>(name, uniform<T>(shape, bound, next_stream()));
}

template <class T>
void RecursiveParameters<T>::members(Members<T>& m) {
    m("weight_ih", weight_ih)("weight_hh", weight_hh)("bias", bias);
}

template <class T>
class RecursiveCell<T>::Pass {
public:
    Pass(const RecursiveCell& cell, const TreeBatch& trees, const Variable<T>& x)
        : cell_(cell), sums_(cell.options, trees, linear(x, cell.weight_ih, cell.bias), cell.bias,
                             cell.options.hidden),
          side_by_side_(cell.options, trees, x) {
        if (!cell.weight_tensor) return;
        const std::size_t width = cell.options.arity * cell.options.hidden;
        tensor_ = reshape(*cell.weight_tensor, Shape{cell.options.hidden * width, width});
    }

    void leaves(const Level& level, const std::array<OutputSlot<T>, 1>& slots) const {
        activate(slots[0], sums_.of_leaves(level));
    }
    void inner(const Level& level, const Level& below, const State<T, 1>& children,
               const std::array<OutputSlot<T>, 1>& slots) const {
        const Variable<T> p = side_by_side_(level, below, children[0]);
        const Variable<T> sums = sums_.with(level, p, cell_.weight_hh);
        if (!cell_.weight_tensor) return activate(slots[0], sums);
        const std::size_t width = p.shape(1);
        const auto vp =
            reshape(linear(p, tensor_), Shape{level.inner(), cell_.options.hidden, width});
        const auto pvp =
            sum(fuse(
                    "tensor", [](auto vp, auto p) { return vp * p; }, vp, expand_dims(p, 1)),
                {-1});
        fuse_into(slots[0], "recursive",
                  named("a pVp -> h", [](auto a, auto b) { return tanh(a + b); }), sums, pvp);
    }

private:
    static void activate(const OutputSlot<T>& slot, const Variable<T>& sums) {
        fuse_into(slot, "recursive", named("a -> h", [](auto a) { return tanh(a); }), sums);
    }

    const RecursiveCell& cell_;
    Sums<T> sums_;
    SideBySide<T> side_by_side_;
    Variable<T> tensor_;
};

template <class T>
RecursiveCell<T>::RecursiveCell(const RecursiveOptions& options, Where where)
    : RecursiveCell(Op(name, where), options) {}

template <class T>
RecursiveCell<T>::RecursiveCell(const Op& cell, const RecursiveOptions& options)
    : RecursiveParameters<T>(cell, options, 1, 1, 1, options.arity) {}

template <class T>
void RecursiveCell<T>::members(Members<T>& m) {
    RecursiveParameters<T>::members(m);
    if (weight_tensor) m("weight_tensor", *weight_tensor);
}

template <class T>
std::pair<std::size_t, std::size_t> RecursiveCell<T>::arity() const {
    return {this->options.arity, this->options.arity};
}

template <class T>
TensorCell<T>::TensorCell(const RecursiveOptions& options, Where where)
    : RecursiveCell<T>(Op(name, where), options) {
    const std::size_t width = options.arity * options.hidden;
    // p^T V p has width^2 terms: scaled so that their sum is comparable to that of U p.
    this->weight_tensor.emplace(
        "weight_tensor",
        uniform<T>({options.hidden, width, width}, 1 / static_cast<double>(width), next_stream()));
}

template <class T>
class ChildSumCell<T>::Pass {
public:
    Pass(const ChildSumCell& cell, const TreeBatch& trees, const Variable<T>& x)
        : cell_(cell), hidden_(cell.options.hidden), bias_(cell.bias),
          sums_(cell.options, trees,
                linear(x, cell.weight_ih, cell.options.inputs_at_leaves ? bias_iou() : bias_),
                bias_iou(), 3 * hidden_),
          summed_(x, {trees.size() - trees.leaves().size(), hidden_}),
          forget_(x, {trees.size(), hidden_}) {
        if (cell.options.inputs_at_leaves) bias_f_ = slice(bias_, 0, 3 * hidden_, 4 * hidden_);
    }

    void leaves(const Level& level, const std::array<OutputSlot<T>, 2>& slots) const {
        leaf_lstm(slots, sums_.of_leaves(level), hidden_);
    }
    void inner(const Level& level, const Level& below, const State<T, 2>& children,
               const std::array<OutputSlot<T>, 2>& slots) const {
        const auto& [h, c] = children;
        const std::size_t before = level.inner_before, inner = level.inner();
        // Gates first: the sums overwrite their input.
        const Variable<T> kept = scatter_add(forget(forget_gates(level, below, h), c),
                                             below.parents, inner, "sum_children");
        const Variable<T> summed = scatter_add(h, below.parents, inner, "sum_children",
                                               summed_.part(before, before + inner));
        const Variable<T> sums = sums_.with(level, summed, cell_.weight_hh);
        inner_lstm(slots, sums, kept, hidden_);
    }

private:
    Variable<T> bias_iou() const { return slice(bias_, 0, 0, 3 * hidden_); }
    // A child's forget gate reads the child's h and the parent's input.
    Variable<T> forget_gates(const Level& level, const Level& below, const Variable<T>& h) const {
        const OutputSlot<T> slot = forget_.part(below.begin, below.end);
        if (cell_.options.inputs_at_leaves) return linear(h, cell_.weight_hf, bias_f_, slot);
        const Variable<T> of_parents = sums_.inputs_of_inner(level, 3 * hidden_, 4 * hidden_);
        return add_linear(take(of_parents, below.parents, "parents", slot), h, cell_.weight_hf);
    }

    const ChildSumCell& cell_;
    std::size_t hidden_;
    Variable<T> bias_, bias_f_;
    Sums<T> sums_;
    Buffer<T> summed_, forget_;
};

template <class T>
ChildSumCell<T>::ChildSumCell(const RecursiveOptions& options, Where where)
    : RecursiveParameters<T>(Op(name, where), options, 3, 4, 3, 1),
      weight_hf(this->fresh("weight_hf", {options.hidden, options.hidden})) {}

template <class T>
void ChildSumCell<T>::members(Members<T>& m) {
    RecursiveParameters<T>::members(m);
    m("weight_hf", weight_hf);
}

template <class T>
std::pair<std::size_t, std::size_t> ChildSumCell<T>::arity() const {
    return {1, std::numeric_limits<std::size_t>::max()};
}

template <class T>
class NaryCell<T>::Pass {
public:
    Pass(const NaryCell& cell, const TreeBatch& trees, const Variable<T>& x)
        : cell_(cell), arity_(cell.options.arity), hidden_(cell.options.hidden),
          bias_(with_forget_gates(cell.bias)),
          sums_(cell.options, trees, inputs(x), bias_, (3 + arity_) * hidden_),
          h_(cell.options, trees, x), c_(cell.options, trees, x) {}

    void leaves(const Level& level, const std::array<OutputSlot<T>, 2>& slots) const {
        leaf_lstm(slots, sums_.of_leaves(level), hidden_);
    }
    void inner(const Level& level, const Level& below, const State<T, 2>& children,
               const std::array<OutputSlot<T>, 2>& slots) const {
        const Variable<T> sums = sums_.with(level, h_(level, below, children[0]), cell_.weight_hh);
        const Variable<T> c = c_(level, below, children[1]);
        // From the last child to the first, so that the backward pass fills gradient rows in order.
        const std::size_t last = arity_ - 1;
        Variable<T> kept = forget(gate(sums, 3 + last, hidden_), gate(c, last, hidden_));
        for (std::size_t k = last; k-- > 0;)
            kept = fuse("tree_lstm",
                        named("f c kept -> fc",
                              [](auto f, auto c, auto kept) { return sigmoid(f) * c + kept; }),
                        gate(sums, 3 + k, hidden_), gate(c, k, hidden_), kept);
        inner_lstm(slots, sums, kept, hidden_);
    }

private:
    Variable<T> inputs(const Variable<T>& x) const {
        if (cell_.options.inputs_at_leaves)
            return linear(x, cell_.weight_ih, slice(bias_, 0, 0, 3 * hidden_));
        return linear(x, with_forget_gates(cell_.weight_ih), bias_);
    }
    // W_f and b_f are shared by all children; repeats them for each child.
    Variable<T> with_forget_gates(const Variable<T>& rows) const {
        std::vector<Variable<T>> all{rows};
        for (std::size_t k = 1; k < arity_; ++k)
            all.push_back(slice(rows, 0, 3 * hidden_, 4 * hidden_));
        return concatenate(all);
    }

    const NaryCell& cell_;
    std::size_t arity_, hidden_;
    Variable<T> bias_;
    Sums<T> sums_;
    SideBySide<T> h_, c_;
};

template <class T>
NaryCell<T>::NaryCell(const RecursiveOptions& options, Where where)
    : RecursiveParameters<T>(Op(name, where), options, 3, 4, 3 + options.arity, options.arity) {}

template <class T>
std::pair<std::size_t, std::size_t> NaryCell<T>::arity() const {
    return {1, this->options.arity};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct RecursiveParameters<T>;                                                        \
    template struct RecursiveCell<T>;                                                              \
    template struct TensorCell<T>;                                                                 \
    template struct ChildSumCell<T>;                                                               \
    template struct NaryCell<T>;                                                                   \
    template class Upward<RecursiveCell<T>>;                                                       \
    template class Upward<TensorCell<T>>;                                                          \
    template class Upward<ChildSumCell<T>>;                                                        \
    template class Upward<NaryCell<T>>;                                                            \
    template class Downward<RnnCell<T>>;                                                           \
    template class Downward<LstmCell<T>>;                                                          \
    template class Downward<GruCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
