// A fused LSTM stage, forward and backward, against a hand-written vector loop and plain xtensor.

#include "measure.hpp"

#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/unroll.hpp>

#include <xtensor/xmath.hpp>
#include <xtensor/xtensor.hpp>

using namespace unroll;

namespace {

constexpr std::size_t n = 16384;
using L = Lanes<float>;
using Vector = xt::xtensor<float, 1>;

const auto stage = [](auto i, auto f, auto g, auto o, auto c) {
    const auto next = sigmoid(f) * c + sigmoid(i) * tanh(g);
    return outputs(sigmoid(o) * tanh(next), next);
};

// By hand: the forward pass, and the backward pass from dh, which recomputes the gates.
struct ByHand {
    std::array<Tensor<float>, 5> in;
    std::array<Tensor<float>, 5> share;
    Tensor<float> h{Shape{n}}, next{Shape{n}}, dh = Tensor<float>::ones({n});

    [[gnu::flatten]] void forward() {
        for (std::size_t k = 0; k < n; k += L::width) {
            const auto [a, b] = stage(load(in[0], k), load(in[1], k), load(in[2], k),
                                      load(in[3], k), load(in[4], k));
            a.store(h.data() + k);
            b.store(next.data() + k);
        }
    }
    [[gnu::flatten]] void backward() {
        for (std::size_t k = 0; k < n; k += L::width) {
            const L i = sigmoid(load(in[0], k)), f = sigmoid(load(in[1], k));
            const L g = tanh(load(in[2], k)), o = sigmoid(load(in[3], k)), c = load(in[4], k);
            const L t = tanh(f * c + i * g), d = load(dh, k);
            const L dc = d * o * (1 - t * t);
            (dc * g * i * (1 - i)).store(share[0].data() + k);
            (dc * c * f * (1 - f)).store(share[1].data() + k);
            (dc * i * (1 - g * g)).store(share[2].data() + k);
            (d * t * o * (1 - o)).store(share[3].data() + k);
            (dc * f).store(share[4].data() + k);
        }
    }
    static L load(const Tensor<float>& x, std::size_t k) { return L::load(x.data() + k); }
};

void plain_xtensor(const std::array<Vector, 5>& x, const Vector& dh) {
    const auto sigmoid = [](const auto& v) { return 1.f / (1.f + xt::exp(-v)); };
    const Vector i = sigmoid(x[0]), f = sigmoid(x[1]), g = xt::tanh(x[2]), o = sigmoid(x[3]);
    const Vector next = f * x[4] + i * g;
    const Vector t = xt::tanh(next);
    const Vector h = o * t;
    const Vector dc = dh * o * (1.f - t * t);
    const Vector di = dc * g * i * (1.f - i), df = dc * x[4] * f * (1.f - f);
    const Vector dg = dc * i * (1.f - g * g), dout = dh * t * o * (1.f - o), last = dc * f;
}

} // namespace

int main() {
    ByHand hand;
    std::array<Vector, 5> y;
    for (std::size_t i = 0; i < 5; ++i) {
        hand.in[i] = Tensor<float>(Shape{n});
        hand.share[i] = Tensor<float>(Shape{n});
        Random(i).fill_normal(hand.in[i].data(), n, 0.f, 1.f);
        y[i] = Vector::from_shape({n});
        std::copy_n(hand.in[i].data(), n, y[i].begin());
    }
    const Vector dh = xt::ones<float>({n});
    Tape<float> tape;
    const auto fused = [&] {
        tape.clear();
        std::array<Variable<float>, 5> x;
        for (std::size_t i = 0; i < 5; ++i) x[i] = tape.variable(hand.in[i]);
        const auto [h, next] = fuse("lstm", stage, x[0], x[1], x[2], x[3], x[4]);
        tape.backward(h, hand.dh);
    };
    const auto by_hand = [&] {
        hand.forward();
        hand.backward();
    };
    threads::set(1);
    const auto times = bench::in_turn(
        {bench::timed(fused), bench::timed(by_hand), bench::timed([&] { plain_xtensor(y, dh); })},
        25);
    std::printf("ns per element, forward and backward: fused %.2f, by hand %.2f, xtensor %.2f\n",
                times[0] / n * 1e9, times[1] / n * 1e9, times[2] / n * 1e9);
    bench::figure("fuse.by_hand", times[0] / times[1], "ratio", "<=", 1.3);
    bench::figure("fuse.xtensor", times[2] / times[0], "ratio", ">=", 5);
}
