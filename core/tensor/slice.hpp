#pragma once

#include <unroll/core/tensor/tensor.hpp>

#include <concepts>
#include <optional>

namespace unroll {

// Selects elements of one axis for view(): an index, which drops the axis, or one of the functions
// below. Names follow xtensor.
struct Slice {
    enum class Kind { none, index, range, new_axis, ellipsis };

    Slice() = default;
    template <std::integral I>
    Slice(I index) : kind(Kind::index), begin(static_cast<std::ptrdiff_t>(index)) {}
    Slice(Kind kind, std::optional<std::ptrdiff_t> begin = {},
          std::optional<std::ptrdiff_t> end = {}, std::ptrdiff_t step = 1)
        : kind(kind), begin(begin), end(end), step(step) {}

    Kind kind = Kind::none; // none: not given
    std::optional<std::ptrdiff_t> begin, end;
    std::ptrdiff_t step = 1;
};

// Every element.
inline Slice all() { return {Slice::Kind::range}; }
// Elements begin, begin + step, ... before `end`. Negative numbers count from the end;
// std::nullopt is the first or the last element, depending on the sign of the step.
inline Slice range(std::optional<std::ptrdiff_t> begin, std::optional<std::ptrdiff_t> end,
                   std::ptrdiff_t step = 1) {
    return {Slice::Kind::range, begin, end, step};
}
// A new axis of extent 1.
inline Slice newaxis() { return {Slice::Kind::new_axis}; }
// all() for every axis that no other slice is for. At most once.
inline Slice ellipsis() { return {Slice::Kind::ellipsis}; }

// An index of a single element; counts from the end if negative.
struct ElementIndex {
    ElementIndex() = default;
    template <std::integral I>
    ElementIndex(I index) : value(static_cast<std::ptrdiff_t>(index)), is_given(true) {}

    std::ptrdiff_t value = 0;
    bool is_given = false;
};

// The elements that the slices select, one slice per axis, beginning with the first; axes without
// one are kept whole. A view: no element is copied. Throws Error for an index or range outside its
// axis, a range whose ends are in the wrong order, a step of 0 and too many slices.
template <class T>
Tensor<T> view(const Op& op, const Tensor<T>& x, std::span<const Slice> slices);

} // namespace unroll
