#pragma once

#include <unroll/core/autograd/record.hpp>

#include <memory>
#include <vector>

namespace unroll {

namespace detail {

// A linear map along one axis, of which each result reads neighbouring elements:
//   y[i] = (weights[0] x[first] + weights[1] x[first + 1] + ...) / divisor, as rows[i] says.
struct AxisMap {
    struct Row {
        std::size_t first;
        std::vector<double> weights;
        double divisor = 1;
    };
    std::size_t extent; // of x along the axis
    std::vector<Row> rows;
};

// The map applied along an axis of x. Sums are computed in double.
template <class T>
Variable<T> map_axis(const Op& op, const Variable<T>& x, std::size_t axis,
                     const std::shared_ptr<const AxisMap>& map);

} // namespace detail

} // namespace unroll
