#pragma once

#include <unroll/ops/fuse/functions.hpp>

#include <algorithm>
#include <array>
#include <limits>

namespace unroll::detail {

// Vector loops over one dense row.

template <class T>
T row_max(const T* row, std::size_t n) {
    constexpr std::size_t W = Lanes<T>::width;
    T top = -std::numeric_limits<T>::infinity();
    std::size_t i = 0;
    if (n >= W) {
        Lanes<T> most = Lanes<T>::load(row);
        for (i = W; i + W <= n; i += W) most = maximum(most, Lanes<T>::load(row + i));
        std::array<T, W> lanes;
        most.store(lanes.data());
        for (const T v : lanes) top = std::max(top, v);
    }
    for (; i < n; ++i) top = std::max(top, row[i]);
    return top;
}

// out[i] = e^(row[i] - shift), where out is not null; returns their sum.
template <class T>
T row_exp(const T* row, std::size_t n, T shift, T* out) {
    constexpr std::size_t W = Lanes<T>::width;
    Lanes<T> sums(0);
    std::size_t i = 0;
    for (; i + W <= n; i += W) {
        const Lanes<T> e = exp(Lanes<T>::load(row + i) - shift);
        if (out != nullptr) e.store(out + i);
        sums += e;
    }
    if (i < n) {
        std::array<T, W> rest;
        rest.fill(-std::numeric_limits<T>::infinity());
        std::copy(row + i, row + n, rest.data());
        const Lanes<T> e = exp(Lanes<T>::load(rest.data()) - shift);
        sums += e;
        e.store(rest.data());
        if (out != nullptr) std::copy_n(rest.data(), n - i, out + i);
    }
    return sums.sum();
}

// f of the last rest < W elements of rows; the other lanes are unspecified.
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
    Lanes<T> sums(0);
    std::size_t i = 0;
    for (; i + W <= n; i += W) sums += f(Lanes<T>::load(rows + i)...);
    T total = sums.sum();
    if (i == n) return total;
    const auto lanes = row_tail<T>(n - i, f, (rows + i)...);
    for (std::size_t j = 0; j < n - i; ++j) total += lanes[j];
    return total;
}

// out = f of the elements of rows, one of which may be out.
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
