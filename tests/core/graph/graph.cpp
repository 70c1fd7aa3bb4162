#include "seen.hpp"

#include <unroll/core/graph/graph.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/nn/recurrent/rnn.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>

#include <unistd.h>

using namespace test;
using graph::Color;
using graph::Fold;

namespace {

struct File {
    std::filesystem::path path;
    explicit File(const std::string& ending)
        : path(std::filesystem::temp_directory_path() /
               ("unroll_graph_" + std::to_string(::getpid()) + ending)) {}
    ~File() { std::filesystem::remove(path); }
    std::string text() const {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
};

template <class Net = nn::Lstm<float>>
Variable<float> unrolled(Tape<float>& tape, const Net& net, std::size_t steps,
                         std::size_t input = 2) {
    return sum(net(tape.variable(random_tensor<float>({steps, 1, input}), "letters")).output);
}

// A two-layer encoder, and a decoder that attends to it.
Variable<float> translated(Tape<float>& tape, std::size_t steps) {
    const nn::Lstm<float> encoder({.input = 4, .hidden = 8, .layers = 2});
    static std::vector<std::unique_ptr<nn::LstmCell<float>>> cells; // outlive the tape
    static std::vector<std::unique_ptr<nn::Lstm<float>>> encoders;
    encoders.push_back(std::make_unique<nn::Lstm<float>>(encoder));
    cells.push_back(std::make_unique<nn::LstmCell<float>>(12, 8));
    const auto& cell = *cells.back();
    const auto x = tape.variable(random_tensor<float>({steps, 2, 4}), "words");
    const auto [memory, state] = (*encoders.back())(x);
    const auto keys = transpose(memory, {1, 2, 0}), values = transpose(memory, {1, 0, 2});
    nn::State<float, 2> s{select(state[0], 0, 1), select(state[1], 0, 1)};
    Variable<float> context = Variable(Tensor<float>::zeros({2, 8})), total;
    const Scope decoder("decoder");
    for (std::size_t t = 0; t < steps; ++t) {
        const Scope step("t", static_cast<std::int64_t>(t));
        s = cell.step(cell.project(concatenate({select(x, 0, t), context}, -1)), s);
        tape.name(s[0], "h");
        tape.name(s[1], "c");
        const Scope attention("Attention");
        const auto weights = softmax(matmul(reshape(s[0], {2, 1, 8}), keys));
        context = reshape(matmul(weights, values), {2, 8});
        tape.name(context, "context");
    }
    return sum(context);
}

} // namespace

namespace {

struct MemoryCell {
    static constexpr std::array<const char*, 2> state_names{"h", "memory"};
    MemoryCell(std::size_t, std::size_t) {}
    Variable<float> project(const Variable<float>& x) const { return x; }
    nn::State<float, 2> step(const Variable<float>& z, const nn::State<float, 2>& s) const {
        return {tanh(z + s[1]), sin(s[0] + z)};
    }
};

} // namespace

TEST_CASE("loops have the names of a cell's states") {
    const nn::Recurrent<MemoryCell> net({.input = 2, .hidden = 2});
    Tape<float> tape;
    unrolled(tape, net, 6);
    const Seen picture(graph::dot(tape));
    CHECK(picture.edges_with("label=\" h\", class=carried") == 1);
    CHECK(picture.edges_with("label=\" memory\", class=carried") == 1);
    CHECK(picture.edges_with("class=carried") == 2);
}

TEST_CASE("time steps are drawn once, with loops for carried states") {
    const nn::Lstm<float> lstm({.input = 2, .hidden = 3});
    Tape<float> tape;
    const auto loss = unrolled(tape, lstm, 8);
    const Seen folded(graph::dot(tape));
    CHECK(folded.clusters("t = 0 … 7    × 8") == 1);
    CHECK(folded.nodes_with("label=\"lstm") == 1);
    CHECK(folded.nodes_with("label=\"letters\\n[8, 1, 2]\"") == 1);
    CHECK(folded.nodes_with("label=\"weight_hh\\n[12, 3]\"") == 1);
    const std::string cell = folded.node("lstm"), sum = folded.node("add_linear");
    CHECK(contains(folded.edge(cell, cell), "label=\" c\""));
    CHECK(folded.edges_with("  " + sum + " -> " + cell + " [label=\" h\", class=carried") == 1);
    CHECK(folded.edges_with("dir=back") == 1);
    CHECK(folded.edges_with("class=carried") == 2);
    CHECK(contains(folded.edge(sum, cell), "4 × block [1, 3]"));
    // Parameters are drawn outside the steps that use them.
    CHECK(folded.text.find("label=\"weight_hh") < folded.text.find("t = 0 …"));
    CHECK(contains(graph::dot(loss), "sum"));

    SUBCASE("once per step without folding") {
        const Seen all(graph::dot(tape, {.fold = Fold::none}));
        CHECK(all.nodes_with("label=\"lstm") == 8);
        CHECK(all.edges_with("label=\" h\"") == 7);
        CHECK(all.clusters("t = 3") == 1);
    }
    SUBCASE("except the first and last") {
        const Seen ends(graph::dot(tape, {.first_steps = 2, .last_steps = 1}));
        for (const char* title : {"t = 0", "t = 1", "t = 2 … 6    × 5", "t = 7"})
            CHECK(ends.clusters(title) == 1);
        CHECK(ends.nodes_with("label=\"lstm") == 4);
        CHECK(ends.edges_with("label=\" c\"") == 4); // 0 to 1 to folded, itself, to 7
    }
    SUBCASE("the same each time") { CHECK(graph::dot(tape) == folded.text); }
    SUBCASE("and a thousand steps need no more nodes") {
        Tape<float> longer;
        static_cast<void>(unrolled(longer, lstm, 1000));
        CHECK(Seen(graph::dot(longer)).nodes.size() == folded.nodes.size());
    }
}

TEST_CASE("steps that differ are not folded together") {
    const nn::Lstm<float> lstm({.input = 2, .hidden = 3});
    Tape<float> tape;
    const std::vector<std::size_t> lengths{5, 3};
    const auto x = tape.variable(random_tensor<float>({6, 2, 2}), "x");
    static_cast<void>(lstm(x, {}, lengths));
    const Seen seen(graph::dot(tape));
    CHECK(seen.clusters("t = 0 … 2    × 3") == 1);
    CHECK(seen.clusters("t = 3 … 5    × 3") == 1);
}

TEST_CASE("layers of the same structure are drawn once") {
    const nn::Lstm<float> lstm({.input = 3, .hidden = 3, .layers = 4});
    Tape<float> tape;
    static_cast<void>(unrolled(tape, lstm, 5, 3));
    const Seen apart(graph::dot(tape)), folded(graph::dot(tape, {.fold = Fold::layers}));
    CHECK(apart.nodes_with("label=\"lstm") == 4);
    CHECK(folded.nodes_with("label=\"lstm") == 1);
    CHECK(folded.clusters("layer 0 … 3    × 4") == 1);
    CHECK(folded.clusters("t = 0 … 4    × 5") == 1);
}

TEST_CASE("modules below the depth are boxes with parameters and shapes") {
    const nn::Lstm<float> lstm({.input = 2, .hidden = 3, .layers = 2});
    Tape<float> tape;
    static_cast<void>(unrolled(tape, lstm, 8));
    const Seen top(graph::dot(tape, {.depth = 0}));
    CHECK(top.nodes.size() == 3); // letters, Lstm, sum
    const std::size_t parameters = 4 * 3 * (2 + 3 + 2) + 4 * 3 * (3 + 3 + 2);
    CHECK(top.nodes_with("label=\"Lstm\\n" + std::to_string(parameters) +
                         " parameters\\n[8, 1, 2] → [8, 1, 3]\"") == 1);
    const Seen one(graph::dot(tape, {.depth = 1}));
    CHECK(one.clusters("Lstm") == 1);
    CHECK(one.nodes_with("class=\"module\"") == 2);
    // A collapsed series keeps its loops.
    const Seen two(graph::dot(tape, {.depth = 2}));
    CHECK(two.nodes_with("label=\"t = 0 … 7   × 8") == 2);
    CHECK(two.edges_with("label=\" h\\nc\"") == 2);
}

TEST_CASE("the budget is respected, and the caption says how") {
    const nn::Lstm<float> lstm({.input = 2, .hidden = 2, .layers = 6});
    Tape<float> tape;
    static_cast<void>(unrolled(tape, lstm, 60));
    for (const std::size_t budget : {1, 2, 3, 5, 17, 40, 100, 400}) {
        const Seen seen(graph::dot(tape, {.fold = Fold::none, .budget = budget}));
        CHECK(seen.nodes.size() <= budget);
        CHECK(contains(seen.text, "To stay within " + std::to_string(budget) + " nodes"));
    }
    CHECK(contains(graph::dot(tape, {.fold = Fold::none}), "time steps are folded"));
    CHECK_FALSE(contains(graph::dot(tape), "To stay within"));
    // The caption is below the picture, titles of modules are on top of them.
    CHECK(contains(graph::dot(tape, {.budget = 40}), "label=\"Lstm\"; style=\"rounded,filled\"; "
                                                     "color=\"#c3cfde\"; fillcolor=\"#f4f7fb\"; "
                                                     "labeljust=l; fontsize=11; labelloc=t;"));

    Tape<float> flat;
    Variable<float> y = flat.variable(Tensor<float>::ones({2}), "x");
    for (int i = 0; i < 5000; ++i) y = y + 1.f;
    const Seen seen(graph::dot(y));
    CHECK(seen.nodes.size() == 400);
    CHECK(seen.nodes_with("label=\"4,602 more nodes\"") == 1);
    CHECK(seen.edges.size() == 399);
    CHECK(contains(error_of([&] { graph::dot(flat, {.budget = 0}); }), "budget"));
}

TEST_CASE("two layers with attention over a hundred steps fit on a page") {
    Tape<float> tape;
    const Seen seen(graph::dot(translated(tape, 100)));
    CHECK(seen.nodes.size() <= 60);
    CHECK(seen.edges_with("label=\" context → x2\"") == 1);
    CHECK(seen.clusters("t = 0 … 99    × 100") == 3);
    CHECK(seen.clusters("Attention") == 1);
}

TEST_CASE("sources, sinks and parameters are distinguished") {
    const nn::Linear<float> layer({.input = 2, .output = 2});
    Tape<float> tape;
    static_cast<void>(layer(tape.variable(Tensor<float>::ones({1, 2}), "x")));
    const Seen seen(graph::dot(tape));
    CHECK(contains(seen.text, "label=\"x\\n[1, 2]\", id=\"n0\", class=\"source\""));
    CHECK(seen.nodes_with("class=\"parameter\"") == 2);
    CHECK(seen.nodes_with("class=\"sink\"") == 1);
    CHECK_FALSE(contains(seen.edge(seen.node("x"), seen.node("linear")), "label"));
    CHECK(Seen(graph::dot(tape, {.parameters = false})).nodes.size() == 2);
}

TEST_CASE("rows of a buffer are connected to the operations that wrote them") {
    const nn::Rnn<float> rnn({.input = 2, .hidden = 2});
    Tape<float> tape;
    const auto y = rnn(tape.variable(random_tensor<float>({4, 1, 2}), "x")).output;
    const auto last = sum(select(y, 0, 3));
    const Seen seen(graph::dot(last, {.fold = Fold::none}));
    CHECK(seen.edges_with("-> " + seen.node("sum")) == 1);
}

template <class Net>
double shade_of_first_step(const Net& net) {
    Tape<float> tape;
    const Statistics<float> statistics(tape);
    const auto y = net(tape.variable(random_tensor<float>({50, 1, 2}), "x")).output;
    const auto loss = sum(select(y, 0, 49));
    tape.backward(loss);
    const Seen seen(graph::dot(loss, {.fold = Fold::none,
                                      .depth = 2,
                                      .color = Color::gradient_norm,
                                      .statistics = &statistics}));
    CHECK(contains(seen.text, "gradient norm, log scale"));
    const auto line = std::find_if(seen.nodes.begin(), seen.nodes.end(),
                                   [](const auto& n) { return contains(n, "label=\"t = 0\""); });
    REQUIRE(line != seen.nodes.end());
    std::smatch color;
    REQUIRE(std::regex_search(*line, color, std::regex("fillcolor=\"#(..)")));
    return std::stoi(color[1], nullptr, 16); // red channel: 247 if pale, 8 if dark
}

TEST_CASE("gradients of a plain network vanish over time, those of an LSTM do not") {
    nn::seed(3);
    CHECK(shade_of_first_step(nn::Rnn<float>({.input = 2, .hidden = 8})) > 200);
    CHECK(shade_of_first_step(
              nn::Lstm<float>({.input = 2, .hidden = 8, .cell = {.forget_bias = 3}})) < 100);
}

TEST_CASE("colours and annotations from statistics and profile") {
    const nn::Lstm<float> lstm({.input = 2, .hidden = 3});
    Tape<float> tape;
    const Statistics<float> statistics(tape);
    const Profile<float> profile(tape);
    const auto loss = unrolled(tape, lstm, 4);
    CHECK(contains(graph::dot(tape, {.color = Color::memory}), "bytes saved for backward"));
    tape.backward(loss);
    CHECK(contains(graph::dot(tape, {.color = Color::memory}), "bytes of results"));
    CHECK(contains(graph::dot(tape, {.color = Color::time, .profile = &profile}),
                   "time, forward and backward"));
    const Seen told(
        graph::dot(tape, {.annotate = true, .statistics = &statistics, .profile = &profile}));
    CHECK(std::regex_search(told.text, std::regex("label=\"lstm[^\"]*\\|x\\| [0-9.e-]+  "
                                                  "\\|∂x\\| [0-9.e-]+\\\\n[^\"]*s forward, ")));
    CHECK(contains(error_of([&] { graph::dot(tape, {.color = Color::gradient_norm}); }),
                   "Options::statistics"));
    CHECK(
        contains(error_of([&] { graph::dot(tape, {.color = Color::time}); }), "Options::profile"));
    Tape<float> two;
    const nn::Linear<float> layer({.input = 3, .output = 3});
    static_cast<void>(layer(lstm(two.variable(random_tensor<float>({2, 1, 2}), "x")).output));
    const Seen colored(graph::dot(two, {.color = Color::module}));
    CHECK(colored.nodes_with("fillcolor=\"#cfe2f3\"") > 0);
    CHECK(colored.nodes_with("fillcolor=\"#fbe3c4\"") > 0);
}

namespace {

// h = tanh(a) b, and the factor tanh(a).
class Written final : public Rule<float> {
public:
    void run(const Adjoints<float>&, std::span<const Variable<float>>) override {}
    std::span<const Saved<float>> kept() const override { return {}; }
    Formula formula() const override {
        using Kind = Formula::Kind;
        return {{{Kind::input, "a", "a", {}},
                 {Kind::input, "b", "b", {}},
                 {Kind::function, "tanh", "\\tanh", {0}},
                 {Kind::product, "", "", {2, 1}}},
                {{"h", 3}}};
    }
};

} // namespace

TEST_CASE("fused operations are expanded on request") {
    Tape<float> tape;
    const auto a = tape.variable(Tensor<float>::ones({2}), "left"),
               b = tape.variable(Tensor<float>::ones({2}), "right");
    const auto y = fuse(
        "cell", [](auto a, auto b) { return tanh(a) * b; }, a, b);
    Rule<float>*& rule = tape.node(y.node()).rule;
    rule->~Rule();
    rule = new (tape.arena().allocate(sizeof(Written), alignof(Written))) Written;
    static_cast<void>(sum(y));
    CHECK(Seen(graph::dot(tape)).nodes_with("class=\"term\"") == 0);
    const Seen open(graph::dot(tape, {.open = true}));
    CHECK(open.nodes_with("class=\"term\"") == 4);
    CHECK(contains(open.text, "cluster_n2"));
    CHECK_FALSE(open.edge(open.node("left"), open.node("a\"")).empty());
    CHECK_FALSE(open.edge(open.node("right"), open.node("b\"")).empty());
    CHECK_FALSE(open.edge(open.node("tanh"), open.node("×")).empty());
    CHECK_FALSE(open.edge(open.node("×"), open.node("sum")).empty());
    // After its rules were freed, it is drawn collapsed.
    rule->~Rule();
    rule = nullptr;
    tape.node(y.node()).is_used_up = true;
    CHECK(Seen(graph::dot(tape, {.open = true})).nodes_with("label=\"cell") == 1);
}

TEST_CASE("a scope named backward is drawn next to the forward graph") {
    Tape<float> tape;
    auto x = tape.variable(Tensor<float>::ones({2}), "x");
    std::vector<Variable<float>> states;
    {
        const Scope forward("Rnn");
        for (int t = 0; t < 6; ++t) {
            const Scope step("t", t);
            states.push_back(x = tanh(x));
        }
    }
    for (int t = 6; t-- > 0;) {
        const Scope back("backward");
        const Scope mirrored("Rnn");
        const Scope step("t", t);
        x = x * states[static_cast<std::size_t>(t)];
    }
    const Seen seen(graph::dot(tape));
    CHECK(seen.clusters("forward") == 1);
    CHECK(seen.clusters("backward") == 1);
    CHECK(seen.clusters("Rnn") == 2);
    CHECK(seen.clusters("t = 0 … 5    × 6") == 2);
    CHECK(seen.nodes.size() == 3);
    CHECK(seen.edges_with("style=dotted") >= 1);
}

TEST_CASE("long names and names with quotes and newlines are escaped") {
    const std::string name =
        "a \"quoted\"\nname \\ &lt; </script> \xc3\xa9 \xff\x01" + std::string(10000, 'x') + "end";
    Parameter<float> odd(name, Tensor<float>::ones({2}));
    Tape<float> tape;
    {
        const Scope scope("sc\"ope <b> \\N");
        static_cast<void>(sum((Variable<float>(odd))));
    }
    const std::string dot = graph::dot(tape);
    CHECK(contains(dot, "a \\\"quoted\\\"\\nname \\\\ &amp;lt; </script> \xc3\xa9 \xef\xbf\xbd"));
    CHECK(contains(dot, "xxxend"));
    const File svg(".svg"), html(".html");
    graph::write(svg.path.string(), tape);
    CHECK(contains(svg.text(), "name \\ &amp;lt; &lt;/script&gt; \xc3\xa9"));
    CHECK(contains(svg.text(), "&lt;b&gt; \\N"));
    CHECK(contains(svg.text(), "xxxend"));
    graph::write(html.path.string(), tape);
    CHECK_FALSE(contains(html.text(), "</script> \xc3"));
    CHECK_FALSE(contains(html.text(), "<b>"));
}

TEST_CASE("the extension selects the format") {
    const nn::Lstm<float> lstm({.input = 2, .hidden = 3});
    Tape<float> tape;
    const auto loss = unrolled(tape, lstm, 8);
    const std::pair<const char*, const char*> begins[] = {{".dot", "digraph"},
                                                          {".svg", "<?xml"},
                                                          {".png", "\x89PNG"},
                                                          {".pdf", "%PDF"},
                                                          {".html", "<!DOCTYPE html>"}};
    for (const auto& [ending, begin] : begins) {
        const File file(ending);
        graph::write(file.path.string(), tape);
        CHECK(file.text().substr(0, std::string(begin).size()) == begin);
        graph::write(file.path.string(), loss);
        CHECK(file.text().size() > 500);
    }
    for (const char* path : {"picture.jpeg", "picture", "svg"})
        CHECK(contains(error_of([&] { graph::write(path, tape); }), "must end in"));
    for (const char* path : {"/nowhere/at/all.dot", "/nowhere/at/all.svg"})
        CHECK(contains(error_of([&] { graph::write(path, tape); }), path));
    CHECK(contains(error_of([&] { graph::dot(Variable<float>(1.f)); }), "constant"));
    Tape<float> empty;
    CHECK(contains(graph::dot(empty), "digraph"));
    const File file(".svg");
    graph::write(file.path.string(), empty);
    CHECK(contains(file.text(), "<svg"));
    CHECK(contains(file.text(), "max-width:100%"));
}

TEST_CASE("a large tape is drawn without folding") {
    const nn::Rnn<float> rnn({.input = 2, .hidden = 2, .layers = 2});
    Tape<float> tape;
    static_cast<void>(unrolled(tape, rnn, 17000));
    REQUIRE(tape.size() >= 100000);
    const File file(".svg");
    graph::write(file.path.string(), tape, {.fold = Fold::none});
    CHECK(contains(file.text(), "time steps are folded"));
}
