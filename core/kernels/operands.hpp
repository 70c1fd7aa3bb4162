#pragma once

#include <unroll/core/tensor/tensor.hpp>

namespace unroll {

// Where a kernel reads an operand, of any shape that broadcasts to the kernel's. It refers to the
// tensor that it was made of.
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

// Where a kernel leaves a result. A null pointer: it is not wanted. Along the axes that its shape
// is repeated on to be the kernel's, results are summed. `accumulate`: add to what is there.
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
