#pragma once

#include <unroll/core/kernels/simd.hpp>
#include <unroll/core/tensor/tensor.hpp>

namespace unroll {

// Sums a stream of V pairwise, in blocks of 16: the error grows like the logarithm of their number.
// V is Lanes, or any type with addition that can be constructed from 0.
template <class V>
class PairwiseSum {
public:
    void add(const V& v) {
        block_ += v;
        if (++in_block_ == 16) carry();
    }
    V total() const {
        V sum = block_;
        for (std::size_t level = 0; blocks_ >> level != 0; ++level)
            if ((blocks_ >> level & 1) != 0) sum += levels_[level];
        return sum;
    }

private:
    // Works like a binary counter: level l holds the sum of 2^l blocks.
    void carry() {
        std::size_t level = 0;
        for (; (blocks_ >> level & 1) != 0; ++level) block_ += levels_[level];
        levels_[level] = block_;
        ++blocks_;
        block_ = V(0);
        in_block_ = 0;
    }

    V block_ = V(0);
    unsigned in_block_ = 0;
    std::size_t blocks_ = 0;
    std::array<V, 48> levels_;
};

// The sum of x, or of x - shift, or of their squares, along the axes on which `kept`, of x's rank,
// is 1. `shift` has the shape `kept`. Pairwise; large sums are divided among threads.
enum class Summand { value, square };
template <class T>
Tensor<T> sum_along(const Tensor<T>& x, const Shape& kept, Summand summand = Summand::value,
                    const Tensor<T>* shift = nullptr);

// The mean along these axes, exact if all elements are equal, without overflow. NaN over no
// elements.
template <class T>
Tensor<T> mean_along(const Tensor<T>& x, const Shape& kept);

// The rounding error of a mean: the mean of x - mean if finite, otherwise 0.
template <class T>
Tensor<T> mean_rest(const Tensor<T>& x, const Tensor<T>& mean);

// The sum of (x - shift)^2 along these axes is sum * 4^exponent: neither overflows nor underflows.
template <class T>
struct SquareSums {
    Tensor<T> sums;
    std::vector<int> exponents; // one per sum; empty if all are 0
};
template <class T>
SquareSums<T> square_sums_along(const Tensor<T>& x, const Shape& kept,
                                const Tensor<T>* shift = nullptr);

} // namespace unroll
