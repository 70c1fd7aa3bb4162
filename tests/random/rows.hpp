#pragma once

// Shared by the references of reductions, normalisations and losses.

#include "scalar.hpp"

#include "program.hpp"

namespace programs {

using reference::Array, reference::for_each, reference::Index, reference::Scalar;
using unroll::Shape;

// Applies f to the elements that are reduced together; the axis of extent 1 is kept on request.
template <class N, class F>
Array<N> reduced(const Array<N>& x, const Call& c, const F& f) {
    const auto axis = static_cast<std::size_t>(c.numbers[0]);
    Shape shape = x.shape;
    shape[axis] = 1;
    Array<N> out(shape);
    for_each(shape, [&](Index i) {
        auto& to = out(i);
        std::vector<Scalar<N>> row;
        for (i[axis] = 0; i[axis] < x.shape[axis]; ++i[axis]) row.push_back(x(i));
        to = f(row);
    });
    if (c.numbers[1] == 0) {
        out.shape.erase(axis);
    }
    return out;
}
inline constexpr auto total = [](const auto& row) {
    std::decay_t<decltype(row[0])> sum(0);
    for (const auto& v : row) sum = sum + v;
    return sum;
};
inline constexpr auto average = [](const auto& row) {
    return total(row) / static_cast<double>(row.size());
};
inline constexpr auto squares = [](const auto& row, auto centre) {
    std::decay_t<decltype(row[0])> sum(0);
    for (const auto& v : row) sum = sum + (v - centre) * (v - centre);
    return sum;
};
inline constexpr auto exponentials = [](const auto& row) {
    std::decay_t<decltype(row[0])> sum(0);
    for (const auto& v : row) sum = sum + exp(v);
    return sum;
};

} // namespace programs
