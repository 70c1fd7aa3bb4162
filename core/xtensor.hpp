#pragma once

#include <unroll/core/tensor.hpp>

#include <algorithm>
#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xnoalias.hpp>
#include <xtensor/xstrided_view.hpp>

// The one header that knows xtensor: tensors in its expressions, and its arrays as tensors.

namespace unroll {

namespace detail {

template <class T>
using XtBuffer = xt::xtensor_adaptor<xt::xbuffer_adaptor<T*, xt::no_ownership>, 1>;
template <class T>
using XtView = xt::xstrided_view<XtBuffer<T>, xt::dynamic_shape<std::size_t>>;

// What xtensor needs to see a tensor: the lowest address of an element, and from there on.
template <class T>
struct XtWindow {
    explicit XtWindow(const Tensor<std::remove_const_t<T>>& x)
        : data(const_cast<T*>(x.data())), shape(x.shape().begin(), x.shape().end()),
          strides(x.strides().begin(), x.strides().end()) {
        for (std::size_t i = 0; i < shape.size(); ++i) {
            if (shape[i] <= 1) strides[i] = 0;
            const auto reach = strides[i] * static_cast<std::ptrdiff_t>(shape[i] - (shape[i] > 0));
            (reach < 0 ? offset : extent) += static_cast<std::size_t>(std::abs(reach));
        }
        if (x.size() == 0) offset = extent = 0;
        extent += offset + (x.size() > 0);
        // xtensor takes elements in the order of memory where it is told that they are dense.
        layout = x.is_contiguous() ? xt::layout_type::row_major : xt::layout_type::dynamic;
    }

    XtBuffer<T> buffer() const {
        using Adaptor = xt::xbuffer_adaptor<T*, xt::no_ownership>;
        return XtBuffer<T>(Adaptor(offset == 0 ? data : data - offset, extent), {extent});
    }

    T* data;
    xt::dynamic_shape<std::size_t> shape;
    xt::dynamic_shape<std::ptrdiff_t> strides;
    std::size_t offset = 0, extent = 0;
    xt::layout_type layout;
};

template <class E>
Shape shape_of(const E& expression) {
    return Shape(expression.shape().begin(), expression.shape().end());
}

template <class T>
using XtElement = std::conditional_t<
    std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, bool>, T,
    std::conditional_t<std::integral<T>, std::int64_t,
                       std::conditional_t<std::floating_point<T>, double, void>>>;

} // namespace detail

// A tensor as an xtensor expression: elements are shared, and kept alive for as long as this or an
// expression made from it lives. Not const T: can be assigned to, and +=, ...; what is assigned may
// be broadcast, and never changes the shape: where it does not fit, assignment throws Error.
template <class T>
class Array : public detail::XtView<T> {
public:
    using Base = detail::XtView<T>;
    using typename Base::temporary_type;

    explicit Array(Tensor<std::remove_const_t<T>> tensor)
        : Array(detail::XtWindow<T>(tensor), std::move(tensor)) {}
    Array(const Array&) = default;

    Array& operator=(const Array& other) { return assign(other); }
    template <class E>
    Array& operator=(const xt::xexpression<E>& expression) {
        return assign(expression.derived_cast());
    }
    template <class S>
        requires std::is_arithmetic_v<S>
    Array& operator=(S value) {
        this->fill(static_cast<T>(value));
        return *this;
    }

private:
    Array(detail::XtWindow<T> window, Tensor<std::remove_const_t<T>> tensor)
        : Base(window.buffer(), std::move(window.shape), std::move(window.strides), window.offset,
               window.layout),
          tensor_(std::move(tensor)) {}

    template <class E>
    Array& assign(const E& expression) {
        static_assert(!std::is_const_v<T>, "a const tensor cannot be assigned to");
        const Shape from = detail::shape_of(expression);
        if (!broadcasts_to(from, tensor_.shape()))
            fail("array", to_string(from) + " cannot be assigned to a tensor of shape " +
                              to_string(tensor_.shape()));
        const temporary_type evaluated(expression);
        Base::operator=(static_cast<const xt::xexpression<temporary_type>&>(evaluated));
        return *this;
    }

    Tensor<std::remove_const_t<T>> tensor_;
};

template <class T>
Array<T> array(Tensor<T>& tensor) {
    return Array<T>(tensor);
}
template <class T>
Array<T> array(Tensor<T>&& tensor) {
    return Array<T>(std::move(tensor));
}
template <class T>
Array<const T> array(const Tensor<T>& tensor) {
    return Array<const T>(tensor);
}

// The value of any xtensor expression as a new tensor. The element type follows the expression's
// (integers become std::int64_t) unless it is given: tensor<float>(expression).
template <class Wanted = void, class E>
auto tensor(const xt::xexpression<E>& expression) {
    using Own = detail::XtElement<typename E::value_type>;
    using T = std::conditional_t<std::is_void_v<Wanted>, Own, Wanted>;
    static_assert(!std::is_void_v<T>, "tensors hold float, double, std::int64_t or bool");
    const E& e = expression.derived_cast();
    Tensor<T> fresh(detail::shape_of(e));
    xt::noalias(static_cast<detail::XtView<T>&&>(array(fresh))) = xt::cast<T>(e);
    return fresh;
}

// An xtensor container as a tensor, without a copy: the tensor owns the container from now on.
// A column-major container gives a tensor with its strides.
template <class Container>
    requires(!std::is_lvalue_reference_v<Container>)
auto adopt(Container&& container) {
    using T = typename Container::value_type;
    static_assert(std::same_as<T, detail::XtElement<T>>,
                  "tensors hold float, double, std::int64_t or bool; tensor() converts");
    const Shape shape = detail::shape_of(container);
    const Strides strides(container.strides().begin(), container.strides().end());
    auto owner = std::make_unique<Container>(std::move(container));
    T* const data = owner->data();
    StorageRef storage(Storage::adopt(data, owner->size() * sizeof(T), owner.get(), [](void* owned) {
        delete static_cast<Container*>(owned);
    }));
    owner.release();
    return Tensor<T>(std::move(storage), data, shape, strides);
}

} // namespace unroll
