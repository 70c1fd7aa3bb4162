#include <unroll/ops/resize/axis_map.hpp>
#include <unroll/ops/resize/upsample.hpp>

#include <algorithm>
#include <string>

namespace unroll {

namespace {

using detail::AxisMap;

AxisMap interpolation(std::size_t from, std::size_t to, Interpolation mode) {
    AxisMap map{from, {}};
    for (std::size_t i = 0; i < to; ++i) {
        if (mode == Interpolation::nearest) {
            map.rows.push_back({i * from / to, {1}});
            continue;
        }
        const double at = std::max(0.0, (static_cast<double>(i) + 0.5) * static_cast<double>(from) /
                                                static_cast<double>(to) -
                                            0.5);
        const std::size_t before = std::min(static_cast<std::size_t>(at), from - 1);
        const double part = at - static_cast<double>(before);
        if (part == 0 || before + 1 == from)
            map.rows.push_back({before, {1}});
        else
            map.rows.push_back({before, {1 - part, part}});
    }
    return map;
}

} // namespace

template <class T>
Variable<T> upsample(const Variable<T>& x, const UpsampleOptions& options, Op op) {
    const std::size_t rank = x.dimension();
    if (rank != 3 && rank != 4)
        fail(op, "x " + to_string(x.shape()) + "; expected [batch, channels, (height,) width]");
    const Composite composite(op);
    Variable<T> y = x;
    for (std::size_t axis = 2; axis < rank; ++axis) {
        const bool is_height = axis + 1 < rank;
        const auto along = [is_height](const HeightWidth& both) {
            return is_height ? both.height : both.width;
        };
        const std::size_t extent = x.shape(axis);
        const std::size_t given = along(options.size.value_or(options.factor));
        if (extent == 0 || given == 0 || given > detail::most_pixels)
            fail(op, std::string(options.size ? "size " : "factor ") + std::to_string(given) +
                         " for the " + (is_height ? "height" : "width") + " of x " +
                         to_string(x.shape()) + "; expected 1 to " +
                         std::to_string(detail::most_pixels) +
                         " and an x with elements along this axis");
        const std::size_t wanted = options.size ? given : given * extent;
        const auto map =
            std::make_shared<const AxisMap>(interpolation(extent, wanted, options.mode));
        y = detail::map_axis(op, y, axis, map);
    }
    return y;
}

template Variable<float> upsample(const Variable<float>&, const UpsampleOptions&, Op);
template Variable<double> upsample(const Variable<double>&, const UpsampleOptions&, Op);

} // namespace unroll
