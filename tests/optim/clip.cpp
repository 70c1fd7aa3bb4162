#include "support.hpp"

#include <unroll/core/kernels/threads.hpp>
#include <unroll/nn/module.hpp>
#include <unroll/optim/clip.hpp>

#include <limits>

using namespace test;

namespace {

template <class T>
Parameter<T> with_gradient(const Tensor<T>& gradient, const std::string& name = "w") {
    Parameter<T> p(name, Tensor<T>::zeros(gradient.shape()));
    p.gradient_buffer().assign(gradient);
    p.mark_gradient();
    return p;
}

} // namespace

TEST_CASE("clipping") {
    auto w = with_gradient(Tensor<double>({2}, {3, 4}));
    const auto all = parameters(w);
    CHECK(optim::clip_norm(all, 10) == doctest::Approx(5));
    CHECK(w.gradient() == Tensor<double>({2}, {3, 4}));
    CHECK(optim::clip_norm(all, 1) == doctest::Approx(5));
    CHECK(distance(w.gradient(), Tensor<double>({2}, {0.6, 0.8})) < 1e-15);
    optim::clip_value(all, 0.7);
    CHECK(distance(w.gradient(), Tensor<double>({2}, {0.6, 0.7})) < 1e-15);
    for (const double bad : {0.0, -1.0, static_cast<double>(NAN)}) {
        CHECK(contains(error_of([&] { optim::clip_norm(all, bad); }), "must be positive"));
        CHECK(contains(error_of([&] { optim::clip_value(all, bad); }), "must be positive"));
    }
}

TEST_CASE("a parameter that is listed twice is clipped once") {
    auto w = with_gradient(Tensor<double>({2}, {3, 4}));
    auto v = with_gradient(Tensor<double>({1}, {12}), "v");
    const Parameters<double> all{{"a", w}, {"v", v}, {"b", w}};
    CHECK(optim::clip_norm(all, 6.5) == doctest::Approx(13));
    CHECK(distance(w.gradient(), Tensor<double>({2}, {1.5, 2})) < 1e-15);
    CHECK(distance(v.gradient(), Tensor<double>({1}, {6})) < 1e-15);
}

TEST_CASE("clipping neither overflows nor underflows") {
    for (const float size : {1e-30f, 1e-20f, 1e20f, 1e30f, 1e38f}) {
        CAPTURE(size);
        auto w = with_gradient(Tensor<float>({1003}, std::vector<float>(1003, size)));
        const double norm = static_cast<double>(size) * std::sqrt(1003.0);
        CHECK(optim::clip_norm(parameters(w), 1e-32) == doctest::Approx(norm).epsilon(1e-12));
        for (const float g : w.gradient().to_vector())
            CHECK(static_cast<double>(g) ==
                  doctest::Approx(1e-32 / std::sqrt(1003.0)).epsilon(1e-6));
    }
    for (const double size : {1e-300, 1e-200, 1e200, 1e300}) {
        CAPTURE(size);
        auto w = with_gradient(Tensor<double>({2}, {3 * size, -4 * size}));
        CHECK(optim::clip_norm(parameters(w), size) == doctest::Approx(5 * size).epsilon(1e-12));
        CHECK(w.gradient().to_vector()[1] == doctest::Approx(-0.8 * size).epsilon(1e-12));
    }
    auto mixed = with_gradient(Tensor<float>({3}, {1e20f, 1, 1}));
    CHECK(optim::clip_norm(parameters(mixed), 1) == doctest::Approx(1e20));
    auto zeros = with_gradient(Tensor<double>({3}, {0, 0, 0}));
    CHECK(optim::clip_norm(parameters(zeros), 1) == 0);
    CHECK(zeros.gradient() == Tensor<double>::zeros({3}));
    auto empty = with_gradient(Tensor<double>::zeros({0, 2}));
    auto large = with_gradient(Tensor<double>({1}, {1e250}), "v");
    CHECK(optim::clip_norm(parameters(empty, large), 1) == doctest::Approx(1e250));
}

TEST_CASE("clipping of non-finite gradients is an error") {
    for (const double bad : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
        auto v = with_gradient(Tensor<double>({2}, {1, 2}), "v");
        auto w = with_gradient(Tensor<double>({2}, {1, bad}));
        CHECK(contains(error_of([&] { optim::clip_norm(parameters(v, w), 1); }),
                       "the gradient of 'w' is not finite"));
        CHECK(v.gradient() == Tensor<double>({2}, {1, 2}));
    }
    const double most = std::numeric_limits<double>::max();
    auto w = with_gradient(Tensor<double>({2}, {most, most}));
    CHECK(contains(error_of([&] { optim::clip_norm(parameters(w), 1); }), "overflows"));
}

TEST_CASE("threads: norms are bitwise identical for any number of threads") {
    auto w = with_gradient(random_tensor<float>({1'000'003}));
    const auto norm = [&](std::size_t count) {
        threads::set(count);
        const threads::ParallelRegion region;
        return optim::clip_norm(parameters(w), 1e9);
    };
    const double one = norm(1), two = norm(2), five = norm(5);
    CHECK(one == two);
    CHECK(one == five);
    threads::set(2);
}

TEST_CASE("clipping without gradients is an error") {
    Parameter<float> w("w", Tensor<float>::ones({2}));
    const auto all = parameters(w);
    for (const std::string& message : {error_of([&] { optim::clip_norm(all, 1); }),
                                       error_of([&] { optim::clip_value(all, 1); })}) {
        CHECK(contains(message, "no parameter has a gradient. Was backward called since the last"));
        CHECK(contains(message, "clip.cpp:"));
    }
    w.gradient_buffer().fill(0);
    w.mark_gradient();
    CHECK(optim::clip_norm(all, 1) == 0);
}
