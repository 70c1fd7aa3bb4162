#include "ops/table.hpp"

#include <unroll/ops/loss.hpp>
#include <unroll/ops/losses/losses.hpp>
#include <unroll/ops/pointwise.hpp>

namespace test {

std::vector<Spec> loss_specs() {
    const std::vector<std::vector<Shape>> pairs{{{3, 5}, {3, 5}}, {{}, {}}, {{0, 3}, {0, 3}}};
    const auto all = [](auto f) {
        return [f](const Many& x) {
            return f(x, Reduction::none) * f(x, Reduction::mean) + f(x, Reduction::sum);
        };
    };
    return {
        {"l1_loss", all([](const Many& x, Reduction r) { return l1_loss(x[0], x[1], r); }), pairs,
         nullptr, [] { l1_loss(fixed({2}), fixed({3})); }, "l1_loss: shapes differ: [2] and [3]"},
        {"smooth_l1", all([](const Many& x, Reduction r) { return smooth_l1(x[0], x[1], 0.7, r); }),
         pairs, nullptr, [] { smooth_l1(fixed({2}), fixed({2}), 0); },
         "smooth_l1: beta must be positive, got 0"},
        {"kl_divergence", all([](const Many& x, Reduction r) {
             return kl_divergence(x[0], exp(x[1]), {.reduction = r}) +
                    kl_divergence(x[0], x[1], {.log_target = true, .reduction = r});
         }),
         pairs, nullptr, [] { kl_divergence(fixed({2}), fixed({1})); },
         "kl_divergence: shapes differ"},
        {"gaussian_nll",
         all([](const Many& x, Reduction r) {
             return gaussian_nll(x[0], x[1], exp(x[2]), {.reduction = r}) +
                    gaussian_nll(x[0], x[1], exp(x[2]), {.full = true, .epsilon = 0.8});
         }),
         {{{3, 5}, {3, 5}, {3, 5}}, {{3, 5}, {3, 5}, {3, 1}}, {{3, 5}, {3, 5}, {}}},
         nullptr,
         [] {
             gaussian_nll(fixed({2}), fixed({2}), Tensor<double>({2}, {1, -1}));
         },
         "gaussian_nll: variance -1 at position 1 is negative"},
        {"poisson_nll", all([](const Many& x, Reduction r) {
             return poisson_nll(x[0], exp(x[1]), {.full = true, .reduction = r}) +
                    poisson_nll(exp(x[0]), x[1], {.log_input = false, .reduction = r});
         }),
         pairs, nullptr, [] { poisson_nll(fixed({2}), fixed({1})); }, "poisson_nll: shapes differ"},
        {"mean_squared_error",
         all([](const Many& x, Reduction r) { return mean_squared_error(x[0], x[1], r); }), pairs},
        {"huber", all([](const Many& x, Reduction r) { return huber(x[0], x[1], 0.5, r); }), pairs},
        {"binary_cross_entropy",
         all([](const Many& x, Reduction r) {
             return binary_cross_entropy(x[0], sigmoid(x[1]),
                                         {.pos_weight = {0.5, 2, 3}, .reduction = r}) +
                    binary_cross_entropy(x[0], sigmoid(x[1]),
                                         {.pos_weight = {1.5}, .reduction = r});
         }),
         {{{2, 3}, {2, 3}}, {{0, 3}, {0, 3}}},
         nullptr,
         [] {
             binary_cross_entropy(fixed({2, 3}), Tensor<double>::ones({2, 3}),
                                  {.pos_weight = {1, 2}});
         },
         "2 numbers in pos_weight for logits [2, 3]; expected one, or one for each"},
        {"cross_entropy",
         all([](const Many& x, Reduction r) {
             const Indices targets({3}, {1, -100, 4});
             const std::vector<double> weights{0.5, 2, 0, 1, 3};
             return cross_entropy(x[0], targets, {.weights = weights, .reduction = r}) +
                    cross_entropy(x[0], targets, {.smoothing = 0.2, .reduction = r}) +
                    cross_entropy(x[0], targets,
                                  {.smoothing = 0.1, .weights = weights, .reduction = r});
         }),
         {{{3, 5}}},
         nullptr,
         [] {
             cross_entropy(fixed({2, 3}), Indices({2}, {0, 1}), {.weights = {1, 2}});
         },
         "cross_entropy: 2 class weights for 3 classes of logits [2, 3]"},
        {.name = "cross_entropy of ignored targets",
         .f = all([](const Many& x, Reduction r) {
             const std::vector<double> weights{0.5, 2};
             const Indices targets({2}, {-100, -100});
             return cross_entropy(x[0], targets, {.weights = weights, .reduction = r}) +
                    cross_entropy(x[0], targets, {.smoothing = 0.5, .reduction = r});
         }),
         .samples = {{{2, 2}}},
         .wrong =
             [] {
                 cross_entropy(fixed({1, 2}), Indices({1}, {0}), {.weights = {1, -2}});
             },
         .message = "a class weight is -2; expected 0 or more",
         .flat = true},
    };
}

} // namespace test
