#pragma once

#include <unroll/core/tensor/shape.hpp>
#include <unroll/core/tensor/storage.hpp>

#include <utility>

namespace unroll {

// The shape of a tensor and its strides, with what follows from them. One layout serves all tensors
// that are laid out alike, so that a tensor is three pointers. The process keeps the first
// few thousand layouts that it meets for good, so that a reference to one costs nothing; those that
// it meets later are counted and freed.
class LayoutRef {
public:
    struct Layout {
        // Of no elements.
        constexpr Layout() : size(0), shape{0}, strides{1}, is_row_major(true) {}
        // Row-major without strides.
        Layout(const Shape& shape, const Strides* strides, Storage* block = nullptr);

        const std::size_t size;
        const Shape shape;
        const Strides strides; // in elements
        const bool is_row_major;
        Storage* const block = nullptr; // that it lies in and is counted by; null: never freed
    };

    LayoutRef() : layout_(&empty) {}
    // Row-major. Both throw Error for more elements than can be counted.
    explicit LayoutRef(const Shape& shape);
    LayoutRef(const Shape& shape, const Strides& strides);
    // One that is moved from stays as it was.
    LayoutRef(const LayoutRef& other) noexcept : layout_(other.layout_) {
        if (layout_->block != nullptr) [[unlikely]]
            layout_->block->retain();
    }
    LayoutRef& operator=(const LayoutRef& other) noexcept {
        LayoutRef copy(other);
        std::swap(layout_, copy.layout_);
        return *this;
    }
    ~LayoutRef() {
        if (layout_->block != nullptr) [[unlikely]]
            layout_->block->release();
    }

    const Layout* operator->() const { return layout_; }
    const Layout& operator*() const { return *layout_; }
    friend bool operator==(const LayoutRef& a, const LayoutRef& b) {
        return a.layout_ == b.layout_ || (a->shape == b->shape && a->strides == b->strides);
    }

private:
    static const Layout empty;

    const Layout* layout_;
};

} // namespace unroll
