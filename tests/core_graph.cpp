#include "support.hpp"

#include <unroll/core/graph.hpp>
#include <unroll/nn/layers.hpp>
#include <unroll/nn/recurrent.hpp>
#include <unroll/ops/reduce.hpp>

#include <filesystem>

#include <unistd.h>

using namespace test;

TEST_CASE("a tape as a picture") {
    nn::Lstm<float> lstm({.input = 2, .hidden = 3});
    Tape<float> tape;
    const auto loss = sum(lstm(tape.variable(random_tensor<float>({8, 1, 2}), "letters")).output);
    const std::string dot = graph::dot(tape);
    CHECK(contains(dot, "letters\\n[8, 1, 2]"));
    CHECK(contains(dot, "weight_hh\\n[12, 3]"));
    CHECK(contains(dot, "label=\"Lstm\""));
    CHECK(contains(dot, "label=\"t = 0\""));
    CHECK(contains(dot, "t = 2 to 5\\n4 more steps"));
    CHECK_FALSE(contains(dot, "label=\"t = 3\""));
    CHECK(contains(graph::dot(tape, {.steps = 0}), "label=\"t = 3\""));
    CHECK(contains(graph::dot(loss), "sum"));

    const auto folder = std::filesystem::temp_directory_path();
    for (const char* ending : {".dot", ".svg", ".png", ".pdf"}) {
        const auto path = folder / ("unroll_graph_" + std::to_string(::getpid()) + ending);
        graph::write(path.string(), tape);
        CHECK(std::filesystem::file_size(path) > 500);
        std::filesystem::remove(path);
    }
    CHECK(contains(error_of([&] { graph::write("picture.jpeg", tape); }), "must end in"));
    CHECK(contains(error_of([&] { graph::write("/nowhere/at/all.dot", tape); }),
                   "/nowhere/at/all.dot"));
    CHECK(contains(error_of([&] { graph::dot(Variable<float>(1.f)); }), "constant"));
}

TEST_CASE("names with quotes, newlines and great length survive") {
    Parameter<float> odd("a \"quoted\"\nname \\ \xc3\xa9" + std::string(10000, 'x'),
                         Tensor<float>::ones({2}));
    Tape<float> tape;
    static_cast<void>(sum(tape.attach(Variable<float>(odd))));
    const std::string dot = graph::dot(tape);
    CHECK(contains(dot, "a \\\"quoted\\\"\\nname \\\\ \xc3\xa9xxx"));
    CHECK(dot.size() < 2000);
}
