#pragma once

#include <unroll/core/tensor/tensor.hpp>

namespace unroll {

// A strided input of a kernel, of any shape that broadcasts to the kernel's. Refers to its tensor.
template <class T>
struct InputOperand {
    const T* data = nullptr;
    const LayoutRef::Layout* layout = nullptr;

    InputOperand() = default;
    InputOperand(const T* data, const LayoutRef& layout) : data(data), layout(&*layout) {}
    InputOperand(const Tensor<T>& x) : InputOperand(x.data(), x.layout()) {}
};

// A strided output of a kernel. Null: the result is not computed. Results are summed along axes on
// which its shape broadcasts to the kernel's. `accumulate`: add to the existing values.
template <class T>
struct OutputOperand {
    T* data = nullptr;
    const LayoutRef::Layout* layout = nullptr;
    bool accumulate = false;

    OutputOperand() = default;
    OutputOperand(T* data, const LayoutRef& layout, bool accumulate)
        : data(data), layout(&*layout), accumulate(accumulate) {}
    OutputOperand(Tensor<T>& x, bool accumulate = false)
        : OutputOperand(x.overwrite(), x.layout(), accumulate) {}
};

} // namespace unroll
