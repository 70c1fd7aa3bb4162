#pragma once

#include <unroll/core/tensor/tensor.hpp>

namespace unroll {

// A strided input of a kernel, of any shape that broadcasts to the kernel's. Refers to its tensor.
template <class T>
struct Source {
    const T* data = nullptr;
    const Shape* shape = nullptr;
    const Strides* strides = nullptr;

    Source() = default;
    Source(const T* data, const Shape& shape, const Strides& strides)
        : data(data), shape(&shape), strides(&strides) {}
    Source(const Tensor<T>& x) : Source(x.data(), x.shape(), x.strides()) {}
};

// A strided output of a kernel. Null: the result is not computed. Results are summed along axes on
// which its shape broadcasts to the kernel's. `accumulate`: add to the existing values.
template <class T>
struct Sink {
    T* data = nullptr;
    const Shape* shape = nullptr;
    const Strides* strides = nullptr;
    bool accumulate = false;

    Sink() = default;
    Sink(T* data, const Shape& shape, const Strides& strides, bool accumulate)
        : data(data), shape(&shape), strides(&strides), accumulate(accumulate) {}
    Sink(Tensor<T>& x, bool accumulate = false)
        : Sink(x.overwrite(), x.shape(), x.strides(), accumulate) {}
};

} // namespace unroll
