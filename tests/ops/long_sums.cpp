// Sums of a million terms: the error grows like the logarithm of their number, or like that of a
// few thousand terms, and not like the number.

#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/order/cumulative.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <array>
#include <limits>

using namespace test;

namespace {

using Floats = Tensor<float>;
using F = Variable<float>;

constexpr std::size_t many = 1'000'000;
constexpr float term = 0.1f;
const double total = static_cast<double>(term) * static_cast<double>(many);

// x in the first column of [many, 2], and the reverse in the second.
Floats both_ways(const std::vector<float>& x) {
    Floats table({many, 2});
    for (std::size_t i = 0; i < many; ++i) {
        table.data()[2 * i] = x[i];
        table.data()[2 * i + 1] = x[many - 1 - i];
    }
    return table;
}
std::vector<float> random_terms(float mean, float deviation) {
    std::vector<float> x(many);
    Random(4).fill_normal(x.data(), many, mean, deviation);
    return x;
}

using Exact = std::vector<double>;

// The largest error of cumulative results of x and of the gradient of their sum, relative to the
// exact values, or to `least` if that is larger. `values` and `slopes` are of a vector.
template <class F, class Values, class Slopes>
std::array<double, 2> cumulative_errors(const std::vector<float>& x, const F& f,
                                        const Values& values, const Slopes& slopes,
                                        const std::array<double, 2>& least) {
    Tape<float> tape;
    const auto table = tape.variable(both_ways(x));
    const auto y = f(table);
    tape.backward(sum(y));
    const Floats gradient = tape.gradient(table);
    std::array<double, 2> worst{};
    for (std::size_t column = 0; column < 2; ++column) {
        Exact in(x.begin(), x.end());
        if (column == 1) std::reverse(in.begin(), in.end());
        const Exact exact = values(in), slope = slopes(in, exact);
        for (std::size_t i = 0; i < many; ++i) {
            const auto note = [&](std::size_t which, const Floats& found, double exact) {
                const double error =
                    std::abs(static_cast<double>(found.data()[2 * i + column]) - exact);
                worst[which] =
                    std::max(worst[which], error / std::max(std::abs(exact), least[which]));
            };
            note(0, y.value(), exact[i]);
            note(1, gradient, slope[i]);
        }
    }
    return worst;
}

// The largest relative error of the elements.
double error(const Floats& x, double exact) {
    double worst = 0;
    for (const float v : x.to_vector())
        worst = std::max(worst, std::abs(static_cast<double>(v) / exact - 1));
    return worst;
}

} // namespace

TEST_CASE("reductions of a million equal terms") {
    const Floats x = Floats::full({many, 2}, term);
    CHECK(error(sum(x, {0}).value(), total) < 1e-6);
    CHECK(error(sum(x).value(), 2 * total) < 1e-6);
    CHECK(mean(x, {0}).value() == Floats::full({2}, term));
}

TEST_CASE("scatter_add of a million equal terms to one row, and the gradient of take") {
    for (const std::size_t width : {std::size_t{1}, std::size_t{3}}) {
        CAPTURE(width);
        Indices indices({many});
        for (std::size_t i = 0; i < many; ++i) indices.data()[i] = i % 4 == 3 ? 2 : 1;
        const Floats x = Floats::full({many, width}, term);
        const Floats sums = scatter_add(x, indices, 4).value();
        CHECK(error(sums.select(0, 1), 0.75 * total) < 1e-6);
        CHECK(error(sums.select(0, 2), 0.25 * total) < 1e-6);
        CHECK(sums.select(0, 0) == Floats::zeros({width}));
        CHECK(sums.select(0, 3) == Floats::zeros({width}));
        Tape<float> tape;
        const auto table = tape.variable(Floats::ones({4, width}));
        tape.backward(sum(take(table, indices) * term));
        CHECK(distance(tape.gradient(table), sums) < 1e-6);
        // The gradient of rows that are not adjacent in memory.
        Tape<float> strided;
        const auto columns = strided.variable(Floats::ones({width, 4}));
        strided.backward(sum(take(transpose(columns), indices) * term));
        CHECK(distance(strided.gradient(columns), sums.transpose()) < 1e-6);
    }
    // Along an axis, and recorded.
    Tape<float> tape;
    const auto x = tape.variable(Floats::ones({2, 1}));
    const auto picked = gather(x, 1, Indices::zeros({2, many / 2})) * term;
    const auto g = gradients(sum(square(picked)), {x}, {.create_graph = true})[0];
    CHECK(error(g.value(), static_cast<double>(term) * total) < 1e-5);
}

TEST_CASE("scatter_add gives every row what a plain loop gives it, in double") {
    for (const std::size_t n : {std::size_t{0}, std::size_t{5}, std::size_t{16}, std::size_t{17},
                                std::size_t{300}, std::size_t{5000}}) {
        Random random(n + 1);
        Indices indices({n});
        for (std::size_t i = 0; i < n; ++i)
            indices.data()[i] = static_cast<std::int64_t>(random.below(random.below(30) + 1));
        const auto x = random_tensor<double>({n, 2, 3});
        Tensor<double> expected = Tensor<double>::zeros({31, 2, 3});
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < 6; ++j)
                expected.data()[indices(i) * 6 + static_cast<std::int64_t>(j)] +=
                    x.data()[i * 6 + j];
        CHECK(distance(scatter_add(x, indices, 31).value(), expected) < 1e-13);
        const auto turned = x.transpose().copy().transpose(); // rows that are not contiguous
        CHECK(distance(scatter_add(turned, indices, 31).value(), expected) < 1e-13);
    }
}

TEST_CASE("products with an inner dimension of a million") {
    struct Sizes {
        std::size_t rows, columns;
    };
    for (const auto& [m, n] : {Sizes{1, 1}, Sizes{1, 3}, Sizes{2, 1}, Sizes{2, 3}, Sizes{5, 17}}) {
        CAPTURE(m);
        CAPTURE(n);
        const Floats a = Floats::full({m, many}, term), b = Floats::full({many, n}, 1);
        CHECK(error(matmul(a, b).value(), total) < 1e-4);
        CHECK(error(matmul(a.transpose().copy().transpose(), b).value(), total) < 1e-4);
        CHECK(error(matmul(a, b.transpose().copy().transpose()).value(), total) < 1e-4);
    }
    CHECK(error(dot(F(Floats::full({many}, term)), F(Floats::ones({many}))).value(), total) < 1e-4);
    // The gradient of a weight sums over all rows of x.
    Tape<float> tape;
    const auto weight = tape.variable(Floats::ones({3, 2}));
    tape.backward(sum(linear(Floats::full({many, 2}, term), weight)));
    CHECK(error(tape.gradient(weight), total) < 1e-4);
}

TEST_CASE("cumsum of a million terms") {
    const auto values = [](Exact x) {
        long double sum = 0;
        for (double& v : x) v = static_cast<double>(sum += static_cast<long double>(v));
        return x;
    };
    const auto slopes = [](Exact x, const Exact&) {
        for (std::size_t i = 0; i < many; ++i) x[i] = static_cast<double>(many - i);
        return x;
    };
    const auto f = [](const F& x) { return cumsum(x, 0); };
    for (const auto& x : {std::vector<float>(many, term), random_terms(0, 1), random_terms(1, 3)}) {
        const auto [value, slope] = cumulative_errors(x, f, values, slopes, {1e-3, 1});
        CHECK(value < 1.2e-7);
        CHECK(slope < 1.2e-7);
    }
    // Along the last axis, and of infinite terms.
    CHECK(cumsum(Floats::full({2, many}, term), 1).value().select(1, many - 1)(1) ==
          static_cast<float>(total));
    constexpr float inf = std::numeric_limits<float>::infinity();
    CHECK(cumsum(Floats({4}, {1, inf, 2, 3}), 0).value() == Floats({4}, {1, inf, inf, inf}));
    CHECK(cumsum(Floats({3}, {3e38f, 3e38f, 1}), 0).value() == Floats({3}, {3e38f, inf, inf}));
}

TEST_CASE("cumprod of a million factors") {
    const auto values = [](Exact x) {
        long double product = 1;
        for (double& v : x) v = static_cast<double>(product *= static_cast<long double>(v));
        return x;
    };
    const auto slopes = [](Exact x, const Exact& y) {
        long double sum = 0;
        for (std::size_t i = many; i-- > 0;) {
            sum += static_cast<long double>(y[i]);
            x[i] = static_cast<double>(sum / static_cast<long double>(x[i]));
        }
        return x;
    };
    const auto f = [](const F& x) { return cumprod(x, 0); };
    for (const auto& x : {std::vector<float>(many, 1.0000016f), random_terms(1, 1e-3f)}) {
        const auto [value, slope] = cumulative_errors(x, f, values, slopes, {1e-30, 1e-30});
        CHECK(value < 1.2e-7);
        CHECK(slope < 4e-7);
    }
}

TEST_CASE("logcumsumexp of a million terms") {
    const auto values = [](Exact x) {
        long double top = -1e30L, sum = 0;
        for (double& v : x) {
            const auto q = static_cast<long double>(v);
            if (q > top) sum *= std::exp(top - q), top = q;
            sum += std::exp(q - top);
            v = static_cast<double>(top + std::log(sum));
        }
        return x;
    };
    const auto slopes = [](Exact x, const Exact& y) { // y never falls
        long double last = static_cast<long double>(y.back()), sum = 0;
        for (std::size_t i = many; i-- > 0;) {
            const auto q = static_cast<long double>(y[i]);
            sum = sum * std::exp(q - last) + 1;
            last = q;
            x[i] = static_cast<double>(sum * std::exp(static_cast<long double>(x[i]) - q));
        }
        return x;
    };
    const auto f = [](const F& x) { return logcumsumexp(x, 0); };
    std::vector<float> ramp(many);
    for (std::size_t i = 0; i < many; ++i) ramp[i] = 2e-5f * static_cast<float>(i);
    for (const auto& x : {std::vector<float>(many, term), random_terms(0, 3), ramp}) {
        const auto [value, slope] = cumulative_errors(x, f, values, slopes, {1, 1e-30});
        CHECK(value < 2e-7);
        CHECK(slope < 4e-6);
    }
}
