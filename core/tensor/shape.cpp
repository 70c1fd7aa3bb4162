#include <unroll/core/base/scope.hpp>
#include <unroll/core/tensor/layout.hpp>

#include <algorithm>
#include <sstream>
#include <utility>

namespace unroll {

template <class N>
void Extents<N>::too_many(std::size_t rank) {
    fail("shape", "at most " + std::to_string(max_rank) + " dimensions are supported, got " +
                      std::to_string(rank));
}

template class Extents<std::size_t>;
template class Extents<std::ptrdiff_t>;

std::size_t checked_count(const Shape& shape, Where where) {
    // Also for empty shapes: their strides must not overflow.
    std::size_t count = 1;
    bool overflow = false, empty = false;
    for (const std::size_t n : shape) {
        empty |= n == 0;
        overflow |= __builtin_mul_overflow(count, n + (n == 0), &count);
    }
    constexpr std::size_t most = std::size_t{1} << 56;
    if (overflow || count > most) {
        const Called here(where);
        fail("shape", to_string(shape) + " has too many elements");
    }
    return empty ? 0 : count;
}

Strides row_major(const Shape& shape) {
    Strides strides(shape.begin(), shape.end());
    std::ptrdiff_t step = 1;
    for (std::size_t i = shape.size(); i-- > 0;) step *= std::exchange(strides[i], step);
    return strides;
}

std::string to_string(const Shape& shape) {
    if (&shape == &LayoutRef::moved_from()->shape) return "[no value: moved from, or never set]";
    std::string text = "[";
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (i > 0) text += ", ";
        text += std::to_string(shape[i]);
    }
    return text + "]";
}

namespace {

[[noreturn]] void fail_to_broadcast(const Op& op, std::span<const Shape* const> shapes,
                                    std::string_view names) {
    std::istringstream in{std::string(names)};
    std::string all, name;
    for (const Shape* shape : shapes) {
        if (!all.empty()) all += " and ";
        if (in >> name && name != "->") all += name + " ";
        all += to_string(*shape);
    }
    fail(op, "shapes " + all + " do not broadcast: an extent must be equal or 1");
}

} // namespace

Shape broadcast(const Op& op, std::span<const Shape* const> shapes, std::string_view names) {
    Shape common;
    for (const Shape* shape : shapes) {
        if (common.size() < shape->size()) {
            Shape longer(shape->size(), 1);
            std::copy(common.begin(), common.end(), longer.end() - common.size());
            common = longer;
        }
        const std::size_t lead = common.size() - shape->size();
        for (std::size_t i = 0; i < shape->size(); ++i) {
            std::size_t& n = common[lead + i];
            const std::size_t m = (*shape)[i];
            if (n == m || m == 1) continue;
            if (n != 1) fail_to_broadcast(op, shapes, names);
            n = m;
        }
    }
    return common;
}

Shape broadcast(const Op& op, const Shape& a, const Shape& b) {
    if (a == b) return a;
    const Shape* const both[] = {&a, &b};
    return broadcast(op, both);
}

bool broadcasts_to(const Shape& from, const Shape& to) {
    if (from.size() > to.size()) return false;
    const std::size_t lead = to.size() - from.size();
    for (std::size_t i = 0; i < from.size(); ++i)
        if (from[i] != to[lead + i] && from[i] != 1) return false;
    return true;
}

std::size_t normal_axis(const Op& op, std::ptrdiff_t axis, std::size_t rank) {
    const auto n = static_cast<std::ptrdiff_t>(rank);
    if (axis < -n || axis >= n)
        fail(op, "axis " + std::to_string(axis) + " is out of range for " + std::to_string(rank) +
                     " dimensions");
    return static_cast<std::size_t>(axis < 0 ? axis + n : axis);
}

} // namespace unroll
