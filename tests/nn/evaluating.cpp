#include "support.hpp"

#include <unroll/nn/attention/transformer.hpp>
#include <unroll/nn/layers/convolution.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <stdexcept>
#include <thread>

using namespace test;
using V = Variable<double>;

namespace {

// What a model gives with and without a tape, and its gradient by x: the first pair is equal, and
// equal to that of the same weights without dropout.
template <class F>
void same_as_without_tape(const F& f, const Tensor<double>& x) {
    const Tensor<double> plain = f(V(x)).value();
    const auto random = thread_random().state();
    {
        const Evaluating guard;
        CHECK(f(V(x)).value() == plain);
        Tape<double> tape;
        const V in = tape.variable(x);
        const V y = f(in);
        CHECK(y.value() == plain);
        CHECK(y.is_recorded());
        tape.backward(sum(square(y)));
        CHECK(sum(abs(V(tape.gradient(in)))).item() > 0);
    }
    CHECK(thread_random().state() == random); // nothing was drawn
    Tape<double> tape;
    CHECK(distance(f(tape.variable(x)).value(), plain) > 1e-3);
}

} // namespace

TEST_CASE("evaluating: nothing is dropped while a tape records") {
    same_as_without_tape([](const V& x) { return dropout(x, 0.5); }, random_tensor({40}));
    const nn::Dropout<double> drop(0.5);
    same_as_without_tape([&](const V& x) { return drop(x); }, random_tensor({40}));
    const nn::Lstm<double> lstm({.input = 3,
                                 .hidden = 4,
                                 .layers = 2,
                                 .dropout = 0.5,
                                 .input_dropout = 0.5,
                                 .state_dropout = 0.5,
                                 .output_dropout = 0.5,
                                 .weight_dropout = 0.5,
                                 .zoneout = 0.5});
    same_as_without_tape([&](const V& x) { return lstm(x).output; }, random_tensor({5, 2, 3}));
    const nn::TransformerStack<double> stack(
        {.width = 4, .heads = 2, .layers = 1, .hidden = 8, .dropout = 0.5});
    same_as_without_tape([&](const V& x) { return stack(x); }, random_tensor({3, 2, 4}));
    const nn::BatchNorm<double> norm({.channels = 3});
    same_as_without_tape([&](const V& x) { return norm(x); }, random_tensor({8, 3}));
}

TEST_CASE("evaluating: running statistics do not change") {
    const nn::BatchNorm<double> norm({.channels = 2});
    const auto x = random_tensor({6, 2});
    Tape<double> tape;
    {
        const Evaluating guard;
        norm(tape.variable(x));
        CHECK(norm.running_mean.value() == Tensor<double>::zeros({2}));
        CHECK(norm.running_var.value() == Tensor<double>::ones({2}));
    }
    norm(tape.variable(x));
    CHECK(norm.running_mean.value() != Tensor<double>::zeros({2}));
}

TEST_CASE("evaluating: until the last guard of the thread is destroyed") {
    Tape<double> tape;
    const V x = tape.variable(Tensor<double>::ones({64}));
    const auto drops = [&] { return dropout(x, 0.5).value() != x.value(); };
    CHECK(drops());
    CHECK_FALSE(Evaluating::is_on());
    {
        const Evaluating outer;
        {
            const Evaluating inner;
            CHECK_FALSE(drops());
        }
        CHECK(Evaluating::is_on());
        CHECK_FALSE(drops());
        try {
            const Evaluating thrown;
            throw std::runtime_error("");
        } catch (const std::runtime_error&) {
        }
        CHECK_FALSE(drops());
        // Tapes created in the scope, and of the other type.
        const Tape<double> nested;
        CHECK_FALSE(drops());
        Tape<float> other;
        const auto y = other.variable(Tensor<float>::ones({64}));
        CHECK(dropout(y, 0.5).value() == y.value());
        CHECK(training_tape(x) == nullptr);
        // Another thread trains.
        bool dropped = false;
        std::thread([&] {
            Tape<double> own;
            const V z = own.variable(Tensor<double>::ones({64}));
            dropped = dropout(z, 0.5).value() != z.value() && !Evaluating::is_on();
        }).join();
        CHECK(dropped);
    }
    CHECK(drops());
    CHECK(training_tape(x) == &tape);
    try {
        const Evaluating thrown;
        throw std::runtime_error("");
    } catch (const std::runtime_error&) {
    }
    CHECK(drops());
}
