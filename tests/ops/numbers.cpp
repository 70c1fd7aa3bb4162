// Long sums, numbers of any magnitude, NaN and unselected operands: where naive arithmetic would
// lose accuracy, overflow, or propagate values that it must not.

#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/kernels/simd.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/pooling.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>
#include <unroll/optim/clip.hpp>

#include <functional>
#include <limits>

using namespace test;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float none = std::numeric_limits<float>::quiet_NaN();

using F = Variable<float>;
using Floats = Tensor<float>;

struct Orders {
    Floats value, first, second;
};
// The value, the gradient, and the gradient of the gradient's product with `along`.
template <class Function>
Orders orders(const Function& f, const Floats& x, const Floats& along) {
    Tape<float> tape;
    const auto v = tape.variable(x);
    const auto y = f(v);
    const auto first = gradients(sum(y), {v}, {.create_graph = true})[0];
    const auto second = gradients(sum(first * F(along)), {v}, {.create_graph = true})[0];
    Tape<float> plain;
    const auto w = plain.variable(x);
    plain.backward(sum(f(w)));
    for (std::size_t i = 0; i < x.size(); ++i) { // recorded or not, and small ones, too
        const float a = plain.gradient(w).to_vector()[i], b = first.value().to_vector()[i];
        CHECK(a == doctest::Approx(b).epsilon(1e-5));
        CHECK_FALSE(std::abs(a - b) > 0.01f * std::abs(a));
    }
    return {y.value(), plain.gradient(w), second.value()};
}

bool near(float got, double exact, double ulps = 4) {
    const double unit = std::numeric_limits<float>::epsilon() * std::abs(exact);
    return std::abs(static_cast<double>(got) - exact) <= ulps * unit;
}

double exact_sum(const Floats& x) {
    long double sum = 0;
    for (const float v : x.to_vector()) sum += v;
    return static_cast<double>(sum);
}

} // namespace

TEST_CASE("sums: the error does not grow with the number of elements") {
    for (const std::size_t n : {1, 7, 15, 16, 17, 100, 4096, 1'000'003}) {
        CAPTURE(n);
        Floats x(Shape{n});
        Random(3).fill_uniform(x.data(), n, 0.f, 1.f);
        const double exact = exact_sum(x);
        CHECK(near(sum(F(x)).item(), exact));
        CHECK(near(mean(F(x)).item(), exact / static_cast<double>(n), 1));
        CHECK(near(sum(F(x.reshape({n, 1})), {0}).value()(0), exact));
        CHECK(near(sum(F(x.reshape({1, n})), {-1}).value()(0), exact));
        // Columns and strided views.
        Floats wide(Shape{n, 2});
        for (std::size_t i = 0; i < n; ++i) {
            wide.data()[2 * i] = x.data()[i];
            wide.data()[2 * i + 1] = 1;
        }
        const Floats columns = sum(F(wide), {0}).value();
        CHECK(near(columns(0), exact));
        CHECK(columns(1) == static_cast<float>(n));
        CHECK(near(sum(F(wide.transpose()), {1}).value()(0), exact));
        CHECK(near(sum(F(wide.select(1, 0))).item(), exact));
        CHECK(near(logsumexp(log(F(x) + 1.0)).item(), std::log(exact + static_cast<double>(n)), 8));
        CHECK(near(norm_l2(sqrt(F(x))).item(), std::sqrt(exact)));
    }
    // The gradient of a broadcast, which is a sum.
    Tape<float> tape;
    const auto bias = tape.variable(Floats({3}, {0, 0, 0}));
    Floats weights({100'000, 3});
    weights.fill(0.1f);
    tape.backward(sum((F(Floats::zeros({100'000, 3})) + bias) * F(weights)));
    CHECK(near(tape.gradient(bias)(1), 100'000 * static_cast<double>(0.1f), 200));
}

TEST_CASE("sums: every choice of axes and layout") {
    const auto x = random_tensor<float>({3, 4, 5, 33}, 2);
    const auto turned = [&](std::initializer_list<std::size_t> order) {
        return transpose(F(x), order).value();
    };
    const std::vector<Floats> layouts{x, turned({3, 1, 0, 2}), x.slice(3, 1, 30),
                                      turned({1, 0, 2, 3}).slice(2, 1, 4)};
    for (const Floats& in : layouts)
        for (unsigned axes = 0; axes < 16; ++axes) {
            CAPTURE(to_string(in.shape()));
            CAPTURE(axes);
            Shape kept = in.shape();
            for (std::size_t a = 0; a < 4; ++a)
                if ((axes >> a & 1) != 0) kept[a] = 1;
            Tensor<double> expected = Tensor<double>::zeros(kept);
            for (std::size_t i = 0; i < in.shape(0); ++i)
                for (std::size_t j = 0; j < in.shape(1); ++j)
                    for (std::size_t k = 0; k < in.shape(2); ++k)
                        for (std::size_t l = 0; l < in.shape(3); ++l)
                            expected(i % kept[0], j % kept[1], k % kept[2], l % kept[3]) +=
                                static_cast<double>(in(i, j, k, l));
            Tape<float> tape;
            F got(in);
            for (std::size_t a = 0; a < 4; ++a)
                if ((axes >> a & 1) != 0) got = sum(got, {static_cast<std::ptrdiff_t>(a)}, true);
            const std::array<F, 3> at_once{axes == 3 ? sum(F(in), {0, 1}, true) : got,
                                           axes == 9 ? sum(F(in), {0, 3}, true) : got,
                                           axes == 14 ? sum(F(in), {1, 2, 3}, true) : got};
            for (const F& one : at_once)
                for (std::size_t i = 0; i < expected.size(); ++i)
                    CHECK(one.value().to_vector()[i] ==
                          doctest::Approx(expected.to_vector()[i]).epsilon(1e-5));
        }
}

TEST_CASE("mean: exact for equal numbers, and does not overflow") {
    for (const float v : {100.f, 0.1f, 1.f / 3, 16777215.f, 1e-30f, 3e38f, -7.7e10f})
        for (const std::size_t n : {1, 3, 7, 16, 49, 1000, 4097}) {
            CAPTURE(v);
            CAPTURE(n);
            CHECK(mean(F(Floats::full({n}, v))).item() == v);
            CHECK(mean(F(Floats::full({n, 5}, v)), {0}).value()(3) == v);
            CHECK(mean(F(Floats::full({2, n, 3}, v)), {1}).value()(1, 2) == v);
            CHECK(variance(F(Floats::full({n, 2}, v)), {0}).value()(1) == 0);
        }
    CHECK(mean(F(Floats({2}, {3e38f, 2e38f}))).item() == doctest::Approx(2.5e38));
    CHECK(mean(F(Floats({2}, {inf, 1}))).item() == inf);
    CHECK(std::isnan(mean(F(Floats({2}, {inf, -inf}))).item()));
    CHECK(average_pool(F(Floats::full({1, 1, 3}, 100)), {3}).item() == 100);
}

TEST_CASE("variance and norm: squares neither overflow nor underflow") {
    const auto norm = orders([](const F& x) { return norm_l2(x); }, Floats({3}, {1e20f, 1, 1}),
                             Floats({3}, {1, 0, 0}));
    CHECK(norm.value.item() == 1e20f);
    CHECK(norm.first(0) == 1);
    CHECK(near(norm.first(1), 1e-20));
    CHECK(near(norm_l2(F(Floats({2}, {3e-30f, 4e-30f}))).item(), 5e-30));
    CHECK(near(norm_l2(F(Floats({2, 2}, {3e-30f, 4e-30f, 3e30f, 4e30f})), {1}).value()(0), 5e-30));
    CHECK(near(norm_l2(F(Floats({2, 2}, {3e-30f, 4e-30f, 3e30f, 4e30f})), {1}).value()(1), 5e30));
    CHECK(near(norm_l2(F(Floats({2, 2}, {3e-30f, 3e30f, 4e-30f, 4e30f})), {0}).value()(1), 5e30));
    CHECK(norm_l2(F(Floats({2}, {0, 0}))).item() == 0);
    CHECK(norm_l2(F(Floats({2}, {-inf, 0}))).item() == inf);
    CHECK(std::isnan(norm_l2(F(Floats({2}, {none, 1e30f}))).item()));

    Floats far(Shape{1000});
    for (std::size_t i = 0; i < 1000; ++i) far.data()[i] = i == 0 ? 3e19f : 0;
    CHECK(near(variance(F(far)).item(), 9e38 / 1000 * (1 - 1e-3), 8));
    // Two numbers whose mean is not a float.
    CHECK(variance(F(Floats({2}, {16777216, 16777218}))).item() == 1);
    const auto at_0 =
        orders([](const F& x) { return variance(x); }, Floats({2}, {5, 5}), Floats({2}, {1, 0}));
    CHECK(at_0.first(0) == 0);
    CHECK(at_0.second(0) == doctest::Approx(0.5));
    CHECK(at_0.second(1) == doctest::Approx(-0.5));
}

TEST_CASE("normalisations reject an epsilon that is negative or not finite") {
    const F x = Floats({2, 2}, {1, 2, 3, 4}), two = Floats({2}, {1, 1});
    for (const double epsilon : {-1e-5, std::nan(""), std::numeric_limits<double>::infinity()})
        for (const std::string& message :
             {error_of([&] { layer_norm(x, two, two, epsilon); }),
              error_of([&] { batch_norm(x, two, two, epsilon); }),
              error_of([&] { batch_norm(x, two, two, two, two, epsilon); })})
            CHECK(contains(message, "epsilon must be at least 0"));
}

TEST_CASE("normalisations: constant channels give the bias, large ones do not overflow") {
    const F gain(Floats({2}, {1, 2})), bias(Floats({2}, {0, 0.5f}));
    for (const float v : {100.f, 0.1f, 1e8f, 1e20f, 3e38f}) {
        CAPTURE(v);
        Floats x({3, 2, 7});
        x.fill(v);
        const auto out = batch_norm(F(x), gain, bias);
        for (std::size_t i = 0; i < 3; ++i) {
            CHECK(out.y.value()(i, 0, 5) == 0);
            CHECK(out.y.value()(i, 1, 6) == 0.5f);
        }
        CHECK(out.variance.value()(0) == 0);
        Floats row({3, 2});
        row.fill(v);
        CHECK(layer_norm(F(row), gain, bias).value()(2, 0) == 0);
        CHECK(layer_norm(F(row), gain, bias).value()(2, 1) == 0.5f);
    }
    for (const float scale : {1.f, 1e15f, 1e25f, 1e37f}) {
        CAPTURE(scale);
        const Floats x({4, 1}, {0 * scale, 1 * scale, 2 * scale, 3 * scale});
        const F one(Floats({1}, {1})), zero(Floats({1}, {0})), ones(Floats({4}, {1, 1, 1, 1})),
            zeros(Floats::zeros({4}));
        const auto weighted = [](const F& y) { return y * F(Floats({4}, {1, 0, 0, 0})); };
        const auto batch =
            orders([&](const F& x) { return weighted(flatten(batch_norm(x, one, zero).y)); }, x,
                   Floats({4, 1}, {1, 0, 0, 0}));
        const auto layer =
            orders([&](const F& x) { return weighted(layer_norm(flatten(x), ones, zeros)); }, x,
                   Floats({4, 1}, {1, 0, 0, 0}));
        for (const auto* got : {&batch, &layer}) {
            CHECK(got->value(0) == doctest::Approx(-1.3416407865).epsilon(1e-4));
            CHECK(got->first(0, 0) * scale == doctest::Approx(0.26832815).epsilon(1e-3));
        }
        if (scale == 1)
            CHECK(layer.second(0, 0) == doctest::Approx(batch.second(0, 0)).epsilon(1e-3));
    }
    const auto y = layer_norm(F(Floats({2}, {16777216, 16777218})), F(Floats({2}, {1, 1})),
                              F(Floats({2}, {0, 0})));
    CHECK(y.value()(0) == doctest::Approx(-1).epsilon(1e-4));
    CHECK(y.value()(1) == doctest::Approx(1).epsilon(1e-4));
}

TEST_CASE("differences of logits of any magnitude are kept") {
    for (const float offset : {0.f, 1e8f, -1e8f, 1e30f, -3e38f}) {
        CAPTURE(offset);
        const Floats x({2}, {offset, offset});
        const auto log_p = orders(
            [](const F& x) {
                return log_softmax(x) * F(Floats({2}, {-1, 0}));
            },
            x, Floats({2}, {1, 0}));
        CHECK(near(log_p.value(0), std::log(2.0), 1));
        const auto loss = orders(
            [](const F& x) {
                return cross_entropy(reshape(x, Shape{1, 2}), Indices({1}, {0}));
            },
            x, Floats({2}, {1, 0}));
        CHECK(near(loss.value.item(), std::log(2.0), 1));
        const auto lse = orders([](const F& x) { return logsumexp(x); }, x, Floats({2}, {1, 0}));
        CHECK(lse.first(0) == 0.5f);
        for (const auto* got : {&log_p, &loss}) {
            CHECK(near(got->first(0), -0.5, 1));
            CHECK(near(got->first(1), 0.5, 1));
            CHECK(near(got->second(0), 0.25, 2));
            CHECK(near(got->second(1), -0.25, 2));
        }
    }
}

// The numbers are exact at every offset, but their mean is not.
TEST_CASE("derivatives of functions of differences are the same far from 0, to second order") {
    const Floats x({2, 5}, {0, 1.5f, -0.25f, 2, 0.5f, 1, -1, 0.75f, 0.125f, -2});
    Floats along({2, 5}), weights({2, 5});
    for (std::size_t i = 0; i < x.size(); ++i) {
        along.data()[i] = std::sin(static_cast<float>(i));
        weights.data()[i] = std::cos(static_cast<float>(3 * i));
    }
    const F gain(Floats({5}, {1, -2, 0.5f, 3, 1})), bias(Floats::zeros({5}));
    const std::vector<std::pair<const char*, std::function<F(const F&)>>> all{
        {"variance", [](const F& x) { return square(variance(x, {1})); }},
        {"layer_norm", [&](const F& x) { return layer_norm(x, gain, bias) * F(weights); }},
        {"batch_norm", [&](const F& x) { return batch_norm(x, gain, bias).y * F(weights); }},
        {"softmax", [&](const F& x) { return softmax(x) * F(weights); }},
        {"log_softmax", [&](const F& x) { return log_softmax(x) * F(weights); }},
        {"cross_entropy",
         [](const F& x) {
             return cross_entropy(x, Indices({2}, {1, 4}));
         }},
    };
    for (const auto& [name, f] : all) {
        const Orders expected = orders(f, x, along);
        for (const float offset : {0x1p12f, -0x1p16f, 0x1p20f}) {
            CAPTURE(name);
            CAPTURE(offset);
            const Orders got = orders(f, (F(x) + offset).value(), along);
            CHECK(distance(got.first, expected.first) < 1e-5);
            CHECK(distance(got.second, expected.second) < 1e-5);
        }
    }
}

TEST_CASE("losses of correct predictions are accurate") {
    for (const double x : {0.5, 2.0, 12.0, 15.0, 17.0, 30.0, 80.0}) {
        CAPTURE(x);
        const auto at = static_cast<float>(x);
        const double exact = std::log1p(std::exp(-x)), slope = -1 / (1 + std::exp(x));
        const double curvature = 1 / ((1 + std::exp(x)) * (1 + std::exp(-x)));
        const Floats one({1}, {1});
        const auto yes = orders([&](const F& x) { return binary_cross_entropy(x, F(one)); },
                                Floats({1}, {at}), one);
        CHECK(near(yes.value.item(), exact));
        CHECK(near(yes.first(0), slope));
        CHECK(near(yes.second(0), curvature, 6));
        const auto no =
            orders([&](const F& x) { return binary_cross_entropy(x, F(Floats::zeros({1}))); },
                   Floats({1}, {-at}), one);
        CHECK(near(no.value.item(), exact));
        CHECK(near(no.first(0), -slope));
        CHECK(near(no.second(0), curvature, 6));
        const std::vector<std::function<F(const F&)>> both{
            [](const F& x) {
                return cross_entropy(reshape(x, Shape{1, 2}), Indices({1}, {0}));
            },
            [](const F& x) {
                return -log_softmax(x) * F(Floats({2}, {1, 0}));
            }};
        for (const auto& f : both) {
            const auto got = orders(f, Floats({2}, {at, 0}), Floats({2}, {1, 0}));
            CHECK(near(got.value.to_vector()[0], exact));
            CHECK(near(got.first(0), slope, 8));
            CHECK(near(got.first(1), -slope, 8));
            CHECK(near(got.second(0), curvature, 12));
            CHECK(near(got.second(1), -curvature, 12));
        }
        const auto p = orders(
            [](const F& x) {
                return softmax(x) * F(Floats({2}, {1, 0}));
            },
            Floats({2}, {at, 0}), Floats({2}, {1, 0}));
        CHECK(near(p.first(0), curvature, 12));
        CHECK(near(p.first(1), -curvature, 12));
    }
    // Not only the first row, and not only the first element.
    Floats weights({2, 3}, {0.3f, -1, 2, 0.7f, 3, -2}), along({2, 3});
    along.fill(1);
    const auto rows = orders([&](const F& x) { return softmax(x) * F(weights); },
                             Floats({2, 3}, {-30, 0, -31, -32, -30, 0}), along);
    CHECK(near(rows.first(0, 0), 1.3 * std::exp(-30.0), 12));
    CHECK(near(rows.first(1, 1), 5 * std::exp(-30.0), 12));
    CHECK(near(rows.first(1, 2), -5 * std::exp(-30.0) - 2.7 * std::exp(-32.0), 12));
    for (const float x : {inf, -inf}) {
        const Floats target({1}, {x > 0 ? 1.f : 0.f});
        const auto got = orders([&](const F& x) { return binary_cross_entropy(x, F(target)); },
                                Floats({1}, {x}), Floats({1}, {1}));
        CHECK(got.value.item() == 0);
        CHECK(got.first(0) == 0);
        CHECK(got.second(0) == 0);
    }
    const auto residual = orders([](const F& x) { return huber(x, F(Floats({1}, {2}))); },
                                 Floats({1}, {2}), Floats({1}, {1}));
    CHECK(residual.second(0) == 1);
}

TEST_CASE("cross-entropy: ignored rows have no influence, to second order") {
    for (const float odd : {none, inf, -inf, 1e38f}) {
        CAPTURE(odd);
        Floats x({3, 3}, {1, 2, 0, odd, odd, odd, 0, -1, 3});
        const auto loss = [](const F& x) {
            return cross_entropy(x, Indices({3}, {1, -100, 2}), {.smoothing = 0.1});
        };
        Floats along({3, 3});
        along.fill(1);
        along.data()[0] = 2;
        const auto got = orders(loss, x, along);
        const auto expected = orders(loss, Floats({3, 3}, {1, 2, 0, 0, 0, 0, 0, -1, 3}), along);
        CHECK(got.value == expected.value);
        CHECK(got.first == expected.first);
        CHECK(got.second == expected.second);
        CHECK(got.second.select(0, 1) == Floats::zeros({3}));
    }
}

TEST_CASE("NaN propagates through comparisons, in every lane and tail") {
    constexpr std::size_t W = Lanes<float>::width;
    for (std::size_t n = 1; n <= 2 * W + 1; ++n)
        for (std::size_t at = 0; at < n; ++at) {
            CAPTURE(n);
            CAPTURE(at);
            Floats x = random_tensor<float>({n}, 4);
            x.data()[at] = none;
            const F zeros(Floats::zeros({n}));
            const std::vector<Floats> all{
                minimum(F(x), zeros).value(),
                minimum(zeros, F(x)).value(),
                maximum(F(x), zeros).value(),
                maximum(zeros, F(x)).value(),
                clip(F(x), -1, 1).value(),
                relu(F(x)).value(),
                abs(F(x)).value(),
                leaky_relu(F(x)).value(),
                fuse(
                    "clamp", [](auto x, auto low) { return clamp(x, low, 1); }, zeros, F(x))
                    .value()};
            for (const Floats& y : all)
                for (std::size_t i = 0; i < n; ++i) CHECK(std::isnan(y(i)) == (i == at));
            const auto row = reshape(F(x), Shape{1, 1, n});
            for (const F& y :
                 {amax(F(x)), amin(F(x)), amax(row, {-1}), amin(row, {0, 2}), sum(F(x)), mean(F(x)),
                  variance(F(x)), norm_l2(F(x)), logsumexp(F(x)), max_pool(row, {n})})
                CHECK(std::isnan(y.value().to_vector()[0]));
            CHECK(argmax(F(x)) == Indices({}, {static_cast<std::int64_t>(at)}));
            CHECK(argmin(F(x)) == Indices({}, {static_cast<std::int64_t>(at)}));
            CHECK(topk(F(x), 1).indices(0) == static_cast<std::int64_t>(at));
            for (const float y : softmax(F(x)).value().to_vector()) CHECK(std::isnan(y));
            for (const float y : log_softmax(F(x)).value().to_vector()) CHECK(std::isnan(y));
        }
    const auto order = topk(F(Floats({5}, {1, none, inf, none, 7})), 5).indices;
    CHECK(order == Indices({5}, {1, 3, 2, 4, 0}));
}

TEST_CASE("where: the unselected operand has no influence, whatever its value and gradient") {
    const Floats x({4}, {-1, 0, 4, 9});
    const auto check = [&](const auto& f) {
        Floats along({4});
        along.fill(1);
        const auto got = orders(f, x, along);
        CHECK(got.value == Floats({4}, {0, 0, 2, 3}));
        CHECK(got.first == Floats({4}, {0, 0, 0.25f, 1.f / 6}));
        CHECK(got.second(0) == 0);
        CHECK(got.second(1) == 0);
        CHECK(near(got.second(2), -0.25 / 8));
    };
    // Selected after, before, and by an earlier operation.
    check([](const F& x) {
        return fuse(
            "root", [](auto x) { return where(x > 0, sqrt(x), 0); }, x);
    });
    check([](const F& x) {
        return fuse(
            "root", [](auto x) { return sqrt(where(x > 0, x, 0)); }, x);
    });
    check([](const F& x) { return sqrt(where(x > 0.0, x, 0.0)); });
    // With an infinite incoming gradient.
    Tape<float> tape;
    const auto a = tape.variable(Floats({2}, {1, 2})), b = tape.variable(Floats({2}, {3, 4}));
    tape.backward(where(Mask({2}, {true, false}), a, b), Floats({2}, {inf, none}));
    CHECK(tape.gradient(a)(0) == inf);
    CHECK(tape.gradient(a)(1) == 0);
    CHECK(tape.gradient(b)(0) == 0);
    CHECK(std::isnan(tape.gradient(b)(1)));
}
