#include "support.hpp"

#include <unroll/optim/schedule.hpp>

using namespace test;

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
