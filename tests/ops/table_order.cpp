#include "ops/table.hpp"

#include <unroll/ops/order/cumulative.hpp>
#include <unroll/ops/order/linear_scan.hpp>
#include <unroll/ops/order/sort.hpp>
#include <unroll/ops/order/weighted_sums.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/statistics/norms.hpp>
#include <unroll/ops/statistics/statistics.hpp>
#include <unroll/ops/views.hpp>

#include <limits>

namespace test {

namespace {

const std::vector<std::size_t> lengths{4, 0, 2};

std::vector<Spec> scans() {
    const auto cumulative = [](const char* name, auto f) {
        return Spec{name,
                    [=](const Many& x) {
                        return f(x[0], 0) * f(x[0], -1) +
                               reshape(f(flatten(x[0]), 0), x[0].shape());
                    },
                    {{{3, 5}}, {{2, 3, 4}}, {{1, 1}}, {{0, 3}}, {{3, 0}}},
                    nullptr,
                    [=] {
                        f(fixed({2, 3}), 2);
                    },
                    "axis 2 is out of range"};
    };
    return {
        {"linear_scan",
         [](const Many& x) {
             const auto [forwards, last] = linear_scan(x[0], x[1], x[2]);
             const auto [backwards, first] = linear_scan(x[0], x[1], x[2], {.backwards = true});
             return forwards * backwards + last * first;
         },
         {{{4, 3, 2}, {4, 3, 2}, {3, 2}},
          {{2}, {4, 3, 2}, {}},
          {{4, 1, 2}, {3, 1}, {3, 1}},
          {{5}, {5}, {}},
          {{1, 3}, {1, 3}, {3}},
          {{0, 3}, {0, 3}, {3}},
          {{3, 0}, {3, 0}, {0}}},
         nullptr,
         [] {
             linear_scan(fixed({4, 3}), fixed({4, 3}), fixed({2}));
         },
         "linear_scan: h0 [2] does not broadcast to a state [3] of [4, 3]"},
        {"linear_scan",
         [](const Many& x) {
             const auto [forwards, last] = linear_scan(x[0], x[1], x[2], {.lengths = lengths});
             const auto [backwards, first] =
                 linear_scan(x[0], x[1], x[2], {.lengths = lengths, .backwards = true});
             return forwards * backwards + last * first;
         },
         {{{4, 3, 2}, {4, 3, 2}, {3, 2}}, {{4, 3}, {4, 1}, {}}, {{2}, {4, 3, 2}, {3, 1}}},
         nullptr,
         [] {
             linear_scan(fixed({3, 3}), fixed({3, 3}), 0, {.lengths = lengths});
         },
         "length 4 of sequence 0 exceeds the 3 steps of [3, 3]"},
        {"complex_linear_scan",
         [](const Many& x) {
             const Complex<double> a{x[0], x[1]}, b{x[2], x[3]}, h0{x[4], x[5]};
             const auto [forwards, last] = complex_linear_scan(a, b, h0);
             const auto [backwards, first] = complex_linear_scan(a, b, h0, {.backwards = true});
             return forwards.re * backwards.im + forwards.im * sin(backwards.re) +
                    last.re * first.im + last.im * first.re;
         },
         {{{4, 3, 2}, {4, 3, 2}, {4, 3, 2}, {4, 3, 2}, {3, 2}, {3, 2}},
          {{2}, {2}, {4, 3, 2}, {4, 3, 2}, {}, {2}},
          {{4, 1, 2}, {3, 1}, {3, 1}, {4, 1, 1}, {3, 1}, {}},
          {{5}, {5}, {5}, {5}, {}, {}},
          {{0, 3}, {0, 3}, {0, 3}, {0, 3}, {3}, {3}},
          {{3, 0}, {3, 0}, {3, 0}, {3, 0}, {0}, {0}}},
         nullptr,
         [] {
             complex_linear_scan<double>({fixed({4, 3}), 1}, {fixed({4, 3}), 0}, {0, fixed({2})});
         },
         "complex_linear_scan: h0 [2] does not broadcast to a state [3] of [4, 3]"},
        {"complex_linear_scan",
         [](const Many& x) {
             const Complex<double> a{x[0], x[1]}, b{x[2], x[3]}, h0{x[4], x[5]};
             const auto [forwards, last] = complex_linear_scan(a, b, h0, {.lengths = lengths});
             const auto [backwards, first] =
                 complex_linear_scan(a, b, h0, {.lengths = lengths, .backwards = true});
             return forwards.re * backwards.im + forwards.im * backwards.re + last.re * first.im +
                    sin(last.im) * first.re;
         },
         {{{4, 3, 2}, {4, 3, 2}, {4, 3, 2}, {4, 3, 2}, {3, 2}, {3, 2}},
          {{2}, {}, {4, 3, 2}, {3, 1}, {}, {3, 1}}},
         nullptr,
         [] {
             complex_linear_scan<double>({fixed({3, 3}), 1}, {fixed({3, 3}), 0}, {0, 0},
                                         {.lengths = lengths});
         },
         "length 4 of sequence 0 exceeds the 3 steps of [3, 3]"},
        {"complex_scan_states",
         [](const Many& x) {
             const auto states = [&](bool backwards, bool conjugate) {
                 return detail::complex_scan_states<double>("scan", {x[0], x[1]}, {x[1], x[2]},
                                                            {x[3], x[3]}, backwards, conjugate);
             };
             return states(false, true) * states(true, false) + sin(states(true, true));
         },
         {{{4, 3}, {4, 3}, {4, 3}, {3}}, {{2, 2, 2}, {2, 2, 2}, {2, 2, 2}, {}}}},
        {"weighted_sums",
         [](const Many& x) {
             return detail::weighted_sums<double>("sums", x[0], x[1], x[2], false) *
                    detail::weighted_sums<double>("sums", x[0], x[1], x[2], true);
         },
         {{{4, 3}, {4, 3}, {4, 3}}, {{2, 2, 2}, {2, 2, 2}, {2, 2, 2}}, {{1}, {1}, {1}}}},
        {"log_sums",
         [](const Many& x) { return detail::log_sums<double>("sums", x[0]); },
         {{{4, 3}}, {{1}}, {{3, 2, 2}}}},
        {"scan_states",
         [](const Many& x) {
             return detail::scan_states<double>("scan", x[0], x[1], x[2], false) *
                    detail::scan_states<double>("scan", x[0], x[1], x[2], true, true);
         },
         {{{4, 3}, {4, 3}, {3}}, {{2, 2, 2}, {2, 2, 2}, {}}, {{0, 2}, {0, 2}, {2}}}},
        cumulative("cumsum", [](const V& x, std::ptrdiff_t axis) { return cumsum(x, axis); }),
        cumulative("cumprod", [](const V& x, std::ptrdiff_t axis) { return cumprod(x, axis); }),
        cumulative("logcumsumexp",
                   [](const V& x, std::ptrdiff_t axis) { return logcumsumexp(x, axis); }),
        {"cumulative results of all elements",
         [](const Many& x) { return cumsum(x[0]) * cumprod(x[0]) + logcumsumexp(x[0]); },
         {{{2, 3}}, {{}}, {{0}}}},
        {"sort",
         [](const Many& x) { return sort(x[0]) * sort(x[0], 0); },
         {{{3, 5}}, {{2, 3, 4}}, {{0, 3}}, {{3, 0}}},
         nullptr,
         [] { sort(fixed({})); },
         "sort: axis -1 is out of range"},
        {"topk_values",
         [](const Many& x) { return topk_values(x[0], 3); },
         {{{5}}, {{2, 3, 4}}, {{0, 3}}},
         nullptr,
         [] { topk_values(fixed({2}), 3); },
         "topk_values: 3 elements requested of 2"},
    };
}

} // namespace

std::vector<Spec> order_specs() {
    std::vector<Spec> all = scans();
    const auto reduction = [&](const char* name, auto of_all, auto of_axes, bool may_be_empty) {
        std::vector<std::vector<Shape>> samples{{{3, 5}}, {{2, 3, 4}}};
        if (may_be_empty) samples.push_back({{0, 3}});
        all.push_back({name,
                       [=](const Many& x) {
                           const V some = of_axes(x[0], {0, -1}, false);
                           return reshape(of_axes(x[0], {-1, 0}, true), some.shape()) * some +
                                  sum(of_axes(x[0], {1}, true)) * of_all(x[0]);
                       },
                       samples, nullptr,
                       [=] {
                           of_axes(fixed({2, 3}), {1, -1}, false);
                       },
                       "axis -1 is listed twice"});
    };
    reduction(
        "prod", [](const V& x) { return prod(x); },
        [](const V& x, Axes axes, bool keep) { return prod(x, axes, keep); }, true);
    reduction(
        "stddev", [](const V& x) { return stddev(x); },
        [](const V& x, Axes axes, bool keep) { return stddev(x, axes, 1, keep); }, false);
    reduction(
        "median", [](const V& x) { return median(x); },
        [](const V& x, Axes axes, bool keep) { return median(x, axes, keep); }, false);
    reduction(
        "norm_lp", [](const V& x) { return norm_lp(x, 2.5); },
        [](const V& x, Axes axes, bool keep) { return norm_lp(x, 3, axes, keep); }, true);
    reduction(
        "norm_l1", [](const V& x) { return norm_l1(x) + norm_lp(x, 1); },
        [](const V& x, Axes axes, bool keep) {
            return norm_l1(x, axes, keep) + norm_lp(x, 1, axes, keep);
        },
        true);
    reduction(
        "norm_sq", [](const V& x) { return norm_sq(x); },
        [](const V& x, Axes axes, bool keep) { return norm_sq(x, axes, keep); }, true);
    constexpr double inf = std::numeric_limits<double>::infinity();
    reduction(
        "norm_linf", [](const V& x) { return norm_linf(x) + norm_lp(x, inf); },
        [](const V& x, Axes axes, bool keep) {
            return norm_linf(x, axes, keep) + norm_lp(x, inf, axes, keep);
        },
        false);
    all.push_back({"norm_lp",
                   [](const Many& x) { return norm_lp(x[0], 2) * norm_lp(x[0], 2, {0}); },
                   {{{2, 3}}},
                   nullptr,
                   [] { norm_lp(fixed({2}), 0.5); },
                   "norm_lp: the order p is 0.5"});
    all.push_back({"cosine_similarity",
                   [](const Many& x) {
                       return sum(cosine_similarity(x[0], x[1])) * cosine_similarity(x[0], x[1], 0);
                   },
                   {{{3, 3}, {3, 3}}, {{2, 2, 2}, {2}}, {{0, 3}, {0, 3}}},
                   nullptr,
                   [] { cosine_similarity(fixed({2}), fixed({3})); },
                   "cosine_similarity"});
    return all;
}

} // namespace test
