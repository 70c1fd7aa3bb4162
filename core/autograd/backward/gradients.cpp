#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/autograd/backward/in_place.hpp>
#include <unroll/core/autograd/backward/pass.hpp>
#include <unroll/core/autograd/backward/recorded.hpp>

#include <optional>
#include <unordered_map>

namespace unroll {

template <class T>
std::vector<Variable<T>>
Tape<T>::gradients(std::span<const Variable<T>> y, std::span<const Variable<T>> seeds,
                   std::span<const Variable<T>> wrt, GradientOptions options, Op op) {
    find_starts(op, y, seeds);
    std::vector<NodeId> to;
    for (std::size_t i = 0; i < wrt.size(); ++i) {
        const Variable<T>& x = wrt[i];
        x.require_value(op);
        if (x.is_recorded()) require(op, x);
        to.push_back(id_of(x));
        if (to.back() == no_node)
            fail(op, (x.is_parameter() ? "a frozen parameter" : "a constant") +
                         (" of shape " + to_string(x.shape())) + ", number " + std::to_string(i) +
                         " of wrt, has no gradient" +
                         (x.is_parameter() ? "" : "; create it with Tape::variable"));
        const Node<T>& n = node(to.back());
        if (n.is_view && n.rule == nullptr && !n.is_used_up)
            fail(op, "'" + std::string(n.op.name) + "' of shape " + to_string(x.shape()) +
                         " is a view, whose gradient is a part of another value's; call "
                         "Tape::retain on it before it is used");
    }
    std::unordered_map<NodeId, Variable<T>> found;
    if (!m_->pass.starts.empty()) {
        std::optional<NoRecording<T>> paused;
        std::optional<Recording<T>> recording;
        std::unique_ptr<Accumulator<T>> accumulator;
        if (options.create_graph) {
            recording.emplace(*this);
            accumulator = std::make_unique<Recorded<T>>(*this);
        } else {
            paused.emplace();
            bool whole = false;
            for_monitors([&](Monitor<T>& m) { whole = whole || m.needs_whole_gradients(); });
            accumulator = std::make_unique<InPlace<T>>(*this, whole, false);
        }
        BackwardPass<T> pass(*this, *accumulator, op, to);
        pass.sweep();
        for (const auto& [node, gradient] : pass.found()) found[node] = gradient;
        if (!options.create_graph)
            for (auto& [node, gradient] : found) {
                gradient = Variable<T>(gradient.value()); // a separate handle, to mark
                gradient.body()->lost = Lost::in_gradient;
            }
        if (!options.retain && !options.create_graph) pass.use_up();
    }
    std::vector<Variable<T>> all;
    for (std::size_t i = 0; i < wrt.size(); ++i) {
        const auto at = found.find(to[i]);
        all.push_back(at != found.end() ? at->second
                                        : Variable<T>(Tensor<T>::zeros(wrt[i].shape())));
    }
    return all;
}

namespace {

// The tape that y or one of wrt is on; null if all are constants or parameters that no tape has
// recorded.
template <class T>
Tape<T>* tape_of(const Variable<T>& y, const Wrt<T>& wrt) {
    if (Tape<T>* tape = y.tape()) return tape;
    for (const auto& x : wrt)
        if (Tape<T>* tape = x.tape()) return tape;
    return Tape<T>::current();
}

template <class T>
std::size_t flat_size(const Wrt<T>& wrt) {
    std::size_t n = 0;
    for (const Variable<T>& x : wrt) n += x.size();
    return n;
}
// The n elements of all tensors, concatenated.
template <class T>
Tensor<T> flat(const std::vector<Tensor<T>>& all, std::size_t n) {
    Tensor<T> out({n});
    std::size_t begin = 0;
    for (const Tensor<T>& x : all) {
        out.slice(0, begin, begin + x.size()).assign(x.reshape({x.size()}));
        begin += x.size();
    }
    return out;
}

} // namespace

template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt,
                                   const std::type_identity_t<Variable<T>>& seed,
                                   GradientOptions options, Op op) {
    Tape<T>* tape = tape_of(y, wrt);
    if (tape == nullptr)
        fail(op, std::string("no tape recorded the value; ") + Tape<T>::how_to_record());
    return tape->gradients({&y, 1}, {&seed, 1}, wrt, options, op);
}

template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt,
                                   GradientOptions options, Op op) {
    y.require_value(op);
    if (y.size() != 1)
        fail(op,
             "from a tensor of shape " + to_string(y.shape()) + " a seed of that shape is needed");
    return gradients(y, wrt, Variable<T>(Tensor<T>::ones(y.shape())), options, op);
}

namespace {

template <class T>
void require_scalar(const Op& op, const Variable<T>& y) {
    if (y.size() != 1)
        fail(op, "second derivatives need a scalar, got shape " + to_string(y.shape()) +
                     "; reduce it, for example by sum()");
}

} // namespace

template <class T>
std::vector<Tensor<T>>
hessian_vector_product(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt,
                       const std::type_identity_t<std::vector<Tensor<T>>>& v, Where where) {
    const Op op("hessian_vector_product", where);
    require_scalar(op, y);
    if (v.size() != wrt.size())
        fail(op, std::to_string(v.size()) + " tensors for " + std::to_string(wrt.size()) +
                     " variables");
    const auto first = gradients(y, wrt, {.create_graph = true}, op);
    std::vector<Variable<T>> seeds;
    for (std::size_t i = 0; i < first.size(); ++i) {
        if (v[i].shape() != first[i].shape())
            fail(op, "v has shape " + to_string(v[i].shape()) + " for a variable of shape " +
                         to_string(first[i].shape()));
        seeds.emplace_back(v[i]);
    }
    std::vector<Tensor<T>> product;
    const auto second = tape_of(y, wrt)->gradients(first, seeds, wrt, {.retain = true}, op);
    for (const auto& g : second) product.push_back(g.value());
    return product;
}

template <class T, std::same_as<Tensor<T>> V>
Tensor<T> hessian_vector_product(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt,
                                 const V& v, Where where) {
    const std::size_t n = flat_size(wrt);
    if (v.shape() != Shape{n})
        fail(Op("hessian_vector_product", where),
             "v has shape " + to_string(v.shape()) + " for variables of " + std::to_string(n) +
                 " elements; expected [" + std::to_string(n) + "]");
    std::vector<Tensor<T>> parts;
    std::size_t begin = 0;
    for (const Variable<T>& x : wrt) {
        parts.push_back(v.slice(0, begin, begin + x.size()).reshape(x.shape()));
        begin += x.size();
    }
    return flat(hessian_vector_product(y, wrt, parts, where), n);
}

namespace {

template <class T>
Tensor<T> jacobian(const Op& op, const Variable<T>& y, const Wrt<T>& wrt) {
    const std::size_t columns = flat_size(wrt);
    Tensor<T> rows({y.size(), columns});
    for (std::size_t i = 0; i < y.size(); ++i) {
        Tensor<T> seed = Tensor<T>::zeros(y.shape());
        seed.data()[i] = 1;
        std::vector<Tensor<T>> row;
        for (const auto& g : gradients(y, wrt, Variable<T>(seed), {.retain = true}, op))
            row.push_back(g.value());
        rows.select(0, i).assign(flat(row, columns));
    }
    Shape shape = y.shape();
    shape.push_back(columns);
    return rows.reshape(shape);
}

template <class T>
Tensor<T> jacobian(const Op& op, const Variable<T>& y, const Variable<T>& x) {
    Shape shape = y.shape();
    for (const std::size_t n : x.shape()) shape.push_back(n);
    return jacobian(op, y, Wrt<T>{x}).reshape(shape);
}

} // namespace

template <class T>
Tensor<T> jacobian(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt, Where where) {
    return jacobian(Op("jacobian", where), y, wrt);
}

template <class T>
Tensor<T> jacobian(const Variable<T>& y, const std::type_identity_t<Variable<T>>& x, Where where) {
    return jacobian(Op("jacobian", where), y, x);
}

template <class T>
Tensor<T> hessian(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt, Where where) {
    const Op op("hessian", where);
    require_scalar(op, y);
    const std::size_t n = flat_size(wrt);
    Tensor<T> rows({n, n});
    std::size_t begin = 0;
    for (const Variable<T>& g : gradients(y, wrt, {.create_graph = true}, op)) {
        rows.slice(0, begin, begin + g.size()).assign(jacobian(op, g, wrt).reshape({g.size(), n}));
        begin += g.size();
    }
    return rows;
}

template <class T>
Tensor<T> hessian(const Variable<T>& y, const std::type_identity_t<Variable<T>>& x, Where where) {
    const Op op("hessian", where);
    require_scalar(op, y);
    return jacobian(op, gradients(y, {x}, {.create_graph = true}, op)[0], x);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template std::vector<Variable<T>> Tape<T>::gradients(                                          \
        std::span<const Variable<T>>, std::span<const Variable<T>>, std::span<const Variable<T>>,  \
        GradientOptions, Op);                                                                      \
    template std::vector<Variable<T>> gradients(const Variable<T>&, const Wrt<T>&,                 \
                                                const Variable<T>&, GradientOptions, Op);          \
    template std::vector<Variable<T>> gradients(const Variable<T>&, const Wrt<T>&,                 \
                                                GradientOptions, Op);                              \
    template std::vector<Tensor<T>> hessian_vector_product(const Variable<T>&, const Wrt<T>&,      \
                                                           const std::vector<Tensor<T>>&, Where);  \
    template Tensor<T> hessian_vector_product(const Variable<T>&, const Wrt<T>&, const Tensor<T>&, \
                                              Where);                                              \
    template Tensor<T> jacobian(const Variable<T>&, const Variable<T>&, Where);                    \
    template Tensor<T> jacobian(const Variable<T>&, const Wrt<T>&, Where);                         \
    template Tensor<T> hessian(const Variable<T>&, const Wrt<T>&, Where);                          \
    template Tensor<T> hessian(const Variable<T>&, const Variable<T>&, Where);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
