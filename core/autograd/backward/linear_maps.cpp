#include <unroll/core/autograd/backward/linear_maps.hpp>
#include <unroll/core/base/per_thread.hpp>
#include <unroll/core/kernels/loops.hpp>
#include <unroll/core/kernels/product.hpp>
#include <unroll/core/kernels/sums.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>
#include <vector>

namespace unroll {

namespace {

// Whether the memory extents of two views overlap.
bool meet(const StridedView& a, const StridedView& b) {
    const auto [a_low, a_high] = extent(a);
    const auto [b_low, b_high] = extent(b);
    return std::max(a_low, b_low) < std::min(a_high, b_high);
}

// Restricts a part to the rows that overlap the target, along its axis of largest stride: if the
// part spans many time steps and the target is one of them, one step remains.
template <class T>
Part<T> cut(const Part<T>& part, const StridedView& target) {
    if (is_within(part.view, target)) return part;
    const StridedView& r = part.view;
    std::size_t axis = r.shape().size();
    for (std::size_t a = 0; a < r.shape().size(); ++a)
        if (r.shape()[a] > 1 && r.strides()[a] != 0 &&
            (axis == r.shape().size() || std::abs(r.strides()[a]) > std::abs(r.strides()[axis])))
            axis = a;
    if (axis == r.shape().size()) return part;
    // Row i lies between first + i * stride and last + i * stride.
    const auto rows = static_cast<std::ptrdiff_t>(r.shape()[axis]), stride = r.strides()[axis];
    const auto signed_extent = [](const StridedView& view) {
        const auto [low, high] = extent(view);
        return std::pair(static_cast<std::ptrdiff_t>(low), static_cast<std::ptrdiff_t>(high));
    };
    Shape shape = r.shape();
    shape[axis] = 1;
    const auto [first, last] = signed_extent({r.offset, shape, r.strides()});
    const auto [low, high] = signed_extent(target);
    const auto at_most = [&](std::ptrdiff_t n, std::ptrdiff_t d) { // rows before n / d, rounded up
        return std::clamp<std::ptrdiff_t>(n <= 0 ? 0 : (n + d - 1) / d, 0, rows);
    };
    std::ptrdiff_t begin, end;
    if (stride > 0) {
        begin = at_most(low - last + 1, stride);
        end = at_most(high - first, stride);
    } else {
        begin = at_most(first - high + 1, -stride);
        end = at_most(last - low, -stride);
    }
    begin = std::min(begin, end);
    shape[axis] = static_cast<std::size_t>(end - begin);
    return {{r.offset + static_cast<std::size_t>(begin * stride), shape, r.strides()},
            record_view(Op::unplaced("part"), part.value,
                        part.value.value().slice(static_cast<std::ptrdiff_t>(axis),
                                                 static_cast<std::size_t>(begin),
                                                 static_cast<std::size_t>(end)))};
}

// For each index of a list, the positions at which it occurs.
class EqualIndices {
public:
    // `count`: above every index.
    void find(const Indices& indices, std::size_t count) {
        const std::int64_t* const all = std::as_const(indices).data();
        if (first_.size() < count) first_.resize(count);
        next_.resize(std::max(next_.size(), indices.size()));
        for (std::size_t i = indices.size(); i-- > 0;)
            first_[static_cast<std::size_t>(all[i])] = none;
        for (std::size_t i = indices.size(); i-- > 0;) {
            std::size_t& first = first_[static_cast<std::size_t>(all[i])];
            next_[i] = std::exchange(first, i);
        }
    }
    bool is_first(std::int64_t index, std::size_t position) const {
        return first_[static_cast<std::size_t>(index)] == position;
    }
    // Whether there are more than `most` positions from `first` on.
    bool is_longer(std::size_t first, std::size_t most) const {
        for (std::size_t k = first; k != none; k = next_[k])
            if (most-- == 0) return true;
        return false;
    }
    template <class F>
    void visit(std::size_t first, const F& f) const {
        for (std::size_t k = first; k != none; k = next_[k]) f(k);
    }

private:
    static constexpr std::size_t none = ~std::size_t{0};
    std::vector<std::size_t> first_, next_; // by index, by position
};

// A pairwise sum of rows, as PairwiseSum adds numbers.
template <class T>
class RowSum {
public:
    static constexpr std::size_t block = 16;

    // Of at most `most` rows.
    RowSum(std::size_t width, std::size_t most)
        : width_(width), levels_(static_cast<std::size_t>(std::bit_width(most / block)) + 1) {}

    void add(const T* row) {
        if (in_block_ == 0)
            std::copy_n(row, width_, level(0));
        else
            add(level(0), row);
        if (++in_block_ == block) carry();
    }
    // The sum, in the buffer, which begins anew.
    const T* take() {
        T* const sum = level(0);
        if (in_block_ == 0) std::fill_n(sum, width_, T(0));
        for (std::size_t l = 0; blocks_ >> l != 0; ++l)
            if ((blocks_ >> l & 1) != 0) add(sum, level(l + 1));
        in_block_ = blocks_ = 0;
        return sum;
    }

private:
    // Row 0: the current block; row l + 1: the sum of 2^l blocks.
    T* level(std::size_t l) {
        if (rows_.size() == 0) rows_ = Tensor<T>({levels_, width_});
        return rows_.overwrite() + l * width_;
    }
    void add(T* to, const T* row) const {
        for (std::size_t j = 0; j < width_; ++j) to[j] += row[j];
    }
    void carry() {
        std::size_t l = 0;
        for (; (blocks_ >> l & 1) != 0; ++l) add(level(0), level(l + 1));
        std::copy_n(level(0), width_, level(l + 1));
        ++blocks_;
        in_block_ = 0;
    }

    std::size_t width_, levels_, in_block_ = 0, blocks_ = 0;
    Tensor<T> rows_; // made when it is needed
};

} // namespace

template <class T>
Variable<T> transposed(const Variable<T>& x) {
    Shape order;
    for (std::size_t i = 0; i < x.dimension(); ++i) order.push_back(i);
    std::swap(order[order.size() - 1], order[order.size() - 2]);
    return record_view(Op::unplaced("transpose"), x,
                       x.value().transpose({order.begin(), order.size()}));
}

template <class T>
void add_rows(Tensor<T>& target, const Indices& indices, const Tensor<T>& rows) {
    const Indices flat = indices.contiguous();
    const std::size_t n = flat.size();
    if (n == 0 || target.size() == 0) return;
    Shape shape = target.shape();
    shape[0] = n;
    const Tensor<T> parts = rows.reshape(shape).contiguous();
    const std::size_t width = parts.size() / n;
    const bool is_dense = target.select(0, 0).is_contiguous();
    const LayoutRef one(Shape(shape.begin() + 1, shape.end()));
    const auto add = [&](std::int64_t row, const T* from) {
        if (is_dense) {
            T* const to = target.data() + row * target.strides()[0];
            for (std::size_t j = 0; j < width; ++j) to[j] += from[j];
            return;
        }
        Tensor<T> to = target.select(0, static_cast<std::size_t>(row));
        add_into(to, Tensor<T>(StorageRef(), const_cast<T*>(from), one), T(1));
    };
    const T* const from = std::as_const(parts).data();
    if (n <= RowSum<T>::block) {
        for (std::size_t i = 0; i < n; ++i) add(flat.data()[i], from + i * width);
        return;
    }
    EqualIndices& equal = per_thread<EqualIndices>();
    equal.find(flat, target.shape(0));
    RowSum<T> sum(width, n);
    for (std::size_t i = 0; i < n; ++i) {
        const auto row = flat.data()[i];
        if (!equal.is_first(row, i)) continue;
        if (!equal.is_longer(i, RowSum<T>::block)) {
            equal.visit(i, [&](std::size_t k) { add(row, from + k * width); });
            continue;
        }
        equal.visit(i, [&](std::size_t k) { sum.add(from + k * width); });
        add(row, sum.take());
    }
}

template <class T>
Tensor<T> summed_to(const Tensor<T>& x, const Shape& shape) {
    if (x.dimension() < shape.size()) return x;
    Shape kept = x.shape();
    const std::size_t lead = kept.size() - shape.size();
    for (std::size_t a = 0; a < kept.size(); ++a)
        if (a < lead || shape[a - lead] == 1) kept[a] = 1;
    if (kept == x.shape()) return x;
    return sum_along(x, kept).reshape(
        Shape(kept.begin() + static_cast<std::ptrdiff_t>(lead), kept.end()));
}

template <class T>
Variable<T> sum_to(const Op& op, const Variable<T>& x, const Shape& shape, T scale) {
    Tensor<T> value(shape);
    const Tensor<T> sums = summed_to(x.value(), shape);
    map_elements(broadcast(op, sums.shape(), shape), std::array{InputOperand<T>(sums)},
                 std::array{OutputOperand<T>(value)}, [scale](auto v) { return v * scale; });
    return record<T>(op, {&x}, std::move(value), save_for_backward(),
                     [scale](const Adjoints<T>& to, const Variable<T>& g) { to[0].add(g, scale); });
}

template <class T>
Variable<T> product(const Op& op, const Variable<T>& a, const Variable<T>& b, T scale) {
    Shape shape = broadcast(op, Shape(a.shape().begin(), a.shape().end() - 2),
                            Shape(b.shape().begin(), b.shape().end() - 2));
    shape.push_back(a.shape(a.dimension() - 2));
    shape.push_back(b.shape().back());
    Tensor<T> value(shape);
    multiply(a.value(), b.value(), scale, T(0), value);
    return record<T>(op, {&a, &b}, std::move(value), save_for_backward(a, b),
                     [scale](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& a,
                             const Variable<T>& b) {
                         if (to[0].needs_grad()) to[0].add_product(g, transposed(b), scale);
                         if (to[1].needs_grad()) to[1].add_product(transposed(a), g, scale);
                     });
}

template <class T>
Variable<T> gather_rows(const Op& op, const Variable<T>& x, const Indices& indices,
                        const OutputSlot<T>& slot) {
    const Indices rows = indices.contiguous();
    Shape shape = rows.shape();
    std::size_t width = 1;
    for (std::size_t a = 1; a < x.dimension(); ++a) {
        shape.push_back(x.shape(a));
        width *= x.shape(a);
    }
    Tensor<T> value = slot.take(shape);
    const Tensor<T> source = x.value().contiguous();
    const std::int64_t* const from = rows.data();
    T* const to = result_operand(value).data;
    if (width == 1)
        for (std::size_t i = 0; i < rows.size(); ++i) to[i] = source.data()[from[i]];
    else
        for (std::size_t i = 0; i < rows.size(); ++i)
            std::copy_n(source.data() + static_cast<std::size_t>(from[i]) * width, width,
                        to + i * width);
    return record<T>(
        op, {&x}, std::move(value), save_for_backward(indices),
        [](const Adjoints<T>& to, const Variable<T>& g, const Indices& rows) {
            to[0].scatter_rows(rows, g);
        },
        slot);
}

template <class T>
Variable<T> scatter_rows(const Op& op, const Variable<T>& x, const Indices& indices,
                         const Shape& shape, const OutputSlot<T>& slot) {
    Tensor<T> value = slot.take(shape);
    Tensor<T> target = unversioned(value);
    target.fill(T(0));
    add_rows(target, indices, x.value());
    return record<T>(
        op, {&x}, std::move(value), save_for_backward(indices),
        [like = x.shape()](const Adjoints<T>& to, const Variable<T>& g, const Indices& indices) {
            const Variable<T> rows = gather_rows(Op::unplaced("take"), g, indices);
            to[0].add(record_view(Op::unplaced("reshape"), rows, rows.value().reshape(like)));
        },
        slot);
}

template <class T>
Variable<T> assemble(const Op& op, std::span<const Part<T>> parts, const StridedView& target) {
    std::vector<Part<T>> near;
    auto [low, high] = extent(target);
    for (const Part<T>& part : parts) {
        if (!meet(part.view, target)) continue;
        near.push_back(cut(part, target));
        const auto [begin, end] = extent(near.back().view);
        low = std::min(low, begin);
        high = std::max(high, end);
    }
    if (near.size() == 1 && near[0].view == target) return near[0].value;

    // Assembles all parts in a temporary buffer that covers their extent.
    Tensor<T> buffer(Shape{high - low});
    const StridedView whole = StridedView::whole(buffer.shape());
    WrittenRegions covered;
    std::vector<const Variable<T>*> inputs;
    std::vector<StridedView> views;
    for (const Part<T>& part : near) {
        StridedView view = part.view;
        view.offset -= low;
        Tensor<T> window(buffer.storage(), buffer.data() + view.offset, view.layout);
        const bool add = covered.take(buffer.data(), whole, view);
        map_elements(view.shape(), std::array{InputOperand<T>(part.value.value())},
                     std::array{OutputOperand<T>(window, add)}, [](auto v) { return v; });
        inputs.push_back(&part.value);
        views.push_back(part.view);
    }
    covered.settle(buffer.data(), buffer.size());
    const Tensor<T> window(buffer.storage(), buffer.data() + (target.offset - low), target.layout);
    Tensor<T> value = window.contiguous();
    const auto sum =
        record<T>(op, std::span(inputs), std::move(value), save_for_backward(),
                  [target, views](const Adjoints<T>& to, const Variable<T>& g) {
                      const Op op = Op::unplaced("gradient of a part");
                      const Part<T> all[] = {{target, g}};
                      for (std::size_t i = 0; i < views.size(); ++i)
                          if (to[i].needs_grad())
                              to[i].add(assemble(op, std::span<const Part<T>>(all), views[i]));
                  });
    if (sum.is_recorded()) sum.tape()->set_notation(sum.node(), Notation::symmetric);
    return sum;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Tensor<T> summed_to(const Tensor<T>&, const Shape&);                                  \
    template Variable<T> sum_to(const Op&, const Variable<T>&, const Shape&, T);                   \
    template Variable<T> transposed(const Variable<T>&);                                           \
    template Variable<T> product(const Op&, const Variable<T>&, const Variable<T>&, T);            \
    template Variable<T> gather_rows(const Op&, const Variable<T>&, const Indices&,                \
                                     const OutputSlot<T>&);                                        \
    template Variable<T> scatter_rows(const Op&, const Variable<T>&, const Indices&, const Shape&, \
                                      const OutputSlot<T>&);                                       \
    template Variable<T> assemble(const Op&, std::span<const Part<T>>, const StridedView&);        \
    template void add_rows(Tensor<T>&, const Indices&, const Tensor<T>&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
