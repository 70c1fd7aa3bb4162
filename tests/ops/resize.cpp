// Operations that change the size of images: transposed convolution, adaptive pooling, upsampling.

#include "ops/pytorch.hpp"

#include <unroll/core/kernels/threads.hpp>
#include <unroll/ops/activation.hpp>
#include <unroll/ops/convolution.hpp>
#include <unroll/ops/pooling.hpp>
#include <unroll/ops/resize/upsample.hpp>
#include <unroll/ops/views.hpp>

#include <limits>
#include <thread>

using namespace test;

namespace {

using V = Variable<double>;
using F = Variable<float>;

static_assert(std::is_constructible_v<HeightWidth, int>);
static_assert(!std::is_constructible_v<HeightWidth, double>, "would be truncated");
static_assert(!std::is_constructible_v<HeightWidth, int, double>);
using Many = std::vector<V>;

// Each element of x adds a multiple of the kernel.
Tensor<double> by_hand(const Tensor<double>& x, const Tensor<double>& w,
                       const TransposedConvolutionOptions& o) {
    const auto extent = [](std::size_t in, std::size_t kernel, std::size_t stride,
                           std::size_t padding, std::size_t more, std::size_t dilation) {
        return (in - 1) * stride + dilation * (kernel - 1) + 1 + more - 2 * padding;
    };
    Tensor<double> y =
        Tensor<double>::zeros({x.shape(0), o.groups * w.shape(1),
                               extent(x.shape(2), w.shape(2), o.stride.height, o.padding.height,
                                      o.output_padding.height, o.dilation.height),
                               extent(x.shape(3), w.shape(3), o.stride.width, o.padding.width,
                                      o.output_padding.width, o.dilation.width)});
    const std::size_t in = x.shape(1) / o.groups, out = w.shape(1);
    for (std::size_t n = 0; n < x.shape(0); ++n)
        for (std::size_t c = 0; c < x.shape(1); ++c)
            for (std::size_t r = 0; r < x.shape(2); ++r)
                for (std::size_t s = 0; s < x.shape(3); ++s)
                    for (std::size_t k = 0; k < out; ++k)
                        for (std::size_t i = 0; i < w.shape(2); ++i)
                            for (std::size_t j = 0; j < w.shape(3); ++j) {
                                const std::size_t a =
                                    r * o.stride.height + i * o.dilation.height - o.padding.height;
                                const std::size_t b =
                                    s * o.stride.width + j * o.dilation.width - o.padding.width;
                                if (a < y.shape(2) && b < y.shape(3)) // wraps around if outside
                                    y(n, c / in * out + k, a, b) += x(n, c, r, s) * w(c, k, i, j);
                            }
    return y;
}

std::vector<PytorchCase> cases() {
    const auto transposed = [](TransposedConvolutionOptions o) {
        return [o](const Many& x) { return transposed_convolution(x[0], x[1], x[2], o); };
    };
    const auto average = [](HeightWidth size) {
        return [size](const Many& x) { return adaptive_average_pool(x[0], size); };
    };
    const auto most = [](HeightWidth size) {
        return [size](const Many& x) { return adaptive_max_pool(x[0], size); };
    };
    const auto scaled = [](UpsampleOptions o) {
        return [o](const Many& x) { return upsample(x[0], o); };
    };
    constexpr auto linear = Interpolation::linear;
    const auto prelu_of = [](const Many& x) { return prelu(x[0], x[1]); };
    return {
        {"transposed", transposed({})},
        {"transposed_strided",
         transposed(
             {.stride = {2, 3}, .padding = {1, 2}, .output_padding = {1, 2}, .dilation = {2, 1}})},
        {"transposed_groups",
         transposed({.stride = 2, .padding = 1, .output_padding = 1, .groups = 2})},
        {"transposed_sequence",
         transposed({.stride = 3, .padding = 2, .output_padding = 1, .dilation = 2})},
        {"adaptive_average", average({3, 4})},
        {"adaptive_average_up", average({5, 2})},
        {"adaptive_average_sequence", average(4)},
        {"adaptive_max", most({3, 4})},
        {"adaptive_max_sequence", most(4)},
        {"nearest", scaled({{2, 3}})},
        {"nearest_size", scaled({.size = HeightWidth(5, 3)})},
        {"nearest_sequence", scaled({.size = HeightWidth(11)})},
        {"bilinear", scaled({.factor = {2, 3}, .mode = linear})},
        {"bilinear_size", scaled({.size = HeightWidth(5, 3), .mode = linear})},
        {"linear_sequence", scaled({.size = HeightWidth(11), .mode = linear})},
        {"glu", [](const Many& x) { return glu(x[0], 1); }},
        {"prelu", prelu_of},
        {"prelu_one", prelu_of},
    };
}

V fixed(const Shape& shape) { return V(random_tensor(shape, 3)); }
V zeros(const Shape& shape) { return V(Tensor<double>::zeros(shape)); }

void says(const std::function<void()>& f, const std::string& words) {
    const std::string error = error_of(f);
    INFO(error);
    CHECK(contains(error, words));
}

} // namespace

TEST_CASE("operations on images equal PyTorch's, to the second derivative") {
    const auto file = golden("operations");
    for (const PytorchCase& one : cases()) equals_pytorch(file, one);
}

TEST_CASE("transposed convolution equals its definition, for every partition") {
    struct Sizes {
        Shape x, w;
        TransposedConvolutionOptions options;
    };
    const Sizes all[] = {
        {{2, 40, 15, 17}, {40, 8, 3, 3}, {.stride = 2, .padding = 1, .output_padding = 1}},
        {{37, 6, 4, 4}, {6, 5, 3, 3}, {.padding = 1}},
        {{9, 6, 5, 3}, {6, 2, 2, 3}, {.stride = {1, 2}, .padding = {0, 2}, .groups = 2}},
        {{5, 4, 1, 1}, {4, 3, 1, 1}, {}},
        {{3, 2, 2, 2}, {2, 2, 2, 2}, {.stride = 3, .padding = 3, .dilation = 4}},
        {{2, 3, 3, 3}, {3, 2, 1, 1}, {.stride = 4, .output_padding = 3}},
    };
    for (const auto& [x, w, options] : all) {
        CAPTURE(to_string(x));
        const auto a = random_tensor(x, 1), b = random_tensor(w, 2);
        const auto expected = by_hand(a, b, options);
        CHECK(distance(transposed_convolution(V(a), V(b), options).value(), expected) < 1e-12);
        // In float, and as the adjoint of a convolution: <T x, g> equals <x, C g>.
        Tensor<float> c(x), d(w);
        for (std::size_t i = 0; i < c.size(); ++i) c.data()[i] = static_cast<float>(a.data()[i]);
        for (std::size_t i = 0; i < d.size(); ++i) d.data()[i] = static_cast<float>(b.data()[i]);
        const auto got = transposed_convolution(F(c), F(d), options).value();
        for (std::size_t i = 0; i < got.size(); ++i)
            CHECK(std::abs(static_cast<double>(got.data()[i]) - expected.data()[i]) < 1e-4);
        const auto g = random_tensor(expected.shape(), 5);
        const V back = convolution(V(g), V(b),
                                   {.stride = options.stride,
                                    .padding = options.padding,
                                    .dilation = options.dilation,
                                    .groups = options.groups});
        CHECK(sum(V(expected) * V(g)).item() ==
              doctest::Approx(sum(V(a) * back).item()).epsilon(1e-11));
    }
}

TEST_CASE("threads do not change the result of a transposed convolution") {
    const auto x = random_tensor<float>({16, 24, 16, 16}, 1),
               w = random_tensor<float>({24, 24, 3, 3}, 2);
    const auto run = [&](std::size_t count) {
        threads::set(count);
        Tape<float> tape;
        const auto vx = tape.variable(x), vw = tape.variable(w);
        const auto y = transposed_convolution(vx, vw, {.stride = 2, .output_padding = 1});
        tape.backward(sum(y * y));
        return std::vector{y.value(), tape.gradient(vx), tape.gradient(vw)};
    };
    const auto one = run(1), three = run(3);
    threads::set(std::max(1u, std::thread::hardware_concurrency()));
    for (std::size_t i = 0; i < one.size(); ++i) CHECK(one[i] == three[i]);
}

TEST_CASE("adaptive pooling equals its definition") {
    const auto x = random_tensor({2, 3, 11, 7});
    for (const HeightWidth size : {HeightWidth(1), HeightWidth(4, 3), HeightWidth(11, 7),
                                   HeightWidth(13, 20), HeightWidth(2, 5)}) {
        const auto mean = adaptive_average_pool(V(x), size).value(),
                   most = adaptive_max_pool(V(x), size).value();
        REQUIRE(mean.shape() == Shape{2, 3, size.height, size.width});
        for (std::size_t r = 0; r < size.height; ++r)
            for (std::size_t s = 0; s < size.width; ++s) {
                double sum = 0, largest = -HUGE_VAL, count = 0;
                for (std::size_t i = r * 11 / size.height; i * size.height < (r + 1) * 11; ++i)
                    for (std::size_t j = s * 7 / size.width; j * size.width < (s + 1) * 7; ++j) {
                        sum += x(1, 2, i, j);
                        largest = std::max(largest, x(1, 2, i, j));
                        ++count;
                    }
                CHECK(mean(1, 2, r, s) == doctest::Approx(sum / count).epsilon(1e-13));
                CHECK(most(1, 2, r, s) == largest);
            }
    }
    // Of equal numbers the mean is that number; large ones do not overflow.
    for (const float v : {100.f, 0.1f, 1.f / 3, 3e38f})
        CHECK(adaptive_average_pool(F(Tensor<float>::full({1, 1, 7, 49}, v)), {2, 3}).value() ==
              Tensor<float>::full({1, 1, 2, 3}, v));
    Tensor<float> many({1, 1, 300, 1000});
    Random(3).fill_uniform(many.data(), many.size(), 0.f, 1.f);
    double exact = 0;
    for (const float v : many.to_vector()) exact += v;
    CHECK(adaptive_average_pool(F(many), 1).item() == doctest::Approx(exact / 3e5).epsilon(1e-7));
}

TEST_CASE("upsampling: elements in between, and elements that are read") {
    const V x(Tensor<double>({1, 1, 3}, {0, 4, 8}));
    CHECK(upsample(x).value() == Tensor<double>({1, 1, 6}, {0, 0, 4, 4, 8, 8}));
    CHECK(upsample(x, {.mode = Interpolation::linear}).value() ==
          Tensor<double>({1, 1, 6}, {0, 1, 3, 5, 7, 8}));
    CHECK(upsample(x, {.factor = 1, .mode = Interpolation::linear}).value() == x.value());
    CHECK(upsample(x, {.size = HeightWidth(1), .mode = Interpolation::linear}).value() ==
          Tensor<double>({1, 1, 1}, {4}));
    // NaN and infinity reach only the results that read them; a weight of 0 is not read.
    const double nan = std::numeric_limits<double>::quiet_NaN(), inf = HUGE_VAL;
    const auto y = upsample(V(Tensor<double>({1, 1, 3}, {nan, 4, inf})),
                            {.factor = 3, .mode = Interpolation::linear})
                       .value();
    CHECK(std::isnan(y(0, 0, 2)));
    CHECK(y(0, 0, 4) == 4);
    CHECK(y(0, 0, 5) == inf);
    CHECK(std::isnan(
        adaptive_average_pool(V(Tensor<double>({1, 1, 4}, {nan, 1, 2, 3})), 2).value()(0, 0, 0)));
    CHECK(adaptive_average_pool(V(Tensor<double>({1, 1, 4}, {nan, 1, 2, 4})), 2).value()(0, 0, 1) ==
          3);
    // Of a view, and used twice.
    const auto report = gradcheck(
        [](const V& x) {
            const V turned = transpose(x, {0, 3, 1, 2}); // channels were last
            return upsample(turned, {.mode = Interpolation::linear}) *
                   upsample(turned, {.mode = Interpolation::nearest});
        },
        random_tensor({2, 4, 3, 2}));
    INFO(report.text());
    CHECK(report.passed());
}

TEST_CASE("operations on images: empty tensors") {
    Tape<double> tape;
    const V x = tape.variable(Tensor<double>(Shape{0, 2, 5, 4}));
    const V w = tape.variable(random_tensor({2, 3, 3, 3})), b = tape.variable(random_tensor({3}));
    const V y = transposed_convolution(x, w, b);
    CHECK(y.shape() == Shape{0, 3, 7, 6});
    tape.backward(sum(y) + sum(adaptive_max_pool(x, 2)) + sum(adaptive_average_pool(x, 2)) +
                  sum(upsample(x)));
    CHECK(tape.gradient(w) == Tensor<double>::zeros(w.shape()));
    CHECK(tape.gradient(b) == Tensor<double>::zeros(b.shape()));
    CHECK(tape.gradient(x).shape() == x.shape());
    // No channels: the bias, or nothing.
    CHECK(transposed_convolution(zeros({2, 0, 3, 3}), zeros({0, 4, 2, 2}),
                                 V(Tensor<double>::ones({4})))
              .value() == Tensor<double>::ones({2, 4, 4, 4}));
    CHECK(transposed_convolution(fixed({2, 3, 4}), zeros({3, 0, 2})).shape() == Shape{2, 0, 5});
    CHECK(adaptive_average_pool(zeros({2, 0, 3}), 2).shape() == Shape{2, 0, 2});
    CHECK(upsample(zeros({2, 0, 3})).shape() == Shape{2, 0, 6});
    CHECK(glu(zeros({2, 0})).shape() == Shape{2, 0});
    CHECK(prelu(zeros({0, 3}), V(0.5)).shape() == Shape{0, 3});
}

TEST_CASE("operations on images reject invalid arguments") {
    const V x = fixed({2, 4, 5, 6}), w = fixed({4, 3, 3, 3});
    says([&] { transposed_convolution(x, w, fixed({4})); }, "bias [4]");
    says([&] { transposed_convolution(x, w, {.groups = 0}); }, "0 groups");
    says([&] { transposed_convolution(x, w, {.groups = 3}); }, "a divisor of in and out");
    says(
        [&] {
            transposed_convolution(x, fixed({4, 3, 3}));
        },
        "expected [batch, in, (height,) width], [in, out / groups, (kernel height,) kernel width]");
    says(
        [&] {
            transposed_convolution(x, w, {.stride = {1, 0}});
        },
        "transposed_convolution: the stride along the width is 0; expected 1 to 1000000");
    says(
        [&] {
            transposed_convolution(x, w, {.stride = {3, 2}, .output_padding = {1, 2}});
        },
        "the output padding along the width is 2; expected less than the stride, 2");
    says([&] { transposed_convolution(x, w, {.padding = 4}); },
         "the padding along the height is 4; twice that must be less than the extent of the result "
         "without it, 7");
    says(
        [&] {
            transposed_convolution(zeros({2, 4, 5, 0}), w);
        },
        "the input is empty along the width");
    says(
        [&] {
            transposed_convolution(x, zeros({4, 3, 0, 3}));
        },
        "the kernel along the height is 0");
    says(
        [&] {
            adaptive_max_pool(x, {2, 1'000'001});
        },
        "adaptive_max_pool: 1000001 windows along a width of 6; expected 1 to 1000000");
    says(
        [&] {
            adaptive_average_pool(zeros({2, 3, 0, 4}), 1);
        },
        "1 windows along a height of 0; expected 1 to 1000000 and an x with elements along this "
        "axis");
    says([&] { upsample(x, {0}); },
         "upsample: factor 0 for the height of x [2, 4, 5, 6]; expected 1 to 1000000");
    says([&] { upsample(x, {.size = HeightWidth(3, 0)}); }, "size 0 for the width of x");
    says(
        [&] {
            upsample(zeros({2, 3, 0}));
        },
        "factor 2 for the width of x [2, 3, 0]; expected 1 to 1000000 and an x with elements");
    says([&] { upsample(fixed({4, 5})); }, "upsample: x [4, 5]");
    says(
        [&] {
            max_pool(zeros({1, 2, 0}), {2, 1, 1});
        },
        "max_pool: x [1, 2, 1, 0] has no elements along its height or width");
    says([&] { glu(x, 4); }, "glu: axis 4 is out of range");
    says([&] { prelu(fixed({3}), fixed({3})); }, "prelu: x [3] and slope [3]");
    says([&] { prelu(x, fixed({1, 1})); }, "slope [1, 1]");
}

TEST_CASE("prelu and glu at special points") {
    Tape<float> tape;
    const F x = tape.variable(Tensor<float>({4}, {-2, 0, 3, -1e30f}));
    const F slope = tape.variable(Tensor<float>({1}, {0.25f}));
    const F y = prelu(x, slope);
    CHECK(y.value() == Tensor<float>({4}, {-0.5f, 0, 3, -2.5e29f}));
    tape.backward(y, Tensor<float>({4}, {1, 1, 1, 0}));
    CHECK(tape.gradient(x) == Tensor<float>({4}, {0.25f, 0.25f, 1, 0}));
    CHECK(tape.gradient(slope) == Tensor<float>({1}, {-2}));
    CHECK(glu(F(Tensor<float>({4}, {3, -2, 1e30f, -1e30f}))).value() == Tensor<float>({2}, {3, 0}));
    CHECK(std::isnan(prelu(F(std::numeric_limits<float>::quiet_NaN()), 0.5f).item()));
}
