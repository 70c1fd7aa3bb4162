// Operands that are not recorded: indices, targets, masks, lengths and their names.

#include "seen.hpp"

#include <unroll/core/graph/graph.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/rnn.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>

using namespace test;

namespace {

Tensor<float> ones(const Shape& shape) { return Tensor<float>::ones(shape); }

} // namespace

TEST_CASE("indices and targets are drawn, with their names if they have any") {
    const nn::Embedding<float> embed({.vocabulary = 5, .width = 4});
    const Indices text = Indices::ones({4, 2});
    const Indices tokens = text.slice(0, 0, 3), targets = text.slice(0, 1, 4);
    const auto draw = [&](bool named) {
        Tape<float> tape;
        if (named) {
            tape.name(tokens, "tokens");
            tape.name(targets, "next tokens");
        }
        static_cast<void>(cross_entropy(embed(tokens), targets));
        return Seen(graph::dot(tape));
    };
    const Seen seen = draw(true);
    CHECK(seen.nodes_with("class=\"constant\"") == 2);
    CHECK_FALSE(seen.edge(seen.node("tokens\\n[3, 2]"), seen.node("take")).empty());
    CHECK_FALSE(seen.edge(seen.node("next tokens\\n[3, 2]"), seen.node("cross_entropy")).empty());
    const Seen unnamed = draw(false);
    CHECK_FALSE(unnamed.edge(unnamed.node("indices\\n[3, 2]"), unnamed.node("take")).empty());
    CHECK(unnamed.nodes_with("label=\"targets\\n[3, 2]\"") == 1);
}

TEST_CASE("the name of a tensor holds for its views") {
    const nn::Embedding<float> embed({.vocabulary = 5, .width = 4});
    const Indices tokens = Indices::ones({3, 2}); // another one of the same shape has no name
    const Tensor<float> noise = ones({3, 2, 4});
    const Variable<float> start(ones({1, 4}));
    Tape<float> tape;
    tape.name(tokens, "tokens");
    tape.name(noise, "noise");
    tape.name(start, "start");
    Variable<float> h = broadcast_to(start, {2, 4});
    for (std::size_t t = 0; t < 3; ++t) {
        const Scope step("t", static_cast<std::int64_t>(t));
        h = tanh(h + embed(tokens.select(0, t)) + noise.select(0, t));
    }
    static_cast<void>(h + embed(Indices::ones({2})));
    const Seen seen(graph::dot(tape));
    CHECK(seen.nodes_with("label=\"tokens\\n[3, 2]\"") == 1);
    CHECK(seen.nodes_with("label=\"noise\\n[3, 2, 4]\"") == 1);
    CHECK(seen.nodes_with("label=\"start") == 1);
    CHECK(seen.nodes_with("label=\"indices") == 1);
    CHECK(seen.edges_with("label=\" part [2]\"") == 1);
}

TEST_CASE("a tensor that is used twice is one constant, and one that has changed another") {
    Tape<float> tape;
    const auto x = tape.variable(ones({3, 4}), "x");
    Indices rows = Indices::ones({2});
    static_cast<void>(take(x, rows) + take(x, rows));
    CHECK(Seen(graph::dot(tape)).nodes_with("label=\"indices") == 1);
    rows.fill(2);
    static_cast<void>(take(x, rows));
    CHECK(Seen(graph::dot(tape)).nodes_with("label=\"indices") == 2);
}

TEST_CASE("masks are drawn") {
    Tape<float> tape;
    const auto x = tape.variable(ones({3, 4}), "x");
    const Mask mask = Mask::ones({3, 4});
    tape.name(mask, "known");
    auto y = masked_fill(where(mask, x, 0), mask, 1);
    y = softmax(y, mask) + log_softmax(y, mask);
    static_cast<void>(masked_select(y, mask));
    const Seen seen(graph::dot(tape));
    const std::string known = seen.node("known\\n[3, 4]");
    CHECK(seen.nodes_with("class=\"constant\"") == 1);
    for (const char* user : {"where", "masked_fill", "softmax", "log_softmax", "masked_select"})
        CHECK_FALSE(seen.edge(known, seen.node(user)).empty());
}

TEST_CASE("sequence lengths are drawn") {
    const nn::Rnn<float> rnn({.input = 2, .hidden = 3});
    Tape<float> tape;
    static_cast<void>(rnn(tape.variable(ones({4, 2, 2}), "x"), {}, std::vector<std::size_t>{4, 2}));
    const Seen seen(graph::dot(tape));
    // Next to each user: the input without padding, and the states in steps after an end.
    CHECK(seen.nodes_with("label=\"lengths\\n[2]\"") == 3);
    CHECK(seen.edges_with("-> " + seen.node("without_padding")) == 2);
    CHECK(seen.nodes_with("label=\"where(lengths, x2, x3)") == 2);
}

TEST_CASE("inputs of a collapsed module are drawn next to it") {
    const nn::Rnn<float> rnn({.input = 2, .hidden = 3, .bidirectional = true});
    const nn::Embedding<float> embed({.vocabulary = 5, .width = 4});
    Tape<float> tape;
    const std::vector<std::size_t> lengths{4, 2};
    const auto y = sum(rnn(ones({4, 2, 2}), {}, lengths).output);
    for (const std::size_t depth : {0, 1, 2}) {
        const Seen seen(graph::dot(y, {.depth = depth}));
        CHECK(seen.nodes_with("label=\"constant\\n[4, 2, 2]\"") == (depth == 0 ? 1 : 2));
        CHECK(seen.nodes_with("label=\"lengths\\n[2]\"") >= (depth == 0 ? 1 : 2));
        if (depth < 2) CHECK(seen.nodes_with("class=\"constant\"") == (depth == 0 ? 2 : 4));
    }
    const Seen whole(graph::dot(y, {.depth = 0}));
    CHECK_FALSE(whole.edge(whole.node("lengths"), whole.node("Rnn")).empty());
    CHECK(whole.nodes_with("[2], [4, 2, 2] → [4, 2, 6]") == 1);
    CHECK(Seen(graph::dot(embed(Indices::ones({3, 2})), {.depth = 0}))
              .nodes_with("label=\"indices\\n[3, 2]\"") == 1);
}

TEST_CASE("no edge joins modules that only have an operand in common") {
    const nn::Rnn<float> rnn({.input = 2, .hidden = 3, .bidirectional = true});
    nn::Embedding<float> embed({.vocabulary = 5, .width = 4});
    Tape<float> tape;
    const auto y = sum(rnn(ones({4, 2, 2})).output);
    const Seen seen(graph::dot(y, {.depth = 1}));
    const std::string forwards = seen.node("layer 0"), backwards = seen.node("backwards 0");
    CHECK(seen.edge(forwards, backwards).empty());
    CHECK(seen.edge(backwards, forwards).empty());
    // A shared parameter.
    const auto rows = embed(Indices::ones({3}));
    Variable<float> scores;
    {
        const Scope head("head");
        scores = matmul(tape.variable(ones({2, 4}), "h"), transpose(embed.weight));
    }
    const Seen tied(graph::dot(sum(rows) + sum(scores), {.depth = 0}));
    CHECK(tied.edge(tied.node("Embedding"), tied.node("head")).empty());
    CHECK(tied.nodes_with("label=\"weight") == 2);
}

TEST_CASE("an anonymous constant has its shape, and says what uses it") {
    Tape<float> tape;
    const auto x = tape.variable(ones({3}), "x");
    Variable<float> shared(ones({3}));
    Variable<float> y = x + ones({3});
    for (const char* name : {"a", "b"}) {
        const Scope scope(name);
        y = y * shared;
    }
    const Seen seen(graph::dot(y));
    CHECK(seen.nodes_with("label=\"constant\\n[3]\"") == 3); // the shared one next to each user
    CHECK(seen.nodes_with("tooltip=\"constant\\nused by add, ") == 1);
    CHECK(seen.nodes_with("operands.cpp:") >= 4);
}

TEST_CASE("a named input is drawn next to a collapsed module") {
    const nn::Embedding<float> embed({.vocabulary = 5, .width = 4});
    const Indices tokens = Indices::ones({3, 2});
    Tape<float> tape;
    tape.name(tokens, "tokens");
    static_cast<void>(sum(embed(tokens)));
    CHECK(Seen(graph::dot(tape, {.depth = 0})).nodes_with("label=\"tokens") == 1);
}

TEST_CASE("a tensor may be named after its use") {
    const nn::Embedding<float> embed({.vocabulary = 5, .width = 4});
    const Indices tokens = Indices::ones({3, 2});
    const Mask mask = Mask::ones({3, 2, 1});
    const Tensor<float> noise = ones({3, 2, 4});
    const Variable<float> start(ones({2, 4}));
    Tape<float> tape;
    const auto x = masked_fill(embed(tokens), mask, 0) + noise.select(0, 1) + start;
    tape.name(tokens, "tokens");
    tape.name(mask, "padding");
    tape.name(noise, "noise");
    tape.name(start, "start");
    const Seen seen(graph::dot(tape));
    for (const char* name : {"tokens\\n", "padding\\n", "noise\\n", "start\\n"})
        CHECK(seen.nodes_with("label=\"" + std::string(name)) == 1);
    static_cast<void>(x);
}

TEST_CASE("a tensor with two names has at each use the one given before it") {
    const nn::Embedding<float> embed({.vocabulary = 5, .width = 4});
    const Indices tokens = Indices::ones({3});
    Tape<float> tape;
    const auto first = embed(tokens); // named only afterwards
    tape.name(tokens, "first");
    const auto second = tanh(embed(tokens));
    tape.name(tokens, "second");
    const auto third = sigmoid(embed(tokens));
    static_cast<void>(first + second + third);
    const Seen seen(graph::dot(tape));
    CHECK(seen.nodes_with("label=\"first") == 2);
    CHECK(seen.nodes_with("label=\"second") == 1);
}

TEST_CASE("a name given after a use is not that of another tensor in the same memory") {
    Tape<float> tape;
    const auto x = tape.variable(ones({3, 4}), "x");
    auto y = x + 1.f;
    for (int i = 0; i < 3; ++i) {
        y = y + Variable<float>(ones({3, 4}));
        tape.name(ones({3, 4}), "later"); // not used
    }
    CHECK(Seen(graph::dot(tape)).nodes_with("label=\"later") == 0);
}
