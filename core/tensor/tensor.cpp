#include <unroll/core/base/error.hpp>
#include <unroll/core/tensor/strided_view.hpp>
#include <unroll/core/tensor/tensor.hpp>

#include <algorithm>
#include <ostream>
#include <sstream>

namespace unroll {

namespace {

// Calls f(row of a, its stride, row of b, its stride) for every row along the last axis.
template <class A, class B, class F>
void for_each_row(const Shape& shape, A* a, const Strides& a_strides, B* b,
                  const Strides& b_strides, F f) {
    if (element_count(shape) == 0) return;
    if (shape.empty()) return f(a, std::ptrdiff_t{0}, b, std::ptrdiff_t{0});
    const std::size_t last = shape.size() - 1;
    Shape at(shape.size(), 0);
    for (;;) {
        f(a, a_strides[last], b, b_strides[last]);
        std::size_t axis = last;
        for (;;) {
            if (axis-- == 0) return;
            a += a_strides[axis];
            b += b_strides[axis];
            if (++at[axis] < shape[axis]) break;
            const auto back = static_cast<std::ptrdiff_t>(shape[axis]);
            a -= a_strides[axis] * back;
            b -= b_strides[axis] * back;
            at[axis] = 0;
        }
    }
}

template <class T>
std::size_t row_length(const Tensor<T>& x) {
    return x.dimension() == 0 ? 1 : x.shape().back();
}

// Finds strides that represent the same elements in another shape: splits each run of mergeable
// axes into the new extents, last axis first. False if a new axis would span two runs.
bool split_runs(const Shape& from, const Strides& strides, const Shape& into, Strides& found) {
    std::size_t axis = from.size();
    std::size_t left = 1; // elements of the run that no new axis has taken yet
    std::ptrdiff_t step = 0;
    for (std::size_t i = into.size(); i-- > 0;) {
        if (into[i] == 1) continue;
        if (left == 1) {
            while (from[axis - 1] == 1) --axis;
            left = from[--axis];
            step = strides[axis];
            std::ptrdiff_t next = step * static_cast<std::ptrdiff_t>(left);
            for (; axis > 0 && (from[axis - 1] == 1 || strides[axis - 1] == next); --axis) {
                left *= from[axis - 1];
                next = step * static_cast<std::ptrdiff_t>(left);
            }
        }
        if (left % into[i] != 0) return false;
        found[i] = step;
        step *= static_cast<std::ptrdiff_t>(into[i]);
        left /= into[i];
    }
    return true;
}

// Whether writing elements in order may change elements not yet read.
template <class T>
bool may_overlap(const Tensor<T>& to, const Tensor<T>& from) {
    return to.storage() == from.storage() &&
           (to.data() != from.data() || to.strides() != from.strides());
}

} // namespace

template <class T>
Tensor<T>::Tensor(const LayoutRef& row_major)
    : layout_(row_major), storage_(Storage::allocate(size() * sizeof(T))),
      data_(static_cast<T*>(storage_->data())) {}

template <class T>
Tensor<T>::Tensor(const Shape& shape, std::initializer_list<T> values, Where where)
    : Tensor(shape, std::span<const T>(values.begin(), values.size()), where) {}

template <class T>
Tensor<T>::Tensor(const Shape& shape, std::span<const T> values, Where where)
    : Tensor(LayoutRef(shape, where)) {
    if (values.size() != size())
        fail(Op("Tensor", where), "shape " + to_string(shape) + " holds " + std::to_string(size()) +
                                      " values, got " + std::to_string(values.size()));
    std::copy(values.begin(), values.end(), data_);
}

template <class T>
void Tensor<T>::refuse_moved(const Op& op) {
    fail(op, "the tensor was moved from; use the one that it was moved to");
}

template <class T>
Tensor<T> Tensor<T>::full(const Shape& shape, T value, Where where) {
    Tensor tensor(LayoutRef(shape, where));
    std::fill_n(tensor.data_, tensor.size(), value);
    return tensor;
}

template <class T>
bool Tensor<T>::is_contiguous() const {
    if (layout_->is_row_major) return true;
    std::ptrdiff_t step = 1;
    for (std::size_t i = dimension(); i-- > 0;) {
        if (shape(i) == 0) return true;
        if (shape(i) != 1 && strides()[i] != step) return false;
        step *= static_cast<std::ptrdiff_t>(shape(i));
    }
    return true;
}

template <class T>
std::ptrdiff_t Tensor<T>::offset(std::initializer_list<std::ptrdiff_t> indices, Where where) const {
    if (indices.size() != dimension())
        fail(Op("Tensor", where), std::to_string(indices.size()) + " indices for shape " +
                                      to_string(shape()) + ", expected " +
                                      std::to_string(dimension()));
    std::ptrdiff_t at = 0;
    std::size_t axis = 0;
    for (const std::ptrdiff_t i : indices) {
        if (i < 0 || i >= static_cast<std::ptrdiff_t>(shape(axis)))
            fail(Op("Tensor", where), "index " + std::to_string(i) + " is out of range on axis " +
                                          std::to_string(axis) + " of shape " + to_string(shape()));
        at += i * strides()[axis++];
    }
    return at;
}

namespace {

// A count that a caller computed, or wrote as -1.
std::string signed_text(std::size_t n) { return std::to_string(static_cast<std::ptrdiff_t>(n)); }

} // namespace

template <class T>
T Tensor<T>::item(Where where) const {
    if (size() != 1)
        fail(Op("item", where), "expected one element, got shape " + to_string(shape()));
    return *data_;
}

template <class T>
Tensor<T> Tensor<T>::slice(std::ptrdiff_t axis, std::size_t begin, std::size_t end, Op op) const {
    const std::size_t a = normal_axis(op, axis, dimension());
    if (begin > end || end > shape(a))
        fail(op, "range " + signed_text(begin) + ":" + signed_text(end) + " on axis " +
                     std::to_string(a) + " of shape " + to_string(shape()) +
                     "; expected 0 <= begin <= end <= " + std::to_string(shape(a)));
    Shape part = shape();
    part[a] = end - begin;
    return view(strides()[a] * static_cast<std::ptrdiff_t>(begin), part, strides());
}

template <class T>
Tensor<T> Tensor<T>::select(std::ptrdiff_t axis, std::size_t index, Op op) const {
    const std::size_t a = normal_axis(op, axis, dimension());
    if (index >= shape(a))
        fail(op, "index " + signed_text(index) + " is out of range on axis " + std::to_string(a) +
                     " of shape " + to_string(shape()) + "; indices count from 0");
    Shape rest = shape();
    Strides steps = strides();
    rest.erase(a);
    steps.erase(a);
    return view(strides()[a] * static_cast<std::ptrdiff_t>(index), rest, steps);
}

template <class T>
Tensor<T> Tensor<T>::transpose(std::span<const std::size_t> order, Op op) const {
    bool valid = order.size() == dimension();
    std::array<bool, max_rank> seen{};
    for (const std::size_t axis : order) {
        valid = valid && axis < dimension() && !seen[axis];
        if (valid) seen[axis] = true;
    }
    if (!valid)
        fail(op, "the order " + to_string(Shape(order.begin(), order.end())) +
                     " is not a permutation of the axes of " + to_string(shape()));
    Shape extents = shape();
    Strides steps = strides();
    for (std::size_t i = 0; i < order.size(); ++i) {
        extents[i] = shape(order[i]);
        steps[i] = strides()[order[i]];
    }
    return view(0, extents, steps);
}

template <class T>
Tensor<T> Tensor<T>::transpose() const {
    return view(0, Shape(shape().rbegin(), shape().rend()),
                Strides(strides().rbegin(), strides().rend()));
}

template <class T>
Tensor<T> Tensor<T>::flip(std::ptrdiff_t axis, Op op) const {
    const std::size_t a = normal_axis(op, axis, dimension());
    const auto last = static_cast<std::ptrdiff_t>(shape(a)) - (shape(a) > 0);
    Strides steps = strides();
    steps[a] = -steps[a];
    return view(strides()[a] * last, shape(), steps);
}

template <class T>
Tensor<T> Tensor<T>::expand_dims(std::ptrdiff_t axis, Op op) const {
    const std::size_t a = normal_axis(op, axis, dimension() + 1);
    Shape extents = shape();
    Strides steps = strides();
    extents.insert(a, 1);
    steps.insert(a, a < dimension() ? strides()[a] * static_cast<std::ptrdiff_t>(shape(a)) : 1);
    return view(0, extents, steps);
}

template <class T>
Tensor<T> Tensor<T>::squeeze(std::ptrdiff_t axis, Op op) const {
    const std::size_t a = normal_axis(op, axis, dimension());
    if (shape(a) != 1)
        fail(op, "axis " + std::to_string(a) + " of shape " + to_string(shape()) +
                     " is not of extent 1");
    Shape rest = shape();
    Strides steps = strides();
    rest.erase(a);
    steps.erase(a);
    return view(0, rest, steps);
}

template <class T>
Tensor<T> Tensor<T>::broadcast_to(const Shape& shape, Op op) const {
    if (!broadcasts_to(this->shape(), shape))
        fail(op, to_string(this->shape()) + " does not broadcast to " + to_string(shape));
    const std::size_t lead = shape.size() - dimension();
    Strides steps(shape.size(), 0);
    for (std::size_t i = 0; i < dimension(); ++i)
        steps[lead + i] = this->shape()[i] == 1 && shape[lead + i] != 1 ? 0 : strides()[i];
    return view(0, shape, steps);
}

template <class T>
Tensor<T> Tensor<T>::reshape(const Shape& shape, Op op) const {
    if (checked_count(shape) != size())
        fail(op, to_string(this->shape()) + " has " + std::to_string(size()) +
                     " elements, which do not fill " + to_string(shape));
    Strides steps = row_major(shape);
    if (!is_contiguous() && size() > 0 && !split_runs(this->shape(), strides(), shape, steps))
        return copy().reshape(shape);
    return view(0, shape, steps);
}

template <class T>
Tensor<T> Tensor<T>::copy() const {
    Tensor fresh(shape());
    fresh.assign(*this);
    return fresh;
}

template <class T>
void Tensor<T>::assign(const Tensor& other, Op op) {
    if (shape() != other.shape())
        fail(op, "expected shape " + to_string(shape()) + ", got " + to_string(other.shape()));
    if (may_overlap(*this, other)) return assign(other.copy());
    overwrite();
    const std::size_t length = row_length(*this);
    for_each_row(shape(), data_, strides(), other.data_, other.strides(),
                 [length](T* to, std::ptrdiff_t step, const T* from, std::ptrdiff_t from_step) {
                     if (step == 1 && from_step == 1)
                         std::copy_n(from, length, to);
                     else if (step == 1 && from_step == 0)
                         std::fill_n(to, length, *from);
                     else
                         for (std::size_t n = length; n > 0; --n, to += step, from += from_step)
                             *to = *from;
                 });
}

template <class T>
void Tensor<T>::fill(T value) {
    assign(Tensor<T>(StorageRef(), &value, Shape(), Strides()).broadcast_to(shape()));
}

template <class T>
bool Tensor<T>::equals(const Tensor& other) const {
    return shape() == other.shape() && to_vector() == other.to_vector();
}

template <class T>
std::vector<T> Tensor<T>::to_vector() const {
    std::vector<T> values;
    values.reserve(size());
    for_each_row(shape(), data_, strides(), data_, strides(),
                 [&](const T* row, std::ptrdiff_t step, const T*, std::ptrdiff_t) {
                     for (std::size_t n = row_length(*this); n > 0; --n, row += step)
                         values.push_back(*row);
                 });
    return values;
}

template <class T>
bool overlap(const Tensor<T>& x, const Tensor<T>& y) {
    const auto [x_low, x_high] = extent(x.shape(), x.strides());
    const auto [y_low, y_high] = extent(y.shape(), y.strides());
    return x.data() + x_low < y.data() + y_high && y.data() + y_low < x.data() + x_high;
}

template bool overlap(const Tensor<float>&, const Tensor<float>&);
template bool overlap(const Tensor<double>&, const Tensor<double>&);
template class Tensor<float>;
template class Tensor<double>;
template class Tensor<std::int64_t>;
template class Tensor<bool>;

} // namespace unroll
