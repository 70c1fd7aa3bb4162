#pragma once

#include <unroll/core/tensor/layout.hpp>
#include <unroll/core/tensor/storage.hpp>

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <utility>
#include <vector>

namespace unroll {

// The first index of an element, with the source line of the access.
struct FirstIndex {
    template <std::integral I>
    FirstIndex(I index, Where where = Where::current())
        : value(static_cast<std::ptrdiff_t>(index)), where(where) {}

    std::ptrdiff_t value;
    Where where;
};

// A row-major block of numbers, or a strided view of one. Copying a tensor copies the handle; both
// see the same elements. copy() copies the elements. T: float, double, std::int64_t or bool.
template <class T>
class Tensor {
public:
    using value_type = T;

    // No elements: shape [0].
    Tensor() = default;
    // Not initialised.
    explicit Tensor(const Shape& shape) : Tensor(LayoutRef(shape)) {}
    explicit Tensor(const LayoutRef& row_major);
    // `values` in row-major order; throws Error if their number does not match the shape.
    Tensor(const Shape& shape, std::initializer_list<T> values, Where where = Where::current());
    Tensor(const Shape& shape, std::span<const T> values, Where where = Where::current());
    // A view of memory that `storage` keeps alive.
    Tensor(StorageRef storage, T* data, const LayoutRef& layout)
        : layout_(layout), storage_(std::move(storage)), data_(data) {}
    Tensor(StorageRef storage, T* data, const Shape& shape, const Strides& strides)
        : Tensor(std::move(storage), data, LayoutRef(shape, strides)) {}

    // Not to Indices or a Mask, by which functions are overloaded.
    template <std::floating_point U>
    requires(std::floating_point<T> && !std::same_as<U, T>) Tensor(const Tensor<U>&) {
        static_assert(sizeof(U) == 0,
                      "float and double do not mix: tape, layers, optimiser and tensors are of one "
                      "type; for double write Tape<double>, nn::Linear<double>, Tensor<double>");
    }
    Tensor(const Tensor&) = default;
    // Leaves `other` empty: shape [0].
    Tensor(Tensor&& other) noexcept
        : layout_(std::exchange(other.layout_, LayoutRef::moved_from())),
          storage_(std::move(other.storage_)), data_(std::exchange(other.data_, nullptr)) {}
    Tensor& operator=(const Tensor&) & = default;
    Tensor& operator=(Tensor&& other) & noexcept {
        Tensor taken(std::move(other));
        std::swap(layout_, taken.layout_);
        std::swap(storage_, taken.storage_);
        std::swap(data_, taken.data_);
        return *this;
    }
    template <class U>
    void operator=(const U&) && {
        static_assert(sizeof(U) == 0, "a view is not assigned with =, which would only replace the "
                                      "view: write view.assign(x) or view.fill(x)");
    }

    static Tensor full(const Shape& shape, T value, Where where = Where::current());
    static Tensor zeros(const Shape& shape, Where where = Where::current()) {
        return full(shape, T(0), where);
    }
    static Tensor ones(const Shape& shape, Where where = Where::current()) {
        return full(shape, T(1), where);
    }
    static Tensor scalar(T value) { return full({}, value); }

    const Shape& shape() const { return layout_->shape; }
    std::size_t shape(std::size_t axis) const { return shape()[axis]; }
    // Throws Error if it was moved from, where an empty tensor would be taken for one without
    // elements or for "none".
    void require_not_moved(const Op& op) const {
        if (layout_.is_moved_from()) [[unlikely]]
            refuse_moved(op);
    }
    const Strides& strides() const { return layout_->strides; }
    const LayoutRef& layout() const { return layout_; }
    std::size_t dimension() const { return shape().size(); }
    std::size_t size() const { return layout_->size; }
    bool is_contiguous() const;

    const T* data() const { return data_; }
    // For writing: counts as a change of the elements, as do (), fill and assign on a non-const
    // tensor. A tape that recorded the elements then refuses to run backward. Later writes through
    // the pointer, or a reference that () returned, are not detected.
    T* data() {
        if (storage_) storage_->lend();
        return data_;
    }
    const StorageRef& storage() const& { return storage_; }
    StorageRef storage() && { return std::move(storage_); }

    // An element by its indices; throws Error if one is out of range.
    template <std::integral... I>
    T& operator()(FirstIndex first, I... i) {
        if (storage_) storage_->lend();
        return data_[offset({first.value, static_cast<std::ptrdiff_t>(i)...}, first.where)];
    }
    template <std::integral... I>
    const T& operator()(FirstIndex first, I... i) const {
        return data_[offset({first.value, static_cast<std::ptrdiff_t>(i)...}, first.where)];
    }
    // The element of a scalar.
    T& operator()(Where where = Where::current()) {
        if (storage_) storage_->lend();
        return data_[offset({}, where)];
    }
    const T& operator()(Where where = Where::current()) const { return data_[offset({}, where)]; }
    // The only element; throws Error unless there is exactly one.
    T item(Where where = Where::current()) const;

    // Views: no element is copied. Negative axes count from the end. (GCC takes the caller's line
    // for a member of a template only if the default argument itself calls Where::current().)
    // Elements [begin, end) of an axis.
    Tensor slice(std::ptrdiff_t axis, std::size_t begin, std::size_t end,
                 Op op = {"slice", Where::current()}) const;
    // One element of an axis, which is dropped.
    Tensor select(std::ptrdiff_t axis, std::size_t index,
                  Op op = {"select", Where::current()}) const;
    Tensor transpose(std::span<const std::size_t> order,
                     Op op = {"transpose", Where::current()}) const;
    Tensor transpose() const; // axes reversed
    Tensor flip(std::ptrdiff_t axis, Op op = {"flip", Where::current()}) const;
    Tensor expand_dims(std::ptrdiff_t axis, Op op = {"expand_dims", Where::current()}) const;
    Tensor squeeze(std::ptrdiff_t axis, Op op = {"squeeze", Where::current()}) const;
    Tensor broadcast_to(const Shape& shape, Op op = {"broadcast_to", Where::current()}) const;
    // A view if the strides allow it, otherwise a copy.
    Tensor reshape(const Shape& shape, Op op = {"reshape", Where::current()}) const;

    Tensor copy() const;
    Tensor contiguous() const { return is_contiguous() ? *this : copy(); }
    // Overwrites the elements; throws Error if shapes differ.
    void assign(const Tensor& other, Op op = {"assign", Where::current()});
    void fill(T value);

    // Equal shape and elements.
    friend bool operator==(const Tensor& a, const Tensor& b) { return a.equals(b); }
    std::vector<T> to_vector() const;

    // The elements, to be written immediately and not later.
    T* overwrite() {
        if (storage_) storage_->changed();
        return data_;
    }

private:
    [[noreturn]] static void refuse_moved(const Op& op);
    // A view of the same storage with another layout, starting at data() + offset.
    Tensor view(std::ptrdiff_t offset, const Shape& shape, const Strides& strides) const {
        return Tensor(storage_, data_ + offset, LayoutRef(shape, strides));
    }
    std::ptrdiff_t offset(std::initializer_list<std::ptrdiff_t> indices, Where where) const;
    bool equals(const Tensor& other) const;

    LayoutRef layout_;
    StorageRef storage_;
    T* data_ = nullptr;
};

// Whether the memory extents of x and y overlap.
template <class T>
bool overlap(const Tensor<T>& x, const Tensor<T>& y);

template <class T>
std::ostream& operator<<(std::ostream& out, const Tensor<T>& tensor);

using Indices = Tensor<std::int64_t>;
using Mask = Tensor<bool>;

extern template class Tensor<float>;
extern template class Tensor<double>;
extern template class Tensor<std::int64_t>;
extern template class Tensor<bool>;

} // namespace unroll
