#include "ops/table.hpp"

#include <unroll/ops/convolution.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/pooling.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>

namespace test {

std::vector<Spec> sum_specs() {
    const auto reduction = [](const char* name, auto all, auto some, bool empty) {
        std::vector<std::vector<Shape>> samples{{{3, 5}}, {{2, 3, 4}}};
        if (empty) samples.push_back({{0, 3}});
        return Spec{name,
                    [=](const Many& x) {
                        return some(x[0], false) +
                               reshape(some(x[0], true), some(x[0], false).shape()) * all(x[0]);
                    },
                    samples,
                    nullptr,
                    [=] { some(fixed({}), false); },
                    "is out of range"};
    };
    return {
        reduction(
            "sum", [](const V& x) { return sum(x); },
            [](const V& x, bool k) {
                return sum(x, {0, -1}, k);
            },
            true),
        reduction(
            "mean", [](const V& x) { return mean(x); },
            [](const V& x, bool k) { return mean(x, {-1}, k); }, false),
        reduction(
            "variance", [](const V& x) { return variance(x); },
            [](const V& x, bool k) { return variance(x, {0}, 1, k); }, false),
        reduction(
            "norm_l2", [](const V& x) { return norm_l2(x); },
            [](const V& x, bool k) { return norm_l2(x, {1}, k); }, false),
        reduction(
            "amax", [](const V& x) { return amax(x); },
            [](const V& x, bool k) { return amax(x, {0}, k); }, false),
        reduction(
            "amin", [](const V& x) { return amin(x); },
            [](const V& x, bool k) { return amin(x, {-1}, k); }, false),
        reduction(
            "logsumexp", [](const V& x) { return logsumexp(x); },
            [](const V& x, bool k) { return logsumexp(x, {0}, k); }, false),
        {"softmax",
         [](const Many& x) { return softmax(x[0]) * softmax(x[0], 0); },
         {{{3, 5}}, {{2, 3, 4}}, {{0, 3}}, {{3, 0}}},
         nullptr,
         [] {
             softmax(fixed({2, 3}), Mask({4}, {true, true, true, true}));
         },
         "the mask [4] does not broadcast to [2, 3]"},
        // For a single element both are constant.
        {.name = "softmax",
         .f = [](const Many& x) { return softmax(x[0]) + log_softmax(x[0]); },
         .samples = {{{1}}},
         .flat = true},
        {"log_softmax",
         [](const Many& x) { return log_softmax(x[0]) * log_softmax(x[0], 0); },
         {{{3, 5}}, {{2, 3, 4}}},
         nullptr,
         [] { log_softmax(fixed({2}), 1); },
         "axis 1 is out of range"},
        {"matmul",
         [](const Many& x) { return matmul(x[0], x[1]); },
         {{{2, 3}, {3, 4}},
          {{3}, {3}},
          {{2, 3}, {3}},
          {{3}, {3, 2}},
          {{5, 2, 3}, {3, 4}},
          {{5, 2, 3}, {5, 3, 4}},
          {{2, 1, 2, 3}, {5, 3, 2}},
          {{2, 0}, {0, 3}},
          {{0, 3}, {3, 2}}},
         nullptr,
         [] {
             matmul(fixed({2, 3}), fixed({4, 5}));
         },
         "matmul: inner extents differ: [2, 3] and [4, 5]"},
        {"dot", [](const Many& x) { return dot(x[0], x[1]); }, {{{3}, {3}}}},
        {"scaled_matmul",
         [](const Many& x) {
             return scaled_matmul(x[0], x[1], -0.7) + exp(scaled_matmul(x[0], x[1], 2));
         },
         {{{2, 3}, {3, 4}}, {{2, 1, 2, 3}, {5, 3, 2}}, {{2, 0}, {0, 3}}, {{0, 3}, {3, 2}}},
         nullptr,
         [] {
             scaled_matmul(fixed({2, 3}), fixed({3}), 2);
         },
         "scaled_matmul: [2, 3] and [3]; expected"},
        {"linear",
         [](const Many& x) { return linear(x[0], x[1], x[2]) + linear(x[0], x[1]); },
         {{{2, 3}, {4, 3}, {4}},
          {{3}, {4, 3}, {4}},
          {{2, 5, 3}, {4, 3}, {4}},
          {{0, 3}, {4, 3}, {4}}},
         nullptr,
         [] {
             linear(fixed({2, 3}), fixed({4, 2}), fixed({4}));
         },
         "x [2, 3], weight [4, 2], bias [4]"},
        {"add_linear",
         [](const Many& x) { return tanh(add_linear(x[0] * 2, x[1], x[2])); },
         {{{2, 4}, {2, 3}, {4, 3}}},
         nullptr,
         [] {
             add_linear(fixed({2, 4}), fixed({2, 3}), fixed({3, 4}));
         },
         "expected [B, out], [B, in], [out, in]"},
        {"layer_norm",
         [](const Many& x) { return layer_norm(x[0], x[1], x[2]); },
         {{{3, 5}, {5}, {5}}, {{2, 3, 4}, {4}, {4}}},
         nullptr,
         [] {
             layer_norm(fixed({2, 3}), fixed({2}), fixed({3}));
         },
         "expected [..., n], [n], [n]"},
        {"batch_norm",
         [](const Many& x) {
             return batch_norm(x[0], x[1], x[2]).y +
                    batch_norm(x[0], x[1], square(x[2]), x[2], x[1], 0.1);
         },
         {{{3, 2, 5}, {2}, {2}}, {{4, 3}, {3}, {3}}, {{2, 3, 2, 2}, {3}, {3}}},
         nullptr,
         [] {
             batch_norm(fixed({2, 3}), fixed({2}), fixed({3}));
         },
         "expected [batch, channels, ...] and [channels] for each"},
        {"convolution",
         [](const Many& x) {
             return convolution(x[0], x[1], x[2], {.stride = 2, .padding = {1, 2}, .groups = 2}) +
                    convolution(x[0], x[1], {.stride = 2, .padding = {1, 2}, .groups = 2});
         },
         {{{2, 4, 5, 4}, {6, 2, 3, 2}, {6}},
          {{3, 2, 7}, {2, 1, 3}, {2}},
          {{0, 4, 5, 4}, {6, 2, 3, 2}, {6}}},
         nullptr,
         [] {
             convolution(fixed({2, 3, 4}), fixed({2, 2, 3}));
         },
         "expected [batch, in, (height,) width]"},
        {"max_pool",
         [](const Many& x) {
             return max_pool(x[0], {{3, 2}, HeightWidth(2, 1), 1});
         },
         {{{2, 3, 5, 4}}, {{2, 3, 5}}, {{0, 3, 5}}},
         nullptr,
         [] { max_pool(fixed({2}), {2}); },
         "max_pool: x [2]"},
        {"average_pool",
         [](const Many& x) {
             return average_pool(x[0], {{3, 2}, HeightWidth(2, 1), 1});
         },
         {{{2, 3, 5, 4}}, {{2, 3, 5}}, {{0, 3, 5}}},
         nullptr,
         [] { average_pool(fixed({2}), {2}); },
         "average_pool: x [2]"},
        {"dropout",
         [](const Many& x) { return dropout(x[0], 0.4); },
         {{{3, 5}}, {{0}}},
         nullptr,
         [] { dropout(fixed({2}), -1); },
         "must be in [0, 1]"},
        {"cross_entropy",
         [](const Many& x) {
             return cross_entropy(x[0], Indices({3}, {1, -100, 4}), {.smoothing = 0.1});
         },
         {{{3, 5}}},
         nullptr,
         [] {
             cross_entropy(fixed({2, 3}), Indices({2}, {0, 3}));
         },
         "target 3 at position 1 is outside [0, 3)"},
        {"binary_cross_entropy",
         [](const Many& x) { return binary_cross_entropy(x[0], sigmoid(x[1])); },
         {{{3, 5}, {3, 5}}, {{0}, {0}}},
         nullptr,
         [] { binary_cross_entropy(fixed({2}), fixed({3})); },
         "shapes differ: [2] and [3]"},
        {"mean_squared_error",
         [](const Many& x) { return mean_squared_error(x[0], x[1]); },
         {{{3, 5}, {3, 5}}, {{0}, {0}}},
         nullptr,
         [] { mean_squared_error(fixed({2}), fixed({3})); },
         "shapes differ"},
        {"huber",
         [](const Many& x) { return huber(x[0], x[1], 0.5); },
         {{{3, 5}, {3, 5}}},
         nullptr,
         [] { huber(fixed({2}), fixed({2}), 0); },
         "delta must be positive"},
    };
}

} // namespace test
