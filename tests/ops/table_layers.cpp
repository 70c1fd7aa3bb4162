#include "ops/table.hpp"

#include <unroll/ops/activation.hpp>
#include <unroll/ops/convolution.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/pooling.hpp>
#include <unroll/ops/random/random.hpp>
#include <unroll/ops/resize/upsample.hpp>
#include <unroll/ops/views.hpp>

#include <cmath>

namespace test {

namespace {

std::vector<Spec> draws() {
    const std::vector<std::vector<Shape>> samples{{{3, 5}, {3, 5}}, {{}, {}}, {{0, 3}, {0, 3}}};
    const auto with = [&](const char* name, auto draw, std::function<void()> wrong,
                          const char* message) {
        return Spec{name,    [draw](const Many& x) { return x[0] + exp(x[1]) * draw(x[1]); },
                    samples, nullptr,
                    wrong,   message};
    };
    return {
        with(
            "random_normal", [](const V& x) { return random_normal<double>(x.shape(), 0.5, 2); },
            [] { random_normal({2}, 0, -1); },
            "random_normal: mean 0 and deviation -1; expected finite numbers"),
        with(
            "random_normal_like", [](const V& x) { return random_normal_like(x, 0.5, 2); },
            [] { random_normal_like(fixed({2}), std::nan("")); }, "random_normal_like: mean nan"),
        with(
            "random_uniform", [](const V& x) { return random_uniform<double>(x.shape(), 1, 3); },
            [] { random_uniform({2}, 1, 0); },
            "random_uniform: low 1 and high 0; expected finite numbers, low at most high"),
        with(
            "random_uniform_like", [](const V& x) { return random_uniform_like(x, 1, 3); },
            [] { random_uniform_like(fixed({2}), 0, HUGE_VAL); },
            "random_uniform_like: low 0 and high inf"),
        with(
            "bernoulli", [](const V& x) { return bernoulli<double>(x.shape(), 0.3) + 1.0; },
            [] { bernoulli({2}, 1.5); }, "bernoulli: the probability must be in [0, 1], got 1.5"),
        with(
            "bernoulli_like", [](const V& x) { return bernoulli_like(x, 0.3) + 1.0; },
            [] { bernoulli_like(fixed({2}), -1); },
            "bernoulli_like: the probability must be in [0, 1], got -1"),
        {"gumbel_softmax",
         [](const Many& x) {
             return gumbel_softmax(x[0], {.temperature = 0.7}) *
                    gumbel_softmax(x[0], {.temperature = 2, .axis = 0});
         },
         {{{3, 5}}, {{2, 3, 4}}, {{0, 3}}},
         nullptr,
         [] { gumbel_softmax(fixed({2}), {.temperature = 0}); },
         "gumbel_softmax: the temperature must be positive and finite, got 0"},
    };
}

std::vector<Spec> images() {
    const std::vector<std::vector<Shape>> samples{
        {{2, 3, 5, 4}}, {{2, 3, 5}}, {{0, 3, 5}}, {{2, 0, 3, 2}}};
    return {
        {"transposed_convolution",
         [](const Many& x) {
             const TransposedConvolutionOptions how{
                 .stride = 2, .padding = {1, 2}, .output_padding = 1, .groups = 2};
             return transposed_convolution(x[0], x[1], x[2], how) +
                    transposed_convolution(x[0], x[1], how);
         },
         {{{2, 4, 3, 4}, {4, 3, 3, 2}, {6}},
          {{3, 2, 5}, {2, 1, 3}, {2}},
          {{0, 4, 3, 4}, {4, 3, 3, 2}, {6}}},
         nullptr,
         [] {
             transposed_convolution(fixed({2, 3, 4}), fixed({2, 3, 3}));
         },
         "transposed_convolution: x [2, 3, 4], weight [2, 3, 3], bias [] and 1 groups; expected"},
        {"adaptive_max_pool",
         [](const Many& x) {
             return adaptive_max_pool(x[0], {3, 2});
         },
         samples, nullptr, [] { adaptive_max_pool(fixed({2}), 1); },
         "adaptive_max_pool: x [2]; expected [batch, channels, (height,) width]"},
        {"adaptive_average_pool",
         [](const Many& x) {
             return adaptive_average_pool(x[0], {3, 2});
         },
         samples, nullptr,
         [] {
             adaptive_average_pool(fixed({2, 3, 4}), 0);
         },
         "adaptive_average_pool: 0 windows along a width of 4; expected 1 to 1000000"},
        {"upsample",
         [](const Many& x) {
             return upsample(x[0], {.size = HeightWidth(7, 9)}) *
                    upsample(x[0], {.size = HeightWidth(7, 9), .mode = Interpolation::linear});
         },
         samples, nullptr, [] { upsample(fixed({2})); },
         "upsample: x [2]; expected [batch, channels, (height,) width]"},
    };
}

} // namespace

std::vector<Spec> layer_specs() {
    std::vector<Spec> all{
        {"rms_norm",
         [](const Many& x) { return rms_norm(x[0], x[1]); },
         {{{3, 5}, {5}}, {{2, 3, 4}, {4}}, {{0, 3}, {3}}},
         nullptr,
         [] {
             rms_norm(fixed({2, 3}), fixed({2}));
         },
         "rms_norm: x [2, 3], gain [2]; expected [..., n], [n]"},
        {"group_norm",
         [](const Many& x) { return group_norm(x[0], 2, x[1], x[2]); },
         {{{3, 4, 3}, {4}, {4}}, {{4, 6}, {6}, {6}}, {{2, 2, 2, 3}, {2}, {2}}, {{0, 4}, {4}, {4}}},
         nullptr,
         [] {
             group_norm(fixed({2, 3}), 2, fixed({3}), fixed({3}));
         },
         "group_norm: 2 groups for x [2, 3]; expected a divisor of the number of channels, 3"},
        {"glu",
         [](const Many& x) { return glu(x[0]) * glu(flip(x[0], 0)); },
         {{{3, 4}}, {{2, 3, 6}}, {{0, 2}}, {{2, 0}}},
         nullptr,
         [] {
             glu(fixed({2, 3}));
         },
         "glu: axis -1 of x [2, 3] has an odd extent; expected two halves of equal size"},
        {"prelu",
         [](const Many& x) { return prelu(x[0], x[1]); },
         {{{3, 5}, {5}}, {{2, 3, 4}, {3}}, {{2, 3}, {1}}, {{4}, {}}, {{0, 3}, {3}}},
         nullptr,
         [] {
             prelu(fixed({2, 3}), fixed({2}));
         },
         "prelu: x [2, 3] and slope [2]; expected [batch, channels, ...] and [channels], or one "
         "slope"},
    };
    for (auto part : {images(), draws()})
        for (auto& spec : part) all.push_back(std::move(spec));
    return all;
}

} // namespace test
