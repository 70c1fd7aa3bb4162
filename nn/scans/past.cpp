#include <unroll/nn/scans/past.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/views.hpp>

namespace unroll::nn::detail {

namespace {

// The rows [(k + T) B, n] of the steps before a scan and of its own, and where they are.
template <class T>
struct Rows {
    std::size_t steps, batch, width, k;
    const LinearScanOptions& options;
    Variable<T> rows;

    Rows(const Variable<T>& x, const Variable<T>& before, std::size_t k,
         const LinearScanOptions& options)
        : steps(x.shape(0)), batch(x.shape(1)), width(x.shape(2)), k(k), options(options) {
        const Variable<T> past = swapaxes(reshape(before, Shape{batch, k, width}), 0, 1);
        rows = reshape(concatenate({past, x}), Shape{(k + steps) * batch, width});
    }
    std::size_t length(std::size_t b) const {
        return options.lengths.empty() ? steps : options.lengths[b];
    }
    // Of the i-th step of sequence b in the order of the scan; i >= -k.
    std::int64_t at(std::size_t b, std::ptrdiff_t i) const {
        const auto length = static_cast<std::ptrdiff_t>(this->length(b));
        const std::ptrdiff_t t = i < 0 || !options.backwards ? i : length - 1 - i;
        return (static_cast<std::ptrdiff_t>(k) + t) * static_cast<std::ptrdiff_t>(batch) +
               static_cast<std::ptrdiff_t>(b);
    }
};

} // namespace

template <class T>
Variable<T> windows(const Variable<T>& x, const Variable<T>& before, std::size_t k,
                    const LinearScanOptions& options) {
    const Rows<T> all(x, before, k, options);
    std::vector<std::int64_t> at;
    at.reserve(all.steps * all.batch * (k + 1));
    for (std::size_t t = 0; t < all.steps; ++t)
        for (std::size_t b = 0; b < all.batch; ++b) {
            const bool is_padding = t >= all.length(b);
            const auto own = static_cast<std::ptrdiff_t>(
                options.backwards && !is_padding ? all.length(b) - 1 - t : t);
            for (std::ptrdiff_t j = -static_cast<std::ptrdiff_t>(k); j <= 0; ++j)
                at.push_back(is_padding ? static_cast<std::int64_t>((k + t) * all.batch + b)
                                        : all.at(b, own + j));
        }
    return take(all.rows, Indices({all.steps, all.batch, k + 1}, std::span(at)));
}

template <class T>
Variable<T> last_steps(const Variable<T>& x, const Variable<T>& before, std::size_t k,
                       const LinearScanOptions& options) {
    if (const std::size_t steps = x.shape(0); options.lengths.empty() && k > 0 && k <= steps) {
        const Variable<T> last =
            options.backwards ? flip(slice(x, 0, 0, k), 0) : slice(x, 0, steps - k, steps);
        return reshape(swapaxes(last, 0, 1), Shape{x.shape(1), k * x.shape(2)});
    }
    const Rows<T> all(x, before, k, options);
    std::vector<std::int64_t> at;
    for (std::size_t b = 0; b < all.batch; ++b)
        for (std::size_t j = 0; j < k; ++j)
            at.push_back(all.at(b, static_cast<std::ptrdiff_t>(all.length(b) + j) -
                                       static_cast<std::ptrdiff_t>(k)));
    return reshape(take(all.rows, Indices({all.batch, k}, std::span(at))),
                   Shape{all.batch, k * all.width});
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> windows(const Variable<T>&, const Variable<T>&, std::size_t,              \
                                 const LinearScanOptions&);                                        \
    template Variable<T> last_steps(const Variable<T>&, const Variable<T>&, std::size_t,           \
                                    const LinearScanOptions&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn::detail
