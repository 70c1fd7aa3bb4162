// A fused LSTM stage against plain xtensor expressions and a hand-written vector loop.

#include "measure.hpp"

#include <unroll/core/xtensor.hpp>
#include <unroll/ops/fuse.hpp>
#include <unroll/unroll.hpp>

#include <xtensor/xarray.hpp>
#include <xtensor/xmath.hpp>

using namespace unroll;

int main() {
    constexpr std::size_t n = 16384;
    std::array<Tensor<float>, 5> in;
    for (std::size_t i = 0; i < 5; ++i) {
        in[i] = Tensor<float>(Shape{n});
        Random(i).fill_normal(in[i].data(), n, 0.f, 1.f);
    }
    const auto stage = [](auto i, auto f, auto g, auto o, auto c) {
        const auto next = sigmoid(f) * c + sigmoid(i) * tanh(g);
        return outputs(sigmoid(o) * tanh(next), next);
    };
    const std::array<Variable<float>, 5> x{in[0], in[1], in[2], in[3], in[4]};
    const auto fused = [&] { fuse("lstm", stage, x[0], x[1], x[2], x[3], x[4]); };
    Tensor<float> h(Shape{n}), next(Shape{n});
    const auto by_hand = [&]() __attribute__((flatten)) {
        using L = Lanes<float>;
        for (std::size_t k = 0; k < n; k += L::width) {
            const auto [a, b] = stage(L::load(in[0].data() + k), L::load(in[1].data() + k),
                                      L::load(in[2].data() + k), L::load(in[3].data() + k),
                                      L::load(in[4].data() + k));
            a.store(h.data() + k);
            b.store(next.data() + k);
        }
    };
    std::array<xt::xtensor<float, 1>, 5> y;
    for (std::size_t i = 0; i < 5; ++i) {
        y[i] = xt::xtensor<float, 1>::from_shape({n});
        std::copy_n(in[i].data(), n, y[i].begin());
    }
    const auto plain = [&] {
        const auto s = [](const auto& v) { return 1.f / (1.f + xt::exp(-v)); };
        const xt::xtensor<float, 1> c = s(y[1]) * y[4] + s(y[0]) * xt::tanh(y[2]);
        const xt::xtensor<float, 1> out = s(y[3]) * xt::tanh(c);
    };
    const auto [a, b] = bench::in_turn(fused, by_hand, 25, 1);
    const auto [c, d] = bench::in_turn(fused, plain, 25, 2);
    std::printf("fused %.2f ns an element, by hand %.2f, plain xtensor %.2f\n", a / n * 1e9,
                b / n * 1e9, d / n * 1e9);
    bench::figure("fuse.by_hand", a / b, "ratio", "<=", 1.3);
    bench::figure("fuse.xtensor", d / c, "ratio", ">=", 5);
}
