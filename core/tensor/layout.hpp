#pragma once

#include <unroll/core/tensor/shape.hpp>
#include <unroll/core/tensor/storage.hpp>

#include <utility>

namespace unroll {

// The shape and strides of a tensor, with derived properties. Tensors of the same layout share one,
// so that a tensor is three pointers. The first few thousand layouts of the process are never
// freed, so that copying a reference to one costs nothing; later ones are reference-counted and
// freed.
class LayoutRef {
public:
    struct Layout {
        // No elements: shape [0].
        constexpr Layout() : size(0), shape{0}, strides{1}, is_row_major(true) {}
        // Row-major if `strides` is null.
        Layout(const Shape& shape, const Strides* strides, Where where, Storage* block = nullptr);

        const std::size_t size;
        const Shape shape;
        const Strides strides; // in elements
        const bool is_row_major;
        Storage* const block = nullptr; // that holds and counts it; null: never freed
    };

    LayoutRef() : layout_(&empty) {}
    // That of a tensor that was moved from, and of a variable without a value. It has no elements;
    // to_string(shape) of this very shape, not of a copy, is "[no value: ...]".
    static LayoutRef moved_from() { return LayoutRef(&moved); }
    bool is_moved_from() const { return layout_ == &moved; }
    // Row-major. Both throw Error if the number of elements overflows. `where`: the line of the
    // user, if known.
    explicit LayoutRef(const Shape& shape, Where where = Where());
    LayoutRef(const Shape& shape, const Strides& strides);
    // A move copies: the source stays valid.
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
    static const Layout empty, moved;
    explicit LayoutRef(const Layout* layout) : layout_(layout) {}

    const Layout* layout_;
};

} // namespace unroll
