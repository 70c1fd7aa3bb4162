#include "ops/pytorch.hpp"

#include <unroll/core/kernels/threads.hpp>
#include <unroll/ops/convolution.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/pooling.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <functional>
#include <limits>
#include <thread>

using namespace test;

namespace {

using V = Variable<double>;
using Many = std::vector<V>;

// The definition, one product at a time.
Tensor<double> by_hand(const Tensor<double>& x, const Tensor<double>& w,
                       const ConvolutionOptions& o) {
    const auto out = [](std::size_t in, std::size_t kernel, std::size_t stride, std::size_t padding,
                        std::size_t dilation) {
        return (in + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
    };
    const std::size_t height =
        out(x.shape(2), w.shape(2), o.stride.height, o.padding.height, o.dilation.height);
    const std::size_t width =
        out(x.shape(3), w.shape(3), o.stride.width, o.padding.width, o.dilation.width);
    Tensor<double> y = Tensor<double>::zeros({x.shape(0), w.shape(0), height, width});
    for (std::size_t n = 0; n < y.shape(0); ++n)
        for (std::size_t k = 0; k < y.shape(1); ++k)
            for (std::size_t r = 0; r < height; ++r)
                for (std::size_t s = 0; s < width; ++s)
                    for (std::size_t c = 0; c < w.shape(1); ++c)
                        for (std::size_t i = 0; i < w.shape(2); ++i)
                            for (std::size_t j = 0; j < w.shape(3); ++j) {
                                const std::size_t from = k / (w.shape(0) / o.groups) * w.shape(1);
                                const std::size_t a =
                                    r * o.stride.height + i * o.dilation.height - o.padding.height;
                                const std::size_t b =
                                    s * o.stride.width + j * o.dilation.width - o.padding.width;
                                if (a < x.shape(2) && b < x.shape(3)) // wraps around if outside
                                    y(n, k, r, s) += x(n, from + c, a, b) * w(k, c, i, j);
                            }
    return y;
}

std::vector<PytorchCase> cases() {
    const auto conv = [](ConvolutionOptions o) {
        return [o](const Many& x) { return convolution(x[0], x[1], x[2], o); };
    };
    const auto max = [](PoolingOptions o) {
        return [o](const Many& x) { return max_pool(x[0], o); };
    };
    const auto average = [](PoolingOptions o) {
        return [o](const Many& x) { return average_pool(x[0], o); };
    };
    const auto normal = [](const Many& x) { return batch_norm(x[0], x[1], x[2]).y; };
    const PoolingOptions overlapping{{3, 2}, HeightWidth(2, 1), 1}, sequence{3, HeightWidth(2), 1};
    return {
        {"plain", conv({})},
        {"strided", conv({.stride = {2, 3}, .padding = {1, 2}, .dilation = {2, 1}})},
        {"groups", conv({.padding = 1, .groups = 2})},
        {"depthwise", conv({.stride = 2, .padding = 1, .groups = 4})},
        {"sequence", conv({.stride = 2, .padding = 3, .dilation = 2})},
        {"max", max({2})},
        {"max_overlapping", max(overlapping)},
        {"max_sequence", max(sequence)},
        {"average", average({2})},
        {"average_overlapping", average(overlapping)},
        {"average_sequence", average(sequence)},
        {"batch_norm", normal},
        {"batch_norm_flat", normal},
    };
}

V fixed(const Shape& shape) { return V(random_tensor(shape, 3)); }

} // namespace

TEST_CASE("convolution and pooling equal PyTorch's, and so do their first and second derivatives") {
    const auto file = golden("convolution");
    for (const PytorchCase& one : cases()) equals_pytorch(file, one);
}

TEST_CASE("convolution equals its definition, for every partition") {
    // Blocks of rows of large images, blocks of several small images, one kernel for all.
    struct Sizes {
        Shape x, w;
        ConvolutionOptions options;
    };
    const Sizes all[] = {
        {{2, 40, 30, 34}, {8, 40, 3, 3}, {.padding = 1}},
        {{37, 6, 4, 4}, {5, 6, 3, 3}, {.padding = 1}},
        {{9, 6, 5, 7}, {4, 3, 2, 3}, {.stride = {1, 2}, .padding = {0, 4}, .groups = 2}},
        {{5, 4, 1, 1}, {3, 4, 1, 1}, {}},
        {{3, 2, 9, 9}, {2, 2, 2, 2}, {.stride = 3, .padding = 3, .dilation = 4}},
        {{2, 3, 3, 3}, {2, 3, 3, 3}, {.padding = 5}},
    };
    for (const auto& [x, w, options] : all) {
        CAPTURE(to_string(x));
        const auto a = random_tensor(x, 1), b = random_tensor(w, 2);
        const auto expected = by_hand(a, b, options);
        CHECK(distance(convolution(V(a), V(b), options).value(), expected) < 1e-12);
        // The gradients are adjoint: <y, g> equals <x, dx> and <w, dw>.
        Tape<double> tape;
        const V vx = tape.variable(a), vw = tape.variable(b);
        const auto seed = random_tensor(expected.shape(), 5);
        const double inner = sum(V(expected) * V(seed)).item();
        tape.backward(convolution(vx, vw, options), seed);
        CHECK(sum(V(tape.gradient(vx)) * V(a)).item() == doctest::Approx(inner).epsilon(1e-11));
        CHECK(sum(V(tape.gradient(vw)) * V(b)).item() == doctest::Approx(inner).epsilon(1e-11));
    }
}

TEST_CASE("convolution of views, and of operands used twice") {
    const auto report = gradcheck(
        [](const V& x, const V& w) {
            const V turned = transpose(x, {0, 3, 1, 2}); // channels were last
            const V kernel = flip(w, 3);
            return convolution(turned, kernel, {.padding = 1}) +
                   convolution(turned, kernel, {.stride = 1, .padding = 1});
        },
        random_tensor({2, 4, 3, 2}), random_tensor({3, 2, 3, 3}, 2));
    INFO(report.text());
    CHECK(report.passed());
}

TEST_CASE("threads do not change the result of a convolution") {
    const auto x = random_tensor<float>({16, 24, 16, 16}, 1),
               w = random_tensor<float>({24, 24, 3, 3}, 2);
    const auto run = [&](std::size_t count) {
        threads::set(count);
        Tape<float> tape;
        const auto vx = tape.variable(x), vw = tape.variable(w);
        const auto y = convolution(vx, vw, {.padding = 1});
        tape.backward(sum(y * y));
        return std::vector{y.value(), tape.gradient(vx), tape.gradient(vw)};
    };
    const auto one = run(1), three = run(3);
    threads::set(std::max(1u, std::thread::hardware_concurrency()));
    for (std::size_t i = 0; i < one.size(); ++i) CHECK(one[i] == three[i]);
}

TEST_CASE("convolution and pooling of empty tensors") {
    Tape<double> tape;
    const V x = tape.variable(Tensor<double>(Shape{0, 2, 5, 4}));
    const V w = tape.variable(random_tensor({3, 2, 3, 3})), b = tape.variable(random_tensor({3}));
    const V y = convolution(x, w, b);
    CHECK(y.shape() == Shape{0, 3, 3, 2});
    tape.backward(sum(y) + sum(max_pool(x, {2})) + sum(average_pool(x, {2})));
    CHECK(tape.gradient(w) == Tensor<double>::zeros(w.shape()));
    CHECK(tape.gradient(b) == Tensor<double>::zeros(b.shape()));
    CHECK(tape.gradient(x).shape() == x.shape());
    // No channels, or no results: empty sums.
    CHECK(convolution(V(Tensor<double>(Shape{2, 0, 3, 3})), V(Tensor<double>(Shape{4, 0, 2, 2})),
                      V(Tensor<double>::ones({4})))
              .value() == Tensor<double>::ones({2, 4, 2, 2}));
    CHECK(convolution(fixed({2, 3, 4}), V(Tensor<double>(Shape{0, 3, 2}))).shape() ==
          Shape{2, 0, 3});
}

TEST_CASE("the maximum of a window") {
    const double nan = std::numeric_limits<double>::quiet_NaN(),
                 inf = std::numeric_limits<double>::infinity();
    Tape<double> tape;
    const V x = tape.variable(Tensor<double>({1, 1, 6}, {2, 2, -inf, -inf, 1, nan}));
    const V y = max_pool(x, {2});
    CHECK(y.value()(0, 0, 0) == 2);
    CHECK(y.value()(0, 0, 1) == -inf);
    CHECK(std::isnan(y.value()(0, 0, 2)));
    tape.backward(y, Tensor<double>::ones({1, 1, 3}));
    CHECK(tape.gradient(x) == Tensor<double>({1, 1, 6}, {1, 0, 1, 0, 0, 1}));
    // Padding is never selected, even if all elements are negative.
    CHECK(max_pool(V(Tensor<double>::full({1, 1, 2, 2}, -3)), {2, 1, 1}).value() ==
          Tensor<double>::full({1, 1, 3, 3}, -3));
}

TEST_CASE("convolution and pooling reject invalid arguments") {
    const auto says = [](const std::function<void()>& f, const std::string& words) {
        const std::string error = error_of(f);
        INFO(error);
        CHECK(contains(error, words));
    };
    const V x = fixed({2, 4, 5, 6}), w = fixed({6, 4, 3, 3});
    says(
        [&] {
            convolution(x, fixed({6, 3, 3, 3}));
        },
        "convolution: x [2, 4, 5, 6], weight [6, 3, 3, 3], bias [] and 1 groups; expected");
    says([&] { convolution(x, w, fixed({4})); }, "bias [4]");
    says([&] { convolution(x, w, {.groups = 0}); }, "0 groups");
    says([&] { convolution(x, fixed({6, 1, 3, 3}), {.groups = 3}); }, "3 groups");
    says([&] { convolution(x, fixed({5, 2, 3, 3}), {.groups = 2}); }, "a divisor of in and out");
    says([&] { convolution(x, fixed({6, 4, 3})); }, "expected [batch, in, (height,) width]");
    says([&] { convolution(fixed({4, 5}), fixed({6, 4})); }, "x [4, 5]");
    says(
        [&] {
            convolution(x, w, {.stride = {1, 0}});
        },
        "the stride along the width is 0; expected 1 to 1000000");
    says([&] { convolution(x, w, {.dilation = {0, 1}}); }, "the dilation along the height is 0");
    says([&] { convolution(x, w, {.padding = std::size_t(-1)}); }, "the padding along the height");
    says([&] { convolution(x, w, {.dilation = 3}); },
         "the extent of the dilated kernel along the height is 7, but that of the padded input is "
         "5");
    says(
        [&] {
            convolution(x, V(Tensor<double>(Shape{6, 4, 0, 3})));
        },
        "the kernel along the height is 0");
    says(
        [&] {
            convolution(fixed({2, 3, 4}), fixed({2, 3, 5}));
        },
        "the extent of the dilated kernel along the width is 5");
    says([&] { max_pool(x, {0}); }, "max_pool: the kernel along the height is 0");
    says([&] { max_pool(x, {7}); }, "the extent of the dilated kernel along the height is 7");
    says(
        [&] {
            max_pool(x, {{2, 3}, {}, {1, 2}});
        },
        "a padding of 1 by 2 is more than half of the kernel, 2 by 3");
    says(
        [&] {
            average_pool(fixed({4, 5}), {2});
        },
        "average_pool: x [4, 5]; expected [batch, channels, (height,) width]");
    says([&] { average_pool(x, {2, HeightWidth(0)}); }, "the stride along the height is 0");
}

TEST_CASE("batch_norm") {
    const V x = fixed({4, 3, 2, 5}), gain = fixed({3}), bias = fixed({3});
    const auto normal = batch_norm(x, gain, bias);
    CHECK(distance(normal.mean.value(), mean(x, {0, 2, 3}).value()) < 1e-14);
    CHECK(distance(normal.variance.value(), variance(x, {0, 2, 3}).value()) < 1e-14);
    const V fixed_statistics = batch_norm(x, normal.mean, normal.variance, gain, bias);
    CHECK(distance(fixed_statistics.value(), normal.y.value()) < 1e-14);
    CHECK(batch_norm(fixed({0, 3, 2}), gain, bias).y.shape() == Shape{0, 3, 2});
    CHECK(contains(error_of([&] { batch_norm(x, fixed({4}), bias); }),
                   "batch_norm: x [4, 3, 2, 5] and [4], [3]; expected [batch, channels, ...] and "
                   "[channels] for each"));
    CHECK(contains(error_of([&] { batch_norm(fixed({3}), gain, bias, gain, bias); }), "x [3]"));
}
