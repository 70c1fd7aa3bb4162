#pragma once

// How operations of random programs choose their arguments.

#include "program.hpp"

#include <algorithm>
#include <cmath>
#include <span>

namespace programs {

using namespace reference;
using unroll::Indices;
using unroll::Mask;

using Corner = std::function<bool(const std::vector<Tensor<double>>&, const Call&)>;

// Wraps the single result of an operation as a list.
template <class X>
std::vector<X> results(X one) {
    return {std::move(one)};
}
template <class X>
std::vector<X> results(std::vector<X> all) {
    return all;
}

// Registers an operation. `run` and `reference` are called with operands of any scalar type.
template <class R, class F>
void add(std::vector<Operation>& all, const char* name, std::function<bool(Values&, Call&)> choose,
         R run, F reference, Corner corner = nullptr) {
    const auto of_any = [](auto f) {
        return [f](const auto& x, const Call& c) { return results(f(x, c)); };
    };
    all.push_back({name,
                   std::move(choose),
                   {of_any(run), of_any(run)},
                   of_any(reference),
                   of_any(reference),
                   std::move(corner)});
}

// ---- integer arguments ----

inline Indices indices_of(const std::vector<std::int64_t>& numbers, const Shape& shape) {
    return Indices(shape, std::span(numbers));
}
inline Mask mask_of(const Call& c) {
    Mask mask(c.shape);
    for (std::size_t k = 0; k < mask.size(); ++k) mask.data()[k] = c.numbers[k] != 0;
    return mask;
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

// ---- kinks ----

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
// Two close elements: the largest one may change.
inline bool near_ties(const std::vector<Tensor<double>>& x, const Call&) {
    auto all = x[0].to_vector();
    std::sort(all.begin(), all.end());
    for (std::size_t k = 1; k < all.size(); ++k)
        if (all[k] - all[k - 1] < margin) return true;
    return false;
}

} // namespace programs
