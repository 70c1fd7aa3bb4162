#pragma once

#include <unroll/core/tensor/layout.hpp>

#include <utility>

namespace unroll {

// A strided part of a row-major buffer, in elements. A stride of 0 repeats one element.
struct StridedView {
    std::size_t offset = 0;
    LayoutRef layout;

    StridedView() = default;
    StridedView(std::size_t offset, const LayoutRef& layout) : offset(offset), layout(layout) {}
    StridedView(std::size_t offset, const Shape& shape, const Strides& strides)
        : StridedView(offset, LayoutRef(shape, strides)) {}
    static StridedView whole(const Shape& shape) { return {0, LayoutRef(shape)}; }

    const Shape& shape() const { return layout->shape; }
    const Strides& strides() const { return layout->strides; }
    std::size_t size() const { return layout->size; }
    friend bool operator==(const StridedView&, const StridedView&) = default;
};

// The memory extent [first, second) of a strided view, in elements relative to its first.
std::pair<std::ptrdiff_t, std::ptrdiff_t> extent(const Shape& shape, const Strides& strides);
// The same in elements of the buffer.
std::pair<std::size_t, std::size_t> extent(const StridedView& view);
// Whether it contains an element more than once.
bool repeats(const StridedView& view);
// Whether the memory extent of `part` is within that of `view`.
bool is_within(const StridedView& part, const StridedView& view);

// Tracks which elements of a gradient buffer have been written: the first contribution to an
// element is stored, later ones are added. Represents one run of elements and one block of rows
// filled column by column, the order in which time steps and gates contribute; for anything else
// the gaps are filled with zeros first. Contributions of T steps thus cost O(T), without clearing
// the buffer.
class WrittenRegions {
public:
    // Announces that all of `part` will be written. True: add to it. False: overwrite it.
    template <class T>
    bool take(T* buffer, const StridedView& whole, const StridedView& part);

    // Fills unwritten elements with zeros.
    template <class T>
    void settle(T* buffer, std::size_t size);

    bool none() const { return begin_ == end_ && columns_ == 0; }
    void set_all(std::size_t size) { *this = {}, end_ = size; }
    void reset() { *this = {}; }

private:
    template <class T>
    bool take_run(T* buffer, std::size_t begin, std::size_t end);
    template <class T>
    void close_block(T* buffer);
    template <class T>
    bool take_columns(T* buffer, std::size_t begin, std::size_t rows, std::size_t stride,
                      std::size_t column, std::size_t columns);

    std::size_t begin_ = 0, end_ = 0; // the run
    std::size_t block_ = 0;           // where the block begins
    std::size_t rows_ = 0, stride_ = 0, columns_ = 0;
};

} // namespace unroll
