#pragma once

#include <unroll/core/shape.hpp>

namespace unroll {

// Where a kernel reads an operand: strides over the common shape, 0 along a repeated axis.
template <class T>
struct Source {
    const T* data;
    Strides strides;
};

// Where a kernel leaves a result. A null pointer: it is not wanted. A stride of 0 along an axis
// longer than 1: the results are summed over that axis. `accumulate`: add to what is there.
template <class T>
struct Sink {
    T* data;
    Strides strides;
    bool accumulate;
};

} // namespace unroll
