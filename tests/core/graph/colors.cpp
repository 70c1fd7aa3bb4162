// Colours of modules and of highlighted values.

#include "seen.hpp"

#include <unroll/core/graph/graph.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/rnn.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <set>

using namespace test;

namespace {

Tensor<float> ones(const Shape& shape) { return Tensor<float>::ones(shape); }

// The fill colours of the nodes whose label begins with the text.
std::set<std::string> fills(const Seen& seen, const std::string& label) {
    std::set<std::string> found;
    for (const auto& node : seen.nodes)
        if (contains(node, "[label=\"" + label))
            found.insert(node.substr(node.find("fillcolor=\"") + 11, 7));
    return found;
}

} // namespace

TEST_CASE("a module has one colour, wherever it is called") {
    const nn::Linear<float> first({.input = 2, .output = 2});
    const nn::LayerNorm<float> second(2);
    Tape<float> tape;
    auto h = tape.variable(ones({1, 2}), "x");
    const auto step = [&] { h = second(first(h)); };
    step();
    for (int t = 0; t < 3; ++t) {
        const Scope scope("t", t);
        step();
    }
    {
        const Scope other("other");
        step();
    }
    for (const auto fold : {graph::Fold::none, graph::Fold::time}) {
        const Seen seen(graph::dot(tape, {.fold = fold, .color = graph::Color::module}));
        CHECK(fills(seen, "linear").size() == 1);
        CHECK(fills(seen, "layer_norm").size() == 1);
        CHECK(fills(seen, "linear") != fills(seen, "layer_norm"));
    }
}

TEST_CASE("a parameter used in steps has the colour of its module") {
    const nn::Linear<float> first({.input = 2, .output = 2}), second({.input = 2, .output = 2});
    Tape<float> tape;
    auto h = tape.variable(ones({1, 2}), "x");
    for (int t = 0; t < 3; ++t) {
        const Scope scope("t", t);
        h = tanh(second(first(h)));
    }
    const Seen seen(graph::dot(h, {.color = graph::Color::module}));
    CHECK(fills(seen, "weight") == fills(seen, "linear"));
    CHECK(fills(seen, "weight").size() == 2);
    CHECK(fills(seen, "bias") == fills(seen, "linear"));
}

TEST_CASE("of a loop, only the highlighted step is coloured") {
    const std::set<std::string> red{"#e03131"}, white{"#ffffff"};
    Tape<float> tape;
    const auto x = tape.variable(ones({9, 2}), "x");
    auto h = tape.variable(ones({2}), "start");
    Variable<float> third, input, term;
    for (int t = 0; t < 9; ++t) {
        const Scope step("t", t);
        const auto row = select(x, 0, static_cast<std::size_t>(t));
        const Variable<float> constant(ones({2}));
        h = tanh(h + row + constant);
        if (t == 3) third = h, input = row, term = constant;
    }
    const auto loss = sum(h);
    const auto draw = [&](const graph::Highlight& value) {
        return Seen(graph::dot(loss, {.highlight = {value}}));
    };
    const Seen result = draw(third);
    CHECK(result.clusters("t = 3") == 1);
    CHECK(result.clusters("t = 0 … 2, 4 … 8    × 8") == 1);
    CHECK(result.nodes_with("fillcolor=\"#e03131\"") == 1);
    CHECK(fills(result, "tanh") == std::set<std::string>{"#e03131", "#ffffff"});
    // A view of a part is an edge.
    const Seen view = draw(input);
    CHECK(view.nodes_with("fillcolor=\"#e03131\"") == 0);
    CHECK(view.clusters("t = 3") == 1);
    CHECK(view.edges_with("label=\" select 3 [2]\", color=\"#e03131\"") == 1);
    CHECK(view.edges_with("#e03131") == 1);
    // Of constants that are one operand in each step, only the one.
    const Seen constant = draw(term);
    CHECK(constant.nodes_with("label=\"constant") == 2);
    CHECK(constant.nodes_with("fillcolor=\"#e03131\"") == 1);
    // A part that nothing uses is named.
    CHECK(draw(select(h, 0, 1)).nodes_with("coloured: select 1") == 1);

    SUBCASE("the row of a layer's output is the step that computed it") {
        const nn::Rnn<float> rnn({.input = 2, .hidden = 3});
        Tape<float> other;
        const auto output = rnn(other.variable(ones({6, 1, 2}), "x")).output;
        const Seen seen(graph::dot(sum(output), {.highlight = {select(output, 0, 4)}}));
        CHECK(seen.clusters("t = 4") == 1);
        CHECK(seen.nodes_with("fillcolor=\"#e03131\"") == 1);
        CHECK(Seen(graph::dot(sum(output), {.highlight = {output}})).clusters("t = 0 … 5    × 6") ==
              1);
    }
}

TEST_CASE("values are highlighted in a colour") {
    nn::Linear<float> layer({.input = 2, .output = 3});
    const Indices rows = Indices::ones({4});
    const Variable<float> shift(ones({4, 3}));
    Tape<float> tape;
    const auto x = tape.variable(ones({5, 2}), "x");
    const auto y = layer(take(x, rows)) + shift;
    const auto loss = sum(y);
    const Seen seen(graph::dot(
        tape,
        {.highlight = {
             x, {y, "#112233"}, {layer.weight, "blue"}, {rows, "orange"}, {shift, "#fefefe"}}}));
    CHECK(fills(seen, "x") == std::set<std::string>{"#e03131"});
    CHECK(fills(seen, "add") == std::set<std::string>{"#112233"});
    CHECK(fills(seen, "weight") == std::set<std::string>{"#1971c2"});
    CHECK(fills(seen, "indices") == std::set<std::string>{"#f08c00"});
    CHECK(fills(seen, "constant") == std::set<std::string>{"#fefefe"});
    CHECK(fills(seen, "sum") == std::set<std::string>{"#ffffff"});
    CHECK(seen.nodes_with("fillcolor=\"#112233\", fontcolor=white") == 1);
    CHECK(seen.nodes_with("fillcolor=\"#fefefe\", shape=ellipse, color=\"#9aa69a\", "
                          "fontcolor=black") == 1);
    // A view is the value that it views; a collapsed module has the colour of what it contains.
    CHECK(fills(Seen(graph::dot(tape, {.highlight = {transpose(y)}})), "add") ==
          std::set<std::string>{"#e03131"});
    CHECK(fills(Seen(graph::dot(tape, {.depth = 0, .highlight = {layer.weight}})), "Linear") ==
          std::set<std::string>{"#e03131"});
}

TEST_CASE("a value that cannot be highlighted is an error") {
    Tape<float> other;
    const auto elsewhere = other.variable(ones({2}), "x");
    Tape<float> tape;
    static_cast<void>(sum(tape.variable(ones({2}), "x")));
    const auto error = [&](const graph::Highlight& value) {
        return error_of([&] { graph::dot(tape, {.highlight = {value}}); });
    };
    CHECK(contains(error(elsewhere), "another tape"));
    CHECK(contains(error(ones({2})), "not an operand of any operation"));
    CHECK(contains(error_of([&] { graph::Highlight(elsewhere, "rde"); }),
                   "unknown colour 'rde', expected red, "));
}
