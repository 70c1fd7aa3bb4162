#include <unroll/core/base/error.hpp>
#include <unroll/core/base/per_thread.hpp>
#include <unroll/core/check/statistics.hpp>
#include <unroll/core/kernels/loops.hpp>
#include <unroll/core/kernels/threads.hpp>
#include <unroll/optim/clip.hpp>
#include <unroll/optim/parameter_list.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace unroll::optim {

namespace {

// Calls f(parameter) once for each parameter with a gradient, in the order of the list. Allocates
// nothing in steady state, unless a parameter is listed twice.
template <class T, class F>
void for_gradients(const Parameters<T>& parameters, const F& f) {
    auto& bodies = per_thread<std::vector<const Value<T>*>>();
    bodies.clear();
    for (const auto& p : parameters) bodies.push_back(&p.parameter());
    std::sort(bodies.begin(), bodies.end());
    const bool is_unique = std::adjacent_find(bodies.begin(), bodies.end()) == bodies.end();
    const auto call = [&](const Parameters<T>& all) {
        for (const auto& p : all)
            if (p.has_gradient()) f(p);
    };
    if (is_unique)
        call(parameters);
    else
        call(each_once(parameters));
}

template <class T>
void require_gradients(const Op& op, const Parameters<T>& parameters) {
    if (std::none_of(parameters.begin(), parameters.end(),
                     [](const auto& p) { return p.has_gradient(); }))
        fail_without_gradient(op, parameters);
}

// The sum of (scale x)^2, in blocks of fixed size, so that it is bitwise identical for any number
// of threads.
template <class T>
double square_sum(const Tensor<T>& x, double scale) {
    constexpr std::size_t block = 8192, lanes = 8;
    const Tensor<T> dense = x.contiguous();
    const T* const from = dense.data();
    const std::size_t n = dense.size(), blocks = (n + block - 1) / block;
    const auto sum = [&](std::size_t b) {
        double sums[lanes] = {};
        const std::size_t end = std::min(n, (b + 1) * block);
        std::size_t i = b * block;
        for (; i + lanes <= end; i += lanes)
            for (std::size_t k = 0; k < lanes; ++k) {
                const double v = static_cast<double>(from[i + k]) * scale;
                sums[k] += v * v;
            }
        for (std::size_t k = 0; i < end; ++i, ++k) {
            const double v = static_cast<double>(from[i]) * scale;
            sums[k] += v * v;
        }
        double total = 0;
        for (const double s : sums) total += s;
        return total;
    };
    auto& sums = per_thread<std::vector<double>>();
    sums.assign(blocks, 0);
    const auto piece = [&](std::size_t begin, std::size_t end) {
        for (std::size_t b = begin; b < end; ++b) sums[b] = sum(b);
    };
    if (threads::worth_splitting(2 * static_cast<double>(n)))
        threads::for_pieces(blocks, 1, piece);
    else
        piece(0, blocks);
    double total = 0;
    for (const double s : sums) total += s;
    return total;
}

template <class T>
double norm_of_gradients(const Op& op, const Parameters<T>& parameters) {
    const auto squares = [&](double scale) {
        double sum = 0;
        for_gradients(parameters, [&](const auto& p) { sum += square_sum(p.gradient(), scale); });
        return sum;
    };
    const double sum = squares(1);
    if (std::isfinite(sum) && sum > 1e-280) return std::sqrt(sum);
    // If the squares overflow or underflow, scales by a power of 2 so that the largest element is
    // about 1.
    double largest = 0;
    for_gradients(parameters, [&](const auto& p) {
        if (p.size() == 0) return;
        if (!is_finite(p.gradient())) fail(op, "the gradient of '" + p.path + "' is not finite");
        const Range range = range_of(p.gradient());
        largest = std::max({largest, std::abs(range.least), std::abs(range.largest)});
    });
    if (largest == 0) return 0;
    const int power = std::clamp(std::ilogb(largest), -1000, 1000);
    return std::ldexp(std::sqrt(squares(std::ldexp(1.0, -power))), power);
}

template <class T, class F>
void map_gradients(const Parameters<T>& parameters, const F& f) {
    for_gradients(parameters, [&](const auto& p) {
        Tensor<T>& gradient = p.gradient_buffer();
        map_elements(gradient.shape(), std::array{InputOperand<T>(gradient)},
                     std::array{OutputOperand<T>(gradient)}, f);
    });
}

} // namespace

template <class T>
double clip_norm(const Parameters<T>& parameters, double most, Where where) {
    const Op op("clip_norm", where);
    if (!(most > 0)) fail(op, "the norm must be positive, got " + fmt::to_string(most));
    require_gradients(op, parameters);
    const double norm = norm_of_gradients(op, parameters);
    if (!std::isfinite(norm)) fail(op, "the norm of the gradients overflows double");
    if (norm <= most) return norm;
    // Two factors if a single one would be denormal.
    const double factor = most / norm;
    const bool is_small = factor < std::numeric_limits<T>::min();
    const auto first = static_cast<T>(is_small ? std::sqrt(factor) : factor);
    const auto second = static_cast<T>(is_small ? factor / static_cast<double>(first) : 1);
    map_gradients(parameters, [=](auto g) { return g * first * second; });
    return norm;
}

template <class T>
void clip_value(const Parameters<T>& parameters, double most, Where caller) {
    const Op op("clip_value", caller);
    if (!(most > 0)) fail(op, "the bound must be positive, got " + fmt::to_string(most));
    require_gradients(op, parameters);
    const auto bound = static_cast<T>(most);
    map_gradients(parameters, [bound](auto g) {
        const auto low = where(g < -bound, -bound, g);
        return where(low > bound, bound, low);
    });
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template double clip_norm(const Parameters<T>&, double, Where);                                \
    template void clip_value(const Parameters<T>&, double, Where);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::optim
