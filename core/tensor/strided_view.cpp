#include <unroll/core/tensor/strided_view.hpp>

#include <algorithm>
#include <cstdint>

namespace unroll {

namespace {

template <class T>
void zero(T* buffer, std::size_t begin, std::size_t end) {
    if (begin < end) std::fill(buffer + begin, buffer + end, T(0));
}

struct Axes {
    Shape shape;
    Strides strides;
};

// The part without repeated and unit axes, and with adjacent axes merged if they form one stride.
Axes merged(const StridedView& part) {
    Axes out;
    for (std::size_t i = 0; i < part.shape().size(); ++i) {
        if (part.shape()[i] == 1 || part.strides()[i] == 0) continue;
        const auto span = part.strides()[i] * static_cast<std::ptrdiff_t>(part.shape()[i]);
        if (!out.shape.empty() && out.strides.back() == span) {
            out.shape.back() *= part.shape()[i];
            out.strides.back() = part.strides()[i];
        } else {
            out.shape.push_back(part.shape()[i]);
            out.strides.push_back(part.strides()[i]);
        }
    }
    return out;
}

// Whether the part visits every element of a buffer of `size` exactly once.
bool is_permutation(const Axes& part, std::size_t size) {
    std::size_t count = 1;
    std::uint32_t used = 0;
    for (std::size_t found = 0; found < part.shape.size(); ++found) {
        std::size_t axis = 0;
        while (
            axis < part.shape.size() &&
            ((used >> axis & 1) || static_cast<std::size_t>(std::abs(part.strides[axis])) != count))
            ++axis;
        if (axis == part.shape.size()) return false;
        used |= 1u << axis;
        count *= part.shape[axis];
    }
    return count == size;
}

} // namespace

std::pair<std::ptrdiff_t, std::ptrdiff_t> extent(const Shape& shape, const Strides& strides) {
    std::ptrdiff_t low = 0, high = 0;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] == 0) return {0, 0};
        const auto span = strides[i] * static_cast<std::ptrdiff_t>(shape[i] - 1);
        (span < 0 ? low : high) += span;
    }
    return {low, high + 1};
}

std::pair<std::size_t, std::size_t> extent(const StridedView& view) {
    const auto [low, high] = extent(view.shape(), view.strides());
    return {view.offset + static_cast<std::size_t>(low),
            view.offset + static_cast<std::size_t>(high)};
}

bool repeats(const StridedView& view) {
    for (std::size_t i = 0; i < view.shape().size(); ++i)
        if (view.strides()[i] == 0 && view.shape()[i] > 1) return true;
    return false;
}

bool is_within(const StridedView& part, const StridedView& view) {
    const auto [begin, end] = extent(part);
    const auto [low, high] = extent(view);
    return begin >= low && end <= high;
}

template <class T>
bool WrittenRegions::take(T* buffer, const StridedView& whole, const StridedView& part) {
    const std::size_t size = whole.size();
    if (none() && part.layout == whole.layout) {
        set_all(size);
        return size == 0;
    }
    if (part.size() == 0) return true;
    const Axes run = merged(part);
    const std::size_t rank = run.shape.size();
    if (rank == 0) return take_run(buffer, part.offset, part.offset + 1);
    if (run.strides.back() == 1) {
        if (rank == 1) return take_run(buffer, part.offset, part.offset + run.shape[0]);
        const std::size_t width = whole.shape().back();
        if (rank == 2 && run.strides[0] == static_cast<std::ptrdiff_t>(width)) {
            const std::size_t column = part.offset % width;
            if (column + run.shape[1] <= width)
                return take_columns(buffer, part.offset - column, run.shape[0], width, column,
                                    run.shape[1]);
        }
    }
    if (none() && is_permutation(run, size)) {
        set_all(size);
        return false;
    }
    settle(buffer, size);
    return true;
}

template <class T>
bool WrittenRegions::take_run(T* buffer, std::size_t begin, std::size_t end) {
    if (begin >= begin_ && end <= end_) return true;
    if (columns_ != 0) {
        close_block(buffer);
        return take_run(buffer, begin, end);
    }
    if (begin_ == end_) {
        begin_ = begin, end_ = end;
        return false;
    }
    if (end <= begin_ || begin >= end_) {
        zero(buffer, end, begin_);
        zero(buffer, end_, begin);
        begin_ = std::min(begin, begin_), end_ = std::max(end, end_);
        return false;
    }
    zero(buffer, begin, begin_);
    zero(buffer, end_, end);
    begin_ = std::min(begin, begin_), end_ = std::max(end, end_);
    return true;
}

template <class T>
void WrittenRegions::close_block(T* buffer) {
    for (std::size_t row = 0; columns_ < stride_ && row < rows_; ++row)
        zero(buffer, block_ + row * stride_ + columns_, block_ + (row + 1) * stride_);
    columns_ = 0;
    take_run(buffer, block_, block_ + rows_ * stride_);
}

template <class T>
bool WrittenRegions::take_columns(T* buffer, std::size_t begin, std::size_t rows,
                                  std::size_t stride, std::size_t column, std::size_t columns) {
    const std::size_t end = begin + rows * stride;
    if (begin >= begin_ && end <= end_) return true;
    const bool same = columns_ != 0 && begin == block_ && rows == rows_ && stride == stride_;
    if (same && column + columns <= columns_) return true;
    if (same && column == columns_) {
        columns_ += columns;
        if (columns_ == stride_) close_block(buffer);
        return false;
    }
    if (columns_ != 0) {
        close_block(buffer);
        return take_columns(buffer, begin, rows, stride, column, columns);
    }
    const bool apart = begin_ == end_ || end <= begin_ || begin >= end_;
    if (apart && column == 0) {
        block_ = begin, rows_ = rows, stride_ = stride, columns_ = columns;
        return false;
    }
    if (!take_run(buffer, begin, end)) zero(buffer, begin, end);
    return true;
}

template <class T>
void WrittenRegions::settle(T* buffer, std::size_t size) {
    if (columns_ != 0) close_block(buffer);
    zero(buffer, 0, std::min(begin_, size));
    zero(buffer, end_, size);
    set_all(size);
}

template bool WrittenRegions::take(float*, const StridedView&, const StridedView&);
template bool WrittenRegions::take(double*, const StridedView&, const StridedView&);
template void WrittenRegions::settle(float*, std::size_t);
template void WrittenRegions::settle(double*, std::size_t);

} // namespace unroll
