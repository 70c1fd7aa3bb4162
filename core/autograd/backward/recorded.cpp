#include <unroll/core/autograd/backward/pass.hpp>
#include <unroll/core/autograd/backward/recorded.hpp>

#include <algorithm>

namespace unroll {

template <class T>
bool Recorded<T>::needs(NodeId id) const {
    return (this->tape_.m_->flags[id] & BackwardPass<T>::needed) != 0;
}

template <class T>
Recorded<T>::Recorded(Tape<T>& tape)
    : Accumulator<T>(tape), outer_run_(detail::rule_run), outer_tape_(detail::rule_tape),
      outer_scope_(tape.recording_scope_) {
    this->is_recording_ = true;
    tape.m_->twins.clear();
    ++tape.m_->recorded_passes;
}

template <class T>
Recorded<T>::~Recorded() {
    detail::rule_run = outer_run_;
    detail::rule_tape = outer_tape_;
    this->tape_.recording_scope_ = outer_scope_;
}

template <class T>
void Recorded<T>::begin_rule(NodeId id, std::span<const Variable<T>> gradients) {
    static std::atomic<std::uint32_t> runs{0};
    Accumulator<T>::begin_rule(id, gradients);
    const Node<T>& n = *this->running_;
    derivative_name_ = name_of_derivative(n.op.name);
    this->tape_.recording_scope_ = this->tape_.twin(n.scope);
    read_.clear();
    if (is_once()) {
        for (const auto& g : gradients)
            if (g.is_recorded()) read_.push_back(g);
        for (const auto& x : n.rule->kept())
            if (x.node != no_node) read_.push_back(x.variable);
        // Captured tensors may depend on any input.
        for (std::uint32_t i = 0; i < n.input_count; ++i)
            if (const NodeId in = n.inputs[i]; in != no_node && !this->tape_.overwritten(in, in))
                read_.push_back(this->tape_.handle(Tensor<T>(), in));
    }
    detail::rule_tape = this->tape_.m_->slot;
    detail::rule_run = 0;
    while (detail::rule_run == 0 && !is_once()) detail::rule_run = ++runs;
}

template <class T>
void Recorded<T>::end_rule() {
    Accumulator<T>::end_rule();
    detail::rule_run = outer_run_;
    detail::rule_tape = outer_tape_;
}

template <class T>
const char* Recorded<T>::name_of_derivative(const char* name) {
    for (const auto& [of, derivative] : derivative_names_)
        if (of == name) return derivative;
    const char* const derivative = this->tape_.copy(std::string("∂") + name);
    derivative_names_.push_back({name, derivative});
    return derivative;
}

template <class T>
Variable<T> Recorded<T>::checked(const Variable<T>& x) const {
    if (this->running_ == nullptr) return x;
    if (is_once()) {
        std::vector<const Variable<T>*> inputs;
        for (const auto& v : read_) inputs.push_back(&v);
        return record<T>(Op::unplaced(derivative_name_), std::span(inputs), x.value().copy(),
                         unroll::save_for_backward(),
                         [op = this->operation()](const Adjoints<T>&, const Variable<T>&) {
                             fail(op, "its rule is marked by once(), so its gradient cannot be "
                                      "differentiated");
                         });
    }
    if (x.body() != nullptr && x.body()->rule_run == detail::rule_run)
        this->refuse("turns a plain tensor into a gradient that is being recorded, whose "
                     "derivatives would be lost. Compute with the variables that the rule "
                     "receives; wrap what does not depend on the operation's inputs in "
                     "constant(); or mark the rule by once() if its gradient need not be "
                     "differentiated");
    return x;
}

template <class T>
void Recorded<T>::keep(NodeId id, const StridedView& part, Variable<T> x) {
    Root& root = roots_[id];
    root.size = this->tape_.node(id).view.size();
    const auto [low, high] = extent(part);
    if ((high - low) * 8 > root.size) {
        root.wide.push_back({part, std::move(x)});
        return;
    }
    root.longest = std::max(root.longest, high - low);
    root.parts.insert({low, {part, std::move(x)}});
}

template <class T>
void Recorded<T>::add(NodeId root, const StridedView& part, const Variable<T>& x, T scale) {
    const Variable<T> added = checked(x);
    const bool fits = scale == T(1) && added.shape() == part.shape();
    keep(root, part,
         fits ? added : sum_to(Op::unplaced(derivative_name_), added, part.shape(), scale));
}

template <class T>
void Recorded<T>::add_product(NodeId root, const StridedView& part, const Variable<T>& a,
                              const Variable<T>& b, T scale) {
    const bool plain = scale == T(1) && a.dimension() == 2 && b.dimension() == 2 && !is_once();
    const bool whole = plain && this->is_matrix_leaf(root, part, false);
    if (whole || (plain && this->is_matrix_leaf(root, part, true))) {
        checked(a), checked(b);
        roots_[root].products.push_back(whole ? Factors{a, b}
                                              : Factors{transposed(b), transposed(a)});
        return;
    }
    const Op op = Op::unplaced(derivative_name_);
    // A transposed part receives the transposed product, so that rows are added to rows.
    if (plain && part.shape().size() == 2 && part.strides()[0] < part.strides()[1]) {
        const StridedView rows{part.offset, Shape{part.shape()[1], part.shape()[0]},
                               Strides{part.strides()[1], part.strides()[0]}};
        return add(root, rows, product(op, transposed(b), transposed(a)), T(1));
    }
    add(root, part, product(op, a, b, scale), T(1));
}

template <class T>
void Recorded<T>::scatter_rows(NodeId root, const StridedView& part, const Indices& rows,
                               const Variable<T>& x) {
    keep(root, part,
         unroll::scatter_rows(Op::unplaced(derivative_name_), checked(x), rows, part.shape()));
}

template <class T>
void Recorded<T>::scatter_elements(NodeId root, const StridedView& part, const Indices& elements,
                                   const Variable<T>& x) {
    const Variable<T> all = unroll::scatter_rows(Op::unplaced(derivative_name_), checked(x),
                                                 elements, Shape{part.size()});
    keep(root, part, record_view(Op::unplaced("reshape"), all, all.value().reshape(part.shape())));
}

template <class T>
OutputOperand<T> Recorded<T>::open(NodeId, const StridedView&) {
    this->refuse("writes into a gradient that is being recorded; where is_recording() is true it "
                 "must add variables");
}

template <class T>
Variable<T> Recorded<T>::joined(std::span<const Factors> products) {
    if (products.size() == 1) return product(Op::unplaced("product"), products[0].a, products[0].b);
    const std::size_t m = products[0].a.shape(0), n = products[0].b.shape(1);
    std::size_t inner = 0;
    for (const Factors& p : products) inner += p.a.shape(1);
    // The left factors are usually transposed, so their columns are contiguous.
    std::vector<Part<T>> left, right;
    std::size_t at = 0;
    for (const Factors& p : products) {
        const std::size_t k = p.b.shape(0);
        left.push_back({{at * m, LayoutRef(Shape{k, m})}, transposed(p.a)});
        right.push_back({{at * n, LayoutRef(Shape{k, n})}, p.b});
        at += k;
    }
    const Op op = Op::unplaced("join");
    const auto a = assemble(op, std::span<const Part<T>>(left), StridedView::whole({inner, m}));
    const auto b = assemble(op, std::span<const Part<T>>(right), StridedView::whole({inner, n}));
    return product(Op::unplaced("product"), transposed(a), b);
}

template <class T>
Variable<T> Recorded<T>::arrived(NodeId id, bool) {
    const Node<T>& n = this->tape_.node(id);
    this->tape_.recording_scope_ = this->tape_.twin(n.scope);
    const StridedView part = n.view;
    const NodeId owner = n.root;
    const auto found = roots_.find(owner);
    if (found == roots_.end()) return {};
    Root& root = found->second;
    if (!root.products.empty()) {
        const Variable<T> sum = joined(root.products);
        root.products.clear();
        keep(owner, StridedView::whole(sum.shape()), sum);
    }
    const auto [low, high] = extent(part);
    const auto begin = root.parts.lower_bound(low - std::min(low, root.longest));
    const auto end = root.parts.lower_bound(high);
    if (begin == end && root.wide.empty()) return {};
    std::vector<Part<T>> near = root.wide;
    for (auto p = begin; p != end; ++p) near.push_back(p->second);
    const Op op = Op::unplaced(near.size() > 1 ? "sum of gradients" : "gradient of a part");
    const Variable<T> sum = assemble(op, std::span<const Part<T>>(near), part);
    if (high - low != part.size()) return sum;
    // Cache the sum: later requests for the same part reuse it.
    const auto is_in = [&](const Part<T>& p) { return is_within(p.view, part); };
    std::erase_if(root.wide, is_in);
    for (auto p = begin; p != end;) p = is_in(p->second) ? root.parts.erase(p) : std::next(p);
    keep(owner, part, sum);
    return sum;
}

template class Recorded<float>;
template class Recorded<double>;

} // namespace unroll
