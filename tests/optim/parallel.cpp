#include "support.hpp"

#include <unroll/core/kernels/threads.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/optim/optimizer.hpp>
#include <unroll/optim/parallel.hpp>

#include <fstream>

#include <unistd.h>

using namespace test;

namespace {

// Trains a small network on shards and returns its weights.
std::vector<float> weights_after_training(std::size_t threads) {
    threads::set(threads);
    nn::seed(3);
    nn::Gru<float> gru({.input = 4, .hidden = 8, .layers = 2, .dropout = 0.2});
    optim::Adam<float> adam(parameters(gru));
    optim::DataParallel<float> shards(4, adam.parameters(), Random(5));
    const auto x = random_tensor<float>({6, 8, 4});
    for (int step = 0; step < 5; ++step) {
        shards.backward([&](std::size_t s) {
            const auto out = gru(Variable(x.slice(1, 2 * s, 2 * s + 2))).output;
            return mean(out * out);
        });
        adam.step();
    }
    std::vector<float> all;
    for (const auto& p : parameters(gru))
        for (const float v : p.value().to_vector()) all.push_back(v);
    return all;
}

std::size_t resident_pages() {
    std::size_t size = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> size >> resident;
    return resident;
}

const Tensor<double> x = random_tensor({8, 3});

} // namespace

TEST_CASE("threads: training is bitwise identical for any number of threads") {
    const auto one = weights_after_training(1), two = weights_after_training(2),
               five = weights_after_training(5);
    CHECK(one == two);
    CHECK(one == five);
    threads::set(2);
}

TEST_CASE("shards equal the whole batch, and accumulate gradients") {
    nn::Linear<double> layer({.input = 3, .output = 2});
    const auto all = parameters(layer);
    // A parameter that is listed twice counts once.
    Parameters<double> twice = all;
    twice.insert(twice.end(), all.begin(), all.end());
    optim::DataParallel<double> shards(4, twice);
    const auto run = [&] {
        return shards.backward([&](std::size_t s) {
            const auto y = layer(Variable(x.slice(0, 2 * s, 2 * s + 2)));
            return mean(y * y);
        });
    };
    const double loss = run();
    const auto gradient = layer.weight.gradient().copy();
    run();
    CHECK(distance(layer.weight.gradient(), gradient) > 0);
    for (const auto& p : all) p.clear_gradient();
    Tape<double> tape;
    const auto y = layer(Variable(x));
    const auto whole = mean(y * y);
    tape.backward(whole);
    CHECK(loss == doctest::Approx(whole.item()));
    CHECK(distance(gradient, layer.weight.gradient()) < 1e-14);
}

TEST_CASE("an exception of any shard changes no gradient") {
    nn::Linear<double> layer({.input = 3, .output = 2});
    optim::DataParallel<double> shards(4, parameters(layer));
    const auto loss = [&](std::size_t s, std::size_t failing) {
        const auto y = layer(Variable(x.slice(0, 2 * s, 2 * s + 2)));
        if (s == failing) fail("shard", "no luck");
        return mean(y * y);
    };
    for (const bool has_gradient : {false, true}) {
        if (has_gradient) {
            layer.weight.gradient_buffer().fill(7);
            layer.weight.mark_gradient();
        }
        for (std::size_t failing = 0; failing < 4; ++failing) {
            CHECK(contains(
                error_of([&] { shards.backward([&](std::size_t s) { return loss(s, failing); }); }),
                "no luck"));
            CHECK(layer.weight.has_gradient() == has_gradient);
            CHECK_FALSE(layer.bias.has_gradient());
        }
    }
    CHECK(layer.weight.gradient().to_vector() == std::vector<double>(6, 7));
    shards.backward([&](std::size_t s) { return loss(s, 4); });
    CHECK(layer.bias.has_gradient());
}

TEST_CASE("parameters that were not passed to DataParallel are reported") {
    nn::Linear<double> first({.input = 3, .output = 2}), second({.input = 2, .output = 1});
    optim::DataParallel<double> shards(2, parameters(first));
    const auto run = [&](optim::DataParallel<double>& s) {
        s.backward([&](std::size_t) { return mean(second(first(Variable(x)))); });
    };
    const std::string error = error_of([&] { run(shards); });
    CHECK(contains(error,
                   "parameters that were not passed to DataParallel: 'bias' [1], 'weight' [1, 2]"));
    CHECK_FALSE(first.weight.has_gradient());
    CHECK_FALSE(second.weight.has_gradient());

    SUBCASE("frozen") {
        second.weight.set_trainable(false);
        second.bias.set_trainable(false);
        run(shards);
        CHECK(first.weight.has_gradient());
    }
    SUBCASE("passed, but held by no optimiser") {
        optim::DataParallel<double> both(2, parameters(first, second));
        optim::Sgd<double> sgd(parameters(first));
        run(both);
        CHECK(contains(error_of([&] { sgd.step(); }), "'1.bias' [1], '1.weight' [1, 2]"));
    }
}

TEST_CASE("weights of shards") {
    Parameter<double> w("w", Tensor<double>::scalar(1));
    optim::DataParallel<double> shards(2, parameters(w));
    const auto loss = [&](std::size_t s) { return w * (s == 0 ? 1.0 : 5.0); };
    CHECK(shards.backward(loss, std::vector<double>{3, 1}) == doctest::Approx(2));
    CHECK(w.gradient().item() == doctest::Approx(2));
    for (const auto& bad : {std::vector<double>{0, 0}, {1, -1}, {2, -1}, {NAN, 1}})
        CHECK(contains(error_of([&] { shards.backward(loss, bad); }), "weights must be"));
    CHECK(contains(error_of([&] { shards.backward(loss, std::vector<double>{1}); }),
                   "1 weights for 2 shards"));
    CHECK(w.gradient().item() == doctest::Approx(2));
    CHECK(
        contains(error_of([&] { optim::DataParallel<double>(0, parameters(w)); }), "at least one"));
}

TEST_CASE("shards draw from their own streams, seeded by the thread's generator") {
    Parameter<double> w("w", Tensor<double>::scalar(1));
    const auto drawn = [&](optim::DataParallel<double>& shards) {
        std::vector<double> all(shards.size());
        shards.backward([&](std::size_t s) {
            all[s] = shards.tape(s).random().uniform();
            CHECK(Tape<double>::current() == &shards.tape(s));
            return w * 1.0;
        });
        return all;
    };
    const Random before = thread_random();
    thread_random() = Random(11);
    optim::DataParallel<double> a(2, parameters(w)), b(2, parameters(w));
    thread_random() = Random(11);
    optim::DataParallel<double> again(2, parameters(w)), given(2, parameters(w), Random(4));
    thread_random() = before;
    const auto first = drawn(a);
    CHECK(first[0] != first[1]);
    CHECK(first == drawn(again));
    CHECK(first != drawn(b));
    optim::DataParallel<double> same(2, parameters(w), Random(4));
    CHECK(drawn(given) == drawn(same));
    // Its state can be saved and restored, and a shard can be in evaluation mode.
    const auto state = a.tape(1).random().state();
    const auto next = drawn(a);
    a.tape(1).set_random(Random::restore(state));
    CHECK(drawn(a)[1] == next[1]);
    a.tape(0).set_evaluating(true);
    CHECK(a.tape(0).is_evaluating());
}

TEST_CASE("threads: shards within an Evaluating drop nothing") {
    Parameter<double> w("w", Tensor<double>::ones({64}));
    for (const std::size_t count : {1u, 4u}) {
        optim::DataParallel<double> shards(count, parameters(w), Random(1));
        const auto loss = [&](std::size_t) { return sum(dropout(w, 0.5)); };
        CHECK(shards.backward(loss) != 64);
        const Evaluating guard;
        CHECK(shards.backward(loss) == 64);
    }
}

TEST_CASE("constructing and destroying shards does not leak memory") {
    nn::Linear<double> layer({.input = 3, .output = 2});
    const auto run = [&](int times) {
        for (int i = 0; i < times; ++i) {
            optim::DataParallel<double> shards(4, parameters(layer));
            if (i % 8 != 0) continue;
            shards.backward(
                [&](std::size_t s) { return mean(layer(Variable(x.slice(0, 2 * s, 2 * s + 2)))); });
        }
    };
    run(500);
    const std::size_t before = resident_pages();
    run(4000);
    const auto bytes = static_cast<double>(resident_pages()) - static_cast<double>(before);
#if defined(__SANITIZE_ADDRESS__)
    constexpr double most = 2e8; // freed memory stays in its quarantine
#else
    constexpr double most = 2e6;
#endif
    CHECK(bytes * static_cast<double>(::sysconf(_SC_PAGESIZE)) < most);
}
