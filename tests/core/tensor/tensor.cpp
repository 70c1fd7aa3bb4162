#include <unroll/core/tensor/random.hpp>
#include <unroll/core/tensor/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include <doctest/doctest.h>

using namespace unroll;

namespace {

// What a tensor should be: every element in row-major order, nothing shared.
struct Model {
    Shape shape;
    std::vector<double> values;
};

std::size_t flat_index(const Shape& shape, const std::vector<std::size_t>& at) {
    std::size_t index = 0;
    for (std::size_t i = 0; i < at.size(); ++i) index = index * shape[i] + at[i];
    return index;
}

template <class F>
void for_each_index(const Shape& shape, F f) {
    const std::size_t count = element_count(shape);
    for (std::size_t n = 0; n < count; ++n) {
        std::vector<std::size_t> at(shape.size());
        std::size_t rest = n;
        for (std::size_t i = shape.size(); i-- > 0; rest /= shape[i]) at[i] = rest % shape[i];
        f(at);
    }
}

// A new model whose element at `index` is the old one's at source(index).
template <class F>
Model rebuilt(const Model& from, const Shape& shape, F source) {
    Model to{shape, {}};
    for_each_index(shape, [&](const std::vector<std::size_t>& at) {
        to.values.push_back(from.values[flat_index(from.shape, source(at))]);
    });
    return to;
}

double element(const Tensor<double>& x, const std::vector<std::size_t>& at) {
    std::ptrdiff_t offset = 0;
    for (std::size_t i = 0; i < at.size(); ++i)
        offset += static_cast<std::ptrdiff_t>(at[i]) * x.strides()[i];
    return x.data()[offset];
}

bool agrees(const Tensor<double>& x, const Model& model) {
    if (x.shape() != model.shape || x.size() != model.values.size()) return false;
    bool same = x.to_vector() == model.values;
    std::size_t n = 0;
    for_each_index(model.shape, [&](const std::vector<std::size_t>& at) {
        same = same && element(x, at) == model.values[n++];
    });
    const Tensor<double> copied = x.copy();
    return same && copied.is_contiguous() && copied == x && x.contiguous() == x &&
           (x.size() == 0 || copied.data() != x.data());
}

struct Drawn {
    Tensor<double> tensor;
    Model model;
};

Shape draw_shape(Random& random, std::size_t most_axes, std::size_t longest) {
    Shape shape;
    for (std::size_t i = random.below(most_axes + 1); i > 0; --i)
        shape.push_back(random.below(8) == 0 ? random.below(2) : 1 + random.below(longest));
    return shape;
}

Drawn draw(Random& random) {
    const Shape shape = draw_shape(random, 4, 4);
    Model model{shape, std::vector<double>(element_count(shape))};
    std::iota(model.values.begin(), model.values.end(), 1.0);
    return {Tensor<double>(shape, std::span<const double>(model.values)), model};
}

std::ptrdiff_t draw_axis(Random& random, std::size_t rank, std::size_t& axis) {
    axis = random.below(rank);
    const auto signed_axis = static_cast<std::ptrdiff_t>(axis);
    return random.below(2) == 0 ? signed_axis : signed_axis - static_cast<std::ptrdiff_t>(rank);
}

// Another shape of as many elements.
Shape draw_reshape(Random& random, std::size_t count) {
    Shape shape;
    while (shape.size() < 5 && count > 1) {
        std::size_t factor = 1 + random.below(count);
        while (count % factor != 0) --factor;
        shape.push_back(factor);
        count /= factor;
    }
    shape.push_back(count);
    while (shape.size() < 6 && random.below(3) == 0)
        shape.insert(random.below(shape.size() + 1), 1);
    return shape;
}

void step(Random& random, Drawn& x) {
    const Shape old = x.model.shape;
    const std::size_t rank = old.size();
    std::size_t axis = 0;
    switch (random.below(8)) {
    case 0: {
        if (rank == 0) return;
        const auto a = draw_axis(random, rank, axis);
        const std::size_t begin = random.below(old[axis] + 1);
        const std::size_t end = begin + random.below(old[axis] - begin + 1);
        x.tensor = x.tensor.slice(a, begin, end);
        Shape shape = old;
        shape[axis] = end - begin;
        x.model = rebuilt(x.model, shape, [&](auto at) { return at[axis] += begin, at; });
        return;
    }
    case 1: {
        if (rank == 0) return;
        const auto a = draw_axis(random, rank, axis);
        if (old[axis] == 0) return;
        const std::size_t index = random.below(old[axis]);
        x.tensor = x.tensor.select(a, index);
        Shape shape = old;
        shape.erase(axis);
        x.model = rebuilt(x.model, shape, [&](auto at) {
            at.insert(at.begin() + static_cast<std::ptrdiff_t>(axis), index);
            return at;
        });
        return;
    }
    case 2: {
        const std::vector<std::size_t> order = random.permutation(rank);
        x.tensor = x.tensor.transpose(order);
        Shape shape;
        for (const std::size_t i : order) shape.push_back(old[i]);
        x.model = rebuilt(x.model, shape, [&](const auto& at) {
            std::vector<std::size_t> from(rank);
            for (std::size_t i = 0; i < rank; ++i) from[order[i]] = at[i];
            return from;
        });
        return;
    }
    case 3:
        x.tensor = x.tensor.transpose();
        x.model = rebuilt(x.model, Shape(old.rbegin(), old.rend()), [](auto at) {
            std::reverse(at.begin(), at.end());
            return at;
        });
        return;
    case 4: {
        if (rank == 0) return;
        x.tensor = x.tensor.flip(draw_axis(random, rank, axis));
        x.model = rebuilt(x.model, old, [&](auto at) {
            at[axis] = old[axis] - 1 - at[axis];
            return at;
        });
        return;
    }
    case 5: {
        if (rank >= 6) return;
        x.tensor = x.tensor.expand_dims(draw_axis(random, rank + 1, axis));
        x.model.shape.insert(axis, 1);
        if (random.below(2) == 0) return;
        Shape wide = x.model.shape;
        wide[axis] = random.below(4);
        if (random.below(2) == 0 && wide.size() < 6) wide.insert(0, 1 + random.below(2));
        x.tensor = x.tensor.broadcast_to(wide);
        const Model narrow = x.model;
        x.model = rebuilt(narrow, wide, [&](std::vector<std::size_t> at) {
            at.erase(at.begin(), at.end() - static_cast<std::ptrdiff_t>(narrow.shape.size()));
            at[axis] = 0;
            return at;
        });
        return;
    }
    case 6: {
        const auto one = std::find(old.begin(), old.end(), 1);
        if (one == old.end()) return;
        axis = static_cast<std::size_t>(one - old.begin());
        x.tensor = x.tensor.squeeze(static_cast<std::ptrdiff_t>(axis));
        x.model.shape.erase(axis);
        return;
    }
    default:
        x.model.shape = draw_reshape(random, x.model.values.size());
        x.tensor = x.tensor.reshape(x.model.shape);
        return;
    }
}

} // namespace

TEST_CASE("views in any sequence have the elements of an index-by-index model") {
    Random random(1);
    for (int round = 0; round < 3000; ++round) {
        Drawn x = draw(random);
        std::string path = to_string(x.model.shape);
        for (int i = 0; i < 8; ++i) {
            step(random, x);
            path += " " + to_string(x.model.shape);
            if (x.model.values.size() > 600) break;
            REQUIRE_MESSAGE(agrees(x.tensor, x.model), path);
        }
    }
}

TEST_CASE("reshape keeps a view where the strides allow it") {
    const Tensor<float> x = Tensor<float>::ones({4, 6, 5});
    CHECK(x.reshape({24, 5}).data() == x.data());
    CHECK(x.slice(0, 1, 3).reshape({2, 30}).storage() == x.storage());
    CHECK(x.slice(1, 0, 3).reshape({4, 15}).storage() == x.storage());
    CHECK(x.slice(1, 0, 3).reshape({60}).storage() != x.storage());
    CHECK(x.slice(2, 0, 4).reshape({24, 4}).storage() == x.storage());
    CHECK(x.slice(2, 0, 4).reshape({24, 2, 2, 1}).storage() == x.storage());
    CHECK(x.transpose().reshape({5, 6, 2, 2}).storage() == x.storage());
    CHECK(x.flip(0).reshape({2, 2, 6, 5}).storage() == x.storage());
    // By chance, the stride of the unit axis continues the run.
    const Tensor<double> y({4, 1, 12}, std::vector<double>(48, 1.0));
    Tensor<double> part = y.slice(2, 0, 6);
    for (std::size_t i = 0; i < 4; ++i)
        for (std::size_t j = 0; j < 6; ++j) part(i, 0, j) = static_cast<double>(6 * i + j);
    std::vector<double> counted(24);
    std::iota(counted.begin(), counted.end(), 0.0);
    CHECK(part.reshape({24}).to_vector() == counted);
}

TEST_CASE("reshape of empty views") {
    const Tensor<float> x = Tensor<float>::ones({2, 3});
    CHECK(x.slice(0, 1, 1).slice(1, 0, 2).reshape({0}).shape() == Shape{0});
    CHECK(x.slice(1, 2, 2).reshape({7, 0, 5}).size() == 0);
    CHECK(Tensor<float>().reshape({3, 0}).shape() == Shape{3, 0});
    CHECK_THROWS_AS(x.slice(0, 0, 0).reshape({1}), Error);
}

TEST_CASE("construction") {
    const Tensor<float> nothing;
    CHECK(nothing.shape() == Shape{0});
    CHECK(nothing.size() == 0);
    CHECK(nothing.to_vector().empty());
    CHECK(nothing == nothing.copy());
    CHECK(Tensor<float>::scalar(2.5f).item() == 2.5f);
    CHECK(Tensor<float>::scalar(2.5f).dimension() == 0);
    CHECK(Tensor<double>::zeros({2, 2}).to_vector() == std::vector<double>(4, 0.0));
    CHECK(Mask({2}, {true, false}).to_vector() == std::vector<bool>{true, false});
    CHECK(Indices({2, 1}, {-3, 4})(1, 0) == 4);
    CHECK(Tensor<float>({2, 0, 3}).size() == 0);
    CHECK_THROWS_AS(Tensor<float>({2, 2}, {1.f, 2.f, 3.f}), Error);
    CHECK_THROWS_AS(Tensor<float>(Shape{std::size_t{1} << 40, std::size_t{1} << 40}), Error);
    CHECK_THROWS_AS(Tensor<float>(Shape{0, std::size_t{1} << 62, 4}), Error);
    CHECK_THROWS_AS(Shape(9, 1), Error);
}

TEST_CASE("elements by index, also of reversed views") {
    Tensor<float> x({2, 3}, {1, 2, 3, 4, 5, 6});
    CHECK(x(1, 2) == 6.f);
    Tensor<float> back = x.flip(0).flip(1);
    CHECK(back(0, 0) == 6.f);
    CHECK(back(1, 2) == 1.f);
    back(1, 1) = 20;
    CHECK(x(0, 1) == 20.f);
    CHECK_THROWS_AS(x(0), Error);
    CHECK_THROWS_AS(x(2, 0), Error);
    CHECK_THROWS_AS(x(0, -1), Error);
    CHECK_THROWS_AS(x.item(), Error);
}

TEST_CASE("a copied handle shares elements, a copy does not") {
    Tensor<float> x({2}, {1, 2});
    const Tensor<float> same = x;
    const Tensor<float> other = x.copy();
    x.fill(7);
    CHECK(same(1) == 7.f);
    CHECK(other(1) == 2.f);
}

TEST_CASE("a tensor that was moved from is empty") {
    const auto check = [](auto x) {
        decltype(x) assigned;
        {
            auto taken = std::move(x);
            CHECK(x.shape() == Shape{0});
            CHECK(std::as_const(x).data() == nullptr);
            CHECK(taken.size() == 3);
            assigned = std::move(taken);
            CHECK(taken.size() == 0);
        }
        CHECK(assigned.to_vector().size() == 3);
        auto& itself = assigned;
        assigned = std::move(itself);
        CHECK(assigned.size() == 3);
        x = assigned;
        CHECK(x == assigned);
    };
    check(Tensor<float>({3}, {1, 2, 3}));
    check(Tensor<double>({3, 1}, {1, 2, 3}));
    check(Indices({3}, {1, 2, 3}));
    check(Mask({3}, {true, false, true}));
    // A view of allocated memory for its layout.
    Tensor<float> x({2, 3});
    Tensor<float> view = x.transpose();
    const Tensor<float> taken = std::move(view);
    CHECK(view.size() == 0);
    CHECK(taken.shape() == Shape{3, 2});
}

TEST_CASE("a view keeps the storage alive") {
    Tensor<double> row;
    {
        const Tensor<double> x({2, 2}, {1, 2, 3, 4});
        row = x.select(0, 1);
    }
    CHECK(row.to_vector() == std::vector<double>{3, 4});
}

TEST_CASE("assign") {
    SUBCASE("into a view that is not dense") {
        Tensor<float> x = Tensor<float>::zeros({2, 4});
        Tensor<float> middle = x.slice(1, 1, 3);
        middle.assign(Tensor<float>({2, 2}, {1, 2, 3, 4}).flip(1));
        CHECK(x.to_vector() == std::vector<float>{0, 2, 1, 0, 0, 4, 3, 0});
    }
    SUBCASE("between parts of one tensor that overlap") {
        Tensor<float> x({5}, {1, 2, 3, 4, 5});
        Tensor<float> later = x.slice(0, 1, 5);
        later.assign(x.slice(0, 0, 4));
        CHECK(x.to_vector() == std::vector<float>{1, 1, 2, 3, 4});
        Tensor<float> square({2, 2}, {1, 2, 3, 4});
        square.transpose().assign(square);
        CHECK(square.to_vector() == std::vector<float>{1, 3, 2, 4});
        square.flip(0).assign(square);
        CHECK(square.to_vector() == std::vector<float>{2, 4, 1, 3});
    }
    SUBCASE("another shape is refused, and nothing is changed") {
        Tensor<float> x({2}, {1, 2});
        CHECK_THROWS_AS(x.assign(Tensor<float>::ones({1})), Error);
        CHECK_THROWS_AS(x.assign(Tensor<float>::ones({2, 1})), Error);
        CHECK(x.to_vector() == std::vector<float>{1, 2});
    }
}

TEST_CASE("equality") {
    const Tensor<float> x({2, 2}, {1, 2, 3, 4});
    CHECK(x == x.copy());
    CHECK(x == x.transpose().copy().transpose());
    CHECK(x != x.transpose());
    CHECK(x != x.reshape({4}));
    CHECK(Tensor<float>({0, 2}) != Tensor<float>({2, 0}));
    const Tensor<float> odd = Tensor<float>::full({1}, std::nanf(""));
    CHECK(odd != odd);
}

TEST_CASE("invalid views are rejected, with the shapes in the message") {
    const Tensor<float> x = Tensor<float>::ones({2, 3});
    CHECK_THROWS_AS(x.slice(2, 0, 1), Error);
    CHECK_THROWS_AS(x.slice(-3, 0, 1), Error);
    CHECK_THROWS_AS(x.slice(0, 2, 1), Error);
    CHECK_THROWS_AS(x.slice(1, 0, 4), Error);
    CHECK_THROWS_AS(x.select(1, 3), Error);
    CHECK_THROWS_AS(x.flip(2), Error);
    CHECK_THROWS_AS(x.squeeze(0), Error);
    CHECK_THROWS_AS(x.expand_dims(4), Error);
    CHECK_THROWS_AS(x.expand_dims(-4), Error);
    CHECK_THROWS_AS(Tensor<float>::scalar(1).select(0, 0), Error);
    CHECK_THROWS_AS(Tensor<float>::ones(Shape(8, 1)).expand_dims(0), Error);
    CHECK_THROWS_AS(x.broadcast_to({3}), Error);
    CHECK_THROWS_AS(x.broadcast_to({2, 4}), Error);
    CHECK_THROWS_AS(x.reshape({4}), Error);
    const std::vector<std::size_t> twice{0, 0}, far{0, 2}, few{1}, many{0, 1, 2};
    for (const auto& order : {twice, far, few, many}) CHECK_THROWS_AS(x.transpose(order), Error);
    CHECK_THROWS_WITH(x.reshape({4}),
                      doctest::Contains("reshape: [2, 3] has 6 elements, which do not fill [4]"));
}

TEST_CASE("broadcast of shapes") {
    const auto common = [](const Shape& a, const Shape& b) { return broadcast("test", a, b); };
    CHECK(common({2, 1}, {3}) == Shape{2, 3});
    CHECK(common({}, {2, 3}) == Shape{2, 3});
    CHECK(common({1}, {0}) == Shape{0});
    CHECK(common({4, 1, 2}, {3, 1}) == Shape{4, 3, 2});
    CHECK_THROWS_AS(common({2}, {3}), Error);
    CHECK_THROWS_AS(common({2}, {0}), Error);
    const Shape a{2, 1}, b{3}, c{5, 1, 1}, d{4};
    const Shape* const three[] = {&a, &b, &c};
    CHECK(broadcast("test", three) == Shape{5, 2, 3});
    const Shape* const wrong[] = {&a, &b, &d};
    try {
        broadcast("test", wrong);
        FAIL("shapes that do not fit were accepted");
    } catch (const Error& error) {
        const std::string message = error.what();
        for (const char* shape : {"[2, 1]", "[3]", "[4]"})
            CHECK(message.find(shape) != message.npos);
    }
}
