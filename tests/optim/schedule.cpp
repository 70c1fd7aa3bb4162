#include "support.hpp"

#include <unroll/optim/schedule.hpp>

#include <limits>

using namespace test;

TEST_CASE("plateau: a restored one continues") {
    optim::Plateau plateau(0.3, 0.5, 2), resumed(1, 0.5, 2);
    resumed.restore(plateau.state());
    for (const double loss : {1.0, 0.7, 0.8, 0.1 + 0.6}) {
        CHECK(plateau.report(loss) == resumed.report(loss));
        const std::string state = plateau.state();
        resumed = optim::Plateau(1, 0.5, 2);
        resumed.restore(state);
        CHECK(resumed.state() == state);
        CHECK(resumed.learning_rate() == plateau.learning_rate());
    }
    for (const char* text : {"", "1", "1 2", "1 2 x", "1 2 3 4", "-1 2 3", "1 nan 3", "x 2 3"})
        CHECK(contains(error_of([&] { resumed.restore(text); }), "is not the state of a Plateau"));
    CHECK(resumed.state() == plateau.state());
}

TEST_CASE("schedules") {
    CHECK(optim::constant(2)(7) == 2);
    CHECK(optim::stepwise(1, 0.1, 10)(25) == doctest::Approx(0.01));
    CHECK(optim::exponential(1, 0.5)(3) == doctest::Approx(0.125));
    const auto cosine = optim::cosine(1, 100, 0.2);
    CHECK(cosine(0) == doctest::Approx(1));
    CHECK(cosine(50) == doctest::Approx(0.6));
    CHECK(cosine(1000) == doctest::Approx(0.2));
    const auto warm = optim::warm_up(4, optim::constant(1));
    CHECK(warm(0) == doctest::Approx(0.25));
    CHECK(warm(4) == doctest::Approx(1));
    optim::Plateau plateau(1, 0.5, 2);
    for (const double loss : {3.0, 2.0, 2.5, 2.5}) plateau.report(loss);
    CHECK(plateau.learning_rate() == doctest::Approx(0.5));
}

TEST_CASE("schedules equal PyTorch's") {
    using namespace optim;
    const auto file = golden("optimizers");
    const std::pair<const char*, Schedule> all[] = {
        {"one_cycle", one_cycle(0.5, 40)},
        {"one_cycle_linear",
         one_cycle(0.5, 40,
                   {.warm_up = 0.2, .first_factor = 10, .last_factor = 100, .linear = true})},
        {"cosine_restarts", cosine_restarts(0.5, 7, 1, 0.1)},
        {"cosine_restarts_longer", cosine_restarts(0.5, 5, 2, 0.1)},
        {"cyclic", cyclic(0.1, 0.5, 4, {.down = 7})},
        {"cyclic_halved", cyclic(0.1, 0.5, 4, {.cycle_factor = 0.5})},
        {"cyclic_exponential", cyclic(0.1, 0.5, 4, {.step_factor = 0.9})},
        {"polynomial", polynomial(0.5, 30, 2.5)},
        {"multi_step", multi_step(0.5, 0.1, {3, 10, 11, 25})},
    };
    for (const auto& [name, schedule] : all) {
        CAPTURE(name);
        const auto expected = file.get<double>(name).to_vector();
        for (std::size_t t = 0; t < 40; ++t) {
            CAPTURE(t);
            CHECK(schedule(t) == doctest::Approx(expected[t]).epsilon(1e-12));
        }
    }
}

TEST_CASE("schedules at their ends and of few steps") {
    constexpr auto last = std::numeric_limits<std::uint64_t>::max();
    const auto once = optim::one_cycle(1, 40);
    CHECK(once(last) == doctest::Approx(1.0 / 25 / 1e4));
    CHECK(optim::one_cycle(1, 1)(0) >= 0);
    CHECK(optim::one_cycle(1, 10, {.warm_up = 0})(9) == doctest::Approx(1.0 / 25 / 1e4));
    CHECK(optim::one_cycle(1, 10, {.warm_up = 0.1})(0) == doctest::Approx(1));
    for (const std::uint64_t factor : {1, 2, 1000}) {
        const double rate = optim::cosine_restarts(1, 3, factor, 0.5)(last);
        CHECK(rate >= 0.5);
        CHECK(rate <= 1);
    }
    CHECK(optim::cosine_restarts(1, 3)(3) == 1);
    CHECK(optim::cosine_restarts(1, 1)(5) == 1);
    CHECK(optim::multi_step(1, 0.5, {})(last) == 1);
    CHECK(optim::multi_step(1, 0.5, {0, 0})(0) == doctest::Approx(0.25));
    CHECK(optim::polynomial(1, 10, 2, 0.25)(last) == doctest::Approx(0.25));
    CHECK(std::isfinite(optim::cyclic(0.1, 1, 1)(last)));
}

TEST_CASE("arguments of schedules out of range are errors") {
    using namespace optim;
    const auto check = [](const auto& make, const std::string& message) {
        const std::string error = error_of(make);
        CAPTURE(error);
        CHECK(contains(error, message));
        CHECK(contains(error, "schedule.cpp:"));
    };
    check([] { constant(-1); }, "constant: the learning rate must be at least 0 and finite");
    check([] { stepwise(1, NAN, 1); }, "stepwise: the factor must be at least 0 and finite");
    check([] { stepwise(1, 1, 0); }, "stepwise: `every` must be at least 1, got 0");
    check([] { multi_step(1, 0.1, {3, 2}); }, "multi_step: the milestones must be in ascending");
    check([] { exponential(1, -1); }, "exponential: the factor");
    check([] { polynomial(1, 0); }, "polynomial: `steps` must be at least 1");
    check([] { polynomial(1, 3, 0); }, "polynomial: the power must be positive");
    check([] { cosine(1, 0); }, "cosine: `steps` must be at least 1");
    check([] { cosine_restarts(1, 0); }, "cosine_restarts: the first period must be at least 1");
    check([] { cosine_restarts(1, 5, 0); }, "cosine_restarts: the factor must be at least 1");
    check([] { cyclic(1, 0.5, 3); },
          "cyclic: the largest learning rate must be at least the least");
    check([] { cyclic(0, 1, 0); }, "cyclic: `up` must be at least 1");
    check([] { cyclic(0, 1, 3, {.step_factor = -1}); }, "cyclic: step_factor");
    check([] { one_cycle(1, 0); }, "one_cycle: `steps` must be at least 1");
    check([] { one_cycle(1, 5, {.warm_up = 1}); }, "one_cycle: warm_up must be in [0, 1)");
    check([] { one_cycle(1, 5, {.first_factor = 0}); }, "one_cycle: first_factor");
    check([] { Plateau(1, 1); }, "Plateau: the factor must be in (0, 1)");
    check([] { Plateau(-1); }, "Plateau: the learning rate");
}
