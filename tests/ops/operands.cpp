// Functions of variables accept parameters, tensors and numbers.

#include "support.hpp"

#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/unroll.hpp>

namespace {

using namespace unroll;
using test::random_tensor;

template <class T>
using V = Variable<T>;

template <class T, class... X>
constexpr bool all_variables = (std::same_as<X, V<T>> && ...);

// Whether `f` returns a Variable<T> for every kind of operand.
template <class T, class F>
constexpr bool takes_one(const F&) {
    return all_variables<T, std::invoke_result_t<F, const V<T>&>,
                         std::invoke_result_t<F, const Parameter<T>&>,
                         std::invoke_result_t<F, const Tensor<T>&>>;
}
template <class T, class X, class F>
constexpr bool takes_beside(const F&) {
    return all_variables<T, std::invoke_result_t<F, const X&, const V<T>&>,
                         std::invoke_result_t<F, const X&, const Parameter<T>&>,
                         std::invoke_result_t<F, const X&, const Tensor<T>&>>;
}
template <class T, class X, class F>
constexpr bool takes_number_beside(const F&) {
    return all_variables<
        T, std::invoke_result_t<F, const X&, int>, std::invoke_result_t<F, const X&, float>,
        std::invoke_result_t<F, const X&, double>, std::invoke_result_t<F, int, const X&>,
        std::invoke_result_t<F, double, const X&>>;
}
template <class T, class F>
constexpr bool takes_two(const F& f) {
    return takes_beside<T, V<T>>(f) && takes_beside<T, Parameter<T>>(f) &&
           takes_beside<T, Tensor<T>>(f);
}
template <class T, class F>
constexpr bool takes_two_or_number(const F& f) {
    return takes_two<T>(f) && takes_number_beside<T, V<T>>(f) &&
           takes_number_beside<T, Parameter<T>>(f) && takes_number_beside<T, Tensor<T>>(f);
}

const Mask mask({}, {true});
const Indices indices({1}, {0});

template <class T>
constexpr bool everything() {
#define UNROLL_UNARY(name, ...) static_assert(takes_one<T>([](const auto& x) { return name(x); }));
#define UNROLL_UNARY_WITH(name, ...)                                                               \
    static_assert(takes_one<T>([](const auto& x) { return name(x); }));                            \
    static_assert(takes_one<T>([](const auto& x) { return name(x, 0.5); }));
#define UNROLL_BINARY(name, ...)                                                                   \
    static_assert(takes_two_or_number<T>([](const auto& a, const auto& b) { return name(a, b); }));
#define UNROLL_CHOICE(name, ...) UNROLL_BINARY(name)
#include <unroll/ops/fuse/function_list.hpp>
#define TAKES_ONE(...) static_assert(takes_one<T>([](const auto& x) { return __VA_ARGS__; }))
#define TAKES_TWO(...)                                                                             \
    static_assert(takes_two<T>([](const auto& a, const auto& b) { return __VA_ARGS__; }))
#define TAKES_NUMBERS(...)                                                                         \
    static_assert(takes_two_or_number<T>([](const auto& a, const auto& b) { return __VA_ARGS__; }))
    TAKES_NUMBERS(a + b);
    TAKES_NUMBERS(a - b);
    TAKES_NUMBERS(a * b);
    TAKES_NUMBERS(a / b);
    TAKES_NUMBERS(where(mask, a, b));
    TAKES_NUMBERS(where(a < b, a, b));
    TAKES_NUMBERS(where(a >= b, a, b));
    TAKES_NUMBERS(where(equal(a, b), a, b));
    TAKES_NUMBERS(fuse(
        "f", [](auto a, auto b) { return a * b; }, a, b));
    TAKES_ONE(-x);
    TAKES_ONE(clip(x, 0, 1));
    TAKES_ONE(sum(x));
    TAKES_ONE(sum(x, {0}));
    TAKES_ONE(mean(x) + mean(x, {0}));
    TAKES_ONE(variance(x) + variance(x, {0}, 1));
    TAKES_ONE(norm_l2(x) + norm_l2(x, {0}));
    TAKES_ONE(amax(x) + amax(x, {0}) + amin(x) + amin(x, {0}));
    TAKES_ONE(logsumexp(x) + logsumexp(x, {0}));
    TAKES_ONE(softmax(x) + softmax(x, mask));
    TAKES_ONE(log_softmax(x) + log_softmax(x, mask, 0));
    TAKES_ONE(take(x, indices));
    TAKES_ONE(scatter_add(x, indices, 3));
    TAKES_ONE(pick(x, indices));
    TAKES_ONE(masked_fill(x, mask, 0));
    TAKES_ONE(masked_select(x, mask));
    TAKES_ONE(pad(x, 0, 1, 1));
    TAKES_ONE(reshape(x, {-1}) + reshape(x, Shape{1}) + flatten(x));
    TAKES_ONE(slice(x, 0, 0, 1) + select(x, 0, 0) + block(x, 0, 1));
    TAKES_ONE(split(x, 1)[0] + unstack(x)[0]);
    TAKES_ONE(transpose(x) + transpose(x, {1, 0}) + swapaxes(x, 0, 1) + flip(x, 0));
    TAKES_ONE(expand_dims(x, 0) + squeeze(x, 0) + broadcast_to(x, Shape{1}));
    TAKES_ONE(max_pool(x, {.kernel = 2}) + average_pool(x, {.kernel = 2}));
    TAKES_ONE(adaptive_max_pool(x, 2) + adaptive_average_pool(x, 2) + upsample(x));
    TAKES_ONE(glu(x) + gumbel_softmax(x));
    TAKES_ONE(random_normal_like(x) + random_uniform_like(x) + bernoulli_like(x));
    TAKES_ONE(dropout(x, 0.5));
    TAKES_ONE(cross_entropy(x, indices));
    TAKES_TWO(matmul(a, b));
    TAKES_TWO(scaled_matmul(a, b, 2));
    TAKES_TWO(dot(a, b));
    TAKES_TWO(linear(a, b) + linear(a, b, b));
    TAKES_TWO(convolution(a, b) + convolution(a, b, b));
    TAKES_TWO(transposed_convolution(a, b) + transposed_convolution(a, b, b));
    TAKES_TWO(layer_norm(a, b, b) + rms_norm(a, b) + group_norm(a, 2, b, b) + prelu(a, b));
    TAKES_TWO(batch_norm(a, b, b).y + batch_norm(a, b, b, b, b));
    TAKES_TWO(binary_cross_entropy(a, b) + mean_squared_error(a, b) + huber(a, b));
    TAKES_TWO(linear_scan(a, b).output + linear_scan(a, b, b).state);
    TAKES_ONE(linear_scan(0.9f, x).output + linear_scan(1, x, 0.5).state +
              linear_scan(x, 0.9f).output);
    TAKES_TWO(complex_linear_scan<T>({a, b}, {b, 1}).output.re);
    TAKES_ONE(cumsum(x) + cumsum(x, 0) + cumprod(x) + cumprod(x, 0));
    TAKES_ONE(logcumsumexp(x) + logcumsumexp(x, 0));
    TAKES_ONE(sort(x) + take(x, argsort(x)) + topk_values(x, 1));
    TAKES_ONE(prod(x) + prod(x, {0}) + stddev(x) + stddev(x, {0}) + median(x) + median(x, {0}));
    TAKES_ONE(norm_l1(x) + norm_l1(x, {0}) + norm_linf(x) + norm_linf(x, {0}));
    TAKES_ONE(norm_sq(x) + norm_sq(x, {0}) + norm_lp(x, 3) + norm_lp(x, 3, {0}));
    TAKES_TWO(cosine_similarity(a, b));
    TAKES_ONE(roll(x, 1) + roll(x, 1, 0) + repeat(x, 2, 0) + tile(x, {2}));
    TAKES_ONE(diagonal(x) + diag(x) + tril(x) + triu(x, 1));
    TAKES_TWO(einsum("i,i", {a, b}) + outer(a, b) + solve(a, b));
    TAKES_ONE(inverse(x) + cholesky(x) + log_determinant(x));
    TAKES_TWO(l1_loss(a, b) + smooth_l1(a, b) + kl_divergence(a, b));
    TAKES_TWO(gaussian_nll(a, b, b) + poisson_nll(a, b));
    TAKES_TWO(concatenate({a, b}) + stack({V<T>(a), V<T>(b)}));
    TAKES_ONE(concatenate(std::vector{x, x}) + stack(std::vector{x, x}));
#undef TAKES_ONE
#undef TAKES_TWO
#undef TAKES_NUMBERS
    return true;
}
static_assert(everything<float>() && everything<double>());

// Types that are not operands.
template <class A, class B>
concept Added = requires(const A& a, const B& b) {
    a + b;
};
static_assert(!Added<Variable<float>, Mask>); // float and double: compile_errors.py
static_assert(!Added<Variable<float>, const char*>);
template <class X>
concept Exponential = requires(const X& x) {
    exp(x);
};
static_assert(Exponential<Tensor<float>> && !Exponential<Mask> && !Exponential<Indices>);

} // namespace

TEST_CASE("operands: tensors, parameters and numbers give the same results as variables") {
    const Tensor<double> t = random_tensor({2, 3}), u = random_tensor({2, 3}, 2);
    const Parameter<double> p("p", u);
    const V<double> v(t);
    CHECK((t * p).value() == (v * V<double>(u)).value());
    CHECK((2 - p).value() == (2 - V<double>(u)).value());
    CHECK(exp(t).value() == exp(v).value());
    CHECK(pow(p, 2).value() == pow(V<double>(u), 2).value());
    CHECK(where(t > 0, 1, p).value() == where(v > 0, 1, V<double>(u)).value());
    CHECK(concatenate({v, t}, 1).value() == concatenate({v, v}, 1).value());
    CHECK(sum(t, {0}).value() == sum(v, {0}).value());
    CHECK(leaky_relu(t, 0.5).value() == leaky_relu(v, 0.5).value());
    CHECK(mean_squared_error(t, u).item() == mean_squared_error(v, V<double>(u)).item());
}

TEST_CASE("operands: the gradient of a variable combined with a tensor or number") {
    Tape<double> tape;
    const auto x = tape.variable(random_tensor({2, 3}));
    const Tensor<double> t = random_tensor({2, 3}, 2), w = random_tensor({4, 3}, 3);
    tape.backward(sum(t * x) + sum(linear(t, w)) + sum(matmul(w, transpose(x))) + sum(2 - x));
    Tensor<double> expected = t.copy();
    for (std::size_t i = 0; i < 2; ++i)
        for (std::size_t j = 0; j < 3; ++j)
            expected(i, j) += w(0, j) + w(1, j) + w(2, j) + w(3, j) - 1;
    CHECK(test::distance(tape.gradient(x), expected) < 1e-14);
}

TEST_CASE("operands: an error names the user's line") {
    const Tensor<double> t({2, 3}, {1, 2, 3, 4, 5, 6});
    CHECK(test::contains(test::error_of([&] { sum(t, {7}); }), "operands.cpp"));
    CHECK(test::contains(test::error_of([&] { block(t, 5, 3); }), "operands.cpp"));
    CHECK(test::contains(test::error_of([&] { t + Tensor<double>(Shape{5}); }), "operands.cpp"));
    const Tensor<double> square({2, 2}, {1, 2, 2, 4});
    CHECK(test::contains(test::error_of([&] { solve(square, square); }), "operands.cpp"));
    CHECK(test::contains(test::error_of([&] { inverse(square); }), "operands.cpp"));
    CHECK(test::contains(test::error_of([&] { einsum("ij,kk", {t, t}); }), "operands.cpp"));
    CHECK(test::contains(test::error_of([&] { linear_scan(t, t, t); }), "operands.cpp"));
    CHECK(test::contains(test::error_of([&] { cumsum(t, 2); }), "operands.cpp"));
    CHECK(test::contains(test::error_of([&] { median(t, {2}); }), "operands.cpp"));
    CHECK(test::contains(test::error_of([&] { norm_linf(t, {2}); }), "operands.cpp"));
    CHECK(test::contains(test::error_of([&] { sort(t, 2); }), "operands.cpp"));
    CHECK(test::contains(test::error_of([&] { topk_values(t, 4); }), "operands.cpp"));
    CHECK(test::contains(test::error_of([&] { diagonal(t, 0, 2); }), "operands.cpp"));
    CHECK(test::contains(test::error_of([&] { l1_loss(t, square); }), "operands.cpp"));
}
