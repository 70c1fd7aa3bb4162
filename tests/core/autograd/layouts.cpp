// Values whose elements are not in row-major order, and views of them.

#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/autograd/record.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>

using namespace test;

namespace {

using V = Variable<double>;
using Views = std::vector<std::pair<const char*, V (*)(const V&)>>;

// x [2, 3] or its equal in another layout, seen through views.
const Views& views() {
    static const Views all{
        {"select", [](const V& x) { return select(x, 0, 1); }},
        {"slice", [](const V& x) { return slice(x, 1, 1, 3); }},
        {"slice of a slice", [](const V& x) { return select(slice(x, 1, 1, 3), 1, 1); }},
        {"transpose", [](const V& x) { return transpose(x); }},
        {"flip", [](const V& x) { return flip(x, 1); }},
        {"flip and slice", [](const V& x) { return slice(flip(x, 1), 1, 0, 2); }},
        {"transpose and select", [](const V& x) { return select(transpose(x), 0, 2); }},
        {"take",
         [](const V& x) {
             return take(x, Indices({3}, {1, 0, 1}));
         }},
        {"softmax", [](const V& x) { return softmax(x, 0); }},
        {"product", [](const V& x) { return matmul(x, transpose(x)); }},
    };
    return all;
}

const Tensor<double> numbers({2, 3}, {1, -2, 3, 4, 5, -6});

// The same elements in other layouts.
std::vector<Tensor<double>> layouts() {
    const Tensor<double> wide = concatenate({V(numbers), V(numbers)}, 1).value();
    return {numbers, numbers.transpose().copy().transpose(), numbers.flip(0).copy().flip(0),
            numbers.flip(1).copy().flip(1), wide.slice(1, 3, 6)};
}

// The gradient of the sum of squares of f, of first or second order, by a plain leaf.
Tensor<double> expected(V (*f)(const V&), int order) {
    Tape<double> tape;
    const V x = tape.variable(numbers);
    V y = sum(square(f(x)) * f(x));
    if (order == 2) y = sum(square(gradients(y, {x}, {.create_graph = true})[0]));
    tape.backward(y);
    return tape.gradient(x);
}

} // namespace

TEST_CASE("layouts: views of parameters and results in any layout have the right gradient") {
    for (const auto& [name, f] : views())
        for (const int order : {1, 2})
            for (const auto& value : layouts()) {
                CAPTURE(name);
                CAPTURE(order);
                const auto loss = [&](const V& x) {
                    V y = sum(square(f(x)) * f(x));
                    return order == 2 ? sum(square(gradients(y, {x}, {.create_graph = true})[0]))
                                      : y;
                };
                Parameter<double> p("p", value);
                Tape<double> tape;
                tape.backward(loss(p));
                CHECK(distance(p.gradient(), expected(f, order)) < 1e-12);

                const V x = tape.variable(numbers);
                const V same = record<double>(
                    "same", {&x}, value.copy().transpose().copy().transpose(), save_for_backward(),
                    [](const auto& to, const V& g) { to[0].add(g); });
                tape.backward(loss(same));
                CHECK(distance(tape.gradient(x), expected(f, order)) < 1e-12);
            }
}

TEST_CASE("layouts: retaining a view changes no gradient") {
    const Views bases{{"transpose", [](const V& x) { return transpose(transpose(x) + 0.0); }},
                      {"flip", [](const V& x) { return flip(flip(x, 0) + 0.0, 0); }},
                      {"columns", [](const V& x) {
                           return slice(concatenate({x, x}, 1), 1, 3, 6);
                       }}};
    for (const auto& [base_name, base] : bases)
        for (const auto& [name, f] : views())
            for (const bool recorded : {false, true}) {
                CAPTURE(base_name);
                CAPTURE(name);
                Tape<double> tape;
                const V x = tape.variable(numbers);
                const V view = base(x);
                tape.retain(view);
                const V y = sum(square(f(view)) * f(view));
                if (recorded) {
                    const auto all = gradients(y, {x, view}, {.create_graph = true});
                    CHECK(distance(all[0].value(), expected(f, 1)) < 1e-12);
                    CHECK(distance(all[1].value(), expected(f, 1)) < 1e-12);
                    tape.backward(sum(square(all[0])));
                    CHECK(distance(tape.gradient(x), expected(f, 2)) < 1e-12);
                } else {
                    tape.backward(y);
                    CHECK(distance(tape.gradient(x), expected(f, 1)) < 1e-12);
                    CHECK(distance(tape.gradient(view), expected(f, 1)) < 1e-12);
                }
            }
    Tape<double> tape;
    const V repeated = broadcast_to(tape.variable(Tensor<double>({1, 3}, {1, 2, 3})), {2, 3});
    tape.retain(repeated);
    CHECK(contains(error_of([&] { select(repeated, 0, 1); }), "retain() a copy"));
}

TEST_CASE("layouts: overwriting the memory of a retained view is detected") {
    const auto weight = random_tensor({3, 3}, 2);
    for (const bool flipped : {false, true})
        for (const bool deep : {false, true}) {
            CAPTURE(flipped);
            CAPTURE(deep);
            Tape<double> tape;
            const V x = tape.variable(random_tensor({3, 3}));
            const V z = x * 1.0;
            const V row = slice(flipped ? flip(z, 1) : z, 0, 0, 1);
            tape.retain(row);
            const V kept = deep ? select(row, 1, 0) : row;
            const V first = tanh(kept), other = tanh(slice(z, 0, 2, 3));
            CHECK(contains(error_of([&] {
                               add_linear(kept.dimension() == 1 ? row : kept,
                                          V(random_tensor({1, 3})), weight);
                           }),
                           "cannot be overwritten"));
            // A row that nobody has read, then the one that was retained.
            add_linear(slice(z, 0, 1, 2), V(random_tensor({1, 3})), weight);
            tape.backward(sum(first) + sum(other), {.retain = true});
            add_linear(slice(z, 0, 0, 1), V(random_tensor({1, 3})), weight);
            CHECK(contains(error_of([&] { tape.backward(sum(first)); }), "was changed"));
            CHECK(contains(error_of([&] { select(kept, 0, 0); }), "overwritten"));
            CHECK(contains(error_of([&] { square(kept); }), "overwritten"));
        }
}

TEST_CASE("layouts: only the overwritten rows of a retained view have changed") {
    const auto weight = random_tensor({3, 3}, 2);
    Tape<double> tape;
    const V x = tape.variable(random_tensor({3, 3}));
    const V z = x * 1.0;
    const V rows = slice(z, 0, 0, 2);
    tape.retain(rows);
    const V first = select(rows, 0, 0), second = select(rows, 0, 1);
    add_linear(slice(z, 0, 1, 2), V(random_tensor({1, 3})), weight);
    CHECK(error_of([&] { square(first); }) == "");
    CHECK(contains(error_of([&] { square(second); }), "overwritten"));
}

TEST_CASE("layouts: a result that is recorded as a view must be one") {
    Tape<double> tape;
    const V x = tape.variable(numbers);
    const auto view = [&](const Tensor<double>& value) {
        return error_of([&] { record_view(Op("part"), x, value); });
    };
    CHECK(contains(view(numbers.copy()), "part: its result is not a view of its operand"));
    const Tensor<double> half = x.value().slice(0, 0, 1);
    const V part = slice(x, 0, 0, 1);
    CHECK(contains(error_of([&] { record_view(Op("whole"), part, x.value()); }), "not a view"));
    CHECK(view(half).empty());
    // Within the extent of a flipped base, but between its elements.
    const V gaps = slice(transpose(x), 0, 0, 1);
    tape.retain(gaps);
    Tensor<double> between = x.value().slice(0, 0, 1).slice(1, 1, 2);
    CHECK(contains(error_of([&] { record_view(Op("between"), gaps, between); }), "not a view"));
    const std::size_t size = tape.size();
    CHECK_THROWS_AS(record_view(Op("between"), gaps, between), Error);
    CHECK(tape.size() == size);
}

TEST_CASE("layouts: a parameter has separate memory") {
    const Tensor<double> init = Tensor<double>::ones({2, 2});
    Parameter<double> a("a", init), b("b", init);
    a.change().fill(5);
    CHECK(b.value() == Tensor<double>::ones({2, 2}));
    CHECK(init == Tensor<double>::ones({2, 2}));
    Parameter<double> c("c", Tensor<double>({1}, {1}).broadcast_to({3}));
    c.set(Tensor<double>({3}, {1, 2, 3}));
    CHECK(c.value() == Tensor<double>({3}, {1, 2, 3}));
}
