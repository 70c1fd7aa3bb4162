#pragma once

#include <unroll/ops/index.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/linalg/einsum.hpp>
#include <unroll/ops/linalg/solve.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/order/cumulative.hpp>
#include <unroll/ops/order/sort.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/rearrange/diagonal.hpp>
#include <unroll/ops/rearrange/repeat.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/statistics/norms.hpp>
#include <unroll/ops/statistics/statistics.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

// Operations under xtensor's names and with its arguments, so that a function written for xtensor's
// arrays runs on variables: include <unroll/xt.hpp> and write
//   namespace xt = unroll::xt;
// In a file that also includes xtensor, put the alias inside your own namespace or a function,
// without `using namespace unroll` at the top. See docs/xtensor.md.
namespace unroll::xt {

// The argument and return types of functions on arrays.
template <class T>
using xarray = Variable<T>;
template <class T, std::size_t>
using xtensor = Variable<T>;

// Operations are not lazy: there is nothing to evaluate.
template <Operand X>
Variable<typename X::value_type> eval(const X& x) {
    return x;
}

// ---- pointwise ----

#define UNROLL_UNARY(name, ...) using unroll::name;
#define UNROLL_UNARY_WITH(name, ...) using unroll::name;
#define UNROLL_BINARY(name, ...) using unroll::name;
#define UNROLL_CHOICE(name, ...) using unroll::name;
#include <unroll/ops/fuse/function_list.hpp>
using unroll::clip;
using unroll::equal;
using unroll::where;

template <Operand X>
auto cube(const X& x, Op op = "cube") {
    return pow(x, 3, op);
}
template <int exponent, Operand X>
auto pow(const X& x, Op op = "pow") {
    return unroll::pow(x, exponent, op);
}

template <class T = double>
struct numeric_constants {
    static constexpr T PI = std::numbers::pi_v<T>;
    static constexpr T PI_2 = PI / 2;
    static constexpr T PI_4 = PI / 4;
    static constexpr T E = std::numbers::e_v<T>;
    static constexpr T LN2 = std::numbers::ln2_v<T>;
    static constexpr T SQRT2 = std::numbers::sqrt2_v<T>;
};

// ---- views ----

using unroll::all;
using unroll::broadcast_to;
using unroll::ellipsis;
using unroll::expand_dims;
using unroll::flatten;
using unroll::flip;
using unroll::newaxis;
using unroll::range;
using unroll::swapaxes;
using unroll::transpose;
using unroll::view;

namespace placeholders {
inline constexpr std::nullopt_t _ = std::nullopt;
}
inline constexpr std::nullopt_t xnone() { return std::nullopt; }
// Elements 0 ... end - 1.
inline Slice range(std::ptrdiff_t end) { return unroll::range(0, end); }

template <Operand X>
auto broadcast(const X& x, const Shape& shape, Op op = "broadcast") {
    return unroll::broadcast_to(x, shape, op);
}
template <Operand X>
auto ravel(const X& x, Op op = "ravel") {
    return unroll::flatten(x, op);
}
template <Operand X>
auto reshape_view(const X& x, const Shape& shape, Op op = "reshape_view") {
    return unroll::reshape(x, shape, op);
}
// Removes all axes of extent 1, or only the given one.
template <Operand X>
auto squeeze(const X& x, Op op = "squeeze") {
    Shape shape;
    for (const std::size_t extent : x.shape())
        if (extent != 1) shape.push_back(extent);
    return unroll::reshape(x, shape, op);
}
using unroll::squeeze;
template <Operand X>
auto row(const X& x, std::ptrdiff_t i, Op op = "row") {
    return unroll::view(x, i, {}, {}, {}, {}, {}, {}, {}, op);
}
template <Operand X>
auto col(const X& x, std::ptrdiff_t i, Op op = "col") {
    return unroll::view(x, all(), i, {}, {}, {}, {}, {}, {}, op);
}

using unroll::diag;
using unroll::diagonal;
using unroll::repeat;
using unroll::roll;
using unroll::tile;
using unroll::tril;
using unroll::triu;

// ---- order ----

using unroll::argsort;
using unroll::cumprod;
using unroll::cumsum;
using unroll::sort;

// ---- joining ----

template <Operand X, class... Rest>
std::vector<Variable<typename X::value_type>> xtuple(const X& first, const Rest&... rest) {
    return {first, rest...};
}
using unroll::concatenate;
using unroll::split;
using unroll::stack;

// Along the first axis, and along the second (the first of vectors).
template <class T>
Variable<T> vstack(const std::vector<Variable<T>>& pieces, Op op = "vstack") {
    if (pieces.empty() || pieces[0].dimension() != 1) return unroll::concatenate(pieces, 0, op);
    return unroll::stack(pieces, 0, op);
}
template <class T>
Variable<T> hstack(const std::vector<Variable<T>>& pieces, Op op = "hstack") {
    return unroll::concatenate(pieces, !pieces.empty() && pieces[0].dimension() > 1 ? 1 : 0, op);
}

enum class pad_mode { constant };
// x with widths[axis][0] elements of `value` before and widths[axis][1] after it, for every axis.
template <Operand X>
auto pad(const X& x, const std::vector<std::vector<std::size_t>>& widths,
         pad_mode = pad_mode::constant, double value = 0, Op op = "pad") {
    if (widths.size() != x.dimension() ||
        std::any_of(widths.begin(), widths.end(), [](const auto& w) { return w.size() != 2; }))
        fail(op, "x " + to_string(x.shape()) + " needs two widths for each of its axes");
    Variable<typename X::value_type> y = x;
    for (std::size_t axis = 0; axis < widths.size(); ++axis)
        y = unroll::pad(y, static_cast<std::ptrdiff_t>(axis), widths[axis][0], widths[axis][1],
                        value, op);
    return y;
}

// The elements where the condition holds, as a vector.
template <Operand X>
auto filter(const X& x, const Mask& condition, Op op = "filter") {
    return unroll::masked_select(Variable<typename X::value_type>(x), condition, op);
}

// ---- reductions ----

// keep_dims, and the evaluation strategies, which change nothing here. May be joined by |.
struct ReducerOptions {
    explicit constexpr ReducerOptions(bool keeps_dims = false) : keeps_dims(keeps_dims) {}
    friend constexpr ReducerOptions operator|(ReducerOptions a, ReducerOptions b) {
        return ReducerOptions(a.keeps_dims || b.keeps_dims);
    }

    bool keeps_dims;
};
inline constexpr ReducerOptions keep_dims(true);
namespace evaluation_strategy {
inline constexpr ReducerOptions immediate, lazy;
}

namespace detail {
template <class T>
Variable<T> with_dims(const Variable<T>& y, std::size_t rank, ReducerOptions options, Op op) {
    return options.keeps_dims ? unroll::reshape(y, Shape(rank, 1), op) : y;
}
} // namespace detail

#define UNROLL_REDUCER(name)                                                                       \
    template <Operand X>                                                                           \
    auto name(const X& x, ReducerOptions options = ReducerOptions(), Op op = #name) {              \
        return detail::with_dims(unroll::name(x, op), x.dimension(), options, op);                 \
    }                                                                                              \
    template <Operand X>                                                                           \
    auto name(const X& x, Axes axes, ReducerOptions options = ReducerOptions(), Op op = #name) {   \
        return unroll::name(x, axes, options.keeps_dims, op);                                      \
    }                                                                                              \
    template <Operand X, std::integral Axis>                                                       \
    auto name(const X& x, Axis axis, ReducerOptions options = ReducerOptions(), Op op = #name) {   \
        return name(x, {static_cast<std::ptrdiff_t>(axis)}, options, op);                          \
    }
UNROLL_REDUCER(sum)
UNROLL_REDUCER(mean)
UNROLL_REDUCER(amax)
UNROLL_REDUCER(amin)
UNROLL_REDUCER(median)
UNROLL_REDUCER(norm_l1)
UNROLL_REDUCER(norm_l2)
UNROLL_REDUCER(norm_linf)
UNROLL_REDUCER(norm_sq)
UNROLL_REDUCER(prod)
#undef UNROLL_REDUCER

// Squared distances from the mean, divided by the number of elements minus `ddof`.
template <Operand X>
auto variance(const X& x, ReducerOptions options = ReducerOptions(), Op op = "variance") {
    return detail::with_dims(unroll::variance(x, op), x.dimension(), options, op);
}
template <Operand X>
auto variance(const X& x, Axes axes, ReducerOptions options = ReducerOptions(),
              Op op = "variance") {
    return unroll::variance(x, axes, 0, options.keeps_dims, op);
}
template <Operand X>
auto variance(const X& x, Axes axes, std::size_t ddof, ReducerOptions options = ReducerOptions(),
              Op op = "variance") {
    return unroll::variance(x, axes, ddof, options.keeps_dims, op);
}
template <Operand X>
auto stddev(const X& x, ReducerOptions options = ReducerOptions(), Op op = "stddev") {
    return detail::with_dims(unroll::stddev(x, op), x.dimension(), options, op);
}
template <Operand X>
auto stddev(const X& x, Axes axes, ReducerOptions options = ReducerOptions(), Op op = "stddev") {
    return unroll::stddev(x, axes, 0, options.keeps_dims, op);
}

// sum(weights * x) / sum(weights), over all elements or some axes.
template <Operand X, Operand W>
auto average(const X& x, const W& weights, Op op = "average") {
    return unroll::sum(x * weights, op) / unroll::sum(weights, op);
}
template <Operand X, Operand W>
auto average(const X& x, const W& weights, Axes axes, Op op = "average") {
    const auto all = unroll::broadcast_to(weights, x.shape(), op);
    return unroll::sum(x * all, axes, false, op) / unroll::sum(all, axes, false, op);
}

// Position of the first largest or smallest element: along an axis, or of all in row-major order.
template <Operand X>
Indices argmax(const X& x, Op op = "argmax") {
    return unroll::argmax(unroll::flatten(x, op), 0, op);
}
template <Operand X, std::integral Axis>
Indices argmax(const X& x, Axis axis, Op op = "argmax") {
    return unroll::argmax(x, static_cast<std::ptrdiff_t>(axis), op);
}
template <Operand X>
Indices argmin(const X& x, Op op = "argmin") {
    return unroll::argmin(unroll::flatten(x, op), 0, op);
}
template <Operand X, std::integral Axis>
Indices argmin(const X& x, Axis axis, Op op = "argmin") {
    return unroll::argmin(x, static_cast<std::ptrdiff_t>(axis), op);
}

// ---- constants ----

template <class T>
Variable<T> zeros(const Shape& shape) {
    return Tensor<T>::zeros(shape);
}
template <class T>
Variable<T> ones(const Shape& shape) {
    return Tensor<T>::ones(shape);
}
template <Operand X>
auto full_like(const X& x, typename X::value_type value) {
    return Variable(Tensor<typename X::value_type>::full(x.shape(), value));
}
template <Operand X>
auto zeros_like(const X& x) {
    return full_like(x, 0);
}
template <Operand X>
auto ones_like(const X& x) {
    return full_like(x, 1);
}

// start, start + step, ... below stop.
template <class T>
Variable<T> arange(T start, T stop, T step = 1) {
    const double count = std::ceil(static_cast<double>((stop - start) / step));
    if (!(count >= 0 && count < 0x1p40)) fail("arange", "stop is not reached by the step");
    Tensor<T> x({static_cast<std::size_t>(count)});
    for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] = start + static_cast<T>(i) * step;
    return x;
}
template <class T>
Variable<T> arange(T stop) {
    return arange(T(0), stop);
}
// `count` numbers from start to stop, both included.
template <class T>
Variable<T> linspace(T start, T stop, std::size_t count = 50) {
    Tensor<T> x({count});
    for (std::size_t i = 0; i < count; ++i)
        x.data()[i] = i + 1 == count && count > 1
                          ? stop
                          : start + (stop - start) * static_cast<T>(i) /
                                        static_cast<T>(std::max<std::size_t>(count - 1, 1));
    return x;
}
template <class T>
Variable<T> eye(std::size_t n) {
    Tensor<T> x = Tensor<T>::zeros({n, n});
    for (std::size_t i = 0; i < n; ++i) x.data()[i * (n + 1)] = 1;
    return x;
}

// ---- xtensor-blas ----

namespace linalg {

using unroll::cholesky;
using unroll::dot;
using unroll::outer;
using unroll::solve;

template <Operand X>
auto inv(const X& x, Op op = "inv") {
    return unroll::inverse(x, op);
}
// Euclidean, over all elements.
template <Operand X>
auto norm(const X& x, Op op = "norm") {
    return unroll::norm_l2(x, op);
}

} // namespace linalg

} // namespace unroll::xt
