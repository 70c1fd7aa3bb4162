#include "support.hpp"

#include <unroll/core/base/evaluating.hpp>
#include <unroll/core/kernels/threads.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/random/random.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/statistics/statistics.hpp>
#include <unroll/ops/views.hpp>
#include <unroll/optim/optimizer.hpp>
#include <unroll/optim/parallel.hpp>

#include <limits>

using namespace test;

namespace {

using V = Variable<double>;
using F = Variable<float>;

// The numbers of a generator.
Tensor<double> normal(Random random, const Shape& shape, double mean, double deviation) {
    Tensor<double> x(shape);
    random.fill_normal(x.data(), x.size(), mean, deviation);
    return x;
}

} // namespace

TEST_CASE("draws are those of the tape's generator, or of the thread's") {
    const Random seven(7), eight(8);
    thread_random() = seven;
    CHECK(random_normal<double>({3, 5}, 1, 2).value() == normal(seven, {3, 5}, 1, 2));
    thread_random() = seven;
    Tape<double> tape;
    const V x = tape.variable(random_tensor({3, 5}));
    CHECK(random_normal_like(x, 1, 2).value() == normal(seven, {3, 5}, 1, 2));
    tape.set_random(eight);
    CHECK(random_normal_like(x, 1, 2).value() == normal(eight, {3, 5}, 1, 2));
    tape.set_random(eight);
    CHECK(random_normal<double>({3, 5}, 1, 2).value() == normal(eight, {3, 5}, 1, 2));
    CHECK(random_normal<double>({3, 5}, 1, 2).value() != normal(eight, {3, 5}, 1, 2));
    CHECK_FALSE(random_normal_like(x).is_recorded());
    // Evaluation draws, too.
    const Evaluating evaluating;
    tape.set_random(eight);
    CHECK(random_normal_like(x, 1, 2).value() == normal(eight, {3, 5}, 1, 2));
    // A paused tape does not.
    const NoRecording<double> paused;
    thread_random() = seven;
    CHECK(random_normal<double>({3, 5}, 1, 2).value() == normal(seven, {3, 5}, 1, 2));
}

TEST_CASE("draws have the distribution that was requested") {
    thread_random() = Random(5);
    constexpr std::size_t n = 100'000;
    const F x = random_normal({n}, 3, 0.5);
    CHECK(mean(x).item() == doctest::Approx(3).epsilon(0.005));
    CHECK(stddev(x).item() == doctest::Approx(0.5).epsilon(0.01));
    const F u = random_uniform({n}, -1, 3);
    CHECK(mean(u).item() == doctest::Approx(1).epsilon(0.02));
    CHECK(amin(u).item() >= -1);
    CHECK(amax(u).item() <= 3);
    CHECK(variance(u).item() == doctest::Approx(16.0 / 12).epsilon(0.02));
    const F b = bernoulli({n}, 0.3);
    CHECK(mean(b).item() == doctest::Approx(0.3).epsilon(0.02));
    CHECK(sum(b * (1 - b)).item() == 0);
    CHECK(sum(bernoulli({n}, 0)).item() == 0);
    CHECK(sum(bernoulli({n}, 1)).item() == n);
    CHECK(random_normal({2}, 4, 0).value() == Tensor<float>({2}, {4, 4}));
    CHECK(random_uniform({2}, 4, 4).value() == Tensor<float>({2}, {4, 4}));
    CHECK(random_normal({0, 3}).shape() == Shape{0, 3});
    CHECK(random_uniform({}).shape() == Shape{});
}

TEST_CASE("the derivative of a sample by the parameters of its distribution") {
    Tape<double> tape;
    tape.set_random(Random(3));
    const V mean = tape.variable(random_tensor({4})),
            log_deviation = tape.variable(random_tensor({4}, 2));
    const V sample = mean + exp(log_deviation) * random_normal_like(mean);
    tape.backward(sum(sample));
    const Tensor<double> drawn = normal(Random(3), {4}, 0, 1);
    CHECK(tape.gradient(mean) == Tensor<double>::ones({4}));
    CHECK(distance(tape.gradient(log_deviation),
                   (exp(V(log_deviation.value())) * V(drawn)).value()) < 1e-15);
}

TEST_CASE("gumbel_softmax equals its definition") {
    const auto logits = random_tensor({3, 4});
    for (const std::ptrdiff_t axis : {0, 1, -1}) {
        thread_random() = Random(2);
        const auto y = gumbel_softmax(V(logits), {.temperature = 0.5, .axis = axis}).value();
        Tensor<double> u({3, 4}), z({3, 4});
        Random(2).fill_uniform(u.data(), u.size(), 0.0, 1.0);
        for (std::size_t i = 0; i < z.size(); ++i)
            z.data()[i] = (logits.data()[i] - std::log(-std::log(u.data()[i]))) / 0.5;
        CHECK(distance(y, softmax(V(z), axis).value()) < 1e-12);
        // Hard: the same draws, and the gradient of the soft result.
        const auto run = [&](bool hard) {
            Tape<double> tape;
            tape.set_random(Random(2));
            const V x = tape.variable(logits);
            const V sample = gumbel_softmax(x, {.temperature = 0.5, .hard = hard, .axis = axis});
            tape.backward(sample, random_tensor({3, 4}, 5));
            return std::pair(sample.value(), tape.gradient(x));
        };
        const auto [soft, soft_gradient] = run(false);
        const auto [hard, hard_gradient] = run(true);
        CHECK(soft == y);
        CHECK(hard_gradient == soft_gradient);
        CHECK(argmax(V(hard), axis) == argmax(V(soft), axis));
        CHECK(sum(V(hard), {axis}).value() == Tensor<double>::ones(sum(V(hard), {axis}).shape()));
        CHECK(sum(V(hard) * (1 - V(hard))).item() == 0);
    }
    const auto none = gumbel_softmax(V(Tensor<double>({2}, {std::nan(""), 0})), {.hard = true});
    CHECK(std::isnan(none.value()(0)));
    CHECK(gumbel_softmax(V(Tensor<double>::zeros({0, 3})), {.hard = true}).shape() == Shape{0, 3});
}

TEST_CASE("gumbel_softmax samples the categorical distribution, and stays finite") {
    thread_random() = Random(4);
    constexpr std::size_t n = 200'000;
    const Tensor<float> logits({3}, {0, 1, -1});
    const F samples = gumbel_softmax(broadcast_to(F(logits), {n, 3}), {.hard = true});
    const auto found = mean(samples, {0}).value(), expected = softmax(F(logits)).value();
    for (std::size_t i = 0; i < 3; ++i)
        CHECK(found(i) == doctest::Approx(expected(i)).epsilon(0.02));
    // A draw of 0, whose logarithm is infinite.
    const Random zero = Random::restore({9, 0, 1396032});
    Tensor<float> u({64});
    Random(zero).fill_uniform(u.data(), u.size(), 0.f, 1.f);
    REQUIRE(u(47) == 0);
    thread_random() = zero;
    const auto at_zero = gumbel_softmax(F(Tensor<float>::zeros({64}))).value();
    CHECK(at_zero(47) > 0);
    CHECK(sum(F(at_zero)).item() == doctest::Approx(1));
    const auto extreme = gumbel_softmax(F(Tensor<float>({2}, {1e30f, -1e30f}))).value();
    CHECK(extreme == Tensor<float>({2}, {1, 0}));
}

TEST_CASE("threads do not change the draws of shards") {
    const auto run = [](std::size_t count) {
        threads::set(count);
        Parameter<float> w("w", Tensor<float>::ones({5}));
        optim::Sgd<float> sgd(Parameters<float>{{"w", w}}, {.learning_rate = 0.1});
        optim::DataParallel<float> shards(4, sgd.parameters(), Random(5));
        for (int step = 0; step < 3; ++step) {
            shards.backward([&](std::size_t) {
                return mean(square(w + w * random_normal({5}) + random_uniform_like(w)) *
                            (bernoulli<float>({5}) + gumbel_softmax(w)));
            });
            sgd.step();
        }
        return w.value().to_vector();
    };
    const auto one = run(1), two = run(2), five = run(5);
    threads::set(2);
    CHECK(one == two);
    CHECK(one == five);
}
