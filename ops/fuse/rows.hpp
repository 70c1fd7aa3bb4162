#pragma once

#include <unroll/core/kernels/sums.hpp>
#include <unroll/ops/fuse/functions.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace unroll::detail {

// Vector loops over one dense row.

// NaN if an element is NaN; -inf if there are no elements.
template <class T>
T row_max(const T* row, std::size_t n) {
    constexpr std::size_t W = Lanes<T>::width;
    Lanes<T> most(-std::numeric_limits<T>::infinity());
    std::size_t i = 0;
    for (; i + W <= n; i += W) most = maximum(most, Lanes<T>::load(row + i));
    std::array<T, W> lanes;
    most.store(lanes.data());
    T top = lanes[0];
    for (std::size_t w = 1; w < W; ++w) top = maximum(top, lanes[w]);
    for (; i < n; ++i) top = maximum(top, row[i]);
    return top;
}

// out[i] = e^(row[i] - shift) unless out is null; returns the sum.
template <class T>
T row_exp(const T* row, std::size_t n, T shift, T* out) {
    constexpr std::size_t W = Lanes<T>::width;
    PairwiseSum<Lanes<T>> sum;
    std::size_t i = 0;
    for (; i + W <= n; i += W) {
        const Lanes<T> e = exp(Lanes<T>::load(row + i) - shift);
        if (out != nullptr) e.store(out + i);
        sum.add(e);
    }
    if (i < n) {
        std::array<T, W> rest;
        rest.fill(-std::numeric_limits<T>::infinity());
        std::copy(row + i, row + n, rest.data());
        const Lanes<T> e = exp(Lanes<T>::load(rest.data()) - shift);
        sum.add(e);
        e.store(rest.data());
        if (out != nullptr) std::copy_n(rest.data(), n - i, out + i);
    }
    return sum.total().sum();
}

// log(sum e^(row[i] - top)) for the largest element `top`, which is finite. If one element
// dominates the sum, this is log1p of the others.
template <class T>
T row_log_sum_exp(const T* row, std::size_t n, T top) {
    const T sum = row_exp<T>(row, n, top, nullptr);
    if (!(sum < T(1.5))) return std::log(sum);
    const std::size_t at = static_cast<std::size_t>(std::find(row, row + n, top) - row);
    return std::log1p(row_exp<T>(row, at, top, nullptr) +
                      row_exp<T>(row + at + 1, n - at - 1, top, nullptr));
}

// f of the last `rest` < W elements of rows; the other lanes are unspecified.
template <class T, class F>
std::array<T, Lanes<T>::width> row_tail(std::size_t rest, const F& f, const auto*... rows) {
    constexpr std::size_t W = Lanes<T>::width;
    const auto padded = [rest](const T* row) {
        std::array<T, W> lanes{};
        std::copy_n(row, rest, lanes.data());
        return Lanes<T>::load(lanes.data());
    };
    std::array<T, W> lanes;
    Lanes<T>(f(padded(rows)...)).store(lanes.data());
    return lanes;
}

// The sum of f over the elements of rows.
template <class T, class F>
T row_sum(std::size_t n, const F& f, const auto*... rows) {
    constexpr std::size_t W = Lanes<T>::width;
    PairwiseSum<Lanes<T>> sum;
    std::size_t i = 0;
    for (; i + W <= n; i += W) sum.add(f(Lanes<T>::load(rows + i)...));
    T total = sum.total().sum();
    if (i == n) return total;
    const auto lanes = row_tail<T>(n - i, f, (rows + i)...);
    for (std::size_t j = 0; j < n - i; ++j) total += lanes[j];
    return total;
}

// The exact mean of a row is mean + rest, where `rest` is the rounding error of the mean. With d =
// x - mean - rest, scale = 1 / sqrt(mean of d^2 + epsilon). Not centred: with a mean of 0.
template <class T>
struct RowMoments {
    T mean = 0, rest = 0, scale;

    RowMoments(const T* row, std::size_t n, T epsilon, bool is_centred) {
        const T count = static_cast<T>(n);
        if (is_centred) find_mean(row, n);
        const auto variance = [&](T unit) {
            return row_sum<T>(
                       n,
                       [=, *this](auto x) {
                           const auto d = (x - mean - rest) * unit;
                           return d * d;
                       },
                       row) /
                   count;
        };
        const T plain = variance(T(1));
        scale = T(1) / std::sqrt(plain + epsilon);
        if (std::isfinite(plain) && (epsilon > 0 || plain > std::numeric_limits<T>::min() * count))
            return;
        // The squares overflow or underflow.
        T top = 0;
        for (std::size_t i = 0; i < n; ++i) top = std::max(top, std::abs(row[i] - mean - rest));
        if (top == 0 || !std::isfinite(top)) return;
        const T unit =
            std::ldexp(T(1), -std::clamp(std::ilogb(top), std::numeric_limits<T>::min_exponent,
                                         std::numeric_limits<T>::max_exponent - 2));
        scale = unit / std::sqrt(variance(unit) + epsilon * unit * unit);
    }

private:
    void find_mean(const T* row, std::size_t n) {
        const T part = T(1) / static_cast<T>(n), count = static_cast<T>(n);
        mean = row_sum<T>(
                   n, [](auto x) { return x; }, row) /
               count;
        if (!std::isfinite(mean)) // the sum may overflow although the mean does not
            mean = row_sum<T>(
                n, [part](auto x) { return x * part; }, row);
        const T first = mean;
        const T correction = row_sum<T>(
                                 n, [first](auto x) { return x - first; }, row) /
                             count;
        mean += std::isfinite(correction) ? correction : T(0);
        rest = std::isfinite(correction) ? correction - (mean - first) : T(0);
    }
};

// out = f of the elements of rows; `out` may be one of them.
template <class T, class F>
void row_map(std::size_t n, T* out, const F& f, const auto*... rows) {
    constexpr std::size_t W = Lanes<T>::width;
    std::size_t i = 0;
    for (; i + W <= n; i += W) Lanes<T>(f(Lanes<T>::load(rows + i)...)).store(out + i);
    if (i == n) return;
    const auto lanes = row_tail<T>(n - i, f, (rows + i)...);
    std::copy_n(lanes.data(), n - i, out + i);
}

} // namespace unroll::detail
