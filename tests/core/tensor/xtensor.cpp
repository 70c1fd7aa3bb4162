#include "support.hpp"

#include <unroll/core/autograd/tape.hpp>
#include <unroll/core/tensor/random.hpp>
#include <unroll/core/tensor/xtensor.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <sstream>
#include <string>

#include <doctest/doctest.h>
#include <xtensor/xmath.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>

using namespace unroll;

namespace {

template <class T = double>
Tensor<T> counted(const Shape& shape, T first = 1) {
    Tensor<T> x(shape);
    std::iota(x.data(), x.data() + x.size(), first);
    return x;
}

template <class T, class E>
std::vector<T> values_of(const E& expression) {
    const xt::xarray<T> evaluated = expression;
    return std::vector<T>(evaluated.storage().begin(), evaluated.storage().end());
}

std::vector<double> mapped(const Tensor<double>& x, const Tensor<double>& y,
                           const std::function<double(double, double)>& f) {
    std::vector<double> a = x.to_vector(), b = y.to_vector();
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = f(a[i], b[i]);
    return a;
}

// A view of the wanted shape with strides of all kinds: negative, 0, permuted, with gaps.
Tensor<double> odd_view(Random& random, const Shape& shape) {
    const std::size_t rank = shape.size();
    const std::vector<std::size_t> order = random.permutation(rank);
    Shape stored(rank, 1);
    for (std::size_t i = 0; i < rank; ++i) stored[order[i]] = shape[i];
    Shape narrow = stored, wide = stored;
    for (std::size_t i = 0; i < rank; ++i) {
        if (random.below(4) == 0)
            narrow[i] = wide[i] = 1;
        else
            wide[i] += random.below(2);
    }
    Tensor<double> x = counted(wide, static_cast<double>(random.below(100)));
    for (std::size_t i = 0; i < rank; ++i) {
        const auto axis = static_cast<std::ptrdiff_t>(i);
        x = x.slice(axis, wide[i] - narrow[i], wide[i]);
        if (random.below(2) == 0) x = x.flip(axis);
    }
    return x.broadcast_to(stored).transpose(order);
}

Shape draw_shape(Random& random, std::size_t rank) {
    Shape shape;
    for (std::size_t i = 0; i < rank; ++i)
        shape.push_back(random.below(12) == 0 ? 0 : 1 + random.below(rank > 4 ? 2 : 4));
    return shape;
}

} // namespace

TEST_CASE("xtensor: views of every kind in expressions") {
    Random random(3);
    for (int round = 0; round < 1500; ++round) {
        const Shape shape = draw_shape(random, random.below(9));
        const Tensor<double> x = odd_view(random, shape), y = odd_view(random, shape);
        const Tensor<double> dense = y.copy();
        INFO(to_string(shape));
        const auto sum = mapped(x, y, [](double a, double b) { return 2 * a - b; });
        REQUIRE(values_of<double>(array(x)) == x.to_vector());
        REQUIRE(values_of<double>(2 * array(x) - array(y)) == sum);
        REQUIRE(values_of<double>(2 * array(x) - array(dense)) == sum);
        REQUIRE(tensor(2 * array(x) - array(y)).to_vector() == sum);
        REQUIRE(tensor(2 * array(x) - array(y)).shape() == shape);
        // Operands with the same strides must not be read in memory order.
        REQUIRE(values_of<double>(array(x) + array(x)) ==
                mapped(x, x, [](double a, double b) { return a + b; }));
        const std::vector<double> iterated(array(x).begin(), array(x).end());
        REQUIRE(iterated == x.to_vector());
        const auto flat = x.to_vector();
        REQUIRE(xt::sum(array(x))() == std::accumulate(flat.begin(), flat.end(), 0.0));
        if (!shape.empty()) {
            const Tensor<double> row = counted({shape.back()});
            REQUIRE(tensor(array(x) + array(row)) ==
                    tensor(array(x) + array(row.broadcast_to(shape))));
        }
    }
}

TEST_CASE("xtensor: views of every kind are assigned to") {
    Random random(4);
    for (int round = 0; round < 1000; ++round) {
        const Shape shape = draw_shape(random, random.below(9));
        INFO(to_string(shape));
        // A window in a larger tensor, run through in any order, with both ends unused.
        Shape wide = shape;
        for (auto& n : wide) n += 2;
        Tensor<double> whole = Tensor<double>::full(wide, -1.0);
        Tensor<double> part = whole;
        for (std::size_t i = 0; i < shape.size(); ++i) {
            part = part.slice(static_cast<std::ptrdiff_t>(i), 1, 1 + shape[i]);
            if (random.below(2) == 0) part = part.flip(static_cast<std::ptrdiff_t>(i));
        }
        const Tensor<double> y = odd_view(random, shape);
        array(part) = array(y);
        REQUIRE(part == y);
        array(part) += array(y) * 2;
        REQUIRE(part.to_vector() == mapped(y, y, [](double a, double) { return 3 * a; }));
        xt::noalias(array(part)) = array(y) + 1;
        xt::noalias(array(part)) -= array(y);
        REQUIRE(part == Tensor<double>::ones(shape));
        array(part) *= 4;
        array(part) = array(part) / 2;
        REQUIRE(part == Tensor<double>::full(shape, 2.0));
        array(part) = 5;
        REQUIRE(part == Tensor<double>::full(shape, 5.0));
        part.fill(-1);
        REQUIRE(whole == Tensor<double>::full(wide, -1.0));
    }
}

TEST_CASE("xtensor: an assignment reads the old elements") {
    Tensor<double> x = counted({3, 3});
    const Tensor<double> transposed = x.transpose().copy();
    array(x) = array(x.transpose());
    CHECK(x == transposed);
    array(x) = array(x.flip(0)) + array(x);
    CHECK(x.to_vector() == std::vector<double>{4, 10, 16, 4, 10, 16, 4, 10, 16});
    array(x.slice(0, 1, 3)) = array(x.slice(0, 0, 2)) + 1;
    CHECK(x(2, 0) == 5.0);
    array(x) -= array(x.transpose());
    CHECK(x.to_vector() == tensor(-array(x.transpose())).to_vector());
}

TEST_CASE("xtensor: an assigned expression is broadcast, and never changes the shape") {
    Tensor<double> x = counted({2, 3});
    const xt::xtensor<double, 1> row{10, 20, 30};
    array(x) = row;
    CHECK(x.to_vector() == std::vector<double>{10, 20, 30, 10, 20, 30});
    array(x) += xt::xtensor<double, 2>{{1}, {2}};
    CHECK(x.to_vector() == std::vector<double>{11, 21, 31, 12, 22, 32});

    const Tensor<double> before = x.copy();
    const xt::xarray<double> pair{1, 2}, cube = xt::ones<double>({2, 2, 3});
    const xt::xarray<double> flat = xt::ones<double>({6});
    Tensor<double> other = counted({3, 2}), large = counted({4, 3});
    const Array<double> a = array(x);
    const auto refused = [&](const std::function<void(Array<double>)>& assign) {
        try {
            assign(a);
            FAIL("a shape that does not fit was accepted");
        } catch (const Error& error) {
            CHECK(std::string(error.what()).find("[2, 3]") != std::string::npos);
        }
    };
    refused([&](Array<double> to) { to = pair; });
    refused([&](Array<double> to) { to = cube; });
    refused([&](Array<double> to) { to = flat; });
    refused([&](Array<double> to) { to = array(other); });
    refused([&](Array<double> to) { to = array(large) * 2; });
    refused([&](Array<double> to) { to += cube; });
    refused([&](Array<double> to) { to -= array(large.slice(0, 0, 1).broadcast_to({3, 2, 3})); });
    refused([&](Array<double> to) { xt::noalias(to) = cube; });
    refused([&](Array<double> to) { xt::noalias(to) = pair; });
    refused([&](Array<double> to) { xt::noalias(to) += cube; });
    refused([&](Array<double> to) { to = array(large); });
    CHECK(x == before);
}

TEST_CASE("xtensor: an expression keeps its elements alive") {
    const auto make = [] { return counted({2, 2}); };
    auto shown = array(make().transpose());
    auto expression = array(make()) + array(make()) * 2;
    const Tensor<double> overwritten = Tensor<double>::full({2, 2}, -7.0);
    CHECK(values_of<double>(shown) == std::vector<double>{1, 3, 2, 4});
    CHECK(values_of<double>(expression) == std::vector<double>{3, 6, 9, 12});
    const auto copy = shown;
    shown(0, 1) = 30;
    CHECK(copy(0, 1) == 30.0);
    CHECK(overwritten(0, 0) == -7.0);
}

TEST_CASE("xtensor: reading elements, reducing, selecting") {
    const Tensor<double> x = counted({2, 3}).flip(1);
    const auto a = array(x);
    CHECK(a(0, 0) == 3.0);
    CHECK(a(1, 2) == 4.0);
    CHECK(a.dimension() == 2);
    CHECK(a.size() == 6);
    CHECK(tensor(xt::sum(a, {0})).to_vector() == std::vector<double>{9, 7, 5});
    CHECK(tensor(xt::sum(a, {1})).to_vector() == std::vector<double>{6, 15});
    CHECK(tensor(xt::amax(a, {1})).to_vector() == std::vector<double>{3, 6});
    CHECK(xt::mean(a)() == 3.5);
    CHECK(tensor(xt::where(a > 3, a, 0.0)).to_vector() == std::vector<double>{0, 0, 0, 6, 5, 4});
    CHECK(tensor(xt::transpose(a)).to_vector() == std::vector<double>{3, 6, 2, 5, 1, 4});
    CHECK(tensor(xt::strided_view(a, {1, xt::ellipsis()})).to_vector() ==
          std::vector<double>{6, 5, 4});
    CHECK(xt::allclose(a, xt::xarray<double>{{3, 2, 1}, {6, 5, 4}}));
    CHECK(a == xt::xarray<double>{{3, 2, 1}, {6, 5, 4}});
    CHECK(tensor(xt::exp(array(Tensor<double>::scalar(0)))).item() == 1.0);
    CHECK(tensor(xt::cumsum(a, 1)).to_vector() == std::vector<double>{3, 5, 6, 6, 11, 15});
}

TEST_CASE("xtensor: any expression as a tensor") {
    const xt::xarray<float> f{{1, 2}, {3, 4}};
    const xt::xtensor<int, 1> i{1, -2};
    static_assert(std::is_same_v<decltype(tensor(f + 1)), Tensor<float>>);
    static_assert(std::is_same_v<decltype(tensor(i)), Indices>);
    static_assert(std::is_same_v<decltype(tensor(f > 1)), Mask>);
    static_assert(std::is_same_v<decltype(tensor<double>(f)), Tensor<double>>);
    static_assert(std::is_same_v<decltype(tensor(f * 1.0)), Tensor<double>>);
    CHECK(tensor(f).to_vector() == std::vector<float>{1, 2, 3, 4});
    CHECK(tensor(f).is_contiguous());
    CHECK(tensor(i).to_vector() == std::vector<std::int64_t>{1, -2});
    CHECK(tensor<float>(i + 0.5).to_vector() == std::vector<float>{1.5f, -1.5f});
    CHECK(tensor(f > 2).to_vector() == std::vector<bool>{false, false, true, true});
    CHECK(tensor(xt::sum(f)).shape() == Shape{});
    CHECK(tensor(xt::zeros<double>({2, 0, 3})).shape() == Shape{2, 0, 3});
    CHECK(tensor(xt::arange<float>(3)).to_vector() == std::vector<float>{0, 1, 2});
    CHECK(tensor(xt::broadcast(f, {2, 2, 2})).shape() == Shape{2, 2, 2});
    const xt::xarray<float, xt::layout_type::column_major> columns = f;
    CHECK(tensor(columns).to_vector() == tensor(f).to_vector());
    CHECK(tensor(columns + f).to_vector() == std::vector<float>{2, 4, 6, 8});
    // Ranks that are known at run time only, mixed with ranks that are known at compile time.
    CHECK(tensor(f + xt::xtensor<float, 1>{10, 20}).shape() == Shape{2, 2});
    CHECK_THROWS_AS(tensor(xt::ones<float>({1, 1, 1, 1, 1, 1, 1, 1, 1})), Error);
    // Not a view of its source.
    Tensor<double> x = counted({2});
    const Tensor<double> y = tensor(array(x));
    x.fill(0);
    CHECK(y.to_vector() == std::vector<double>{1, 2});
}

TEST_CASE("xtensor: containers become tensors without a copy") {
    SUBCASE("row-major") {
        xt::xarray<float> a{{1, 2, 3}, {4, 5, 6}};
        const float* const data = a.data();
        const Tensor<float> x = adopt(std::move(a));
        CHECK(x.data() == data);
        CHECK(x.to_vector() == std::vector<float>{1, 2, 3, 4, 5, 6});
        CHECK(x.is_contiguous());
        CHECK(x.select(0, 1).to_vector() == std::vector<float>{4, 5, 6});
    }
    SUBCASE("column-major") {
        xt::xtensor<double, 2, xt::layout_type::column_major> a{{1, 2, 3}, {4, 5, 6}};
        const double* const data = a.data();
        const Tensor<double> x = adopt(std::move(a));
        CHECK(x.data() == data);
        CHECK(x.strides() == Strides{1, 2});
        CHECK(x.to_vector() == std::vector<double>{1, 2, 3, 4, 5, 6});
    }
    SUBCASE("other ranks and types, and temporaries") {
        CHECK(adopt(xt::xarray<bool>{true, false}).to_vector() == std::vector<bool>{true, false});
        CHECK(adopt(xt::xtensor<std::int64_t, 1>{4}).item() == 4);
        CHECK(adopt(xt::xarray<float>(2.0f)).item() == 2.0f);
        CHECK(adopt(xt::xarray<float>::from_shape({0, 2})).shape() == Shape{0, 2});
        const Tensor<float> units = adopt(xt::xarray<float>(xt::ones<float>({1, 3, 1})));
        CHECK(units.reshape({3}).to_vector() == std::vector<float>{1, 1, 1});
        CHECK(units.squeeze(0).expand_dims(1).shape() == Shape{3, 1, 1});
    }
    SUBCASE("there and back") {
        xt::xarray<float> a = xt::arange<float>(6);
        Tensor<float> x = adopt(std::move(a.reshape({2, 3})));
        array(x) += 1;
        CHECK(x(1, 2) == 6.0f);
    }
}

TEST_CASE("printing") {
    const auto printed = [](const auto& x) {
        std::ostringstream out;
        out << x;
        return out.str();
    };
    CHECK(printed(Tensor<float>({2, 2}, {1, 2.5f, -3, 4})) == "{{ 1. ,  2.5},\n {-3. ,  4. }}");
    CHECK(printed(Tensor<float>({2, 2}, {1, 2, 3, 4}).transpose()) == "{{ 1.,  3.},\n { 2.,  4.}}");
    CHECK(printed(Indices({3}, {1, -2, 30})) == "{  1,  -2,  30}");
    CHECK(printed(Mask({2}, {true, false})) == "{ true, false}");
    CHECK(printed(Tensor<double>::scalar(1.5)) == " 1.5");
    CHECK(printed(Tensor<float>()) == "{} of shape [0]");
    CHECK(printed(Tensor<float>({2, 0})) == "{} of shape [2, 0]");
    CHECK(printed(Tensor<float>::ones(Shape(8, 1))) == "{{{{{{{{ 1.}}}}}}}}");
    const std::string large = printed(Tensor<double>::zeros({1000, 1000}));
    CHECK(large.size() < 1000);
    CHECK(large.find("...") != large.npos);
    const float inf = std::numeric_limits<float>::infinity();
    CHECK(printed(Tensor<float>({2}, {inf, -inf})).find("-inf") != std::string::npos);
    std::ostringstream out;
    out << Tensor<double>({2}, {1e-20, 1e20}) << 0.25;
    CHECK(out.str().ends_with("}0.25"));
}

TEST_CASE("writes through an array that was created before the forward pass are detected") {
    const auto noticed = [](const auto& write) {
        Tensor<double> x({2, 3}, {1, 2, 3, 4, 5, 6});
        auto a = array(x);
        Tape<double> tape;
        const Variable<double> v = tape.variable(Tensor<double>::ones({2, 3}));
        const Variable<double> y = sum(v * Variable<double>(x));
        write(a);
        return !test::error_of([&] { tape.backward(y); }).empty();
    };
    CHECK(noticed([](auto& a) { a = 2.0; }));
    CHECK(noticed([](auto& a) { a *= 10; }));
    CHECK(noticed([](auto& a) { a(0, 1) = 3; }));
    CHECK(noticed([](auto& a) { a[{0, 1}] = 3; }));
    CHECK(noticed([](auto& a) { a.at(0, 1) = 3; }));
    CHECK(noticed([](auto& a) { a.unchecked(0, 1) = 3; }));
    CHECK(noticed([](auto& a) { a.flat(2) = 3; }));
    CHECK(noticed([](auto& a) { a.data()[0] = 3; }));
    CHECK(noticed([](auto& a) { *a.linear_begin() = 3; }));
    CHECK(noticed([](auto& a) { std::fill(a.begin(), a.end(), 1); }));
    CHECK(noticed([](auto& a) { xt::view(a, 0) = 7.0; }));
    CHECK(noticed([](auto& a) { xt::view(a, xt::all(), xt::range(0, 2)) *= 7.0; }));
    CHECK(noticed([](auto& a) {
        for (auto& element : a) element = 1;
    }));
    CHECK_FALSE(noticed([](const auto& a) { CHECK(xt::sum(a)() == 21); }));
}
