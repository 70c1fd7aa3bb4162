#include "support.hpp"

#include <unroll/core/kernels/gemm.hpp>
#include <unroll/core/kernels/product.hpp>
#include <unroll/core/kernels/threads.hpp>

using namespace test;

TEST_CASE_TEMPLATE("gemm equals plain loops", T, float, double) {
    Random random(1);
    const double tolerance = std::is_same_v<T, float> ? 1e-4 : 1e-12;
    for (int round = 0; round < 300; ++round) {
        const bool ta = random.below(2), tb = random.below(2);
        // Sometimes larger than the blocks of the kernels.
        const auto extent = [&](std::size_t most) {
            return random.below(10) == 0 ? random.below(most) : random.below(40);
        };
        const std::size_t m = extent(150), n = extent(round % 50 == 0 ? 1200 : 150),
                          k = extent(600);
        const auto leading = [&](std::size_t length) {
            return random.below(2) ? length + random.below(3) : (length + 15) / 16 * 16;
        };
        const std::size_t lda = leading(ta ? m : k) + 1 - (round % 2),
                          ldb = leading(tb ? k : n) + 1 - (round % 2);
        const std::size_t ldc = leading(n) + (round % 3 == 0);
        const T beta = static_cast<T>(random.below(3)),
                alpha = static_cast<T>(random.below(2) ? 1 : -0.5);
        const auto a = random_tensor<T>({(ta ? k : m) + 1, std::max<std::size_t>(lda, 1)}),
                   b = random_tensor<T>({(tb ? n : k) + 1, std::max<std::size_t>(ldb, 1)});
        auto c = random_tensor<T>({m + 1, std::max<std::size_t>(ldc, 1)});
        auto expected = c.copy();
        if (beta == 0)
            for (std::size_t i = 0; i < m; ++i)
                for (std::size_t j = 0; j < n; ++j) c(i, j) = std::numeric_limits<T>::quiet_NaN();
        for (std::size_t i = 0; i < m; ++i)
            for (std::size_t j = 0; j < n; ++j) {
                double sum = 0;
                for (std::size_t p = 0; p < k; ++p)
                    sum += static_cast<double>(ta ? a(p, i) : a(i, p)) *
                           static_cast<double>(tb ? b(j, p) : b(p, j));
                expected(i, j) =
                    static_cast<T>(static_cast<double>(alpha) * sum +
                                   (beta == 0 ? 0 : static_cast<double>(beta * expected(i, j))));
            }
        gemm(ta, tb, m, n, k, alpha, a.data(), lda, b.data(), ldb, beta, c.data(), ldc);
        CHECK(distance(c, expected) < tolerance);
    }
    CHECK(!gemm_backend().empty());
}

TEST_CASE_TEMPLATE("a long inner dimension is summed in parts", T, float, double) {
    const double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-14;
    Random random(2);
    for (const std::size_t k : {4095, 4096, 4097, 8192, 9001})
        for (const auto& [m, n] : {std::pair(1, 3), std::pair(3, 1), std::pair(70, 530)}) {
            const std::size_t rows = static_cast<std::size_t>(m),
                              columns = static_cast<std::size_t>(n);
            const bool ta = random.below(2), tb = random.below(2);
            const T alpha = random.below(2) ? T(1) : T(0.5), beta = static_cast<T>(random.below(3));
            const auto a = random_tensor<T>(ta ? Shape{k, rows} : Shape{rows, k}, 1),
                       b = random_tensor<T>(tb ? Shape{columns, k} : Shape{k, columns}, 2);
            auto c = Tensor<T>::ones({rows, columns + 2}); // the last columns are not written
            gemm(ta, tb, rows, columns, k, alpha, a.data(), ta ? rows : k, b.data(),
                 tb ? k : columns, beta, c.data(), columns + 2);
            double worst = 0;
            for (std::size_t i = 0; i < rows; i += 23)
                for (std::size_t j = 0; j < columns; j += 101) {
                    double sum = 0;
                    for (std::size_t p = 0; p < k; ++p)
                        sum += static_cast<double>(ta ? a(p, i) : a(i, p)) *
                               static_cast<double>(tb ? b(j, p) : b(p, j));
                    const double expected =
                        static_cast<double>(alpha) * sum + static_cast<double>(beta);
                    worst = std::max(worst, std::abs(static_cast<double>(c(i, j)) - expected) /
                                                std::sqrt(static_cast<double>(k)));
                }
            CHECK(worst < tolerance);
            CHECK(c(rows - 1, columns) == T(1));
        }
}

TEST_CASE("products of any strides") {
    const auto a = random_tensor({5, 4}), b = random_tensor({4, 6});
    Tensor<double> plain({5, 6});
    multiply(a, b, 1.0, 0.0, plain);
    const auto check = [&](const Tensor<double>& x, const Tensor<double>& y) {
        auto out = Tensor<double>::full({6, 5}, 7).transpose();
        multiply(x, y, 2.0, 1.0, out);
        for (std::size_t i = 0; i < 5; ++i)
            for (std::size_t j = 0; j < 6; ++j)
                CHECK(out(i, j) == doctest::Approx(7 + 2 * plain(i, j)));
    };
    check(a, b);
    check(a.transpose().copy().transpose(), b.transpose().copy().transpose());
    check(a.flip(0).copy().flip(0), b.flip(1).copy().flip(1));
    // Operands that begin at the same address.
    const auto square = random_tensor({4, 4});
    Tensor<double> out({4, 2});
    multiply(square, square.slice(0, 0, 2).transpose(), 1.0, 0.0, out);
    CHECK(out(3, 1) == doctest::Approx(square(3, 0) * square(1, 0) + square(3, 1) * square(1, 1) +
                                       square(3, 2) * square(1, 2) + square(3, 3) * square(1, 3)));
}

TEST_CASE("large products are bitwise identical on one thread and two") {
    const auto a = random_tensor<float>({64, 256}), b = random_tensor<float>({1024, 256});
    std::array<Tensor<float>, 2> out;
    for (std::size_t i = 0; i < 2; ++i) {
        threads::set(i + 1);
        const threads::ParallelRegion region;
        out[i] = Tensor<float>({64, 1024});
        multiply(a, b.transpose(), 1.f, 0.f, out[i]);
    }
    threads::set(2);
    CHECK(out[0] == out[1]);
}
