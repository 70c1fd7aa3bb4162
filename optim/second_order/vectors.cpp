#include <unroll/core/kernels/loops.hpp>
#include <unroll/optim/second_order/vectors.hpp>

#include <algorithm>
#include <cmath>

namespace unroll::optim::vectors {

namespace {

// The sum of f(i) for i < n, in eight interleaved sums for each block, so that it is fast and
// exact.
template <class F>
double sum_of(std::size_t n, const F& f) {
    constexpr std::size_t block = 8192, lanes = 8;
    double total = 0;
    for (std::size_t begin = 0; begin < n; begin += block) {
        double sums[lanes] = {};
        const std::size_t end = std::min(n, begin + block);
        std::size_t i = begin;
        for (; i + lanes <= end; i += lanes)
            for (std::size_t k = 0; k < lanes; ++k) sums[k] += f(i + k);
        for (; i < end; ++i) sums[0] += f(i);
        for (const double s : sums) total += s;
    }
    return total;
}

} // namespace

template <class T>
double dot(const Tensor<T>& a, const Tensor<T>& b) {
    const T *const x = a.data(), *const y = b.data();
    return sum_of(a.size(), [=](std::size_t i) {
        return static_cast<double>(x[i]) * static_cast<double>(y[i]);
    });
}

template <class T>
double norm_1(const Tensor<T>& a) {
    const T* const x = a.data();
    return sum_of(a.size(), [=](std::size_t i) { return std::abs(static_cast<double>(x[i])); });
}

template <class T>
double norm_max(const Tensor<T>& a) {
    double most = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        most = std::max(most, std::abs(static_cast<double>(a.data()[i])));
    return most;
}

template <class T>
Tensor<T> add_scaled(const Tensor<T>& a, double factor, const Tensor<T>& b) {
    Tensor<T> sum(a.shape());
    const auto f = static_cast<T>(factor);
    map_elements(a.shape(), std::array{InputOperand<T>(a), InputOperand<T>(b)},
                 std::array{OutputOperand<T>(sum)}, [=](auto x, auto y) { return x + y * f; });
    return sum;
}

template <class T>
Tensor<T> scaled(double factor, const Tensor<T>& a) {
    Tensor<T> product(a.shape());
    const auto f = static_cast<T>(factor);
    map_elements(a.shape(), std::array{InputOperand<T>(a)}, std::array{OutputOperand<T>(product)},
                 [=](auto x) { return x * f; });
    return product;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template double dot(const Tensor<T>&, const Tensor<T>&);                                       \
    template double norm_1(const Tensor<T>&);                                                      \
    template double norm_max(const Tensor<T>&);                                                    \
    template Tensor<T> add_scaled(const Tensor<T>&, double, const Tensor<T>&);                     \
    template Tensor<T> scaled(double, const Tensor<T>&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::optim::vectors
