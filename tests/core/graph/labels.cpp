// The labels of operations: the positions of literals, and operations that consist of several.

#include "seen.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/graph/graph.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>

using namespace test;

namespace {

using V = Variable<float>;

Tensor<float> ones(const Shape& shape) { return Tensor<float>::ones(shape); }

// The picture of f(x), of x [3, 4].
template <class F>
Seen picture(F f, const graph::Options& options = {}) {
    Tape<float> tape;
    const V x = tape.variable(ones({3, 4}), "input");
    static_cast<void>(f(x));
    return Seen(graph::dot(tape, options));
}

// The label of the only operation.
std::string label(const Seen& seen) {
    CHECK(seen.nodes_with("class=\"sink\"") == 1);
    CHECK(seen.nodes_with("class=\"operation\"") == 0);
    for (const std::string& node : seen.nodes)
        if (contains(node, "class=\"sink\"")) {
            const auto begin = node.find("label=\"") + 7;
            return node.substr(begin, node.find('"', begin) - begin);
        }
    return "";
}
template <class F>
std::string title(F f) {
    const std::string text = label(picture(f));
    return text.substr(0, text.find("\\n"));
}

} // namespace

TEST_CASE("a label shows the position of a literal") {
    CHECK(title([](V x) { return 1 - x; }) == "1 − x");
    CHECK(title([](V x) { return x - 1; }) == "x − 1");
    CHECK(title([](V x) { return x + -1; }) == "x + (−1)");
    CHECK(title([](V x) { return -2 * x; }) == "−2·x");
    CHECK(title([](V x) { return x * 1.5f; }) == "x·1.5");
    CHECK(title([](V x) { return x * 1000.f; }) == "x·1000");
    CHECK(title([](V x) { return 1 / x; }) == "1 / x");
    CHECK(title([](V x) { return x / 4; }) == "x / 4");
    CHECK(title([](V x) { return pow(x, 2); }) == "x^2");
    CHECK(title([](V x) { return pow(2, x); }) == "2^x");
    CHECK(title([](V x) { return pow(x, -2); }) == "x^(−2)");
    CHECK(title([](V x) { return maximum(x, 0); }) == "maximum(x, 0)");
    CHECK(title([](V x) { return minimum(1, x); }) == "minimum(1, x)");
    CHECK(title([](V x) { return where(Mask::ones({4}), x, 0); }) == "where(mask, x, 0)");
    CHECK(title([](V x) { return where(Mask::ones({4}), -1, x); }) == "where(mask, −1, x)");
    CHECK(title([](V x) { return -x; }) == "negative");
    CHECK(title([](V x) { return x + x; }) == "add");
    CHECK(title([](V x) { return x - x; }) == "x1 − x2");
    CHECK(title([](V x) { return pow(x, 2, "energy"); }) == "energy(x, 2)");
    // The name of an operation does not say what it computes.
    CHECK(title([](V x) {
              return fuse(
                  "add", [](auto a, auto b) { return a * b; }, x, 2);
          }) == "add(x, 2)");
    CHECK(title([](V x) {
              return fuse(
                  "blend", [](auto a, auto b, auto c) { return a * b + c; }, x, 2.f, x);
          }) == "blend(x1, 2, x3)");
    CHECK(picture([](V x) { return 1 - x; }).nodes_with("tooltip=\"subtract: 1 − x\\n") == 1);
    SUBCASE("also after a backward pass") {
        Tape<float> tape;
        const V x = tape.variable(ones({2}), "x");
        const V y = sum(pow(3 - clip(x, -1, 2), 2));
        const std::string before = graph::dot(tape);
        tape.backward(y);
        CHECK(graph::dot(tape) == before);
    }
}

TEST_CASE("a label has the numbers that an operation captured") {
    const Mask mask = Mask::ones({3, 4});
    CHECK(title([](V x) { return clip(x, -1, 2.5); }) == "clip(x, −1, 2.5)");
    CHECK(title([](V x) { return leaky_relu(x, 0.2); }) == "leaky_relu(x, 0.2)");
    CHECK(title([](V x) { return elu(x); }) == "elu(x, 1)");
    CHECK(title([](V x) { return dropout(x, 0.25); }) == "dropout(x, 0.25)");
    CHECK(title([&](V x) { return masked_fill(x, mask, -1e9); }) == "masked_fill(x, mask, −1e+09)");
    CHECK(title([](V x) { return pad(x, 0, 1, 2, 0.5); }) == "pad(x, 0, 1, 2, 0.5)");
    CHECK(title([](V x) { return huber(x, x, 2); }) == "huber(x1, x2, 2)");
    CHECK(title([](V x) { return scaled_matmul(x, transpose(x), 0.5); }) ==
          "scaled_matmul(x1, x2, 0.5)");
    CHECK(title([](V x) { return cross_entropy(x, Indices::ones({3}), {.smoothing = 0.1}); }) ==
          "cross_entropy(x, targets, 0.1)");
    CHECK(title([](V x) { return cross_entropy(x, Indices::ones({3})); }) == "cross_entropy");
    // An ellipsis replaces numbers that differ between the steps of a loop.
    Tape<float> tape;
    V h = tape.variable(ones({2}), "h");
    for (int t = 0; t < 5; ++t) {
        const Scope step("t", t);
        h = clip(h, -t, 9);
    }
    CHECK(Seen(graph::dot(tape)).nodes_with("label=\"clip(x, …, 9)") == 1);
}

TEST_CASE("arrows say which operand they bring where the order matters") {
    Tape<float> tape;
    const V a = tape.variable(ones({2, 2}), "a"), b = tape.variable(ones({2, 2}), "b");
    Parameter<float> weight("weight", ones({2, 2}));
    const V c(ones({2, 2}));
    const auto check = [&](const char* label, const V& y, const char* first, const char* second) {
        const Seen seen(graph::dot(y));
        const std::string to = seen.node(label);
        CHECK(seen.operands(seen.node("b\\n"), to) == first);
        CHECK(seen.operands(seen.node("a\\n"), to) == second);
    };
    check("x1 − x2", b - a, "x1", "x2");
    check("x1 / x2", b / a, "x1", "x2");
    check("x1^x2", pow(b, a), "x1", "x2");
    check("matmul", matmul(b, a), "x1", "x2");
    check("where(mask, x2, x3)", where(Mask::ones({2}), b, a), "x2", "x3");
    check("concatenate", concatenate({b, a}, 0), "x1", "x2");
    check("stack", stack({b, a}, 0), "x1", "x2");
    check("own",
          fuse(
              "own", [](auto x, auto y) { return x - 2 * y; }, b, a),
          "x1", "x2");
    check("own", fuse("own", named("p q -> r", [](auto p, auto q) { return p - q * q; }), b, a),
          "p", "q");
    check("blend(x1, 2, x3)",
          fuse(
              "blend", [](auto a, auto b, auto c) { return a * b + c; }, b, 2.f, a),
          "x1", "x3");
    // Not where it does not matter.
    check("add", b + a, "", "");
    check("multiply", b * a, "", "");
    check("maximum", maximum(b, a), "", "");
    check("mean_squared_error", mean_squared_error(b, a), "", "");
    const Seen layer(graph::dot(nn::Linear<float>({.input = 2, .output = 2})(a)));
    CHECK_FALSE(contains(layer.text, "headlabel"));
    // Parameters and constants are operands, too.
    const Seen product(graph::dot(matmul(c, weight) - a));
    CHECK(product.operands(product.node("constant"), product.node("matmul")) == "x1");
    CHECK(product.operands(product.node("weight"), product.node("matmul")) == "x2");

    SUBCASE("two uses of one value are visible") {
        const Seen square(graph::dot(a * a)), difference(graph::dot(a - a)),
            gram(graph::dot(matmul(a, transpose(a))));
        CHECK(square.edges_between(square.node("a"), square.node("multiply")) == 2);
        CHECK(difference.operands(difference.node("a"), difference.node("x1 − x2")) == "x1, x2");
        CHECK(gram.edges.size() == 2);
        CHECK(gram.edges_with("label=\" transpose [2, 2]\"") == 1);
        CHECK(gram.edges_with("headlabel=\"x2\"") == 1);
    }
    SUBCASE("in recorded gradients") {
        const V x = tape.variable(ones({2}), "x");
        gradients(sum(tanh(x * x) - x), {x}, {.create_graph = true});
        const Seen seen(graph::dot(tape));
        // Operands that a label names are on arrows.
        for (const std::string& node : seen.nodes) {
            const std::string label = node.substr(0, node.find("\", id="));
            for (const char* operand : {"x1", "x2", "x3"}) {
                if (!contains(label, operand)) continue;
                const auto name = node.substr(node.find_first_not_of(' '));
                CHECK(std::any_of(seen.edges.begin(), seen.edges.end(), [&](const auto& edge) {
                    return contains(edge, "-> " + name.substr(0, name.find(' ')) + " ") &&
                           contains(edge, operand);
                }));
            }
        }
        CHECK(seen.nodes_with("label=\"sum of gradients") == 1);
        CHECK(seen.nodes_with("label=\"gather") == 0);
    }
}

TEST_CASE("formulas have the literals of their operation") {
    Tape<float> tape;
    const V x = tape.variable(ones({2}), "x");
    CHECK(text(formula(1 - x)) == "1 − x");
    CHECK(text(formula(pow(x, 2))) == "x^2");
    CHECK(text(formula(x + x)) == "x1 + x2");
    CHECK(text(formula(fuse(
              "blend", [](auto a, auto b, auto c) { return a * b + c; }, x, 2.f, x))) ==
          "x1·2 + x3");
    const Seen open = picture(
        [](V x) {
            return fuse(
                "blend", [](auto a, auto b) { return tanh(a) * b; }, 2.f, x);
        },
        {.open = true});
    CHECK(open.clusters("blend\\ntanh(2)·x") == 1);
    CHECK_FALSE(open.edge(open.node("input"), open.node("x\"")).empty());
}

TEST_CASE("an operation of several steps is one node with its own name and shape") {
    const Indices columns({3, 2}, {0, 1, 1, 2, 3, 0}), classes({3}, {0, 1, 2});
    const V constant(ones({3, 2}));
    const auto expect = [&](const char* text, auto f) {
        const Seen seen = picture(f);
        CHECK(label(seen) == text);
        CHECK(seen.edges_with("[label=") == 0); // of no view of its own
    };
    expect("gather\\n[3, 2]", [&](V x) { return gather(x, 1, columns); });
    expect("pick\\n[3]", [&](V x) { return pick(x, classes); });
    expect("scatter_add\\n[3, 4]", [&](V x) { return scatter_add(x, 1, columns, constant); });
    expect("scatter\\n[3, 4]", [&](V x) { return scatter(x, 1, columns, constant); });
    expect("masked_fill(x, mask, 0)\\n[3, 4]", [&](V x) {
        return masked_fill(x, Mask::ones({3, 4}), 0);
    });
    expect("masked_select\\n[12]", [&](V x) { return masked_select(x, Mask::ones({3, 4})); });
    expect("pad(x, 0, 1, 2, 0)\\n[6, 4]", [&](V x) { return pad(x, 0, 1, 2, 0); });
    expect("sum\\n[4]", [&](V x) { return sum(x, {0}); });
    expect("variance\\n[3]", [&](V x) { return variance(x, {1}); });
    expect("logsumexp\\n[3]", [&](V x) { return logsumexp(x, {-1}); });
    expect("softmax\\n[3, 4]", [&](V x) { return softmax(x, 0); });
    expect("log_softmax\\n[3, 4]", [&](V x) { return log_softmax(x, Mask::ones({4})); });
    expect("mean_squared_error", [&](V x) { return mean_squared_error(x, ones({3, 4})); });
    expect("binary_cross_entropy", [&](V x) { return binary_cross_entropy(x, ones({3, 4})); });
    expect("matmul\\n[3, 2]", [&](V x) { return matmul(x, V(ones({4, 2}))); });
}

TEST_CASE("views say which part of a value they are") {
    const auto edge = [](const char* label, auto f) {
        Tape<float> tape;
        const V x = tape.variable(ones({4, 12}), "x");
        CHECK(Seen(graph::dot(f(x))).edges_with(std::string("[label=\" ") + label + "\"") == 1);
    };
    edge("select 2 [12]", [](V x) { return exp(select(x, 0, 2)); });
    edge("select :, 7 [4]", [](V x) { return exp(select(x, 1, 7)); });
    edge("slice 1:3 [2, 12]", [](V x) { return exp(slice(x, 0, 1, 3)); });
    edge("block :, 3:6 [4, 3]", [](V x) { return exp(block(x, 1, 4)); });
    edge("element 1, 2", [](V x) { return exp(x(1, 2)); });
    edge("transpose [12, 4]", [](V x) { return exp(transpose(x)); });
    edge("reshape, slice …, 0:2 [4, 2, 2]", [](V x) {
        return exp(slice(reshape(x, {4, 2, 6}), 2, 0, 2));
    });
    // Parts that one operation reads: their union.
    edge("2 × block :, 0:6 [4, 3]", [](V x) { return block(x, 0, 4) * block(x, 1, 4); });
    edge("2 × block :, 0:3 and :, 6:9 [4, 3]", [](V x) { return block(x, 2, 4) * block(x, 0, 4); });
    edge("2 × block [4, 6]", [](V x) { return block(x, 0, 2) * block(x, 1, 2); });
    // One for each step.
    Tape<float> tape;
    const V x = tape.variable(ones({5, 2}), "x");
    V h = tape.variable(ones({2}), "h");
    for (std::size_t t = 0; t < 5; ++t) {
        const Scope step("t", static_cast<std::int64_t>(t));
        h = tanh(h + select(x, 0, t));
    }
    CHECK(Seen(graph::dot(h)).edges_with("label=\" select … [2]\"") == 1);
}

TEST_CASE("an operation made of steps is distinguished from the same operation before it") {
    // Two calls in one line, each of several nodes.
    const Seen seen = picture([](V x) { return softmax(softmax(x, 0), 0); });
    CHECK(seen.nodes_with("label=\"softmax\\n[3, 4]\"") == 2);
    CHECK(seen.edges.size() == 2);
}

TEST_CASE("operations of several steps are folded in a loop") {
    Tape<float> tape;
    V h = tape.variable(ones({3, 4}), "start");
    for (int t = 0; t < 5; ++t) {
        const Scope step("t", t);
        h = tanh(softmax(h, 0));
        tape.name(h, "h");
    }
    const Seen seen(graph::dot(h));
    CHECK(seen.nodes.size() == 3);
    CHECK(seen.edges_with("label=\" h\", class=carried") == 1);
}

TEST_CASE("a loop has the same name before and after a backward pass") {
    nn::GruCell<float> cell(2, 3);
    Tape<float> tape;
    V h(Tensor<float>::zeros({1, 3}));
    for (int t = 0; t < 5; ++t) {
        const Scope step("t", t);
        h = cell.step(cell.project(ones({1, 2})), {h})[0];
    }
    const auto loss = sum(h);
    const Seen before(graph::dot(tape));
    CHECK(before.edges_with("label=\" h'\", class=carried") > 0);
    CHECK(before.clusters("GruCell") == 1);
    // The tooltip leads to the line that called the cell.
    CHECK(before.nodes_with("labels.cpp:") > 0);
    CHECK_FALSE(contains(before.text, "gru.cpp:"));
    tape.backward(loss);
    CHECK(Seen(graph::dot(tape)).edges_with("label=\" h'\", class=carried") ==
          before.edges_with("label=\" h'\", class=carried"));
}

TEST_CASE("a cell of a layer has no separate cluster") {
    const nn::Gru<float> gru({.input = 2, .hidden = 3});
    Tape<float> tape;
    static_cast<void>(gru(tape.variable(ones({4, 1, 2}), "x")));
    CHECK(Seen(graph::dot(tape)).clusters("GruCell") == 0);
}

TEST_CASE("names of results that are views, and of operations of several steps") {
    const nn::Linear<float> layer({.input = 3, .output = 2});
    Tape<float> tape;
    const V x = tape.variable(ones({2, 2, 3}), "x");
    const V logits = layer(x), average = mean(logits, {1}), shown = reshape(tanh(average), {4});
    const V first = select(average, 0, 0), total = sum(exp(first)) + norm_l2(shown);
    tape.name(logits, "logits");
    tape.name(average, "average");
    tape.name(shown, "shown");
    tape.name(first, "first");
    const Seen seen(graph::dot(total));
    CHECK(seen.nodes_with("logits = linear") == 1);
    CHECK(seen.nodes_with("average = mean") == 1);
    CHECK(seen.nodes_with("shown = tanh") == 1);
    CHECK(contains(seen.text, "first = select"));
    Tape<float> other;
    CHECK(contains(test::error_of([&] { other.name(total, "total"); }),
                   "name: 'total' is a value of another tape"));
}

TEST_CASE("names of the views that a layer returns") {
    const nn::Lstm<float> lstm({.input = 2, .hidden = 3});
    const std::vector<std::size_t> lengths{4, 2};
    const Tensor<float> batch = ones({4, 2, 2});
    Tape<float> tape;
    tape.name(batch, "batch");
    const auto [output, state] = lstm(batch, {}, lengths);
    tape.name(output, "hidden states");
    tape.name(state[0], "final h");
    tape.name(state[1], "final c");
    const V last = select(state[1], 0, 0), unread = select(output, 0, 3);
    tape.name(last, "last");
    tape.name(unread, "end");
    const V loss = sum(output) + sum(last);
    for (const std::size_t depth : {0, 2, 9}) {
        const Seen seen(graph::dot(tape, {.depth = depth}));
        CHECK(seen.nodes_with("label=\"batch\\n[4, 2, 2]\"") == 1);
        CHECK(seen.edges_with("hidden states [4, 2, 3]") >= 1);
        CHECK(seen.edges_with("final c, last = select [2, 3]") >= 1);
        // Not read by an operation.
        CHECK(seen.nodes_with("label=\"final h\\n[1, 2, 3]\"") == 1);
        CHECK(seen.nodes_with("label=\"end = select 3\\n[2, 3]\"") == 1);
        CHECK(seen.edges_with("-> " + seen.node("final h")) >= 1);
        CHECK(seen.edges_with("-> " + seen.node("end")) >= 1);
    }
    CHECK_FALSE(contains(graph::dot(loss), "final h"));
}

TEST_CASE("constants of zeros are named so") {
    Tape<float> tape;
    const V x = tape.variable(ones({2}), "x");
    Tensor<float> some = Tensor<float>::zeros({2});
    some(1) = 1;
    const Seen seen(graph::dot(x + Tensor<float>::zeros({2}) +
                               Tensor<float>::zeros({4}).slice(0, 1, 3) + some));
    CHECK(seen.nodes_with("label=\"zeros\\n[2]\"") == 2);
    CHECK(seen.nodes_with("label=\"constant\\n[2]\"") == 1);
}

TEST_CASE("in an expanded formula, arrows are numbered where the order matters") {
    Tape<float> tape;
    const V a = tape.variable(ones({2}), "left"), b = tape.variable(ones({2}), "right");
    const V y = fuse(
        "f", [](auto a, auto b) { return where(a == b, a - b, 1) * (a / b); }, a, b);
    const Seen seen(graph::dot(y, {.open = true}));
    CHECK(seen.operands(seen.node("x1"), seen.node("−")) == "1");
    CHECK(seen.operands(seen.node("x2"), seen.node("−")) == "2");
    CHECK(seen.operands(seen.node("x1"), seen.node("÷")) == "1");
    CHECK(seen.operands(seen.node("x2"), seen.node("÷")) == "2");
    CHECK(seen.operands(seen.node("÷"), seen.node("×")).empty());
    CHECK(seen.operands(seen.node("x1"), seen.node("=")).empty());
    CHECK(seen.operands(seen.node("="), seen.node("where")) == "1");
}
