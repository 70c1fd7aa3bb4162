#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <string>
#include <vector>

namespace unroll::graph::detail {

// Which elements of a value a view consists of: a range or an index along each axis of the value.
// Without axes if it is all of them, or no such block.
struct ViewPart {
    struct Axis {
        std::size_t begin, end, extent; // `extent`: of the value
        bool is_index;

        bool is_whole() const { return !is_index && begin == 0 && end == extent; }
        friend bool operator==(const Axis&, const Axis&) = default;
    };
    std::vector<Axis> axes;

    bool empty() const { return axes.empty(); }
    // As an index of NumPy, "3" or ":, 2:4" or "…, 2:4".
    std::string text() const;
};
template <class T>
ViewPart part_of(const Tape<T>& tape, NodeId view);

// Parts of one value, as text: of adjacent ranges their union, of more than a few an ellipsis.
std::string text_of(std::vector<ViewPart> parts);

} // namespace unroll::graph::detail
