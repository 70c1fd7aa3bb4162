// Values of ops/rearrange/ and ops/linalg/ against plain loops, and at special points.

#include "support.hpp"

#include <unroll/ops/linalg/einsum.hpp>
#include <unroll/ops/linalg/solve.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/rearrange/diagonal.hpp>
#include <unroll/ops/rearrange/repeat.hpp>
#include <unroll/ops/views.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

using namespace test;

namespace {

using V = Variable<double>;

// Einstein's sum as nested loops over all letters, of which `result` are kept.
Tensor<double> summed(const std::vector<std::string>& letters,
                      const std::vector<Tensor<double>>& operands, const std::string& result) {
    std::map<char, std::size_t> extents, at;
    for (std::size_t i = 0; i < operands.size(); ++i)
        for (std::size_t a = 0; a < letters[i].size(); ++a)
            extents[letters[i][a]] = operands[i].shape(a);
    const auto offset = [&](const std::string& names) {
        std::size_t sum = 0;
        for (const char c : names) sum = sum * extents[c] + at[c];
        return sum;
    };
    Shape shape;
    for (const char c : result) shape.push_back(extents[c]);
    Tensor<double> out = Tensor<double>::zeros(shape);
    const std::function<void(std::map<char, std::size_t>::iterator)> loop = [&](auto letter) {
        if (letter == extents.end()) {
            double product = 1;
            for (std::size_t i = 0; i < operands.size(); ++i)
                product *= operands[i].contiguous().data()[offset(letters[i])];
            out.data()[offset(result)] += product;
            return;
        }
        const auto next = std::next(letter);
        for (std::size_t& k = at[letter->first] = 0; k < letter->second; ++k) loop(next);
    };
    loop(extents.begin());
    return out;
}

Tensor<double> unit(std::size_t n) {
    Tensor<double> x = Tensor<double>::zeros({n, n});
    for (std::size_t i = 0; i < n; ++i) x(i, i) = 1;
    return x;
}

} // namespace

TEST_CASE("roll, repeat and tile equal NumPy's") {
    const Tensor<double> x({2, 3}, {1, 2, 3, 4, 5, 6});
    CHECK(roll(x, 1, 1).value() == Tensor<double>({2, 3}, {3, 1, 2, 6, 4, 5}));
    CHECK(roll(x, -1, 0).value() == Tensor<double>({2, 3}, {4, 5, 6, 1, 2, 3}));
    CHECK(roll(x, 2).value() == Tensor<double>({2, 3}, {5, 6, 1, 2, 3, 4}));
    CHECK(roll(x, 300000000000000001, 1).value() == roll(x, 1, 1).value());
    CHECK(roll(x, PTRDIFF_MIN, 1).value() == roll(x, -2, 1).value());
    CHECK(repeat(x, 2, 1).value() == Tensor<double>({2, 6}, {1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6}));
    CHECK(repeat(x, 0, 0).shape() == Shape{0, 3});
    CHECK(tile(x, {2}).value() == Tensor<double>({2, 6}, {1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6}));
    CHECK(tile(x, {2, 1}).value() == Tensor<double>({4, 3}, {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}));
    CHECK(tile(x, {2, 1, 0}).shape() == Shape{2, 2, 0});
    CHECK(tile(transpose(V(x)), {1, 2}).value() ==
          Tensor<double>({3, 4}, {1, 4, 1, 4, 2, 5, 2, 5, 3, 6, 3, 6}));
    CHECK(repeat(Tensor<double>({1, 1, 1, 1, 1, 1, 1, 2}, {1, 2}), 2, -1).value().to_vector() ==
          std::vector<double>{1, 1, 2, 2});
    CHECK_FALSE(error_of([&] { repeat(x, static_cast<std::size_t>(-1), 0); }).empty());
    CHECK(roll(Tensor<float>({2}, {1, 2}), 1).value() == Tensor<float>({2}, {2, 1}));
}

TEST_CASE("diagonals and triangles equal NumPy's") {
    const Tensor<double> x({2, 3}, {1, 2, 3, 4, 5, 6});
    CHECK(diagonal(x).value() == Tensor<double>({2}, {1, 5}));
    CHECK(diagonal(x, 1).value() == Tensor<double>({2}, {2, 6}));
    CHECK(diagonal(x, 2).value() == Tensor<double>({1}, {3}));
    CHECK(diagonal(x, -1).value() == Tensor<double>({1}, {4}));
    for (const std::ptrdiff_t k : {PTRDIFF_MAX, PTRDIFF_MIN, std::ptrdiff_t{3}, std::ptrdiff_t{-2}})
        CHECK(diagonal(x, k).shape() == Shape{0});
    const Tensor<double> cube({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
    CHECK(diagonal(cube).value() == Tensor<double>({2, 2}, {1, 7, 2, 8}));
    CHECK(diagonal(cube, 0, 1, 2).value() == Tensor<double>({2, 2}, {1, 4, 5, 8}));
    CHECK(diag(Tensor<double>({2}, {1, 2})).value() == Tensor<double>({2, 2}, {1, 0, 0, 2}));
    CHECK(diag(Tensor<double>({1}, {7}), 1).value() == Tensor<double>({2, 2}, {0, 7, 0, 0}));
    CHECK(diag(Tensor<double>({1}, {7}), -1).value() == Tensor<double>({2, 2}, {0, 0, 7, 0}));
    CHECK(diag(x, 1).value() == Tensor<double>({2}, {2, 6}));
    CHECK_FALSE(error_of([&] { diag(Tensor<double>({1}, {7}), PTRDIFF_MIN); }).empty());
    CHECK(tril(x).value() == Tensor<double>({2, 3}, {1, 0, 0, 4, 5, 0}));
    CHECK(tril(x, 1).value() == Tensor<double>({2, 3}, {1, 2, 0, 4, 5, 6}));
    CHECK(triu(x).value() == Tensor<double>({2, 3}, {1, 2, 3, 0, 5, 6}));
    CHECK(triu(x, -1).value() == x);
    CHECK(triu(x, PTRDIFF_MIN).value() == x);
    CHECK(tril(x, PTRDIFF_MIN).value() == Tensor<double>::zeros({2, 3}));
    CHECK(triu(x, PTRDIFF_MAX).value() == Tensor<double>::zeros({2, 3}));
    // What is cut off is not read.
    const double nan = std::nan("");
    CHECK(tril(Tensor<double>({2, 2}, {1, nan, 2, 3})).value() ==
          Tensor<double>({2, 2}, {1, 0, 2, 3}));
}

TEST_CASE("einsum equals nested loops") {
    const auto check = [](const std::string& text, const std::vector<std::string>& letters,
                          const std::string& result) {
        CAPTURE(text);
        const std::map<char, std::size_t> extents{{'i', 2}, {'j', 3}, {'k', 4}, {'b', 2}, {'A', 5}};
        std::vector<Tensor<double>> operands;
        std::vector<V> variables;
        for (const std::string& names : letters) {
            Shape shape;
            for (const char c : names) shape.push_back(extents.at(c));
            operands.push_back(random_tensor(shape, operands.size() + 1));
            variables.emplace_back(operands.back());
        }
        CHECK(distance(einsum(text, variables).value(), summed(letters, operands, result)) < 1e-13);
    };
    check("bij,bjk->bik", {"bij", "bjk"}, "bik");
    check("ij,jk", {"ij", "jk"}, "ik");
    check("kj,ji", {"kj", "ji"}, "ik");
    check("ii", {"ii"}, "");
    check("iij -> ij", {"iij"}, "ij");
    check("ibi->b", {"ibi"}, "b");
    check("iii->i", {"iii"}, "i");
    check("ijk->ki", {"ijk"}, "ki");
    check("i,j,k->kji", {"i", "j", "k"}, "kji");
    check("ij,ij->", {"ij", "ij"}, "");
    check("ij,kj,jA->Aik", {"ij", "kj", "jA"}, "Aik");
    check("bij,bij->bj", {"bij", "bij"}, "bj");
    check("ij,kA->A", {"ij", "kA"}, "A");
    check("bii,bij->bj", {"bii", "bij"}, "bj");
    check(",j,->j", {"", "j", ""}, "j");
    check("bij,b->ijb", {"bij", "b"}, "ijb");
    CHECK(einsum("i,i", {Variable<float>(Tensor<float>({2}, {1, 2})), Tensor<float>({2}, {3, 4})})
              .item() == 11);
}

TEST_CASE("einsum: errors name the subscript") {
    const V x(random_tensor({2, 3}));
    const auto error = [&](std::string_view text, const std::vector<V>& operands) {
        return error_of([&] { einsum(text, operands); });
    };
    CHECK(contains(error("ij->ik", {x}), "no operand has subscript 'k' of the result"));
    CHECK(contains(error("ij->ii", {x}), "the result has subscript 'i' twice in \"ij->ii\""));
    CHECK(contains(error("ii", {x}), "subscript 'i' has extent 3 in operand 0 of shape [2, 3]"));
    CHECK(contains(error("ijk", {x}), "subscripts \"ijk\" for operand 0 of shape [2, 3]"));
    CHECK(contains(error("ij", {x, x}), "subscripts for 1 operands, but there are 2"));
    CHECK(contains(error("", {}), "subscripts for 1 operands, but there are 0"));
    CHECK(contains(error("...j->j", {x}), "an ellipsis is not supported"));
    CHECK(contains(error("i1->i", {x}), "'1' is unexpected"));
    const V five(Tensor<double>::ones({1, 1, 1, 1, 1}));
    CHECK(contains(error("abcde,fghij->abcdefghij", {five, five}),
                   "has subscripts \"abcdefghij\"; a tensor has at most 8 axes"));
    CHECK(contains(error("ij->i->j", {x}), "'-' is unexpected"));
    CHECK(contains(error("ij->i,j", {x}), "',' is unexpected"));
}

TEST_CASE("solve, inverse, cholesky and log_determinant satisfy their definitions") {
    const auto check = [](auto number, std::size_t n, double tolerance) {
        using T = decltype(number);
        CAPTURE(n);
        Tensor<T> a = random_tensor<T>({2, n, n}), unit = Tensor<T>::zeros({2, n, n});
        for (std::size_t k = 0; k < 2; ++k)
            for (std::size_t i = 0; i < n; ++i) unit(k, i, i) = 1;
        const Tensor<T> b = random_tensor<T>({2, n, 3}, 2);
        CHECK(distance(matmul(a, solve(a, b)).value(), b) < tolerance);
        CHECK(distance(matmul(a, inverse(a)).value(), unit) < tolerance);
        const Variable<T> positive = matmul(a, transpose(Variable<T>(a), {0, 2, 1})) + unit;
        const Variable<T> lower = cholesky(positive);
        CHECK(distance(matmul(lower, transpose(lower, {0, 2, 1})).value(), positive.value()) <
              tolerance);
        CHECK(tril(lower).value() == lower.value());
        for (std::size_t k = 0; k < 2; ++k) {
            double sum = 0;
            for (std::size_t i = 0; i < n; ++i)
                sum += 2 * std::log(static_cast<double>(lower.value()(k, i, i)));
            CHECK(log_determinant(positive).value()(k) == doctest::Approx(sum).epsilon(tolerance));
        }
    };
    for (const std::size_t n : {1, 2, 5, 40}) {
        check(1.0, n, 1e-9);
        check(1.0f, n, 1e-2);
    }
    // A pivot of 0 needs an exchange of rows.
    const Tensor<double> swap({2, 2}, {0, 1, 2, 0});
    CHECK(solve(swap, Tensor<double>({2}, {3, 4})).value() == Tensor<double>({2}, {2, 3}));
    CHECK(inverse(swap).value() == Tensor<double>({2, 2}, {0, 0.5, 1, 0}));
    CHECK(log_determinant(swap).item() == doctest::Approx(std::log(2.0)));
    // Of a transposed view.
    const Tensor<double> a({2, 2}, {2, 1, 0, 4});
    CHECK(solve(transpose(V(a)), Tensor<double>({2}, {2, 9})).value() ==
          Tensor<double>({2}, {1, 2}));
    CHECK(cholesky(Tensor<double>({2, 2}, {4, 2, 2, 5})).value() ==
          Tensor<double>({2, 2}, {2, 0, 1, 2}));
    CHECK(inverse(unit(3)).value() == unit(3));
}

TEST_CASE("matrices without an inverse or a Cholesky factor") {
    const double nan = std::nan("");
    const Tensor<double> singular({2, 2}, {1, 2, 2, 4}), broken({2, 2}, {nan, 0, 0, 1});
    CHECK(contains(error_of([&] {
                       solve(singular, Tensor<double>({2}, {1, 1}));
                   }),
                   "solve: matrix is singular"));
    CHECK(contains(error_of([&] { log_determinant(singular); }), "matrix is singular"));
    CHECK(contains(error_of([&] { inverse(Tensor<double>::zeros({2, 2})); }), "is singular"));
    CHECK(contains(error_of([&] {
                       cholesky(Tensor<double>({1, 1}, {-1}));
                   }),
                   "its leading 1 rows are not"));
    CHECK(std::isnan(cholesky(broken).value()(0, 0)));
    CHECK(std::isnan(inverse(broken).value()(0, 0)));
    CHECK(std::isnan(log_determinant(broken).item()));
    CHECK(contains(error_of([] { inverse(V(1.0)); }), "expected square matrices"));
}
