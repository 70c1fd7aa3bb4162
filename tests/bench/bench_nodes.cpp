// Cost of a node: a chain of pointwise operations on four elements, forward and backward.

#include "measure.hpp"

#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/unroll.hpp>

using namespace unroll;

int main() {
    for (const std::size_t nodes : {100000u, 1000000u}) {
        std::vector<double> times;
        for (int round = 0; round < 7; ++round)
            times.push_back(bench::seconds([&] {
                Tape tape;
                Variable<float> x = tape.variable(Tensor<float>::full({4}, 0.5f));
                for (std::size_t i = 0; i < nodes; ++i)
                    x = fuse(
                        "step", [](auto v) { return v * 1.0001f + 0.001f; }, x);
                tape.backward(x, Tensor<float>::ones({4}));
            }));
        bench::figure("nodes." + std::to_string(nodes),
                      bench::median(times) / static_cast<double>(nodes) * 1e9, "ns", "<=", 150);
    }
}
