#pragma once

#include <unroll/core/tensor/shape.hpp>

#include <utility>

namespace unroll {

// A strided part of a row-major buffer, in elements. A stride of 0 repeats one element.
struct Region {
    std::size_t offset = 0;
    Shape shape;
    Strides strides;

    static Region whole(const Shape& shape) { return {0, shape, row_major(shape)}; }
};

// The memory extent [first, second) of a strided view, in elements from its first one.
std::pair<std::ptrdiff_t, std::ptrdiff_t> extent(const Shape& shape, const Strides& strides);
// That of a region, in elements of the buffer.
std::pair<std::size_t, std::size_t> extent(const Region& region);
// Whether it shows an element more than once.
bool repeats(const Region& region);
// Whether the elements that `part` lies between are among those of `region`.
bool lies_in(const Region& part, const Region& region);

// Which elements of a gradient buffer hold a value already: the first arrival at a place is stored,
// later ones are added. Remembers one run of elements, and beside it one block of rows that fills
// column by column, which is how time steps and gates arrive; whatever fits neither is filled with
// zeros first. So the shares of T steps cost O(T), and none of them a pass of zeros.
class Coverage {
public:
    // Announces that all of `part` will be written. True: add to what is there. False: overwrite.
    template <class T>
    bool take(T* buffer, const Region& whole, const Region& part);

    // Fills with zeros whatever was not written.
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
