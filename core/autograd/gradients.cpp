#include <unroll/core/autograd/gradients.hpp>
#include <unroll/core/autograd/shares.hpp>

#include <algorithm>

namespace unroll {

namespace {

template <class T>
class Restore {
public:
    Restore(T& place, T value) : place_(place), before_(place) { place = value; }
    ~Restore() { place_ = before_; }
    Restore(const Restore&) = delete;
    Restore& operator=(const Restore&) = delete;

private:
    T& place_;
    T before_;
};

} // namespace

// What depends on the nodes asked for: only through these must gradients flow.
template <class T>
void Tape<T>::find_needed(std::span<const NodeId> wrt, std::vector<unsigned char>& needed) const {
    for (const NodeId id : wrt)
        if (id != no_node) needed[id] = 1;
    for (NodeId id = 0; id < needed.size(); ++id) {
        const Node<T>& n = node(id);
        for (std::uint32_t i = 0; i < n.input_count && !needed[id]; ++i)
            needed[id] = n.inputs[i] != no_node && needed[n.inputs[i]];
        if (needed[id] && n.root != id) needed[n.root] = 1; // a row that was written
        if (needed[n.operation]) needed[id] = 1;
    }
}

// The scope of the backward operations of a scope: the same path below "backward".
template <class T>
std::uint32_t Tape<T>::twin(std::uint32_t scope) {
    if (scope < twins_.size() && twins_[scope] != no_scope_) return twins_[scope];
    const ScopeEntry entry = scope == 0 ? ScopeEntry{0, "backward", Scope::no_index}
                                        : ScopeEntry{twin(scopes_[scope].parent),
                                                     scopes_[scope].name, scopes_[scope].index};
    const auto id = static_cast<std::uint32_t>(scopes_.size());
    scopes_.push_back(entry);
    if (twins_.size() <= scope) twins_.resize(scope + 1, no_scope_);
    return twins_[scope] = id;
}

template <class T>
const char* Tape<T>::derivative_name_of(const char* name) {
    for (const auto& [of, derivative] : derivative_names_)
        if (of == name) return derivative;
    const std::string text = std::string("∂") + name;
    char* copy = arena_.array<char>(text.size() + 1);
    std::copy_n(text.c_str(), text.size() + 1, copy);
    derivative_names_.push_back({name, copy});
    return copy;
}

template <class T>
void Tape<T>::run_with_variables(NodeId id, bool retain) {
    Node<T>& n = node(id);
    std::vector<Variable<T>> arrived;
    bool any = false;
    if (recording_) recording_scope_ = twin(n.scope);
    derivative_name_ = recording_ ? derivative_name_of(n.op.name) : n.op.name;
    for (NodeId out = id; out < id + n.outputs; ++out) {
        arrived.push_back(shares_->arrived(node(out).root, *node(out).region));
        any = any || arrived.back().value().storage();
    }
    if (any) {
        tell([&](Monitor<T>& m) { m.before_rule(id, arrived); });
        n.rule->run(Adjoints<T>(this, {n.inputs, n.input_count}), arrived);
        tell([&](Monitor<T>& m) { m.after_rule(id); });
    }
    for (NodeId out = id; out < id + n.outputs; ++out)
        if (node(out).root == out) shares_->drop(out);
    if (!retain) use_up(n);
}

template <class T>
std::vector<Variable<T>>
Tape<T>::gradients(std::span<const Variable<T>> y, std::span<const Variable<T>> seeds,
                   std::span<const Variable<T>> wrt, GradientOptions options) {
    const Op op = Op::unplaced("gradients");
    std::vector<NodeId> from, to;
    for (std::size_t i = 0; i < y.size(); ++i) {
        if (seeds[i].shape() != y[i].shape())
            fail(op, "a seed has shape " + to_string(seeds[i].shape()) + ", its value " +
                         to_string(y[i].shape()));
        from.push_back(require(op, y[i]));
        if (from.back() == no_node) fail(op, "the value depends on no variable or parameter");
    }
    for (const Variable<T>& x : wrt) {
        const bool is_leaf = x.parameter() != nullptr;
        to.push_back(is_leaf ? leaf(*x.parameter()) : require(op, x));
        if (to.back() == no_node) fail(op, "a constant has no gradient");
        const Node<T>& n = node(to.back());
        if (n.is_view && n.rule == nullptr && !n.is_used_up)
            fail(op, "'" + std::string(n.op.name) + "' of shape " + to_string(x.shape()) +
                         " is a view, whose gradient lies in that of another value; call "
                         "Tape::retain on it before it is used");
    }
    const NodeId last = find_path(from);
    std::vector<unsigned char> needed(size_, 0);
    find_needed(to, needed);

    const bool retain = options.retain || options.create_graph;
    Shares<T> shares(std::move(needed));
    const std::vector<unsigned char> path = on_path_;
    const Restore<Shares<T>*> computing(shares_, &shares);
    const Restore<bool> recording(recording_, options.create_graph);
    const Restore<std::uint32_t> scope(recording_scope_, recording_scope_);
    twins_.clear();
    derivative_names_.clear();
    for (std::size_t i = 0; i < y.size(); ++i)
        Adjoint<T>(this, node(from[i]).root, *node(from[i]).region).add(attach(seeds[i]));

    std::vector<Variable<T>> found(wrt.size());
    for (NodeId id = last + 1; id-- > 0;) {
        if (!path[id] || !shares.is_needed(id)) continue;
        const Node<T>& n = node(id);
        for (std::size_t i = 0; i < to.size(); ++i)
            if (to[i] == id) found[i] = shares.arrived(n.root, *n.region);
        if (n.rule != nullptr) run_with_variables(id, retain);
    }
    for (std::size_t i = 0; i < wrt.size(); ++i)
        if (!found[i].value().storage()) found[i] = constant(Tensor<T>::zeros(wrt[i].shape()));
    return found;
}

template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt,
                                   const std::type_identity_t<Variable<T>>& seed,
                                   GradientOptions options) {
    Tape<T>* tape = y.tape();
    if (tape == nullptr) fail("gradients", "the value depends on no variable or parameter");
    return tape->gradients({&y, 1}, {&seed, 1}, wrt, options);
}

template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt,
                                   GradientOptions options) {
    if (y.size() != 1)
        fail("gradients",
             "from a tensor of shape " + to_string(y.shape()) + " a seed of that shape is needed");
    return gradients(y, wrt, Variable<T>(Tensor<T>::ones(y.shape())), options);
}

template <class T>
std::vector<Tensor<T>>
hessian_vector_product(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt,
                       const std::type_identity_t<std::vector<Tensor<T>>>& v) {
    if (v.size() != wrt.size())
        fail("hessian_vector_product", std::to_string(v.size()) + " tensors for " +
                                           std::to_string(wrt.size()) + " variables");
    const auto first = gradients(y, wrt, {.create_graph = true});
    std::vector<Variable<T>> recorded, seeds;
    for (std::size_t i = 0; i < first.size(); ++i) {
        if (v[i].shape() != first[i].shape())
            fail("hessian_vector_product", "v has shape " + to_string(v[i].shape()) +
                                               " for a variable of shape " +
                                               to_string(first[i].shape()));
        if (!first[i].is_recorded()) continue; // the gradient is a constant
        recorded.push_back(first[i]);
        seeds.emplace_back(v[i]);
    }
    std::vector<Tensor<T>> product;
    if (recorded.empty()) {
        for (const auto& x : wrt) product.push_back(Tensor<T>::zeros(x.shape()));
        return product;
    }
    const auto second = y.tape()->gradients(recorded, seeds, wrt, {.retain = true});
    for (const auto& g : second) product.push_back(g.value());
    return product;
}

template <class T>
Tensor<T> jacobian(const Variable<T>& y, const std::type_identity_t<Variable<T>>& x) {
    const std::size_t columns = x.size();
    Tensor<T> rows({y.size(), columns});
    Tensor<T> seed(y.shape());
    for (std::size_t i = 0; i < y.size(); ++i) {
        seed.fill(0);
        seed.data()[i] = 1;
        const auto g = gradients(y, {x}, Variable<T>(seed), {.retain = true})[0].value();
        rows.select(0, i).assign(g.reshape({columns}));
    }
    Shape shape = y.shape();
    for (const std::size_t n : x.shape()) shape.push_back(n);
    return rows.reshape(shape);
}

template <class T>
Tensor<T> hessian(const Variable<T>& y, const std::type_identity_t<Variable<T>>& x) {
    const auto g = gradients(y, {x}, {.create_graph = true})[0];
    if (g.is_recorded()) return jacobian(g, x);
    Shape shape = x.shape();
    for (const std::size_t n : x.shape()) shape.push_back(n);
    return Tensor<T>::zeros(shape);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template std::vector<Variable<T>> Tape<T>::gradients(                                          \
        std::span<const Variable<T>>, std::span<const Variable<T>>, std::span<const Variable<T>>,  \
        GradientOptions);                                                                          \
    template std::vector<Variable<T>> gradients(const Variable<T>&, const Wrt<T>&,                 \
                                                const Variable<T>&, GradientOptions);              \
    template std::vector<Variable<T>> gradients(const Variable<T>&, const Wrt<T>&,                 \
                                                GradientOptions);                                  \
    template std::vector<Tensor<T>> hessian_vector_product(const Variable<T>&, const Wrt<T>&,      \
                                                           const std::vector<Tensor<T>>&);         \
    template Tensor<T> jacobian(const Variable<T>&, const Variable<T>&);                           \
    template Tensor<T> hessian(const Variable<T>&, const Variable<T>&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
