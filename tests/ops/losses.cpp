// Losses with weights and reductions against plain loops, and at special points.

#include "support.hpp"

#include <unroll/ops/loss.hpp>
#include <unroll/ops/losses/losses.hpp>
#include <unroll/ops/pointwise.hpp>

#include <functional>
#include <limits>
#include <numbers>

using namespace test;

namespace {

using V = Variable<double>;
constexpr double inf = std::numeric_limits<double>::infinity();

// Compares `loss`, for each reduction, with f of the elements of x, y and z.
void check(const std::function<V(Reduction)>& loss, const std::vector<Tensor<double>>& x,
           const std::function<double(double, double, double)>& f) {
    Tensor<double> each(x[0].shape());
    double total = 0;
    for (std::size_t i = 0; i < each.size(); ++i) {
        each.data()[i] = f(x[0].data()[i], x[1].data()[i], x.size() > 2 ? x[2].data()[i] : 0);
        total += std::as_const(each).data()[i];
    }
    CHECK(distance(loss(Reduction::none).value(), each) < 1e-13);
    CHECK(loss(Reduction::sum).item() == doctest::Approx(total).epsilon(1e-13));
    CHECK(loss(Reduction::mean).item() ==
          doctest::Approx(total / static_cast<double>(each.size())).epsilon(1e-13));
}

Tensor<double> positive(const Shape& shape, std::uint64_t seed) {
    return exp(random_tensor(shape, seed)).value();
}

} // namespace

TEST_CASE("losses equal loops, for every reduction") {
    const Tensor<double> x = random_tensor({4, 3}, 1), y = random_tensor({4, 3}, 2),
                         p = positive({4, 3}, 3);
    check([&](Reduction r) { return l1_loss(x, y, r); }, {x, y},
          [](double x, double y, double) { return std::abs(x - y); });
    check([&](Reduction r) { return mean_squared_error(x, y, r); }, {x, y},
          [](double x, double y, double) { return (x - y) * (x - y); });
    const auto near = [](double d, double limit) {
        return std::abs(d) < limit ? d * d / 2 : limit * (std::abs(d) - limit / 2);
    };
    check([&](Reduction r) { return huber(x, y, 0.6, r); }, {x, y},
          [&](double x, double y, double) { return near(x - y, 0.6); });
    check([&](Reduction r) { return smooth_l1(x, y, 0.6, r); }, {x, y},
          [&](double x, double y, double) { return near(x - y, 0.6) / 0.6; });
    check([&](Reduction r) { return kl_divergence(x, p, {.reduction = r}); }, {x, p},
          [](double x, double p, double) { return p * (std::log(p) - x); });
    check([&](Reduction r) { return kl_divergence(x, y, {.log_target = true, .reduction = r}); },
          {x, y}, [](double x, double y, double) { return std::exp(y) * (y - x); });
    check([&](Reduction r) { return gaussian_nll(x, y, p, {.reduction = r}); }, {x, y, p},
          [](double x, double y, double v) { return (std::log(v) + (x - y) * (x - y) / v) / 2; });
    check([&](Reduction r) { return gaussian_nll(x, y, p, {.full = true, .reduction = r}); },
          {x, y, p},
          [](double x, double y, double v) {
              return (std::log(2 * std::numbers::pi * v) + (x - y) * (x - y) / v) / 2;
          });
    check([&](Reduction r) { return poisson_nll(x, y, {.reduction = r}); }, {x, y},
          [](double x, double y, double) { return std::exp(x) - y * x; });
    check([&](Reduction r) { return poisson_nll(p, y, {.log_input = false, .reduction = r}); },
          {p, y}, [](double p, double y, double) { return p - y * std::log(p + 1e-8); });
    check([&](Reduction r) { return poisson_nll(x, p, {.full = true, .reduction = r}); }, {x, p},
          [](double x, double y, double) {
              return std::exp(x) - y * x +
                     (y > 1 ? y * std::log(y) - y + std::log(2 * std::numbers::pi * y) / 2 : 0);
          });
    const Tensor<double> t = sigmoid(y).value();
    const auto log_sigmoid = [](double x) { return -std::log1p(std::exp(-x)); };
    check([&](Reduction r) { return binary_cross_entropy(x, t, {.reduction = r}); }, {x, t},
          [&](double x, double t, double) {
              return -t * log_sigmoid(x) - (1 - t) * log_sigmoid(-x);
          });
    const std::vector<double> weights{0.5, 2, 3};
    const Tensor<double> each = Tensor<double>({3}, {0.5, 2, 3}).broadcast_to({4, 3}).copy();
    check(
        [&](Reduction r) {
            return binary_cross_entropy(x, t, {.pos_weight = weights, .reduction = r});
        },
        {x, t, each},
        [&](double x, double t, double w) {
            return -w * t * log_sigmoid(x) - (1 - t) * log_sigmoid(-x);
        });
    CHECK(l1_loss(Tensor<float>({2}, {1, 2}), Tensor<float>({2}, {3, 5})).item() == 2.5f);
}

TEST_CASE("cross_entropy with class weights and reductions equals a loop") {
    const Tensor<double> x = random_tensor({2, 3, 4});
    const Indices targets({2, 3}, {0, -100, 3, 1, 1, 2});
    const std::vector<double> some{0.5, 2, 0, 3}, ones(4, 1);
    for (const double smoothing : {0.0, 0.3})
        for (const bool weighted : {false, true}) {
            CAPTURE(smoothing);
            CAPTURE(weighted);
            const std::vector<double>& w = weighted ? some : ones;
            Tensor<double> each = Tensor<double>::zeros({2, 3});
            double total = 0, divisor = 0;
            for (std::size_t i = 0; i < 6; ++i) {
                const std::int64_t target = std::as_const(targets).data()[i];
                if (target < 0) continue;
                const double* row = std::as_const(x).data() + 4 * i;
                double sum = 0, spread = 0;
                for (std::size_t c = 0; c < 4; ++c) sum += std::exp(row[c]);
                for (std::size_t c = 0; c < 4; ++c) spread -= w[c] * (row[c] - std::log(sum));
                const double own = w[static_cast<std::size_t>(target)];
                each.data()[i] =
                    -(1 - smoothing) * own * (row[target] - std::log(sum)) + smoothing / 4 * spread;
                total += std::as_const(each).data()[i];
                divisor += own;
            }
            const auto loss = [&](Reduction r) {
                CrossEntropyOptions options{.smoothing = smoothing, .reduction = r};
                if (weighted) options.weights = some;
                return cross_entropy(x, targets, options);
            };
            CHECK(distance(loss(Reduction::none).value(), each) < 1e-14);
            CHECK(loss(Reduction::sum).item() == doctest::Approx(total).epsilon(1e-14));
            CHECK(loss(Reduction::mean).item() == doctest::Approx(total / divisor).epsilon(1e-14));
        }
    // Weights of 1 change nothing.
    CHECK(cross_entropy(x, targets, {.weights = ones}).item() ==
          doctest::Approx(cross_entropy(x, targets).item()).epsilon(1e-14));
}

TEST_CASE("weighted losses where something is infinite, ignored or 0") {
    const double none = std::nan("");
    Tape<double> tape;
    const V x = tape.variable(Tensor<double>({3, 2}, {none, none, 1e8, 1e8, 0, -inf}));
    const V each = cross_entropy(x, Indices({3}, {-100, 0, 0}), {.reduction = Reduction::none});
    CHECK(each.value() == Tensor<double>({3}, {0, std::log(2.0), 0}));
    tape.backward(sum(each));
    CHECK(tape.gradient(x) == Tensor<double>({3, 2}, {0, 0, -0.5, 0.5, 0, 0}));
    // A class of weight 0 may have no probability.
    CHECK(cross_entropy(V(Tensor<double>({1, 2}, {0, -inf})), Indices({1}, {0}),
                        {.smoothing = 0.5, .weights = {1, 0}})
              .item() == 0);
    CHECK(cross_entropy(V(Tensor<double>({1, 2}, {0, 1})), Indices({1}, {0}), {.weights = {0, 1}})
              .item() == 0);
    CHECK(cross_entropy(V(Tensor<double>({1, 2}, {0, 1})), Indices({1}, {0}),
                        {.smoothing = 0.5, .weights = {0, 1}})
              .item() == 0);
    CHECK(binary_cross_entropy(V(Tensor<double>({2}, {inf, -inf})), V(Tensor<double>({2}, {1, 0})),
                               {.pos_weight = {3}})
              .item() == 0);
    CHECK(contains(error_of([] { binary_cross_entropy(V(1.0), V(1.0), {.pos_weight = {0}}); }),
                   "expected more than 0"));
    CHECK(kl_divergence(V(Tensor<double>({2}, {-inf, 0})), V(Tensor<double>({2}, {0, 1}))).item() ==
          0);
    CHECK(kl_divergence(V(Tensor<double>({2}, {-inf, 0})), V(Tensor<double>({2}, {-inf, 0})),
                        {.log_target = true})
              .item() == 0);
    // The variance is at least epsilon.
    CHECK(gaussian_nll(V(1.0), V(1.0), V(0.0)).item() == doctest::Approx(0.5 * std::log(1e-6)));
    CHECK(gaussian_nll(V(1e200), V(0.0), V(1e300)).item() == doctest::Approx(0.5e100));
    CHECK(contains(error_of([] { gaussian_nll(V(1.0), V(1.0), V(1.0), {.epsilon = 0}); }),
                   "epsilon must be positive"));
}

TEST_CASE("targets of binary_cross_entropy are probabilities") {
    const V x(random_tensor({2, 2}));
    for (const double bad : {-0.1, 1.5, std::nan("")}) {
        const std::string error = error_of([&] {
            binary_cross_entropy(x, Tensor<double>({2, 2}, {0, 1, bad, 1}));
        });
        CHECK(contains(error, "binary_cross_entropy: target "));
        CHECK(contains(error, " at position 2 is outside [0, 1]"));
        CHECK(contains(error, "losses.cpp:"));
    }
}
