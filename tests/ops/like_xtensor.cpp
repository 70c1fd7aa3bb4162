// Functions written once, for xtensor's arrays, that run on variables unchanged.

// GCC 12 sees an overflow in xtensor's sorting where there is none.
#pragma GCC diagnostic ignored "-Warray-bounds"

#include "support.hpp"

#include <unroll/core/tensor/xtensor.hpp>
#include <unroll/unroll.hpp>

#include <doctest/doctest.h>
#include <xtensor/xarray.hpp>
#include <xtensor/xmanipulation.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xnorm.hpp>
#include <xtensor/xsort.hpp>

namespace {

const auto functions = std::tuple{
    [](const auto& x) { return sum(exp(x) * x, {1}); },
    [](const auto& x) { return mean(square(x) - 2.0 * x, {0}); },
    [](const auto& x) {
        return sqrt(sum(square(x - mean(x)), {0, 1}) / 3.0);
    },
    [](const auto& x) { return log(1.0 + exp(-abs(x))); },
    [](const auto& x) { return tanh(x) / (1.0 + cos(x) * cos(x)); },
    [](const auto& x) { return amax(x, {0}) - amin(x, {0}); },
    [](const auto& x) { return maximum(x, 0.5 * x) + minimum(x, -x); },
    [](const auto& x) { return square(x) / (1.0 + exp(x)) + sqrt(abs(x) + 0.1); },
    [](const auto& x) { return norm_l2(x, {1}); },
    [](const auto& x) { return clip(x, -0.5, 0.7) * sign(x); },
    [](const auto& x) { return where(x > 0.0, x, 0.1 * expm1(x)); },
    [](const auto& x) { return pow(abs(x) + 1.0, 1.5) - log1p(square(x)); },
    [](const auto& x) { return transpose(x) * 2.0; },
    [](const auto& x) { return expand_dims(x, 1) - expand_dims(x, 0); },
    [](const auto& x) { return flip(x, 1) + sin(x) * erf(x); },
    [](const auto& x) { return sum(x) / (sum(abs(x)) + 1.0); },
};

template <class F>
void compare(const F& f) {
    const unroll::Tensor<double> x = test::random_tensor({4, 3});
    xt::xarray<double> array = xt::zeros<double>({4, 3});
    for (std::size_t i = 0; i < x.size(); ++i) array.data()[i] = x.data()[i];
    const xt::xarray<double> expected = f(array);

    unroll::Tape<double> tape;
    const unroll::Tensor<double> got = f(tape.variable(x)).value().contiguous();
    REQUIRE(got.dimension() == expected.dimension());
    for (std::size_t a = 0; a < got.dimension(); ++a) CHECK(got.shape(a) == expected.shape(a));
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i)
        CHECK(got.data()[i] == doctest::Approx(expected.data()[i]).epsilon(1e-12));
    CHECK(unroll::gradcheck(f, x).passed());
}

} // namespace

TEST_CASE("functions written for xtensor run on variables, with gradients") {
    std::apply([](const auto&... f) { (compare(f), ...); }, functions);
}

TEST_CASE("argmax follows xtensor") {
    const unroll::Tensor<double> x = test::random_tensor({4, 3});
    const xt::xarray<double> array = unroll::array(x);
    const auto expected = xt::eval(xt::argmax(array, 1));
    const unroll::Indices got = argmax(unroll::Variable<double>(x), 1);
    for (std::size_t i = 0; i < 4; ++i)
        CHECK(static_cast<std::size_t>(got.data()[i]) == expected.data()[i]);
}
