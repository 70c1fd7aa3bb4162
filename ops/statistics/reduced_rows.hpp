#pragma once

#include <unroll/ops/operand.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <numeric>

namespace unroll::detail {

// x as a matrix whose rows are reduced, over the axes listed or over all.
template <class T>
struct ReducedRows {
    Variable<T> rows; // [results, elements of each]
    Shape kept;       // the shape of the result, with extent 1 on the reduced axes
    Shape dropped;    // without them

    static ReducedRows all(const Op& op, const Variable<T>& x) {
        x.require_value(op);
        Shape axes(x.dimension());
        std::iota(axes.begin(), axes.end(), std::size_t{0});
        return {op, x, axes};
    }
    static ReducedRows over(const Op& op, const Variable<T>& x, Axes axes) {
        x.require_value(op);
        Shape normal;
        for (const std::ptrdiff_t axis : axes) {
            const std::size_t a = normal_axis(op, axis, x.dimension());
            if (std::find(normal.begin(), normal.end(), a) != normal.end())
                fail(op, "axis " + std::to_string(axis) + " is listed twice");
            normal.push_back(a);
        }
        return {op, x, normal};
    }
    std::size_t count() const { return rows.shape(1); }
    // The results [results] or [results, 1] in their shape.
    Variable<T> shaped(const Variable<T>& results, bool keep_dims) const {
        return reshape(results, keep_dims ? kept : dropped);
    }

private:
    ReducedRows(const Op& op, const Variable<T>& x, const Shape& axes) : kept(x.shape()) {
        Shape order;
        std::size_t count = 1;
        for (std::size_t a = 0; a < x.dimension(); ++a) {
            if (std::find(axes.begin(), axes.end(), a) != axes.end()) continue;
            order.push_back(a);
            dropped.push_back(x.shape(a));
        }
        for (std::size_t a = 0; a < x.dimension(); ++a) {
            if (std::find(axes.begin(), axes.end(), a) == axes.end()) continue;
            order.push_back(a);
            count *= x.shape(a);
            kept[a] = 1;
        }
        const Variable<T> moved =
            std::is_sorted(order.begin(), order.end())
                ? x
                : record_view(op, x, x.value().transpose({order.begin(), order.size()}));
        rows = reshape(moved, Shape{element_count(dropped), count});
    }
};

} // namespace unroll::detail
