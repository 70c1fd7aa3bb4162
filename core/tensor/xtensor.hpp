#pragma once

#include <unroll/core/tensor/tensor.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <type_traits>
#include <utility>

#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xnoalias.hpp>
#include <xtensor/xstrided_view.hpp>
#include <xtensor/xtensor.hpp>

// The only header that depends on xtensor: tensors as xtensor expressions, and xtensor arrays as
// tensors. Avoid xt::eval in C++20: xtensor 0.24 gives every expression whose rank is unknown at
// compile time four dimensions. Use tensor(), or name the type (xt::xarray<float> y = ...).

namespace unroll {

namespace detail {

template <class T>
using XtMemory =
    ::xt::xbuffer_adaptor<T*, ::xt::no_ownership, std::allocator<std::remove_const_t<T>>>;
template <class T>
using XtBuffer = ::xt::xtensor_adaptor<XtMemory<T>, 1>;

// The buffer that xtensor requires: from the lowest element address.
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
        // xtensor reads elements in memory order if the layout declares them dense.
        layout = x.is_contiguous() ? ::xt::layout_type::row_major : ::xt::layout_type::dynamic;
    }

    XtBuffer<T> buffer() const {
        return XtBuffer<T>(XtMemory<T>(offset == 0 ? data : data - offset, extent), {extent});
    }

    T* data;
    ::xt::dynamic_shape<std::size_t> shape;
    ::xt::dynamic_shape<std::ptrdiff_t> strides;
    std::size_t offset = 0, extent = 0;
    ::xt::layout_type layout;
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

// Hidden from argument-dependent lookup: xtensor's own calls of sum or exp must not find ours.
namespace arrays {
template <class T>
class Array;
}
using arrays::Array;

} // namespace unroll

template <class T>
struct xt::xcontainer_inner_types<unroll::Array<T>> {
    using xexpression_type = unroll::detail::XtBuffer<T>;
    using undecay_expression =
        std::conditional_t<std::is_const_v<T>, const xexpression_type, xexpression_type>;
    using reference = T&;
    using const_reference = const T&;
    using size_type = std::size_t;
    using shape_type = xt::dynamic_shape<std::size_t>;
    using undecay_shape = shape_type;
    using storage_getter = xt::detail::inner_storage_getter<undecay_expression&>;
    using inner_storage_type = typename storage_getter::type;
    using storage_type = std::remove_reference_t<inner_storage_type>;
    using temporary_type = xt::xarray<std::remove_const_t<T>, xt::layout_type::row_major>;
    static constexpr xt::layout_type layout = xt::layout_type::dynamic;
};

template <class T>
struct xt::xiterable_inner_types<unroll::Array<T>> {
    using inner_shape_type = xt::dynamic_shape<std::size_t>;
    using stepper = xt::xstepper<unroll::Array<T>>;
    using const_stepper = xt::xstepper<const unroll::Array<T>>;
};

namespace unroll {

namespace arrays {

// A tensor as an xtensor expression. It shares the elements and keeps them alive for as long as it,
// or an expression that took it by value, lives. Assignable if T is not const: the right-hand side
// is broadcast, and assignment throws Error if shapes do not match; it never changes the shape.
template <class T>
class Array : public ::xt::xview_semantic<Array<T>>,
              public ::xt::xiterable<Array<T>>,
              private ::xt::xstrided_view_base<Array<T>> {
    using Own = std::remove_const_t<T>;
    using Semantic = ::xt::xview_semantic<Array<T>>;
    using View = ::xt::xstrided_view_base<Array<T>>;

public:
    using expression_tag = ::xt::xtensor_expression_tag;
    using temporary_type = typename ::xt::xcontainer_inner_types<Array>::temporary_type;
    using value_type = Own;
    using typename View::backstrides_type;
    using typename View::bool_load_type;
    using typename View::const_pointer;
    using typename View::const_reference;
    using typename View::difference_type;
    using typename View::inner_backstrides_type;
    using typename View::inner_shape_type;
    using typename View::inner_strides_type;
    using typename View::pointer;
    using typename View::reference;
    using typename View::shape_type;
    using typename View::simd_value_type;
    using typename View::size_type;
    using typename View::storage_type;
    using typename View::strides_type;
    using typename View::xexpression_type;
    using stepper = ::xt::xstepper<Array>;
    using const_stepper = ::xt::xstepper<const Array>;
    using linear_iterator = T*;
    using const_linear_iterator = const T*;
    using container_iterator = T*;
    using const_container_iterator = const T*;
    using View::contiguous_layout;
    using View::is_const;
    using View::static_layout;
    template <class Requested>
    using simd_return_type = xt_simd::simd_return_type<value_type, Requested>;

    explicit Array(Tensor<Own> tensor) : Array(detail::XtWindow<T>(tensor), tensor) {}
    Array(const Array&) = default;

    Array& operator=(const Array& other) {
        return *this = static_cast<const ::xt::xexpression<Array>&>(other);
    }
    template <class E>
    Array& operator=(const ::xt::xexpression<E>& expression) {
        assign_temporary_impl(temporary_type(expression));
        return *this;
    }
    template <class S>
    ::xt::disable_xexpression<S, Array&> operator=(const S& value) {
        tensor_.fill(static_cast<Own>(value));
        return *this;
    }
    template <class S>
    void fill(const S& value) {
        *this = value;
    }

    using View::backstrides;
    using View::broadcast_shape;
    using View::data_offset;
    using View::dimension;
    using View::expression;
    using View::has_linear_assign;
    using View::is_contiguous;
    using View::layout;
    using View::shape;
    using View::size;
    using View::strides;

    // Every access for writing counts as a change of the elements.
#define UNROLL_ACCESS(name)                                                                        \
    template <class... I>                                                                          \
    decltype(auto) name(I&&... i) {                                                                \
        mark_changed();                                                                            \
        return View::name(std::forward<I>(i)...);                                                  \
    }                                                                                              \
    template <class... I>                                                                          \
    decltype(auto) name(I&&... i) const {                                                          \
        return View::name(std::forward<I>(i)...);                                                  \
    }
    UNROLL_ACCESS(operator())
    UNROLL_ACCESS(at)
    UNROLL_ACCESS(unchecked)
    UNROLL_ACCESS(element)
    UNROLL_ACCESS(data)
    UNROLL_ACCESS(storage)
#undef UNROLL_ACCESS
    template <class I>
    decltype(auto) operator[](const I& i) {
        mark_changed();
        return View::operator[](i);
    }
    template <class I>
    decltype(auto) operator[](const I& i) const {
        return View::operator[](i);
    }
    decltype(auto) operator[](std::initializer_list<size_type> i) {
        mark_changed();
        return View::operator[](i);
    }

    T* linear_begin() {
        mark_changed();
        return begin_;
    }
    T* linear_end() { return begin_ + this->size(); }
    const T* linear_cbegin() const { return begin_; }
    const T* linear_cend() const { return begin_ + this->size(); }
    reference data_element(size_type i) {
        mark_changed();
        return begin_[i];
    }
    const_reference data_element(size_type i) const { return begin_[i]; }
    reference flat(size_type i) {
        mark_changed();
        return begin_[i];
    }
    const_reference flat(size_type i) const { return begin_[i]; }

    template <class S>
    stepper stepper_begin(const S& shape) {
        mark_changed();
        return stepper(this, begin_, shape.size() - dimension());
    }
    template <class S>
    stepper stepper_end(const S& shape, ::xt::layout_type l) {
        const size_type offset = shape.size() - dimension();
        return stepper(this, data_xend(l, offset), offset);
    }
    template <class S>
    const_stepper stepper_begin(const S& shape) const {
        return const_stepper(this, begin_, shape.size() - dimension());
    }
    template <class S>
    const_stepper stepper_end(const S& shape, ::xt::layout_type l) const {
        const size_type offset = shape.size() - dimension();
        return const_stepper(this, data_xend(l, offset), offset);
    }

private:
    friend Semantic;
    friend ::xt::xsemantic_base<Array>;
    friend ::xt::xaccessible<Array>;
    friend ::xt::xconst_accessible<Array>;
    template <class>
    friend class ::xt::xstepper;

    Array(detail::XtWindow<T> window, Tensor<Own> tensor)
        : View(window.buffer(), std::move(window.shape), std::move(window.strides), window.offset,
               window.layout),
          tensor_(std::move(tensor)), begin_(tensor_.data()) {}

    void mark_changed() {
        if constexpr (!std::is_const_v<T>)
            if (tensor_.storage()) tensor_.storage()->changed();
    }
    T* data_xbegin() noexcept {
        mark_changed();
        return begin_;
    }
    const T* data_xbegin() const noexcept { return begin_; }
    T* data_xend(::xt::layout_type l, size_type offset) noexcept {
        return ::xt::strided_data_end(*this, begin_, l, offset);
    }
    const T* data_xend(::xt::layout_type l, size_type offset) const noexcept {
        return ::xt::strided_data_end(*this, static_cast<const T*>(begin_), l, offset);
    }

    // Every assignment goes through one of these three. xtensor's defaults do not check the shape.
    void assign_temporary_impl(temporary_type&& evaluated) { fill_from(evaluated); }
    template <class E>
    Array& assign_xexpression(const ::xt::xexpression<E>& expression) {
        return fill_from(expression.derived_cast());
    }
    template <class E>
    Array& computed_assign(const ::xt::xexpression<E>& expression) {
        return fill_from(expression.derived_cast());
    }
    template <class E>
    Array& fill_from(const E& expression) {
        const Shape from = detail::shape_of(expression);
        if (!broadcasts_to(from, tensor_.shape()))
            fail("array", to_string(from) + " cannot be assigned to a tensor of shape " +
                              to_string(tensor_.shape()));
        return Semantic::assign_xexpression(expression);
    }

    Tensor<Own> tensor_;
    T* begin_;
};

} // namespace arrays

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
auto tensor(const ::xt::xexpression<E>& expression) {
    using Own = detail::XtElement<typename E::value_type>;
    using T = std::conditional_t<std::is_void_v<Wanted>, Own, Wanted>;
    static_assert(!std::is_void_v<T>, "tensors hold float, double, std::int64_t or bool");
    const E& e = expression.derived_cast();
    Tensor<T> fresh(detail::shape_of(e));
    Array<T> target = array(fresh);
    ::xt::noalias(target) = ::xt::cast<T>(e);
    return fresh;
}

namespace detail {

template <class Container>
auto adopt(Container container) {
    using T = typename Container::value_type;
    static_assert(std::same_as<T, XtElement<T>>,
                  "tensors hold float, double, std::int64_t or bool; tensor() converts");
    const Shape shape = shape_of(container);
    const Strides strides(container.strides().begin(), container.strides().end());
    auto owner = std::make_unique<Container>(std::move(container));
    T* const data = owner->data();
    const auto release = [](void* owned) { delete static_cast<Container*>(owned); };
    StorageRef storage(Storage::adopt(data, owner.get(), release));
    owner.release();
    return Tensor<T>(std::move(storage), data, shape, strides);
}

} // namespace detail

// An xarray or xtensor as a tensor, without a copy: the tensor takes ownership of the elements. A
// column-major array gives a tensor with its strides. Throws Error beyond 8 dimensions.
template <class Elements, ::xt::layout_type layout, class S, class Tag>
auto adopt(::xt::xarray_container<Elements, layout, S, Tag>&& container) {
    return detail::adopt(std::move(container));
}
template <class Elements, std::size_t rank, ::xt::layout_type layout, class Tag>
auto adopt(::xt::xtensor_container<Elements, rank, layout, Tag>&& container) {
    return detail::adopt(std::move(container));
}

} // namespace unroll
