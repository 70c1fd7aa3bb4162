#include "ops/table.hpp"

#include <unroll/ops/index.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/views.hpp>

namespace test {

std::vector<Spec> shape_specs() {
    const std::vector<std::vector<Shape>> cube{{{2, 3, 4}}, {{2, 0, 4}}};
    return {
        {"reshape",
         [](const Many& x) {
             return reshape(x[0], {-1, 6}) * reshape(x[0], {-1, 6});
         },
         {{{3, 4}}},
         nullptr,
         [] {
             reshape(fixed({3, 5}), {2, -1});
         },
         "reshape: no extent for -1 fits 15 elements"},
        {"flatten", [](const Many& x) { return flatten(transpose(x[0])); }, any},
        {"slice",
         [](const Many& x) { return slice(x[0], 1, 1, 3) * slice(x[0], -2, 1, 3); },
         {{{2, 3, 4}}},
         nullptr,
         [] { slice(fixed({3}), 0, 2, 4); },
         "slice: range 2:4 on axis 0 of shape [3]"},
        {"select", [](const Many& x) { return select(x[0], -1, 1) * select(x[0], 2, 3); }, cube,
         nullptr, [] { select(fixed({3}), 0, 3); }, "index 3 is out of range"},
        {"view",
         [](const Many& x) {
             return view(x[0], 1, range(3, 0, -2), range(0, -1), newaxis()) *
                    view(x[0], 0, range(-3, -1), newaxis(), range(0, 1));
         },
         {{{2, 4, 4}}},
         nullptr,
         [] {
             view(fixed({3, 4}), all(), range(2, 5));
         },
         "view: range 2:5 does not fit axis 1 of shape [3, 4]"},
        {"block", [](const Many& x) { return block(x[0], 0, 2) * block(x[0], 1, 2); }, cube,
         nullptr, [] { block(fixed({3}), 0, 2); }, "block 0 of 2 on the last axis of [3]"},
        {"split",
         [](const Many& x) { return split(x[0], 2, 2)[1] * split(x[0], 4, 2)[0]; },
         {{{2, 3, 4}}},
         nullptr,
         [] { split(fixed({3}), 2); },
         "cannot be split into 2 equal parts"},
        {"unstack", [](const Many& x) { return unstack(x[0])[1] * unstack(x[0])[0]; }, cube,
         nullptr, [] { unstack(fixed({}), 0); }, "axis 0 is out of range"},
        {"transpose",
         [](const Many& x) {
             return transpose(x[0], {2, 0, 1}) + transpose(transpose(x[0])).value().size() * 1.0;
         },
         cube, nullptr,
         [] {
             transpose(fixed({2, 3}), {0, 0});
         },
         "not a permutation of the axes of [2, 3]"},
        {"swapaxes", [](const Many& x) { return exp(swapaxes(x[0], 0, -1)); }, cube},
        {"flip", [](const Many& x) { return flip(x[0], 1) * x[0]; }, cube},
        {"expand_dims",
         [](const Many& x) { return expand_dims(x[0], 1) * expand_dims(x[0], 0); },
         {{{3, 3}}}},
        {"squeeze",
         [](const Many& x) { return squeeze(x[0], 1); },
         {{{3, 1, 2}}},
         nullptr,
         [] {
             squeeze(fixed({2, 3}), 1);
         },
         "is not of extent 1"},
        {"broadcast_to",
         [](const Many& x) {
             return broadcast_to(x[0], {4, 3, 2}) * fixed({4, 3, 2});
         },
         {{{3, 1}}, {{}}},
         nullptr,
         [] { broadcast_to(fixed({3}), {4}); },
         "[3] does not broadcast to [4]"},
        {"concatenate",
         [](const Many& x) {
             return concatenate({x[0], x[1], x[0]}, 1);
         },
         {{{2, 3}, {2, 1}}, {{2, 3}, {2, 0}}},
         nullptr,
         [] {
             concatenate({fixed({2, 3}), fixed({3, 3})}, 1);
         },
         "do not fit along axis 1"},
        {"stack",
         [](const Many& x) {
             return stack({x[0], x[1], x[0]}, -1);
         },
         {{{2, 3}, {2, 3}}, {{0}, {0}}},
         nullptr,
         [] {
             stack({fixed({2}), fixed({3})});
         },
         "shapes differ: [2] and [3]"},
        {"pad", [](const Many& x) { return square(pad(x[0], 1, 2, 1, 0.5)); }, {{{2, 3}}}},
        {"take",
         [](const Many& x) {
             return take(x[0], Indices({2, 2}, {1, 0, 1, 2}));
         },
         {{{3, 2}}, {{3}}},
         nullptr,
         [] {
             take(fixed({3, 2}), Indices({1}, {3}));
         },
         "index 3 at position 0 is outside [0, 3)"},
        {"scatter_add",
         [](const Many& x) {
             return scatter_add(x[0], Indices({3}, {1, 0, 1}), 4);
         },
         {{{3, 2}}},
         nullptr,
         [] { scatter_add(fixed({2}), Indices({1}, {0}), 2); },
         "expected [n, ...] and [n]"},
        {"gather",
         [](const Many& x) {
             return gather(x[0], 1, Indices({2, 3}, {1, 0, 1, 2, 2, 0})) *
                    gather(x[0], -1, Indices({2, 3}, {2, 1, 1, 0, 0, 2}));
         },
         {{{2, 3}}, {{3, 3}}},
         nullptr,
         [] {
             gather(fixed({2, 3}), 1, Indices({1, 2}, {0, 3}));
         },
         "gather: index 3 at position 1 is outside [0, 3)"},
        {"scatter_add along an axis",
         [](const Many& x) {
             return scatter_add(x[0], -2, Indices({2, 2}, {1, 0, 1, 2}), x[1]);
         },
         {{{3, 2}, {2, 2}}, {{3, 4}, {2, 3}}},
         nullptr,
         [] {
             scatter_add(fixed({2, 3}), 0, Indices({2, 2}, {0, 0, 0, 0}), fixed({2, 1}));
         },
         "scatter_add: x [2, 3], indices [2, 2], values [2, 1]; expected indices no longer"},
        {"scatter",
         [](const Many& x) {
             return scatter(x[0], 0, Indices({2, 2}, {1, 0, 1, 2}), x[1]);
         },
         {{{3, 2}, {2, 2}}, {{3, 4}, {2, 3}}},
         nullptr,
         [] {
             scatter(fixed({2, 3}), 2, Indices({1, 1}, {0}), fixed({1, 1}));
         },
         "scatter: axis 2 is out of range"},
        {"pick",
         [](const Many& x) {
             return pick(x[0], Indices({3}, {1, 0, 1}));
         },
         {{{3, 2}}},
         nullptr,
         [] {
             pick(fixed({2, 3}), Indices({2}, {0, 3}));
         },
         "index 3 at position 1"},
        {"masked_fill",
         [](const Many& x) {
             return square(masked_fill(x[0], Mask({3}, {true, false, true}), 2));
         },
         {{{2, 3}}}},
        {"masked_select",
         [](const Many& x) {
             return masked_select(x[0], Mask({2, 2}, {true, false, true, true}));
         },
         {{{2, 2}}},
         nullptr,
         [] {
             masked_select(fixed({2}), Mask({3}, {true, true, true}));
         },
         "differ in shape"},
    };
}

} // namespace test
