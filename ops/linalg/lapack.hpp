#pragma once

#include <unroll/core/tensor/tensor.hpp>

#include <vector>

namespace unroll::lapack {

// Dense factorisations of one row-major matrix [n, n], through the LAPACK of BLAS. Throw Error
// beyond its range of integers.

// P A = L U
template <class T>
class Lu {
public:
    Lu(const Op& op, const T* a, std::size_t n);

    bool is_singular() const { return is_singular_; }
    // log |det A|
    T log_determinant() const;
    // Overwrites the m rows of b [m, n], each with the solution x of A x = b.
    void solve(T* b, std::size_t m) const;

private:
    Op op_;
    std::size_t n_;
    std::vector<T> factors_;
    std::vector<int> pivots_;
    bool is_singular_;
};

// Overwrites a symmetric matrix, of which only the lower triangle is read, with its lower Cholesky
// factor. Returns the number of leading rows that are positive definite: n, or fewer on failure.
template <class T>
std::size_t cholesky(const Op& op, T* a, std::size_t n);

} // namespace unroll::lapack
