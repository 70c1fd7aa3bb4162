// The content and the names of a picture: modules, constants, results, the failed operation.

#include "seen.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/check/checking.hpp>
#include <unroll/core/graph/graph.hpp>
#include <unroll/nn/attention/attention.hpp>
#include <unroll/nn/attention/seq2seq.hpp>
#include <unroll/nn/attention/transformer.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <filesystem>
#include <fstream>

#include <unistd.h>

using namespace test;

namespace {

struct Decoder {
    using value_type = float;
    nn::Linear<float> out{{.input = 2, .output = 2}};
    std::vector<nn::Linear<float>> blocks;

    Decoder() {
        for (int i = 0; i < 3; ++i) blocks.emplace_back(nn::LinearOptions{.input = 2, .output = 2});
    }
    Variable<float> operator()(Variable<float> x) const {
        for (const auto& block : blocks) x = block(x);
        return out(x);
    }
    void members(nn::Members<float>& m) { m("out", out)("blocks", blocks); }
};
struct Model {
    using value_type = float;
    Decoder decoder;
    void members(nn::Members<float>& m) { m("decoder", decoder); }
};

Tensor<float> ones(const Shape& shape) { return Tensor<float>::ones(shape); }

} // namespace

TEST_CASE("modules are titled by their paths, and modules of a list are a series") {
    Model model;
    parameters(model);
    Tape<float> tape;
    static_cast<void>(sum(model.decoder(tape.variable(ones({1, 2}), "x"))));
    const Seen seen(graph::dot(tape));
    CHECK(seen.clusters("decoder.out") == 1);
    for (const char* block : {"decoder.blocks.0", "decoder.blocks.1", "decoder.blocks.2"})
        CHECK(seen.clusters(block) == 1);
    CHECK(seen.clusters("Linear") == 0);
    CHECK(seen.nodes_with("label=\"weight\\n[2, 2]\"") == 4);
    const Seen folded(graph::dot(tape, {.fold = graph::Fold::layers}));
    CHECK(folded.clusters("decoder.blocks.0 … 2    × 3") == 1);
    // The tooltip contains the path and the line that called the module.
    CHECK(contains(seen.text, "tooltip=\"linear\\ndecoder.out, "));
    CHECK(contains(seen.text, "shown.cpp:"));
    CHECK_FALSE(contains(seen.text, "layers.cpp"));
}

TEST_CASE("constants are drawn with their names, and literals with their operation") {
    Tape<float> tape;
    const Variable<float> batch(ones({3, 2})), mask(ones({3, 2}));
    tape.name(batch, "images");
    const auto x = tape.variable(ones({3, 2}), "x");
    const auto y = (x + batch) * mask * 1.5f;
    tape.name(y, "masked");
    static_cast<void>(sum(y));
    const Seen seen(graph::dot(tape));
    CHECK(seen.nodes_with("class=\"constant\"") == 2);
    CHECK(seen.nodes_with("label=\"images\\n[3, 2]\"") == 1);
    CHECK(seen.nodes_with("label=\"constant\\n[3, 2]\"") == 1);
    CHECK(seen.nodes_with("label=\"masked = x·1.5") == 1);
    CHECK_FALSE(seen.edge(seen.node("images"), seen.node("add")).empty());
    CHECK(Seen(graph::dot(tape, {.constants = false})).nodes_with("class=\"constant\"") == 0);

    SUBCASE("once, if each step has one") {
        Tape<float> steps;
        auto h = steps.variable(ones({2}), "h");
        for (int t = 0; t < 5; ++t) {
            const Scope step("t", t);
            h = (h + Variable<float>(ones({2}))) * static_cast<float>(t);
        }
        const Seen folded(graph::dot(steps));
        CHECK(folded.nodes_with("class=\"constant\"") == 1);
        CHECK(folded.nodes_with("label=\"x·…") == 1);
    }
    SUBCASE("a frozen parameter by its path") {
        Model model;
        parameters(model);
        model.decoder.out.weight.set_trainable(false);
        Tape<float> frozen;
        static_cast<void>(model.decoder.out(frozen.variable(ones({1, 2}))));
        CHECK(contains(graph::dot(frozen), "label=\"decoder.out.weight"));
    }
}

TEST_CASE("a parameter shared by several modules is drawn next to each") {
    nn::Embedding<float> embed({.vocabulary = 5, .width = 2});
    struct Tied {
        using value_type = float;
        nn::Embedding<float>* embed;
        void members(nn::Members<float>& m) { m("embed", *embed); }
    } tied{&embed};
    parameters(tied);
    Tape<float> tape;
    const auto rows = embed(Indices::ones({3}));
    {
        const Scope head("head");
        static_cast<void>(sum(matmul(rows, transpose(embed.weight))));
    }
    const Seen seen(graph::dot(tape));
    CHECK(seen.nodes_with("label=\"embed.weight\"") == 2);
    CHECK(seen.nodes_with("fontsize=9") == 2);
    // Unless the budget does not allow it.
    CHECK(Seen(graph::dot(tape, {.budget = 4})).nodes_with("fontsize=9") == 0);
}

TEST_CASE("results are highlighted, by-products are not") {
    const nn::Lstm<float> lstm({.input = 2, .hidden = 2});
    Tape<float> tape;
    const auto [output, state] = lstm(tape.variable(ones({3, 1, 2}), "x"));
    {
        const Scope summary("Summary");
        static_cast<void>(tanh(output)); // unused, next to a result that is used
        static_cast<void>(sum(sigmoid(output)));
    }
    const auto loss = sum(output);
    const Seen seen(graph::dot(tape));
    CHECK_FALSE(contains(seen.text, "[]"));
    CHECK_FALSE(contains(seen.text, "#f9dfdb"));
    CHECK(Seen(graph::dot(loss)).nodes_with("class=\"sink\"") == 1);
}

TEST_CASE("each call of gradients() has its own cluster") {
    Tape<float> tape;
    const auto x = tape.variable(ones({2}), "x");
    const auto y = sum(x * x * x);
    const auto first = gradients(y, {x}, {.create_graph = true})[0];
    gradients(sum(first * x), {x}, {.create_graph = true});
    const Seen seen(graph::dot(tape));
    CHECK(seen.clusters("forward") == 1);
    CHECK(seen.clusters("backward") >= 1);
    CHECK(seen.clusters("backward 2") == 1);
}

TEST_CASE("open draws the user's fused operations, not the library's") {
    Tape<float> tape;
    const auto x = tape.variable(ones({2}), "x");
    const auto own = fuse(
        "swish", [](auto x) { return x * sigmoid(1.5 * x); }, x);
    tape.backward(binary_cross_entropy(own, ones({2})), {.retain = true});
    const Seen seen(graph::dot(tape, {.open = true}));
    CHECK(seen.clusters("swish\\nx·σ(1.5·x)") == 1);
    CHECK(seen.nodes_with("label=\"binary_cross_entropy") == 1);
}

TEST_CASE("after an error, the failed operation is drawn in red") {
    Model model;
    parameters(model);
    Tape<float> tape;
    const auto x = tape.variable(ones({1, 2}), "x");
    const auto failing = [&](const auto& f) {
        try {
            f();
        } catch (const Error& error) {
            return Seen(graph::dot(tape, {.error = &error}));
        }
        return Seen("");
    };
    SUBCASE("with the message, if it was not recorded") {
        const Seen seen = failing([&] {
            const auto y = model.decoder(x);
            model.decoder.out(concatenate({y, y}, -1));
        });
        CHECK(seen.nodes_with("class=\"failed\"") == 1);
        CHECK(seen.nodes_with("label=\"linear\\n") == 5);
        CHECK(seen.nodes_with("#fbdcd8") == 1);
    }
    SUBCASE("itself, if it was") {
        const Checking<float> checking(tape);
        const Seen seen = failing([&] { log(x - 2.f); });
        CHECK(seen.nodes_with("class=\"failed\"") == 1);
        CHECK(seen.nodes_with("label=\"log") == 1);
    }
}

TEST_CASE("labels of edges are in front of lines") {
    const nn::Lstm<float> lstm({.input = 2, .hidden = 3});
    Tape<float> tape;
    static_cast<void>(sum(lstm(tape.variable(ones({8, 1, 2}), "x")).output));
    const auto path = std::filesystem::temp_directory_path() /
                      ("unroll_labels_" + std::to_string(::getpid()) + ".svg");
    graph::write(path.string(), tape);
    std::ifstream in(path);
    const std::string svg{std::istreambuf_iterator<char>(in), {}};
    std::filesystem::remove(path);
    const auto front = svg.find("paint-order");
    REQUIRE(front != std::string::npos);
    CHECK(svg.find("<path", front) == std::string::npos);
    CHECK(svg.find("block [1, 3]") != std::string::npos); // a label drawn as a node
}

TEST_CASE("a module that is called again says so") {
    nn::Linear<float> first({.input = 2, .output = 2}), second({.input = 2, .output = 2});
    Tape<float> tape;
    const auto y = second(first(first(tape.variable(ones({3, 2}), "x"))));
    const Seen seen(graph::dot(y));
    CHECK(seen.clusters("Linear") == 2);
    CHECK(seen.clusters("Linear, call 2") == 1);
}

TEST_CASE("the inputs of a decoder have the name of the targets that they are copied from") {
    const nn::EncoderDecoder<nn::GruCell<float>, nn::GruCell<float>, nn::DotAttention<float>> model(
        {.encoder = {.input = 2, .hidden = 3},
         .decoder = {.vocabulary = 4, .width = 2, .hidden = 3}});
    const Indices targets = Indices::ones({5, 2});
    Tape<float> tape;
    tape.name(targets, "translation");
    const auto logits = model(tape.variable(ones({4, 2, 2}), "x"), targets).logits;
    const Seen seen(graph::dot(sum(logits)));
    CHECK(seen.nodes_with("label=\"translation\\n[5, 2]\"") == 1);
    CHECK(seen.nodes_with("label=\"indices") == 0);
    CHECK_FALSE(seen.edge(seen.node("translation"), seen.node("Embedding")).empty());
    const nn::TransformerOptions stack{.width = 4, .heads = 2, .hidden = 3};
    auto decoder = stack;
    decoder.memory = 4;
    decoder.is_causal = true;
    const nn::Transformer<float> transformer({stack, decoder, 4});
    Tape<float> other;
    other.name(targets, "translation");
    const Seen second(graph::dot(
        sum(transformer(other.variable(ones({4, 2, 4}), "x"), targets).logits), {.depth = 1}));
    CHECK(second.nodes_with("label=\"translation\\n[5, 2]\"") == 1);
    CHECK(second.nodes_with("label=\"indices") == 0);
}
