#pragma once

// How operations of random programs choose what they are called with.

#include "program.hpp"

#include <algorithm>
#include <cmath>

namespace programs {

using namespace reference;
using unroll::Indices;
using unroll::Mask;

template <class F>
void add(std::vector<Operation>& all, const char* name, std::function<bool(Values&, Call&)> choose,
         std::function<V(const Many&, const Call&)> run, F reference,
         std::function<bool(const std::vector<Tensor<double>>&, const Call&)> corner = nullptr) {
    all.push_back({name, std::move(choose),
                   [run](const Many& x, const Call& c) { return Many{run(x, c)}; },
                   [reference](const Arrays<double>& x, const Call& c) {
                       return Arrays<double>{reference(x, c)};
                   },
                   [reference](const Arrays<Pair>& x, const Call& c) {
                       return Arrays<Pair>{reference(x, c)};
                   },
                   std::move(corner)});
}

// ---- choosers ----

inline bool any(const Shape&) { return true; }
inline bool has_axis(const Shape& s) { return s.size() >= 1; }
inline bool has_elements(const Shape& s) { return unroll::element_count(s) > 0; }
inline bool has_last(const Shape& s) { return s.size() >= 1 && s.back() > 0; }

inline std::function<bool(Values&, Call&)> one(std::function<bool(const Shape&)> wanted) {
    return [wanted](Values& v, Call& c) { return v.pick(c.operands, wanted); };
}
// One operand and an axis of it.
inline std::function<bool(Values&, Call&)> one_axis(std::function<bool(const Shape&)> wanted) {
    return [wanted](Values& v, Call& c) {
        if (!v.pick(c.operands, wanted)) return false;
        c.numbers = {static_cast<std::int64_t>(v.below(v.shape(c.operands[0]).size()))};
        return true;
    };
}
inline bool compatible(const Shape& a, const Shape& b) {
    for (std::size_t k = 1; k <= std::min(a.size(), b.size()); ++k) {
        const std::size_t x = a[a.size() - k], y = b[b.size() - k];
        if (x != y && x != 1 && y != 1) return false;
    }
    return true;
}
inline bool broadcasting_pair(Values& v, Call& c) {
    if (!v.pick(c.operands, any)) return false;
    const Shape a = v.shape(c.operands[0]);
    return v.pick(c.operands, [&](const Shape& b) { return compatible(a, b); });
}
inline bool equal_pair(Values& v, Call& c) {
    if (!v.pick(c.operands, has_elements)) return false;
    const Shape a = v.shape(c.operands[0]);
    return v.pick(c.operands, [&](const Shape& b) { return a == b; });
}
inline Shape common(const Shape& a, const Shape& b) { return unroll::broadcast("test", a, b); }

// ---- corners ----

inline constexpr double margin = 2e-3;
inline bool near(const Tensor<double>& x, double corner) {
    for (const double v : x.to_vector())
        if (std::abs(v - corner) < margin) return true;
    return false;
}
inline auto near_any(std::vector<double> corners) {
    return [corners](const std::vector<Tensor<double>>& x, const Call&) {
        return std::any_of(corners.begin(), corners.end(), [&](double c) { return near(x[0], c); });
    };
}
inline bool near_each_other(const std::vector<Tensor<double>>& x, const Call&) {
    const Shape shape = common(x[0].shape(), x[1].shape());
    const auto a = x[0].broadcast_to(shape).to_vector(), b = x[1].broadcast_to(shape).to_vector();
    for (std::size_t k = 0; k < a.size(); ++k)
        if (std::abs(a[k] - b[k]) < margin) return true;
    return false;
}
// Two elements anywhere that are close: whichever is the largest may change.
inline bool near_ties(const std::vector<Tensor<double>>& x, const Call&) {
    auto all = x[0].to_vector();
    std::sort(all.begin(), all.end());
    for (std::size_t k = 1; k < all.size(); ++k)
        if (all[k] - all[k - 1] < margin) return true;
    return false;
}

} // namespace programs
