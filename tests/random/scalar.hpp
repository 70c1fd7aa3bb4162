#pragma once

// An independent reference, simple and slow: reverse-mode differentiation of scalars. Over Pair
// numbers, which carry a direction, its gradients carry second derivatives along it.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numbers>
#include <vector>

#include <unroll/core/tensor/shape.hpp>

namespace reference {

struct Pair {
    double v = 0, d = 0;
    Pair(double v = 0, double d = 0) : v(v), d(d) {}
};
inline Pair operator+(Pair a, Pair b) { return {a.v + b.v, a.d + b.d}; }
inline Pair operator-(Pair a, Pair b) { return {a.v - b.v, a.d - b.d}; }
inline Pair operator*(Pair a, Pair b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }
inline Pair operator/(Pair a, Pair b) { return {a.v / b.v, (a.d * b.v - a.v * b.d) / (b.v * b.v)}; }
inline Pair exp(Pair a) { return {std::exp(a.v), std::exp(a.v) * a.d}; }
inline Pair log(Pair a) { return {std::log(a.v), a.d / a.v}; }
inline Pair sqrt(Pair a) { return {std::sqrt(a.v), a.d / (2 * std::sqrt(a.v))}; }
inline Pair sin(Pair a) { return {std::sin(a.v), std::cos(a.v) * a.d}; }
inline Pair cos(Pair a) { return {std::cos(a.v), -std::sin(a.v) * a.d}; }
inline Pair erf(Pair a) {
    return {std::erf(a.v), 2 / std::sqrt(std::numbers::pi) * std::exp(-a.v * a.v) * a.d};
}
inline Pair atan(Pair a) { return {std::atan(a.v), a.d / (1 + a.v * a.v)}; }
inline double value(Pair a) { return a.v; }
inline double value(double a) { return a; }

template <class N>
struct Tape {
    struct Node {
        N value, gradient;
        std::int64_t a, b; // inputs, or -1
        N by_a, by_b;
    };
    std::vector<Node> nodes;

    void backward(std::int64_t from) {
        for (auto& node : nodes) node.gradient = N(0);
        nodes[static_cast<std::size_t>(from)].gradient = N(1);
        for (auto i = from; i >= 0; --i) {
            const Node n = nodes[static_cast<std::size_t>(i)];
            const auto add = [&](std::int64_t to, N by) {
                if (to < 0) return;
                auto& target = nodes[static_cast<std::size_t>(to)];
                target.gradient = target.gradient + n.gradient * by;
            };
            add(n.a, n.by_a);
            add(n.b, n.by_b);
        }
    }
};

// A number on a tape; id -1: a constant.
template <class N>
struct Scalar {
    Tape<N>* tape = nullptr;
    std::int64_t id = -1;
    N v = N(0);

    Scalar() = default;
    Scalar(double constant) : v(constant) {}
    Scalar(Tape<N>& tape, N value, std::int64_t a = -1, N by_a = N(0), std::int64_t b = -1,
           N by_b = N(0))
        : tape(&tape), id(static_cast<std::int64_t>(tape.nodes.size())), v(value) {
        tape.nodes.push_back({value, N(0), a, b, by_a, by_b});
    }
    double number() const { return value(v); }

    static Scalar of(Scalar x, N value, N by) {
        return x.tape ? Scalar(*x.tape, value, x.id, by) : constant(value);
    }
    static Scalar of(Scalar x, Scalar y, N value, N by_x, N by_y) {
        Tape<N>* tape = x.tape ? x.tape : y.tape;
        return tape ? Scalar(*tape, value, x.id, by_x, y.id, by_y) : constant(value);
    }
    static Scalar constant(N value) {
        Scalar s;
        s.v = value;
        return s;
    }
    friend Scalar operator+(Scalar x, Scalar y) { return of(x, y, x.v + y.v, N(1), N(1)); }
    friend Scalar operator-(Scalar x, Scalar y) { return of(x, y, x.v - y.v, N(1), N(-1)); }
    friend Scalar operator*(Scalar x, Scalar y) { return of(x, y, x.v * y.v, y.v, x.v); }
    friend Scalar operator/(Scalar x, Scalar y) {
        return of(x, y, x.v / y.v, N(1) / y.v, N(0) - x.v / (y.v * y.v));
    }
    friend Scalar operator-(Scalar x) { return Scalar(0.0) - x; }
    friend bool operator<(Scalar x, Scalar y) { return x.number() < y.number(); }
};

template <class N>
Scalar<N> exp(Scalar<N> x) {
    using std::exp;
    return Scalar<N>::of(x, exp(x.v), exp(x.v));
}
template <class N>
Scalar<N> log(Scalar<N> x) {
    using std::log;
    return Scalar<N>::of(x, log(x.v), N(1) / x.v);
}
template <class N>
Scalar<N> sqrt(Scalar<N> x) {
    using std::sqrt;
    return Scalar<N>::of(x, sqrt(x.v), N(0.5) / sqrt(x.v));
}
template <class N>
Scalar<N> sin(Scalar<N> x) {
    using std::cos, std::sin;
    return Scalar<N>::of(x, sin(x.v), cos(x.v));
}
template <class N>
Scalar<N> cos(Scalar<N> x) {
    using std::cos, std::sin;
    return Scalar<N>::of(x, cos(x.v), N(0) - sin(x.v));
}
template <class N>
Scalar<N> atan(Scalar<N> x) {
    using std::atan;
    return Scalar<N>::of(x, atan(x.v), N(1) / (N(1) + x.v * x.v));
}
template <class N>
Scalar<N> erf(Scalar<N> x) {
    using std::erf, std::exp;
    return Scalar<N>::of(x, erf(x.v), N(2 / std::sqrt(std::numbers::pi)) * exp(N(0) - x.v * x.v));
}
template <class N>
Scalar<N> sigmoid(Scalar<N> x) {
    return Scalar<N>(1) / (Scalar<N>(1) + exp(-x));
}
template <class N>
Scalar<N> tanh(Scalar<N> x) {
    return Scalar<N>(2) * sigmoid(x + x) - Scalar<N>(1);
}

using unroll::Shape;
using Index = std::vector<std::size_t>;

template <class N>
struct Array {
    Shape shape;
    std::vector<Scalar<N>> x; // row-major

    explicit Array(const Shape& shape = {}) : shape(shape), x(unroll::element_count(shape)) {}

    std::size_t offset(const Index& i) const {
        std::size_t at = 0;
        for (std::size_t a = 0; a < shape.size(); ++a) at = at * shape[a] + i[a];
        return at;
    }
    Scalar<N>& operator()(const Index& i) { return x[offset(i)]; }
    const Scalar<N>& operator()(const Index& i) const { return x[offset(i)]; }
    // The element at index i of the broadcast shape.
    const Scalar<N>& broadcast(const Index& i) const {
        Index own(shape.size());
        for (std::size_t a = 0; a < own.size(); ++a)
            own[a] = shape[a] == 1 ? 0 : i[i.size() - shape.size() + a];
        return (*this)(own);
    }
};

template <class F>
void for_each(const Shape& shape, const F& f) {
    Index i(shape.size(), 0);
    for (std::size_t n = unroll::element_count(shape); n > 0; --n) {
        f(static_cast<const Index&>(i));
        for (std::size_t a = shape.size(); a-- > 0;) {
            if (++i[a] < shape[a]) break;
            i[a] = 0;
        }
    }
}

template <class N, class F>
Array<N> map(const Array<N>& a, const F& f) {
    Array<N> out(a.shape);
    for (std::size_t k = 0; k < a.x.size(); ++k) out.x[k] = f(a.x[k]);
    return out;
}
template <class N, class F>
Array<N> map(const Array<N>& a, const Array<N>& b, const Shape& shape, const F& f) {
    Array<N> out(shape);
    for_each(shape, [&](const Index& i) { out(i) = f(a.broadcast(i), b.broadcast(i)); });
    return out;
}
// out(i) = x(where(i))
template <class N, class F>
Array<N> rearranged(const Array<N>& x, const Shape& shape, const F& where) {
    Array<N> out(shape);
    for_each(shape, [&](const Index& i) { out(i) = x(where(i)); });
    return out;
}

} // namespace reference
