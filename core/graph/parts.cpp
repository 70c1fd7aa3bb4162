#include <unroll/core/graph/parts.hpp>

#include <algorithm>
#include <numeric>

namespace unroll::graph::detail {

namespace {

// Per axis of the base, the axis of the view along it, or -1 for an axis with an index. `strict`:
// an axis of another extent is one with an index where the number of axes allows it.
std::vector<int> axes_of(const StridedView& base, const StridedView& view, bool strict) {
    std::vector<int> axes;
    std::size_t v = 0;
    const std::size_t rank = base.shape().size(), left = view.shape().size();
    for (std::size_t a = 0; a < rank; ++a) {
        const bool is_like = v < left && view.shape()[v] <= base.shape()[a] &&
                             (view.shape()[v] == 1 || view.strides()[v] == base.strides()[a]);
        const bool may_drop = rank - a > left - v;
        if (is_like && !(may_drop && strict && view.shape()[v] != base.shape()[a]))
            axes.push_back(static_cast<int>(v++));
        else if (may_drop)
            axes.push_back(-1);
        else
            return {};
    }
    return v == left ? axes : std::vector<int>();
}

} // namespace

std::string ViewPart::text() const {
    std::string text;
    auto last = axes.end();
    while (last != axes.begin() && std::prev(last)->is_whole()) --last;
    const auto first =
        std::find_if(axes.begin(), last, [](const Axis& axis) { return !axis.is_whole(); });
    const bool is_far = first - axes.begin() > 1 && last == axes.end();
    if (is_far) text = "…, ";
    for (auto axis = is_far ? first : axes.begin(); axis != last; ++axis) {
        if (axis != axes.begin() && !(is_far && axis == first)) text += ", ";
        if (axis->is_index)
            text += std::to_string(axis->begin);
        else if (axis->is_whole())
            text += ":";
        else
            text += std::to_string(axis->begin) + ":" + std::to_string(axis->end);
    }
    return text;
}

template <class T>
ViewPart part_of(const Tape<T>& tape, NodeId id) {
    const Node<T>& n = tape.node(id);
    const Node<T>& from = tape.node(n.inputs[0]);
    const StridedView &base = from.view, &view = n.view;
    if (n.root != from.root || view.size() == 0 || view.offset < base.offset ||
        element_count(view.shape()) == element_count(base.shape()))
        return {};
    std::vector<int> axes = axes_of(base, view, true);
    if (axes.empty()) axes = axes_of(base, view, false);
    if (axes.empty()) return {};
    std::vector<std::size_t> order(axes.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return base.strides()[a] > base.strides()[b];
    });
    ViewPart part{std::vector<ViewPart::Axis>(axes.size())};
    auto distance = static_cast<std::ptrdiff_t>(view.offset - base.offset);
    for (const std::size_t a : order) {
        const std::ptrdiff_t stride = base.strides()[a];
        std::size_t begin = 0;
        if (base.shape()[a] > 1) {
            if (stride <= 0) return {};
            begin = static_cast<std::size_t>(distance / stride);
            distance %= stride;
        }
        const std::size_t extent =
            axes[a] < 0 ? 1 : view.shape()[static_cast<std::size_t>(axes[a])];
        if (begin + extent > base.shape()[a]) return {};
        part.axes[a] = {begin, begin + extent, base.shape()[a], axes[a] < 0};
    }
    return distance == 0 ? part : ViewPart();
}

std::string text_of(std::vector<ViewPart> parts) {
    constexpr std::size_t most = 3;
    const auto differ_in = [](const ViewPart& a, const ViewPart& b) {
        std::size_t axis = 0;
        while (axis < a.axes.size() && a.axes[axis] == b.axes[axis]) ++axis;
        return axis;
    };
    const auto before = [&](const ViewPart& a, const ViewPart& b) {
        const std::size_t axis = differ_in(a, b);
        return axis < a.axes.size() && a.axes[axis].begin < b.axes[axis].begin;
    };
    for (const ViewPart& part : parts)
        if (part.empty() || part.axes.size() != parts[0].axes.size()) return "";
    std::sort(parts.begin(), parts.end(), before);
    std::vector<ViewPart> joined;
    for (ViewPart& part : parts) {
        if (!joined.empty()) {
            const std::size_t axis = differ_in(joined.back(), part);
            if (axis == part.axes.size()) continue;
            ViewPart::Axis &last = joined.back().axes[axis], &next = part.axes[axis];
            ViewPart rest = part;
            rest.axes[axis] = last;
            if (last.end == next.begin && !next.is_index &&
                differ_in(joined.back(), rest) == part.axes.size()) {
                last.end = next.end;
                continue;
            }
        }
        joined.push_back(std::move(part));
    }
    std::string text;
    for (std::size_t i = 0; i < joined.size() && i < most; ++i)
        text += (i == 0 ? "" : " and ") + joined[i].text();
    return joined.size() > most ? text + " …" : text;
}

template ViewPart part_of(const Tape<float>&, NodeId);
template ViewPart part_of(const Tape<double>&, NodeId);

} // namespace unroll::graph::detail
