#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pointwise.hpp>

#include <algorithm>
#include <functional>

namespace unroll {

namespace {

template <class T>
Variable<T> as_numbers(const Mask& mask) {
    const Mask dense = mask.contiguous();
    Tensor<T> numbers(dense.shape());
    std::copy_n(dense.data(), dense.size(), numbers.data());
    return numbers;
}

// The mask of a comparison, given as a function that returns 1 or 0.
template <class T, class F>
Mask compare(Op op, const Variable<T>& a, const Variable<T>& b, F f) {
    const Tensor<T> found = fuse(op, f, stop_gradient(a), stop_gradient(b)).value();
    Mask mask(found.shape());
    std::transform(found.data(), found.data() + found.size(), mask.data(),
                   [](T v) { return v != T(0); });
    return mask;
}

template <class F>
Mask combine(const char* name, const Mask& a, const Mask& b, F f) {
    const Shape shape = broadcast(Op::unplaced(name), a.shape(), b.shape());
    const Mask dense_a = a.broadcast_to(shape).contiguous();
    const Mask dense_b = b.broadcast_to(shape).contiguous();
    Mask mask(shape);
    std::transform(dense_a.data(), dense_a.data() + dense_a.size(), dense_b.data(), mask.data(), f);
    return mask;
}

// As with_notation(), without the costs of a view: these operations may be small.
template <class T>
void note(const Variable<T>& y, Notation notation) {
    if (y.is_recorded() && Composite::outermost() == nullptr)
        y.body()->slot->tape.load(std::memory_order_relaxed)->node(y.node()).notation = notation;
}

// A name that the user gives is written instead of a sign.
Notation own_notation(const Op& op, std::string_view name, Notation sign) {
    return op.name == name ? sign : Notation::ordered;
}

// Of a function with this notation in formulas.
constexpr Notation notation_of() { return Notation::ordered; }
constexpr Notation notation_of(const char*, const char*, Formula::Kind kind) {
    return kind == Formula::Kind::power ? Notation::power : Notation::ordered;
}

} // namespace

Mask operator&&(const Mask& a, const Mask& b) { return combine("&&", a, b, std::logical_and()); }
Mask operator||(const Mask& a, const Mask& b) { return combine("||", a, b, std::logical_or()); }
Mask operator!(const Mask& a) {
    return combine("!", a, a, [](bool x, bool) { return !x; });
}

namespace detail {

template <class T>
Variable<T> Pointwise<T>::add(const V& a, const V& b, Op op) {
    const V y = unroll::fuse(
        op, [](auto a, auto b) { return a + b; }, a, b);
    note(y, Notation::sum);
    return y;
}
template <class T>
Variable<T> Pointwise<T>::subtract(const V& a, const V& b, Op op) {
    const V y = unroll::fuse(
        op, [](auto a, auto b) { return a - b; }, a, b);
    note(y, Notation::difference);
    return y;
}
template <class T>
Variable<T> Pointwise<T>::multiply(const V& a, const V& b, Op op) {
    const V y = unroll::fuse(
        op, [](auto a, auto b) { return a * b; }, a, b);
    note(y, Notation::product);
    return y;
}
template <class T>
Variable<T> Pointwise<T>::divide(const V& a, const V& b, Op op) {
    const V y = unroll::fuse(
        op, [](auto a, auto b) { return a / b; }, a, b);
    note(y, Notation::quotient);
    return y;
}
template <class T>
Variable<T> Pointwise<T>::negative(const V& a, Op op) {
    return unroll::fuse(
        op, [](auto a) { return -a; }, a);
}
#define UNROLL_TWO(name, how)                                                                      \
    template <class T>                                                                             \
    Variable<T> Pointwise<T>::name(const V& a, const V& b, Op op) {                                \
        const V y = unroll::fuse(                                                                  \
            op, [](auto a, auto b) { return unroll::name(a, b); }, a, b);                          \
        note(y, how);                                                                              \
        return y;                                                                                  \
    }
#define UNROLL_BINARY(name, meaning, notation, ...)                                                \
    UNROLL_TWO(name, own_notation(op, #name, notation_of notation))
#define UNROLL_CHOICE(name, ...) UNROLL_TWO(name, Notation::symmetric)
#include <unroll/ops/fuse/function_list.hpp>
template <class T>
Variable<T> Pointwise<T>::where(const Mask& condition, const V& a, const V& b, Op op) {
    const Shape* const shapes[] = {&condition.shape(), &a.shape(), &b.shape()};
    broadcast(op, shapes, "condition a b");
    const Composite composite(op);
    const V chosen = with_notation(unroll::fuse(op, primitive([](auto c, auto a, auto b) {
                                                    return unroll::where(c != 0, a, b);
                                                }),
                                                as_numbers<T>(condition), a, b),
                                   Notation::ordered, &composite);
    return with_operand(chosen, "mask", condition, &composite, 0);
}
template <class T>
Mask Pointwise<T>::less(const V& a, const V& b, Op op) {
    return compare(op, a, b, [](auto a, auto b) { return unroll::where(a < b, 1, 0); });
}
template <class T>
Mask Pointwise<T>::less_equal(const V& a, const V& b, Op op) {
    return compare(op, a, b, [](auto a, auto b) { return unroll::where(a <= b, 1, 0); });
}
template <class T>
Mask Pointwise<T>::equal(const V& a, const V& b, Op op) {
    return compare(op, a, b, [](auto a, auto b) { return unroll::where(a == b, 1, 0); });
}

template struct Pointwise<float>;
template struct Pointwise<double>;

} // namespace detail

template <class T>
Variable<T> clip(const Variable<T>& x, double low, double high, Op op) {
    if (!(low <= high))
        fail(op, "the range is empty: " + std::to_string(low) + " to " + std::to_string(high));
    return detail::with_literals(fuse(
                                     op, [low, high](auto x) { return clamp(x, low, high); }, x),
                                 1, {low, high});
}
template Variable<float> clip(const Variable<float>&, double, double, Op);
template Variable<double> clip(const Variable<double>&, double, double, Op);

} // namespace unroll
