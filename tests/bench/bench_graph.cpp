// Cost of graph drawing: a folded graph that fits on a page, and one of a hundred thousand nodes.

#include "measure.hpp"

#include <unroll/unroll.hpp>

#include <filesystem>
#include <string>

#include <sys/resource.h>

using namespace unroll;

namespace {

constexpr const char* picture = "bench_graph.svg";

// Peak memory of this process and its children.
double megabytes() {
    double most = 0;
    for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
        rusage usage{};
        ::getrusage(who, &usage);
        most += static_cast<double>(usage.ru_maxrss) / 1024;
    }
    return most;
}

std::size_t drawn_nodes(const std::string& dot) {
    std::size_t n = 0;
    for (auto at = dot.find(", id=\""); at != std::string::npos; at = dot.find(", id=\"", at + 1))
        ++n;
    return n;
}

} // namespace

int main() {
    {
        // Two layers of an encoder, and a decoder that attends to it.
        const std::size_t steps = 100, batch = 4, width = 64;
        const nn::Lstm<float> encoder({.input = width, .hidden = width, .layers = 2});
        const nn::LstmCell<float> cell(2 * width, width);
        Tape<float> tape;
        const auto x = tape.variable(Tensor<float>::full({steps, batch, width}, 0.1f), "words");
        const auto [memory, last] = encoder(x);
        const auto keys = transpose(memory, {1, 2, 0}), values = transpose(memory, {1, 0, 2});
        nn::State<float, 2> state{select(last[0], 0, 1), select(last[1], 0, 1)};
        Variable<float> context = Variable(Tensor<float>::zeros({batch, width}));
        for (std::size_t t = 0; t < steps; ++t) {
            const Scope step("t", static_cast<std::int64_t>(t));
            state = cell.step(cell.project(concatenate({select(x, 0, t), context}, -1)), state);
            const auto weights = softmax(matmul(reshape(state[0], {4, 1, 64}), keys));
            context = reshape(matmul(weights, values), {4, 64});
        }
        const auto loss = sum(context);
        bench::figure("graph.folded_nodes", static_cast<double>(drawn_nodes(graph::dot(loss))),
                      "nodes", "<=", 60);
        bench::figure("graph.folded_seconds", bench::seconds([&] { graph::write(picture, loss); }),
                      "s", "<=", 2);
    }
    const nn::Lstm<float> lstm({.input = 8, .hidden = 8, .layers = 2});
    Tape<float> tape;
    const auto x = tape.variable(Tensor<float>::full({6300, 1, 8}, 0.1f), "x");
    const auto loss = sum(lstm(x).output);
    double slowest = 0;
    for (const auto fold : {graph::Fold::none, graph::Fold::time})
        slowest =
            std::max(slowest, bench::seconds([&] { graph::write(picture, tape, {.fold = fold}); }));
    std::printf("a tape of %zu nodes\n", tape.size());
    bench::figure("graph.large_seconds", slowest, "s", "<=", 5);
    bench::figure("graph.large_megabytes", megabytes(), "MB", "<=", 500);
    std::filesystem::remove(picture);
}
