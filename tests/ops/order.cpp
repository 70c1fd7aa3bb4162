// Values of ops/order/ and ops/statistics/ against plain loops, and at special points.

#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/kernels/threads.hpp>
#include <unroll/ops/order/cumulative.hpp>
#include <unroll/ops/order/linear_scan.hpp>
#include <unroll/ops/order/sort.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/statistics/norms.hpp>
#include <unroll/ops/statistics/statistics.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <complex>
#include <functional>
#include <limits>
#include <numeric>

using namespace test;

namespace {

using V = Variable<double>;
using Many = std::vector<V>;
constexpr double inf = std::numeric_limits<double>::infinity();
const double not_a_number = std::nan("");

// The scan of one sequence of `length` steps, of which there are `steps` in memory.
template <class T>
struct Loop {
    Tensor<T> output, state;

    Loop(const Tensor<T>& a, const Tensor<T>& b, const Tensor<T>& h0, bool backwards,
         const std::vector<std::size_t>& lengths = {})
        : output(Tensor<T>::zeros(b.shape())), state(h0.copy()) {
        const std::size_t steps = b.shape(0), batch = b.shape(1), width = b.shape(2);
        for (std::size_t i = 0; i < batch; ++i)
            for (std::size_t k = 0; k < width; ++k) {
                const std::size_t length = lengths.empty() ? steps : lengths[i];
                T h = h0(i, k);
                for (std::size_t s = 0; s < length; ++s) {
                    const std::size_t t = backwards ? length - 1 - s : s;
                    h = a(t, i, k) * h + b(t, i, k);
                    output(t, i, k) = h;
                }
                state(i, k) = h;
            }
    }
};

template <class T>
void check_scan(std::size_t steps, std::size_t batch, std::size_t width, double tolerance) {
    const Tensor<T> a = random_tensor<T>({steps, batch, width}, 1, T(0.5)),
                    b = random_tensor<T>({steps, batch, width}, 2),
                    h0 = random_tensor<T>({batch, width}, 3);
    std::vector<std::size_t> lengths;
    for (std::size_t i = 0; i < batch; ++i) lengths.push_back((i * 7 + 3) % (steps + 1));
    for (const bool backwards : {false, true}) {
        CAPTURE(backwards);
        const Loop<T> all(a, b, h0, backwards), some(a, b, h0, backwards, lengths);
        const auto got = linear_scan(a, b, h0, {.backwards = backwards});
        CHECK(distance(got.output.value(), all.output) < tolerance);
        CHECK(distance(got.state.value(), all.state) < tolerance);
        const auto padded = linear_scan(a, b, h0, {.lengths = lengths, .backwards = backwards});
        CHECK(distance(padded.output.value(), some.output) < tolerance);
        CHECK(distance(padded.state.value(), some.state) < tolerance);
    }
}

Tensor<double> gradient_of(const std::function<V(const V&)>& f, const Tensor<double>& at) {
    Tape<double> tape;
    const V x = tape.variable(at);
    tape.backward(sum(f(x)), {.allow_non_finite = true});
    return tape.gradient(x).copy();
}

} // namespace

TEST_CASE("linear_scan equals a loop") {
    for (const std::size_t width : {1, 3, 8, 65, 131}) {
        CAPTURE(width);
        check_scan<double>(7, 3, width, 1e-14);
        check_scan<float>(7, 3, width, 1e-6);
    }
    check_scan<double>(3, 2, 3000, 1e-14); // more than one block of the cache
    check_scan<float>(5, 4, 300000, 1e-6); // divided among threads
    check_scan<double>(0, 2, 3, 1e-14);
}

TEST_CASE("linear_scan: operands that broadcast, views, starting from 0") {
    const Tensor<double> a = random_tensor({4, 3}, 1), b = random_tensor({5, 4, 3}, 2);
    const Tensor<double> zero = Tensor<double>::zeros({4, 3});
    const Tensor<double> whole = a.broadcast_to({5, 4, 3});
    CHECK(distance(linear_scan(a, b).output.value(), Loop(whole, b, zero, false).output) < 1e-14);
    const Tensor<double> turned = random_tensor({3, 4, 5}, 3).transpose();
    CHECK(distance(linear_scan(turned, b).output.value(), Loop(turned, b, zero, false).output) <
          1e-14);
    const Tensor<double> each = random_tensor({5, 1, 1}, 3);
    CHECK(distance(linear_scan(each, b).output.value(),
                   Loop(each.broadcast_to(b.shape()), b, zero, false).output) < 1e-14);
    // A number for every step, from a start of 1.
    const auto powers = linear_scan(Tensor<double>({3}, {2, 2, 2}), 0.0, 1.0);
    CHECK(powers.output.value() == Tensor<double>({3}, {2, 4, 8}));
    CHECK(powers.state.item() == 8);
    CHECK(contains(error_of([] { linear_scan(V(1.0), V(2.0)); }), "a and b are scalars"));
    const std::vector<std::size_t> two{1, 2};
    CHECK(contains(error_of([&] { linear_scan(b, b, 0, {.lengths = two}); }),
                   "2 lengths for [5, 4, 3]; expected one for each"));
}

TEST_CASE("linear_scan does not read after the end of a sequence") {
    const std::vector<std::size_t> lengths{1, 2};
    for (const bool backwards : {false, true}) {
        Tape<double> tape;
        Tensor<double> values = random_tensor({3, 2, 1});
        values(1, 0, 0) = values(2, 0, 0) = not_a_number;
        values(2, 1, 0) = inf;
        const V a = tape.variable(values), b = tape.variable(values);
        const auto [output, state] =
            linear_scan(a, b, 1.0, {.lengths = lengths, .backwards = backwards});
        CHECK(output.value()(1, 0, 0) == 0);
        CHECK(output.value()(2, 1, 0) == 0);
        tape.backward(sum(output) + sum(state));
        for (const V& x : {a, b}) {
            CHECK(std::isfinite(tape.gradient(x)(0, 0, 0)));
            CHECK(tape.gradient(x)(1, 0, 0) == 0);
            CHECK(tape.gradient(x)(2, 0, 0) == 0);
            CHECK(tape.gradient(x)(2, 1, 0) == 0);
        }
    }
}

TEST_CASE("linear_scan: third derivative") {
    // h = a^3 from h0 = 1.
    Tape<double> tape;
    const V a = tape.variable(Tensor<double>::scalar(2));
    const V h = linear_scan(broadcast_to(a, {3}), 0.0, 1.0).state;
    const V first = gradients(h, {a}, {.create_graph = true})[0];
    const V second = gradients(first, {a}, {.create_graph = true})[0];
    const V third = gradients(second, {a}, {.create_graph = true})[0];
    CHECK(first.item() == 12);
    CHECK(second.item() == 12);
    CHECK(third.item() == 6);
}

TEST_CASE("linear_scan: a number first") {
    const Tensor<float> x({3}, {1, 1, 1});
    CHECK(linear_scan(0.5f, x).output.value() == Tensor<float>({3}, {1, 1.5, 1.75}));
    CHECK(linear_scan(2, V(Tensor<double>({2}, {0, 1})), 3).state.item() == 13);
    CHECK(linear_scan(0.5, Parameter<float>("p", x), 2, {.backwards = true}).state.item() == 2);
}

TEST_CASE("complex_linear_scan equals a loop") {
    using C = std::complex<double>;
    const std::size_t batch = 3;
    for (const std::size_t width : {1, 3, 17, 700})
        for (const std::size_t steps : {0, 1, 6})
            for (const bool backwards : {false, true})
                for (const bool constant : {false, true})
                    for (const std::vector<std::size_t>& lengths :
                         {std::vector<std::size_t>{}, {steps, 0, steps / 2}}) {
                        const Shape shape{steps, batch, width},
                            of_a = constant ? Shape{width} : shape;
                        std::array<Tensor<double>, 6> x;
                        for (std::size_t i = 0; i < 6; ++i)
                            x[i] = random_tensor(i < 2   ? of_a
                                                 : i < 4 ? shape
                                                         : Shape{batch, width},
                                                 i + 1, 0.7);
                        const auto [output, state] = complex_linear_scan<double>(
                            {x[0], x[1]}, {x[2], x[3]}, {x[4], x[5]},
                            {.lengths = lengths, .backwards = backwards});
                        const Tensor<double> a = x[0].broadcast_to(shape),
                                             ai = x[1].broadcast_to(shape);
                        double worst = 0;
                        for (std::size_t b = 0; b < batch; ++b)
                            for (std::size_t i = 0; i < width; ++i) {
                                const std::size_t length = lengths.empty() ? steps : lengths[b];
                                C h(x[4](b, i), x[5](b, i));
                                for (std::size_t k = 0; k < steps; ++k) {
                                    const std::size_t t =
                                        k < length && backwards ? length - 1 - k : k;
                                    if (k < length)
                                        h = C(a(t, b, i), ai(t, b, i)) * h +
                                            C(x[2](t, b, i), x[3](t, b, i));
                                    const C found(output.re.value()(t, b, i),
                                                  output.im.value()(t, b, i));
                                    worst =
                                        std::max(worst, std::abs(found - (k < length ? h : C())));
                                }
                                const C last(state.re.value()(b, i), state.im.value()(b, i));
                                worst = std::max(worst, std::abs(last - h));
                            }
                        CHECK(worst < 1e-12);
                    }
}

TEST_CASE("complex_linear_scan does not read after the end of a sequence") {
    const std::vector<std::size_t> lengths{1, 2};
    Tensor<double> values = random_tensor({3, 2});
    values(1, 0) = values(2, 0) = not_a_number;
    values(2, 1) = inf;
    for (const bool backwards : {false, true}) {
        Tape<double> tape;
        const V a = tape.variable(values), b = tape.variable(values);
        const auto [output, state] = complex_linear_scan<double>(
            {a, a}, {b, b}, {1, 0}, {.lengths = lengths, .backwards = backwards});
        CHECK(output.re.value()(1, 0) == 0);
        CHECK(output.im.value()(2, 1) == 0);
        tape.backward(sum(output.re) + sum(state.im));
        for (const V& x : {a, b}) {
            CHECK(std::isfinite(tape.gradient(x)(0, 0)));
            for (const auto& [t, i] : {std::pair(1, 0), std::pair(2, 0), std::pair(2, 1)})
                CHECK(tape.gradient(x)(t, i) == 0);
        }
    }
}

TEST_CASE("complex_linear_scan: third derivative") {
    // Re h = Re (a + i b)^3 from h0 = 1: a^3 - 3 a b^2.
    Tape<double> tape;
    const V a = tape.variable(Tensor<double>::scalar(2)),
            b = tape.variable(Tensor<double>::scalar(3));
    const V h =
        complex_linear_scan<double>({broadcast_to(a, {3}), b}, {0.0, 0.0}, {1.0, 0.0}).state.re;
    CHECK(h.item() == 8 - 54);
    const V first = gradients(h, {b}, {.create_graph = true})[0];
    const V second = gradients(first, {b}, {.create_graph = true})[0];
    const V third = gradients(second, {a}, {.create_graph = true})[0];
    CHECK(first.item() == -36);
    CHECK(second.item() == -12);
    CHECK(third.item() == -6);
}

TEST_CASE("threads: complex_linear_scan has the same bits") {
    const auto part = [](std::uint64_t seed) {
        return random_tensor<float>({9, 100000}, seed, 0.5f);
    };
    const Tensor<float> x = part(1), y = part(2);
    const auto run = [&] {
        return complex_linear_scan<float>({x, y}, {y, x}).output.im.value().copy();
    };
    const std::size_t before = threads::count();
    threads::set(1);
    const Tensor<float> one = run();
    threads::set(4);
    CHECK(run() == one);
    threads::set(before);
}

TEST_CASE("threads: linear_scan has the same bits") {
    const Tensor<float> a = random_tensor<float>({9, 250000}, 1, 0.5f),
                        b = random_tensor<float>({9, 250000}, 2);
    const std::size_t before = threads::count();
    threads::set(1);
    const Tensor<float> one = linear_scan(a, b).output.value().copy();
    threads::set(4);
    CHECK(linear_scan(a, b).output.value() == one);
    threads::set(before);
}

TEST_CASE("cumulative results equal NumPy's") {
    const Tensor<double> x({2, 3}, {1, 2, 3, 4, 0, -2});
    CHECK(cumsum(x, 0).value() == Tensor<double>({2, 3}, {1, 2, 3, 5, 2, 1}));
    CHECK(cumsum(x, -1).value() == Tensor<double>({2, 3}, {1, 3, 6, 4, 4, 2}));
    CHECK(cumsum(x).value() == Tensor<double>({6}, {1, 3, 6, 10, 10, 8}));
    CHECK(cumprod(x, 0).value() == Tensor<double>({2, 3}, {1, 2, 3, 4, 0, -6}));
    CHECK(cumprod(x, 1).value() == Tensor<double>({2, 3}, {1, 2, 6, 4, 0, 0}));
    CHECK(cumprod(x).value() == Tensor<double>({6}, {1, 2, 6, 24, 0, 0}));
    CHECK(cumsum(Tensor<float>({2}, {1, 2}), 0).value() == Tensor<float>({2}, {1, 3}));
    CHECK(cumsum(V(3.0)).value() == Tensor<double>({1}, {3}));
    // The sum of x[0 ... 3] and NaN from there on.
    const auto broken = cumsum(Tensor<double>({3}, {1, not_a_number, 1}), 0).value();
    CHECK(broken(0) == 1);
    CHECK(std::isnan(broken(2)));

    const Tensor<double> row = random_tensor({4}, 5, 3.0);
    const auto sums = logcumsumexp(row, 0).value();
    double total = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        total += std::exp(row(i));
        CHECK(sums(i) == doctest::Approx(std::log(total)).epsilon(1e-14));
    }
    CHECK(logcumsumexp(Tensor<double>({3}, {1000, 1000, -1e300}), 0).value() ==
          Tensor<double>({3}, {1000, 1000 + std::log(2.0), 1000 + std::log(2.0)}));
}

TEST_CASE("cumulative products and prod: derivatives at zeros") {
    // The product of the others; a division by x would give NaN.
    const auto all = [](const V& x) { return prod(x); };
    CHECK(gradient_of(all, Tensor<double>({3}, {2, 0, 5})) == Tensor<double>({3}, {0, 10, 0}));
    CHECK(gradient_of(all, Tensor<double>({3}, {0, 0, 5})) == Tensor<double>::zeros({3}));
    CHECK(gradient_of([](const V& x) { return cumprod(x, 0); }, Tensor<double>({3}, {2, 0, 5})) ==
          Tensor<double>({3}, {1, 12, 0}));
    const auto products = [](const V& x) { return sin(cumprod(x, 0)) * prod(x + 1.0); };
    CHECK(gradcheck([&](const Many& x) { return products(x[0]); },
                    {Tensor<double>({4}, {0.5, 0, 0, 2})}, {}, {.order = 2})
              .passed());
    CHECK(prod(Tensor<double>(Shape{0})).item() == 1);
    CHECK(prod(Tensor<double>({2, 0}), {1}).value() == Tensor<double>({2}, {1, 1}));
    CHECK(prod(Tensor<double>({2, 2}, {1, 2, 3, 4}), {0}, true).value() ==
          Tensor<double>({1, 2}, {3, 8}));
}

TEST_CASE("logcumsumexp at infinity") {
    const auto f = [](const V& x) { return logcumsumexp(x, 0); };
    const Tensor<double> low({4}, {-inf, -inf, 0, 0});
    CHECK(f(low).value() == Tensor<double>({4}, {-inf, -inf, 0, std::log(2.0)}));
    CHECK(gradient_of(f, low) == Tensor<double>({4}, {0, 0, 1.5, 0.5}));
    const Tensor<double> high({3}, {1, inf, 2});
    CHECK(f(high).value() == Tensor<double>({3}, {1, inf, inf}));
    CHECK(gradient_of(f, high) == Tensor<double>({3}, {1, 2, 0}));
    const auto broken = f(Tensor<double>({3}, {1, not_a_number, 2})).value();
    CHECK(broken(0) == 1);
    CHECK(std::isnan(broken(2)));
    // Weights of elements far below the sum are not lost.
    const auto tail = gradient_of([](const V& x) { return select(logcumsumexp(x, 0), 0, 1); },
                                  Tensor<double>({2}, {-100, 100}));
    CHECK(tail(0) == doctest::Approx(std::exp(-200.0)).epsilon(1e-12));
}

TEST_CASE("sort and argsort equal NumPy's: stable, NaN last") {
    const Tensor<double> x({2, 4}, {3, not_a_number, 1, 1, -inf, inf, not_a_number, 0});
    CHECK(argsort(x) == Indices({2, 4}, {2, 3, 0, 1, 0, 3, 1, 2}));
    const auto sorted = sort(x).value();
    CHECK(sorted(0, 2) == 3);
    CHECK(std::isnan(sorted(0, 3)));
    CHECK(sorted(1, 0) == -inf);
    CHECK(sorted(1, 2) == inf);
    const Tensor<double> y({3, 2}, {3, 1, 1, 2, 2, 1});
    CHECK(sort(y, 0).value() == Tensor<double>({3, 2}, {1, 1, 2, 1, 3, 2}));
    CHECK(argsort(y, 0) == Indices({3, 2}, {1, 0, 2, 2, 0, 1}));
    CHECK(argsort(Tensor<double>({2, 0})).shape() == Shape{2, 0});
    CHECK(gradient_of(
              [](const V& x) {
                  return sort(x) * Tensor<double>({3}, {1, 2, 3});
              },
              Tensor<double>({3}, {5, 4, 4})) == Tensor<double>({3}, {3, 1, 2}));
    Tensor<float> many = random_tensor<float>({1000});
    auto expected = many.to_vector();
    std::sort(expected.begin(), expected.end());
    CHECK(sort(many).value().to_vector() == expected);
    CHECK(topk_values(y, 1).value() == Tensor<double>({3, 1}, {3, 2, 2}));
    CHECK(gradient_of([](const V& x) { return topk_values(x, 2); },
                      Tensor<double>({4}, {1, 7, 7, 7})) == Tensor<double>({4}, {0, 1, 1, 0}));
}

TEST_CASE("stddev and median") {
    const Tensor<double> x({2, 4}, {1, 2, 4, 9, 3, 3, 3, 3});
    CHECK(stddev(x, {1}).value()(0) == doctest::Approx(std::sqrt(9.5)));
    CHECK(stddev(x, {1}).value()(1) == 0);
    CHECK(stddev(x, {1}, 1).value()(0) == doctest::Approx(std::sqrt(38.0 / 3)));
    CHECK(distance(square(stddev(x)).value(), variance(x).value()) < 1e-14);
    CHECK(gradient_of([](const V& x) { return stddev(x); }, Tensor<double>({3}, {2, 2, 2})) ==
          Tensor<double>::zeros({3}));
    CHECK(stddev(Tensor<double>({2}, {1e300, -1e300})).item() == doctest::Approx(1e300));
    CHECK(stddev(Tensor<double>({2}, {1e-300, -1e-300})).item() == doctest::Approx(1e-300));
    CHECK(std::isnan(stddev(Tensor<double>(Shape{0})).item()));
    CHECK(contains(error_of([&] { stddev(x, {0}, 2); }), "2 elements are too few for ddof 2"));

    CHECK(median(x, {1}).value() == Tensor<double>({2}, {3, 3}));
    CHECK(median(x, {0}, true).value() == Tensor<double>({1, 4}, {2, 2.5, 3.5, 6}));
    CHECK(median(Tensor<double>({3}, {5, 1, 2})).item() == 2);
    CHECK(median(V(4.0)).item() == 4);
    CHECK(median(Tensor<double>({2}, {1.7e308, 1.7e308})).item() == 1.7e308);
    const auto middle = [](const V& x) { return median(x); };
    CHECK(gradient_of(middle, Tensor<double>({4}, {3, 1, 2, 9})) ==
          Tensor<double>({4}, {0.5, 0, 0.5, 0}));
    CHECK(gradient_of(middle, Tensor<double>({3}, {7, 7, 7})) == Tensor<double>({3}, {0, 1, 0}));
    CHECK(gradient_of(middle, Tensor<double>({3}, {1, not_a_number, 2})) ==
          Tensor<double>({3}, {0, 1, 0}));
    CHECK(std::isnan(median(Tensor<double>({3}, {1, not_a_number, 2})).item()));
    CHECK(contains(error_of([] { median(Tensor<double>(Shape{0})); }), "there are no elements"));
    CHECK(median(Tensor<double>({0, 0}), {1}).shape() == Shape{0});
}

TEST_CASE("norms and cosine_similarity do not overflow or underflow") {
    const Tensor<double> x({3}, {3, -4, 0});
    CHECK(norm_l1(x).item() == 7);
    CHECK(norm_linf(x).item() == 4);
    CHECK(norm_sq(x).item() == 25);
    CHECK(norm_lp(x, 3).item() == doctest::Approx(std::cbrt(91.0)).epsilon(1e-15));
    for (const double scale : {1e200, 1e-200}) {
        CAPTURE(scale);
        const V scaled = V(x) * scale;
        CHECK(norm_lp(scaled, 3).item() == doctest::Approx(scale * std::cbrt(91.0)));
        const auto g = gradient_of([](const V& x) { return norm_lp(x, 3); }, scaled.value());
        CHECK(g(0) == doctest::Approx(9 / std::pow(91.0, 2.0 / 3)));
        CHECK(g(1) == doctest::Approx(-16 / std::pow(91.0, 2.0 / 3)));
        CHECK(cosine_similarity(scaled, V(Tensor<double>({3}, {0, -1e150, 0}))).item() ==
              doctest::Approx(0.8));
    }
    const Tensor<double> zero = Tensor<double>::zeros({3});
    for (const double p : {1.0, 1.5, 2.0, 3.0, inf}) {
        CAPTURE(p);
        CHECK(norm_lp(zero, p).item() == 0);
        CHECK(gradient_of([p](const V& x) { return norm_lp(x, p); }, zero) == zero);
        CHECK(std::isnan(norm_lp(Tensor<double>({2}, {1, not_a_number}), p).item()));
        CHECK(norm_lp(Tensor<double>({2}, {1, -inf}), p).item() == inf);
    }
    CHECK(contains(error_of([&] { norm_lp(x, not_a_number); }), "expected 1 or more"));
    CHECK(cosine_similarity(x, zero).item() == 0);
    CHECK(gradient_of([&](const V& v) { return cosine_similarity(v, V(x)); }, zero) == zero);
    CHECK(cosine_similarity(x, x).item() == doctest::Approx(1));
    CHECK(cosine_similarity(Tensor<float>({2, 2}, {1, 0, 1, 1}), Tensor<float>({2}, {0, 2}))
              .value()(1) == doctest::Approx(std::sqrt(0.5)));
}
