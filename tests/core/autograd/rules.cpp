#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/autograd/record.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <functional>

using namespace test;

namespace {

using V = Variable<double>;
using Many = std::vector<V>;

// The error of an ordinary and of a recorded pass through an operation with this rule.
template <class F>
std::string refused(const F& rule) {
    std::string texts[2];
    for (const bool recorded : {false, true}) {
        Tape<double> tape;
        const V x = tape.variable(Tensor<double>::ones({2, 3}));
        const V z = x * 1.0;
        const V y = record<double>("mine", {&z}, x.value().copy(), save_for_backward(),
                                   [rule](const Adjoints<double>& to, const V& g) { rule(to, g); });
        texts[recorded] = error_of([&] { gradients(sum(y), {x}, {.create_graph = recorded}); });
    }
    CHECK(texts[0] == texts[1]);
    CHECK(contains(texts[0], "mine: "));
    return texts[0];
}

const Tensor<double> point({2}, {1, 2});

V ones(const Shape& shape) { return constant(Tensor<double>::ones(shape)); }

} // namespace

// The identity, by rules that pass the gradient on in parts and by different functions.
TEST_CASE("rules: every part of an adjoint, to second order") {
    using To = Adjoint<double>;
    const std::vector<std::pair<const char*, std::function<void(const To&, const V&)>>> rules{
        {"scale",
         [](const To& to, const V& g) {
             to.add(g, 0.25);
             to.add(g, 0.75);
         }},
        {"slices",
         [](const To& to, const V& g) {
             to.slice(2, 1, 4).add(slice(g, 2, 1, 4));
             to.slice(-1, 0, 1).add(slice(g, 2, 0, 1));
         }},
        {"slices of a slice",
         [](const To& to, const V& g) {
             to.slice(0, 0, 1).add(slice(g, 0, 0, 1));
             to.slice(0, 1, 2).slice(1, 1, 3).add(slice(slice(g, 0, 1, 2), 1, 1, 3));
             to.slice(0, 1, 2).slice(1, 0, 1).add(slice(slice(g, 0, 1, 2), 1, 0, 1));
         }},
        {"reshape",
         [](const To& to, const V& g) {
             to.reshape({6, 4}).slice(0, 2, 6).add(slice(reshape(g, {6, 4}), 0, 2, 6));
             to.reshape({6, 4}).slice(0, 0, 2).add(slice(reshape(g, {6, 4}), 0, 0, 2));
         }},
        {"transpose",
         [](const To& to, const V& g) {
             to.transpose(std::array<std::size_t, 3>{2, 0, 1}).add(transpose(g, {2, 0, 1}));
         }},
        {"slices of a transpose",
         [](const To& to, const V& g) {
             const auto turned = to.transpose(std::array<std::size_t, 3>{1, 2, 0});
             const V h = transpose(g, {1, 2, 0});
             turned.slice(1, 3, 4).add(slice(h, 1, 3, 4));
             turned.slice(1, 0, 3).add(slice(h, 1, 0, 3));
         }},
        {"product",
         [](const To& to, const V& g) {
             Tensor<double> eye = Tensor<double>::zeros({4, 4});
             for (std::size_t i = 0; i < 4; ++i) eye(i, i) = 0.5;
             to.add_product(g, constant(eye), 2);
         }},
        {"rows",
         [](const To& to, const V& g) {
             to.scatter_rows(Indices({2}, {1, 0}), flip(g, 0) * 1.0);
         }},
        {"rows of a slice",
         [](const To& to, const V& g) {
             to.slice(1, 1, 3).scatter_rows(Indices({2}, {0, 1}), slice(g, 1, 1, 3) * 1.0);
             to.slice(1, 0, 1).add(slice(g, 1, 0, 1));
         }},
        {"elements of a slice",
         [](const To& to, const V& g) {
             Indices all({16});
             for (std::size_t i = 0; i < 16; ++i) all.data()[i] = static_cast<std::int64_t>(i);
             to.slice(1, 1, 3).scatter_elements(all, flatten(slice(g, 1, 1, 3) * 1.0));
             to.slice(1, 0, 1).add(slice(g, 1, 0, 1));
         }},
    };
    for (const auto& [name, rule] : rules) {
        CAPTURE(name);
        const auto same = [&rule = rule](const V& x) {
            return record<double>(
                "same", {&x}, x.value().copy(), save_for_backward(),
                [rule](const Adjoints<double>& to, const V& g) { rule(to[0], g); });
        };
        // With other contributions before and after.
        const auto f = [&](const Many& x) {
            const V z = x[0] * 1.0;
            return sin(z) * sin(same(z) + sin(z * 2.0));
        };
        for (const int order : {1, 2}) {
            const auto report = gradcheck(f, {random_tensor({2, 3, 4})}, {}, {.order = order});
            CAPTURE(order);
            INFO(report.text());
            CHECK(report.passed());
        }
    }
}

TEST_CASE("rules: a contribution that does not fit the gradient is an error of the operation") {
    using To = Adjoints<double>;
    CHECK(contains(refused([](const To& to, const V& g) { to[1].add(g); }),
                   "adds to the gradient of input 1, but the operation has 1"));
    CHECK(contains(refused([](const To& to, const V&) {
                       to[0].add_product(ones({2, 5}), ones({7, 3}));
                   }),
                   "adds the product of [2, 5] and [7, 3], expected [..., m, k] and [..., k, n]"));
    CHECK(contains(refused([](const To& to, const V&) { to[0].add_product(ones({2}), ones({2})); }),
                   "adds the product of [2] and [2]"));
    CHECK(contains(refused([](const To& to, const V&) {
                       to[0].scatter_rows(Indices({2}, {0, 2}), ones({2, 3}));
                   }),
                   "adds to row 2 of a gradient that has 2"));
    CHECK(contains(refused([](const To& to, const V&) {
                       to[0].scatter_rows(Indices({1}, {-1}), ones({1, 3}));
                   }),
                   "adds to row -1 of"));
    CHECK(contains(refused([](const To& to, const V&) {
                       to[0].scatter_rows(Indices({2}, {0, 1}), ones({2, 2}));
                   }),
                   "adds 2 rows of shape [3], but the contribution has shape [2, 2]"));
    CHECK(contains(refused([](const To& to, const V&) {
                       to[0].scatter_elements(Indices({1}, {6}), ones({1}));
                   }),
                   "adds to element 6 of a gradient that has 6"));
    CHECK(contains(refused([](const To& to, const V&) {
                       to[0].scatter_elements(Indices({1}, {5}), ones({2}));
                   }),
                   "adds 1 elements, but the contribution has shape [2]"));
    CHECK(contains(refused([](const To& to, const V&) {
                       to[0].slice(1, 1, 5).add(ones({2, 4}));
                   }),
                   "slices [1, 5) of axis 1 of a gradient of shape [2, 3]"));
    CHECK(contains(refused([](const To& to, const V&) { to[0].slice(0, 2, 1); }), "slices [2, 1)"));
    CHECK(contains(refused([](const To& to, const V&) { to[0].reshape({7}); }),
                   "reshapes a gradient of shape [2, 3] to [7]"));
    CHECK(contains(refused([](const To& to, const V&) {
                       to[0].transpose(std::array<std::size_t, 2>{0, 0});
                   }),
                   "transposes a gradient of shape [2, 3]"));
}

TEST_CASE("rules: a result in the memory of an input is an error") {
    const auto forgetful = [](const V& x) {
        Tensor<double> y = x.value();
        y.fill(2);
        return record<double>("forgetful", {&x}, y, save_for_backward(),
                              [](const Adjoints<double>& to, const V& g) { to[0].add(g); });
    };
    Tape<double> tape;
    const V x = tape.variable(Tensor<double>::ones({2})), z = x * 1.0;
    CHECK(
        contains(error_of([&] { forgetful(z); }), "forgetful: its result is stored in the memory"));
    CHECK(contains(error_of([&] { forgetful(V(Tensor<double>::ones({2}))); }), "copy()"));
    CHECK(contains(error_of([&] {
                       const V* const inputs[] = {&z};
                       record<double>("two", std::span(inputs),
                                      std::array{z.value().copy(), z.value()}, save_for_backward(),
                                      [](const Adjoints<double>&, std::span<const V>) {});
                   }),
                   "two: its result"));
}

TEST_CASE("rules: backward names the saved tensor that has changed") {
    Tape<double> tape;
    const V x = tape.variable(Tensor<double>::ones({2}));
    Indices indices({3}, {0, 1, 1});
    Mask mask = Mask::ones({2});
    const V y = record<double>(
        "mine", {&x}, x.value().copy(), save_for_backward(indices, mask),
        [](const Adjoints<double>& to, const V& g, const Indices&, const Mask&) { to[0].add(g); });
    SUBCASE("indices") {
        indices(1) = 0;
        CHECK(contains(error_of([&] { tape.backward(sum(y)); }), "needs the indices of shape [3]"));
    }
    SUBCASE("a mask") {
        mask.fill(false);
        CHECK(contains(error_of([&] { tape.backward(sum(y)); }), "needs the mask of shape [2]"));
    }
}

TEST_CASE(
    "rules: a number or leaf that loses a derivative is an error where the pass is recorded") {
    const Tensor<double> start({2}, {1, 2});
    const auto hessian_error = [&](const auto& rule) {
        Tape<double> tape;
        const V x = tape.variable(start);
        const V y = record<double>("square_sum", {&x}, Tensor<double>::scalar(5),
                                   save_for_backward(x), rule);
        const V loss = y * y;
        tape.backward(loss, {.retain = true});
        CHECK(tape.gradient(x) == Tensor<double>({2}, {20, 40}));
        return error_of([&] { gradients(loss, {x}, {.create_graph = true}); });
    };
    using To = Adjoints<double>;
    CHECK(contains(
        hessian_error([](const To& to, const V& g, const V& x) { to[0].add(x, 2 * g.item()); }),
        "has no derivative"));
    CHECK(contains(hessian_error([](const To& to, const V& g, const V& x) {
                       to[0].add(Parameter<double>("p", x.value().copy()) * g, 2.0);
                   }),
                   "plain tensor"));
    CHECK(contains(hessian_error([](const To& to, const V& g, const V& x) {
                       to[0].add(Tape<double>::current() != nullptr
                                     ? Tape<double>::current()->variable(x.value()) * g
                                     : x * g,
                                 2.0);
                   }),
                   "plain tensor"));
    CHECK(hessian_error([](const To& to, const V& g, const V& x) {
              if (g.value().item() != 0) to[0].add(x * g, 2.0);
          }).empty());
    CHECK(hessian_error(once([](const To& to, const V& g, const V& x) {
              to[0].add(x, 2 * g.item());
          })).empty());
}

TEST_CASE("rules: writing into the incoming gradient is an error") {
    const auto error = [](bool copies) {
        Tape<double> tape;
        const V x = tape.variable(point);
        const V y = record<double>("halve", {&x}, x.value().copy(), save_for_backward(x),
                                   once([copies](const Adjoints<double>& to, const V& g, const V&) {
                                       auto half = copies ? g.value().copy() : g.value();
                                       half(0) *= 0.5;
                                       to[0].add(half);
                                   }));
        const V z = x * y;
        const std::string said = error_of([&] { tape.backward(sum(z)); });
        const Tensor<double> expected({2}, {1.5 * point(0), 2 * point(1)});
        CHECK(tape.gradient(x) == (said.empty() ? expected : Tensor<double>::zeros({2})));
        return said;
    };
    CHECK(error(true).empty());
    CHECK(contains(error(false), "halve"));
    CHECK(contains(error(false), "wrote into the gradient"));
}
