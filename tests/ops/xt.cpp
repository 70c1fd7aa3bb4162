// Compares unroll::xt with xtensor: the same functions, values and gradients.

// GCC 12 sees an overflow in xtensor's sorting where there is none.
#pragma GCC diagnostic ignored "-Warray-bounds"

#include "support.hpp"

#include <unroll/core/tensor/xtensor.hpp>
#include <unroll/unroll.hpp>
#include <unroll/xt.hpp>

#include <doctest/doctest.h>
#include <xtensor-blas/xlinalg.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xindex_view.hpp>
#include <xtensor/xmanipulation.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xnorm.hpp>
#include <xtensor/xsort.hpp>
#include <xtensor/xview.hpp>

namespace theirs {
namespace xt = ::xt;
#include "xtensor_functions.hpp"
} // namespace theirs

namespace ours {
namespace xt = unroll::xt;
#include "xtensor_functions.hpp"
} // namespace ours

using unroll::Tensor;
using unroll::Variable;

TEST_CASE("functions written for xtensor give its values, and gradients, with unroll::xt") {
    const Tensor<double> x = test::random_tensor({4, 6});
    const xt::xarray<double> array = unroll::array(x);
#define FUNCTION(name) std::tuple(#name, &theirs::name, &ours::name)
    const std::tuple<const char*, theirs::Array (*)(const theirs::Array&),
                     ours::Array (*)(const ours::Array&)>
        functions[] = {FUNCTION(several_ranges),
                       FUNCTION(negative_ends),
                       FUNCTION(steps),
                       FUNCTION(backwards),
                       FUNCTION(backwards_by_two),
                       FUNCTION(rows_and_columns),
                       FUNCTION(outer_difference),
                       FUNCTION(rest_of_axes),
                       FUNCTION(element),
                       FUNCTION(joined),
                       FUNCTION(sums),
                       FUNCTION(kept),
                       FUNCTION(norms),
                       FUNCTION(pieces),
                       FUNCTION(products),
                       FUNCTION(constants),
                       FUNCTION(ranges),
                       FUNCTION(chosen),
                       FUNCTION(halves),
                       FUNCTION(stacks),
                       FUNCTION(flattened),
                       FUNCTION(running),
                       FUNCTION(rolled),
                       FUNCTION(diagonals),
                       FUNCTION(middles),
                       FUNCTION(solved)};
#undef FUNCTION
    for (const auto& [name, theirs, ours] : functions) {
        CAPTURE(std::string(name));
        const xt::xarray<double> expected = theirs(array);
        const Tensor<double> got = ours(x).value().contiguous();
        REQUIRE(got.shape() == unroll::Shape(expected.shape().begin(), expected.shape().end()));
        for (std::size_t i = 0; i < got.size(); ++i)
            CHECK(got.data()[i] == doctest::Approx(expected.flat(i)).epsilon(1e-12));
        CHECK(unroll::gradcheck(ours, x).passed());
        // For a function with second derivatives.
        const auto bent = [&](const auto& in) { return sin(ours(in[0]) + 1); };
        CHECK(unroll::gradcheck(bent, {x}, {}, {.order = 2}).passed());
    }
}

TEST_CASE("options of reductions can be combined, and an axis can be a number") {
    namespace xt = unroll::xt;
    const Tensor<double> x = test::random_tensor({4, 6});
    const auto kept = xt::keep_dims | xt::evaluation_strategy::immediate;
    CHECK(xt::sum(x, 1, kept).shape() == unroll::Shape{4, 1});
    CHECK(xt::sum(x, {1}, xt::evaluation_strategy::lazy).shape() == unroll::Shape{4});
    CHECK(xt::amax(x, xt::keep_dims).shape() == unroll::Shape{1, 1});
    CHECK(xt::eval(x).value() == x);
    CHECK(xt::sum(x, {1}, kept).value() == sum(Variable<double>(x), {1}, true).value());
}

// Not compared with xtensor, whose version 0.24 writes out of bounds here in C++20.
TEST_CASE("variance and stddev have xtensor's arguments") {
    namespace xt = unroll::xt;
    const Tensor<double> x = test::random_tensor({4, 6});
    const Variable<double> off = square(x - mean(x, {0}));
    const auto close = [](const Variable<double>& a, const Variable<double>& b) {
        return a.shape() == b.shape() && amax(abs(a - b)).item() < 1e-12;
    };
    CHECK(close(xt::variance(x, {0}), mean(off, {0})));
    CHECK(close(xt::variance(x, {0}, 1), sum(off, {0}) / 3));
    CHECK(close(xt::variance(x, {0}, 1, xt::keep_dims), sum(off, {0}, true) / 3));
    CHECK(close(xt::stddev(x, {0}, xt::keep_dims), sqrt(mean(off, {0}, true))));
    CHECK(close(xt::stddev(x) * xt::stddev(x), xt::variance(x)));
    CHECK(close(xt::variance(x), mean(square(x - mean(x)))));
}

TEST_CASE("argmax and argmin follow xtensor, with and without an axis") {
    const Tensor<double> x = test::random_tensor({4, 6});
    const xt::xarray<double> array = unroll::array(x);
    CHECK(unroll::xt::argmax(x).item() == static_cast<std::int64_t>(xt::argmax(array)()));
    CHECK(unroll::xt::argmin(x).item() == static_cast<std::int64_t>(xt::argmin(array)()));
    const xt::xarray<std::size_t> most = xt::argmax(array, 1), least = xt::argmin(array, 0);
    for (std::size_t i = 0; i < 4; ++i)
        CHECK(unroll::xt::argmax(x, 1)(i) == static_cast<std::int64_t>(most(i)));
    for (std::size_t i = 0; i < 6; ++i)
        CHECK(unroll::xt::argmin(x, 0)(i) == static_cast<std::int64_t>(least(i)));
}

TEST_CASE("invalid slices are errors that name axis and shape") {
    using unroll::all, unroll::range;
    const Variable<double> x = test::random_tensor({4, 6});
    const auto refuses = [&](const char* part, auto... slices) {
        CHECK_THROWS_WITH_AS(view(x, slices...), doctest::Contains(part), unroll::Error);
    };
    refuses("range 0:5 does not fit axis 0 of shape [4, 6]", range(0, 5));
    refuses("range 2:1 does not fit axis 1", all(), range(2, 1));
    refuses("range -7: does not fit axis 1", all(), range(-7, std::nullopt));
    refuses("range 0:3:-1", range(0, 3, -1));
    refuses("range 4:0:-1", range(4, 0, -1));
    refuses("range 0:2:0", range(0, 2, 0));
    refuses("index 4 does not fit axis 0", 4);
    refuses("index -5 does not fit axis 0", -5);
    refuses("3 slices for the axes of shape [4, 6]", 0, 0, 0);
    refuses("more than one ellipsis", unroll::ellipsis(), unroll::ellipsis());
    CHECK(view(x, unroll::ellipsis(), 2).value() == view(x, all(), 2).value());
    CHECK(view(x, 1, unroll::ellipsis(), 2, unroll::newaxis()).item() == x(1, 2).item());
    CHECK(view(x, range(2, 2), 0).shape() == unroll::Shape{0});
    CHECK(view(x, range(4, std::nullopt)).shape() == unroll::Shape{0, 6});
    CHECK(
        view(Variable<double>(Tensor<double>::zeros({0, 2})), range(std::nullopt, std::nullopt, -1))
            .shape() == unroll::Shape{0, 2});
    CHECK_THROWS_WITH_AS(x(1), doctest::Contains("1 indices for an element of shape [4, 6]"),
                         unroll::Error);
    CHECK_THROWS_WITH_AS(x(1, 6), doctest::Contains("index 6 does not fit axis 1"), unroll::Error);
    CHECK_THROWS_WITH_AS(x(0, -7), doctest::Contains("xt.cpp"), unroll::Error);
    CHECK(x(-1, -1).item() == x.value()(3, 5));
}

TEST_CASE("elements and strided views share the gradient of their variable") {
    unroll::Tape<double> tape;
    const auto x = tape.variable(Tensor<double>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}));
    const auto odd = view(x, unroll::all(), unroll::range(1, 4, 2)); // 2 4, 6 8
    tape.backward(x(0, 0) * x(1, -1) + 10 * sum(odd) + odd(1, 0));
    CHECK(tape.gradient(x) == Tensor<double>({2, 4}, {8, 10, 0, 10, 0, 11, 0, 11}));
}

TEST_CASE("masks are combined and negated with broadcasting") {
    using unroll::Mask;
    const Mask a({2, 1}, {true, false}), b({2}, {true, false});
    CHECK((a && b) == Mask({2, 2}, {true, false, false, false}));
    CHECK((a || b) == Mask({2, 2}, {true, true, true, false}));
    CHECK(!a == Mask({2, 1}, {false, true}));
    CHECK_THROWS_AS(a && Mask({3, 1}, {true, true, true}) && Mask({2, 1}, {true, true}),
                    unroll::Error);
}

// Not compared with xtensor, whose version 0.24 allocates without bounds here.
TEST_CASE("average has xtensor's arguments") {
    namespace xt = unroll::xt;
    const Tensor<double> x = test::random_tensor({4, 6});
    const Variable<double> weights = exp(Variable(x)), row = xt::row(weights, 0);
    const auto close = [](const Variable<double>& a, const Variable<double>& b) {
        return a.shape() == b.shape() && amax(abs(a - b)).item() < 1e-12;
    };
    CHECK(close(xt::average(x, weights), sum(x * weights) / sum(weights)));
    CHECK(close(xt::average(x, weights, {1}), sum(x * weights, {1}) / sum(weights, {1})));
    CHECK(close(xt::average(x, row, {1}), sum(x * row, {1}) / sum(row)));
    CHECK(unroll::gradcheck([](const auto& in) { return xt::average(in, exp(in), {0}); }, x));
}

// Not compared with xtensor, whose xpad.hpp makes `_` ambiguous.
TEST_CASE("pad has xtensor's arguments") {
    namespace xt = unroll::xt;
    const Tensor<double> x = test::random_tensor({4, 6});
    const auto wide = xt::pad(x, {{1, 0}, {2, 1}}, xt::pad_mode::constant, 0.5);
    CHECK(wide.shape() == unroll::Shape{5, 9});
    CHECK(xt::view(wide, xt::range(1, 5), xt::range(2, 8)).value() == x);
    CHECK(sum(wide).item() == doctest::Approx(sum(Variable(x)).item() + 0.5 * (45 - 24)));
}

TEST_CASE("arguments of unroll::xt that do not fit are errors") {
    namespace xt = unroll::xt;
    const Tensor<double> x = test::random_tensor({4, 6});
    CHECK(test::contains(test::error_of([&] { xt::pad(x, {{1, 1}}); }), "needs two widths"));
    CHECK(test::contains(test::error_of([&] { xt::arange<double>(0, 3, -1); }), "arange: "));
    CHECK(xt::arange<double>(3, 3).size() == 0);
    CHECK(xt::linspace<double>(2, 5, 1).value() == Tensor<double>({1}, {2}));
}
