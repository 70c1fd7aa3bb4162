#pragma once

#include <unroll/ops/functions.hpp>

#include <algorithm>
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

} // namespace unroll::detail
