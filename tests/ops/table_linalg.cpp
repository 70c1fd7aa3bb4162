#include "ops/table.hpp"

#include <unroll/ops/linalg/einsum.hpp>
#include <unroll/ops/linalg/solve.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/rearrange/diagonal.hpp>
#include <unroll/ops/rearrange/repeat.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

namespace test {

namespace {

// Far from singular.
V regular(const V& x) {
    return 0.3 * x + 2.0 * Tensor<double>({3, 3}, {1, 0, 0, 0, -1, 0.5, 0, 0, 1});
}
// Positive definite, and not symmetric.
V definite(const V& x) {
    return matmul(x, swapaxes(x, -1, -2)) + Tensor<double>({3, 3}, {1, 0.3, 0, 0.1, 2, 0, 0, 0, 1});
}

std::vector<Spec> rearranging() {
    return {
        {"roll",
         [](const Many& x) { return roll(x[0], 2, 0) * roll(x[0], -1, -1) + roll(x[0], 4); },
         {{{3, 5}}, {{2, 3, 4}}, {{0, 3}}, {{3, 0}}},
         nullptr,
         [] { roll(fixed({3}), 1, 1); },
         "roll: axis 1 is out of range"},
        {"repeat",
         [](const Many& x) { return repeat(x[0], 3, -1) * repeat(repeat(x[0], 1, 0), 3, 1); },
         {{{3, 2}}, {{0, 3}}, {{3, 0}}},
         nullptr,
         [] { repeat(fixed({}), 2, 0); },
         "repeat: axis 0 is out of range"},
        {"tile",
         [](const Many& x) {
             return tile(x[0], {2, 3}) * tile(tile(x[0], {3}), {2, 1}) + tile(x[0], {1, 1, 1, 1});
         },
         {{{1, 1}}},
         nullptr,
         [] {
             tile(fixed({2}), {1, 1, 1, 1, 1, 1, 1, 1, 1});
         },
         "tile: 9 counts; a tensor has at most 8 axes"},
        {"tile",
         [](const Many& x) {
             return square(tile(x[0], {2, 1, 3}));
         },
         {{{3, 2}}, {{2, 2, 3}}, {{1, 2, 0, 2}}, {{}}}},
        {"diagonal",
         [](const Many& x) { return diagonal(x[0], 1) * diagonal(x[0], -1, 1, 0); },
         {{{3, 3}}, {{3, 3, 2}}, {{2, 3, 3, 2}}, {{0, 0}}},
         nullptr,
         [] {
             diagonal(fixed({2, 3}), 0, 1, -1);
         },
         "diagonal: both axes are axis 1 of [2, 3]"},
        {"diag",
         [](const Many& x) {
             return matmul(diag(x[0], 1) * 2.0 + diag(x[0], -1), diag(x[0], 1)) + diag(diag(x[0]));
         },
         {{{1}}},
         nullptr,
         [] {
             diag(fixed({2, 3, 4}));
         },
         "diag: x [2, 3, 4]; expected [n] or [m, n]"},
        {"diag",
         [](const Many& x) { return square(diag(x[0], -1)); },
         {{{3}}, {{0}}, {{3, 3}}, {{4, 2}}}},
        {"tril",
         [](const Many& x) { return tril(x[0]) * tril(x[0], -1) + tril(x[0], 1); },
         {{{3, 5}}, {{2, 4, 3}}, {{0, 3}}},
         nullptr,
         [] { tril(fixed({3})); },
         "tril: x [3]; expected [..., m, n]"},
        {"triu",
         [](const Many& x) { return triu(x[0]) * triu(x[0], 1) + triu(x[0], -1); },
         {{{3, 5}}, {{2, 4, 3}}, {{0, 3}}},
         nullptr,
         [] { triu(fixed({})); },
         "triu: x []; expected [..., m, n]"},
    };
}

Spec einsum_spec(const char* subscripts, std::vector<Shape> shapes) {
    return {"einsum", [subscripts](const Many& x) { return einsum(subscripts, x); }, {shapes}};
}

} // namespace

std::vector<Spec> linalg_specs() {
    std::vector<Spec> all = rearranging();
    const std::vector<Spec> more{
        {"einsum",
         [](const Many& x) { return einsum("bij,bjk->bik", x); },
         {{{2, 3, 4}, {2, 4, 2}}, {{0, 3, 4}, {0, 4, 2}}, {{2, 3, 0}, {2, 0, 2}}},
         nullptr,
         [] {
             einsum("ij,jk->ik", {fixed({2, 3}), fixed({4, 5})});
         },
         "einsum: subscript 'j' has extent 4 in operand 1 of shape [4, 5], but 3 before"},
        einsum_spec("ij", {{2, 3}}),
        einsum_spec("ba", {{2, 3}}),
        einsum_spec("ii", {{3, 3}}),
        einsum_spec("ii -> i", {{3, 3}}),
        einsum_spec("iji->j", {{2, 3, 2}}),
        einsum_spec("iii->i", {{2, 2, 2}}),
        einsum_spec("ij->", {{2, 3}}),
        einsum_spec("i,j->ji", {{2}, {3}}),
        einsum_spec("i,i", {{3}, {3}}),
        einsum_spec("ij,ij->ij", {{2, 3}, {2, 3}}),
        einsum_spec("ijk,kl,jm->ilm", {{2, 3, 2}, {2, 4}, {3, 2}}),
        einsum_spec("ab,cd->ac", {{2, 3}, {2, 2}}),
        einsum_spec("bi,bi->b", {{2, 3}, {2, 3}}),
        einsum_spec("iij,jk->ik", {{2, 2, 3}, {3, 2}}),
        einsum_spec(",i->i", {{}, {3}}),
        {"outer",
         [](const Many& x) { return outer(x[0], x[1]); },
         {{{2}, {3}}, {{2, 2}, {3}}, {{0}, {3}}, {{}, {2}}}},
        {"solve",
         [](const Many& x) { return solve(regular(x[0]), x[1]); },
         {{{3, 3}, {3}},
          {{3, 3}, {3, 2}},
          {{2, 3, 3}, {3}},
          {{2, 3, 3}, {2, 3, 2}},
          {{2, 1, 3, 3}, {2, 3, 1}},
          {{3, 3}, {2, 3, 2}},
          {{3, 3}, {3, 0}},
          {{0, 3, 3}, {3}}},
         nullptr,
         [] {
             solve(fixed({2, 2}), fixed({3, 2}));
         },
         "solve: a [2, 2], b [3, 2]; expected [..., n, n], and [..., n, m] or [n]"},
        {"inverse",
         [](const Many& x) { return inverse(regular(x[0])); },
         {{{3, 3}}, {{2, 2, 3, 3}}, {{0, 3, 3}}},
         nullptr,
         [] {
             inverse(Tensor<double>({2, 2, 2}, {1, 2, 3, 4, 1, 2, 2, 4}));
         },
         "inverse: matrix 1 of [2, 2, 2] is singular"},
        {"cholesky",
         [](const Many& x) { return cholesky(definite(x[0])); },
         {{{3, 3}}, {{2, 3, 3}}, {{0, 3, 3}}},
         nullptr,
         [] {
             cholesky(Tensor<double>({2, 2}, {1, 2, 2, 1}));
         },
         "cholesky: matrix is not positive definite: its leading 2 rows are not"},
        {"log_determinant",
         [](const Many& x) { return log_determinant(regular(x[0])); },
         {{{3, 3}}, {{2, 2, 3, 3}}, {{0, 3, 3}}},
         nullptr,
         [] {
             log_determinant(fixed({2, 3}));
         },
         "log_determinant: a [2, 3]; expected square matrices [..., n, n]"},
        {.name = "linear algebra without elements",
         .f =
             [](const Many& x) {
                 return sum(solve(x[0], Tensor<double>({0, 2}))) + log_determinant(x[0]) +
                        sum(inverse(x[0])) + sum(cholesky(x[0]));
             },
         .samples = {{{0, 0}}}},
    };
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

} // namespace test
