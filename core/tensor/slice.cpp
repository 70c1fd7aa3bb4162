#include <unroll/core/tensor/slice.hpp>

#include <algorithm>

namespace unroll {

namespace {

using Kind = Slice::Kind;

bool takes_axis(const Slice& slice) {
    return slice.kind == Kind::index || slice.kind == Kind::range;
}

std::string to_string(const Slice& slice) {
    if (slice.kind == Kind::index) return "index " + std::to_string(*slice.begin);
    const auto end = [](const std::optional<std::ptrdiff_t>& n) {
        return n ? std::to_string(*n) : std::string();
    };
    return "range " + end(slice.begin) + ":" + end(slice.end) +
           (slice.step == 1 ? "" : ":" + std::to_string(slice.step));
}

// The elements that a slice selects on an axis of `extent` elements.
struct Selection {
    std::ptrdiff_t first;
    std::size_t count;
};

// No value: the slice does not fit.
std::optional<Selection> find(const Slice& slice, std::size_t extent) {
    const auto n = static_cast<std::ptrdiff_t>(extent), step = slice.step;
    const auto from_front = [n](std::ptrdiff_t i) { return i < 0 ? i + n : i; };
    if (slice.kind == Kind::index) {
        const std::ptrdiff_t i = from_front(*slice.begin);
        if (i < 0 || i >= n) return std::nullopt;
        return Selection{i, 1};
    }
    if (step == 0) return std::nullopt;
    // Both ends as gaps between elements: begin is the gap before the first element.
    const bool backwards = step < 0;
    std::ptrdiff_t begin = slice.begin ? from_front(*slice.begin) + backwards : backwards ? n : 0;
    std::ptrdiff_t end = slice.end ? from_front(*slice.end) + backwards : backwards ? 0 : n;
    if (begin < 0 || begin > n || end < 0 || end > n) return std::nullopt;
    const std::ptrdiff_t length = backwards ? begin - end : end - begin;
    if (length < 0) return std::nullopt;
    const std::ptrdiff_t size = std::abs(step);
    return Selection{backwards ? begin - 1 : begin,
                     static_cast<std::size_t>(length / size + (length % size > 0))};
}

} // namespace

template <class T>
Tensor<T> view(const Op& op, const Tensor<T>& x, std::span<const Slice> slices) {
    const auto given = static_cast<std::size_t>(std::ranges::count_if(slices, takes_axis));
    const auto ellipses = std::ranges::count(slices, Kind::ellipsis, &Slice::kind);
    if (ellipses > 1) fail(op, "more than one ellipsis");
    if (given > x.dimension())
        fail(op, std::to_string(given) + " slices for the axes of shape " + to_string(x.shape()));
    Shape shape;
    Strides strides;
    std::ptrdiff_t offset = 0;
    std::size_t axis = 0;
    const auto keep = [&](std::size_t axes) {
        for (; axes > 0; --axes, ++axis) {
            shape.push_back(x.shape(axis));
            strides.push_back(x.strides()[axis]);
        }
    };
    for (const Slice& slice : slices) {
        if (slice.kind == Kind::ellipsis) keep(x.dimension() - given);
        if (slice.kind == Kind::new_axis) shape.push_back(1), strides.push_back(0);
        if (!takes_axis(slice)) continue;
        const auto selected = find(slice, x.shape(axis));
        if (!selected)
            fail(op, to_string(slice) + " does not fit axis " + std::to_string(axis) +
                         " of shape " + to_string(x.shape()));
        const std::ptrdiff_t stride = x.strides()[axis++];
        if (selected->count > 0) offset += stride * selected->first;
        if (slice.kind == Kind::index) continue;
        shape.push_back(selected->count);
        strides.push_back(stride * slice.step);
    }
    keep(x.dimension() - axis);
    // Reading the address does not change the elements.
    return Tensor<T>(x.storage(), const_cast<T*>(x.data()) + offset, shape, strides);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Tensor<T> view(const Op&, const Tensor<T>&, std::span<const Slice>);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
UNROLL_INSTANTIATE(std::int64_t)
UNROLL_INSTANTIATE(bool)
#undef UNROLL_INSTANTIATE

} // namespace unroll
