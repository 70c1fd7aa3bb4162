#include "support.hpp"

#include <unroll/core/check/curves.hpp>

using namespace test;

TEST_CASE("curves: rows and columns as CSV") {
    Curves curves({"epoch", "loss, mean"});
    curves.add({0.5, 1.25});
    curves.add({1, 1.0 / 3});
    CHECK(curves.csv() == "epoch,\"loss, mean\"\n0.5,1.25\n1,0.33333333\n");
    Curves columns;
    columns.add_column("a", {1, -std::nan(""), 3});
    columns.add_column("b", {4});
    CHECK(columns.csv("step") == "step,a,b\n0,1,4\n1,nan,\n2,3,\n");
    CHECK(contains(error_of([&] { curves.add({1}); }), "each of 2 columns, got 1"));
}

TEST_CASE("curves: columns against the first one") {
    Curves curves({"epoch", "loss", "accuracy"});
    curves.add({1, 2, 0.5});
    curves.add({2, 1, 0.75});
    const std::string svg = curves.svg("Training", {"accuracy"});
    CHECK(contains(svg, "Training"));
    CHECK(contains(svg, "epoch"));
    CHECK(contains(svg, "accuracy"));
    CHECK(!contains(svg, "loss"));
    CHECK(contains(error_of([&] { curves.svg("", {"lss"}); }), "no column 'lss'"));
}
