#include <unroll/core/kernels/loops.hpp>
#include <unroll/core/kernels/sums.hpp>
#include <unroll/core/kernels/threads.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace unroll {

namespace {

struct Axis {
    std::size_t extent;
    std::ptrdiff_t stride;
    std::ptrdiff_t out = 0; // stride in the result
};

// Without an allocation.
class Axes {
public:
    void push_back(const Axis& axis) { axes_[count_++] = axis; }
    void pop_back() { --count_; }
    std::size_t size() const { return count_; }
    bool empty() const { return count_ == 0; }
    Axis& back() { return axes_[count_ - 1]; }
    const Axis& operator[](std::size_t i) const { return axes_[i]; }
    const Axis* begin() const { return axes_.data(); }
    const Axis* end() const { return axes_.data() + count_; }
    std::span<const Axis> all() const { return {begin(), end()}; }

private:
    std::array<Axis, max_rank> axes_;
    std::size_t count_ = 0;
};

// Calls f(offset) for all positions along axes, the last one fastest.
template <class F>
void for_offsets(std::span<const Axis> axes, std::ptrdiff_t at, const F& f) {
    if (axes.empty()) return f(at);
    for (std::size_t i = 0; i < axes[0].extent; ++i, at += axes[0].stride)
        for_offsets(axes.subspan(1), at, f);
}

// Many adjacent vectors: a contiguous range of memory that is read at once.
template <class T>
struct Columns {
    static constexpr std::size_t count = 8;
    std::array<Lanes<T>, count> v;

    Columns() = default;
    explicit Columns(int) { v.fill(Lanes<T>(0)); }
    Columns& operator+=(const Columns& other) {
        for (std::size_t k = 0; k < count; ++k) v[k] += other.v[k];
        return *this;
    }
};

// A sum along some axes of a tensor with a dense axis.
template <class T>
class Summation {
public:
    static constexpr std::size_t W = Lanes<T>::width;

    Summation(const Tensor<T>& x, const Tensor<T>& out, Summand summand, const Tensor<T>* shift)
        : from_(x.data()), summand_(summand), shift_(shift ? shift->data() : nullptr) {
        const Strides to = row_major(out.shape());
        Axes axes; // adjacent axes with a common stride are merged
        for (std::size_t a = 0; a < x.dimension(); ++a) {
            if (x.shape(a) == 1) continue;
            const Axis axis{x.shape(a), x.strides()[a], out.shape()[a] != 1 ? to[a] : 0};
            const auto n = static_cast<std::ptrdiff_t>(axis.extent);
            if (!axes.empty() && axes.back().stride == axis.stride * n &&
                (axes.back().out != 0) == (axis.out != 0) && axes.back().out == axis.out * n)
                axes.back() = {axes.back().extent * axis.extent, axis.stride, axis.out};
            else
                axes.push_back(axis);
        }
        for (const Axis& axis : axes)
            (axis.stride == 1 ? dense_ : axis.out != 0 ? kept_ : summed_).push_back(axis);
        // Only one axis is traversed in vectors.
        while (dense_.size() > 1) {
            (dense_.back().out != 0 ? kept_ : summed_).push_back(dense_.back());
            dense_.pop_back();
        }
        size_ = x.size();
    }

    bool is_dense() const { return !dense_.empty() || size_ <= 1; }

    void run(T* to) const {
        const bool columns = !dense_.empty() && dense_[0].out != 0;
        const std::size_t chunk = W * Columns<T>::count;
        const std::size_t across = columns ? (dense_[0].extent + chunk - 1) / chunk : 1;
        std::size_t tasks = across;
        for (const Axis& axis : kept_) tasks *= axis.extent;
        const auto some = [&](std::size_t begin, std::size_t end) {
            for (std::size_t task = begin; task < end; ++task) {
                std::size_t rest = task / across;
                std::ptrdiff_t from = 0, out = 0;
                for (std::size_t a = kept_.size(); a-- > 0; rest /= kept_[a].extent) {
                    const auto i = static_cast<std::ptrdiff_t>(rest % kept_[a].extent);
                    from += i * kept_[a].stride;
                    out += i * kept_[a].out;
                }
                if (columns)
                    sum_columns(from, out, task % across * chunk, to);
                else
                    to[out] = sum_row(from, shift_ ? shift_[out] : T(0));
            }
        };
        if (tasks > 1 && threads::worth_splitting(2 * static_cast<double>(size_)))
            threads::for_pieces(tasks, 1, some);
        else
            some(0, tasks);
    }

private:
    Lanes<T> of(Lanes<T> x, Lanes<T> shift) const {
        if (shift_ != nullptr) x -= shift;
        return summand_ == Summand::square ? x * x : x;
    }

    T sum_row(std::ptrdiff_t at, T shift) const {
        const std::size_t n = dense_.empty() ? 1 : dense_[0].extent;
        const Lanes<T> shifts(shift);
        PairwiseSum<Lanes<T>> sum;
        for_offsets(summed_.all(), at, [&](std::ptrdiff_t offset) {
            const T* const row = from_ + offset;
            std::size_t i = 0;
            for (; i + W <= n; i += W) sum.add(of(Lanes<T>::load(row + i), shifts));
            if (i == n) return;
            std::array<T, W> rest;
            rest.fill(shift);
            std::copy(row + i, row + n, rest.data());
            sum.add(of(Lanes<T>::load(rest.data()), shifts));
        });
        return sum.total().sum();
    }

    void sum_columns(std::ptrdiff_t at, std::ptrdiff_t out, std::size_t first, T* to) const {
        const Axis& axis = dense_[0];
        const std::size_t n = std::min(axis.extent - first, W * Columns<T>::count);
        at += static_cast<std::ptrdiff_t>(first);
        const auto offset_of = [&](std::size_t j) {
            return out + axis.out * static_cast<std::ptrdiff_t>(first + j);
        };
        Columns<T> shifts(0);
        alignas(64) std::array<T, W * Columns<T>::count> numbers{};
        if (shift_ != nullptr) {
            for (std::size_t j = 0; j < n; ++j) numbers[j] = shift_[offset_of(j)];
            for (std::size_t k = 0; k < Columns<T>::count; ++k)
                shifts.v[k] = Lanes<T>::load(numbers.data() + k * W);
        }
        PairwiseSum<Columns<T>> sum;
        for_offsets(summed_.all(), at, [&](std::ptrdiff_t offset) {
            const T* const row = from_ + offset;
            Columns<T> v(0);
            for (std::size_t k = 0; k * W < n; ++k)
                v.v[k] = of(k * W + W <= n ? Lanes<T>::load(row + k * W)
                                           : Lanes<T>::load_part(row + k * W, n - k * W),
                            shifts.v[k]);
            sum.add(v);
        });
        const Columns<T> total = sum.total();
        for (std::size_t k = 0; k < Columns<T>::count; ++k)
            total.v[k].store(numbers.data() + k * W);
        for (std::size_t j = 0; j < n; ++j) to[offset_of(j)] = numbers[j];
    }

    const T* from_;
    Axes dense_, kept_, summed_;
    Summand summand_;
    const T* shift_;
    std::size_t size_;
};

std::size_t summed_count(const Shape& x, const Shape& kept) {
    std::size_t n = 1;
    for (std::size_t a = 0; a < x.size(); ++a)
        if (kept[a] == 1) n *= x[a];
    return n;
}

// (x - shift) scale
template <class T>
Tensor<T> scaled(const Tensor<T>& x, const Tensor<T>& shift, const Tensor<T>& scale) {
    Tensor<T> y(x.shape());
    map_elements(x.shape(),
                 std::array{InputOperand<T>(x), InputOperand<T>(shift), InputOperand<T>(scale)},
                 std::array{OutputOperand<T>(y)},
                 [](auto x, auto shift, auto scale) { return (x - shift) * scale; });
    return y;
}

// For each sum the largest |x - shift|, ignoring NaN.
template <class T>
Tensor<T> largest_along(const Tensor<T>& x, const Shape& kept, const Tensor<T>& shift) {
    Tensor<T> most = Tensor<T>::zeros(kept);
    const Tensor<T> dense = scaled(x, shift, Tensor<T>::scalar(1)).contiguous();
    Strides to = row_major(kept);
    for (std::size_t a = 0; a < kept.size(); ++a)
        if (kept[a] == 1) to[a] = 0;
    std::vector<std::size_t> index(kept.size(), 0);
    T* const out = most.data();
    std::ptrdiff_t at = 0;
    for (std::size_t i = 0; i < dense.size(); ++i) {
        out[at] = std::max(out[at], std::abs(dense.data()[i]));
        for (std::size_t a = kept.size(); a-- > 0;) {
            at += to[a];
            if (++index[a] < x.shape(a)) break;
            at -= to[a] * static_cast<std::ptrdiff_t>(x.shape(a));
            index[a] = 0;
        }
    }
    return most;
}

} // namespace

template <class T>
Tensor<T> sum_along(const Tensor<T>& x, const Shape& kept, Summand summand,
                    const Tensor<T>* shift) {
    Tensor<T> out(kept);
    if (x.size() == 0) {
        out.fill(T(0));
        return out;
    }
    Tensor<T> shifts;
    if (shift != nullptr) shifts = shift->contiguous();
    const Summation<T> summation(x, out, summand, shift ? &shifts : nullptr);
    if (summation.is_dense())
        summation.run(out.data());
    else
        Summation<T>(x.copy(), out, summand, shift ? &shifts : nullptr).run(out.data());
    return out;
}

template <class T>
Tensor<T> mean_along(const Tensor<T>& x, const Shape& kept) {
    const auto n = static_cast<T>(summed_count(x.shape(), kept));
    Tensor<T> mean = sum_along(x, kept);
    bool is_finite = true;
    for (std::size_t i = 0; i < mean.size(); ++i) {
        mean.data()[i] /= n;
        is_finite = is_finite && std::isfinite(mean.data()[i]);
    }
    if (n == T(0)) return mean;
    if (!is_finite) // the sum may overflow although the mean does not
        mean = sum_along(scaled(x, Tensor<T>::scalar(0), Tensor<T>::scalar(T(1) / n)), kept);
    const Tensor<T> rest = mean_rest(x, mean);
    for (std::size_t i = 0; i < mean.size(); ++i) mean.data()[i] += rest.data()[i];
    return mean;
}

template <class T>
Tensor<T> mean_rest(const Tensor<T>& x, const Tensor<T>& mean) {
    const auto n = static_cast<T>(summed_count(x.shape(), mean.shape()));
    Tensor<T> rest = sum_along(x, mean.shape(), Summand::value, &mean);
    for (std::size_t i = 0; i < rest.size(); ++i) {
        T& r = rest.data()[i];
        r = std::isfinite(r / n) ? r / n : T(0);
    }
    return rest;
}

template <class T>
SquareSums<T> square_sums_along(const Tensor<T>& x, const Shape& kept, const Tensor<T>* shift) {
    SquareSums<T> out{sum_along(x, kept, Summand::square, shift), {}};
    const auto n = static_cast<T>(summed_count(x.shape(), kept));
    // Above this, the underflowed terms are less than an ulp of the sum.
    const T least = n * std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();
    bool is_safe = true;
    for (std::size_t i = 0; i < out.sums.size(); ++i) {
        const T sum = out.sums.data()[i];
        is_safe = is_safe && std::isfinite(sum) && sum > least;
    }
    if (is_safe || x.size() == 0) return out;
    const Tensor<T> none = Tensor<T>::scalar(0);
    const Tensor<T>& centre = shift != nullptr ? *shift : none;
    const Tensor<T> most = largest_along(x, kept, centre);
    Tensor<T> scale(kept);
    for (std::size_t i = 0; i < most.size(); ++i) {
        const T top = most.data()[i];
        constexpr int limit = std::numeric_limits<T>::max_exponent - 2;
        const bool has_scale = std::isfinite(top) && top > 0;
        out.exponents.push_back(has_scale ? std::clamp(std::ilogb(top), -limit, limit) : 0);
        scale.data()[i] = std::ldexp(T(1), -out.exponents.back());
    }
    out.sums = sum_along(scaled(x, centre, scale), kept, Summand::square);
    return out;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Tensor<T> sum_along(const Tensor<T>&, const Shape&, Summand, const Tensor<T>*);       \
    template Tensor<T> mean_along(const Tensor<T>&, const Shape&);                                 \
    template Tensor<T> mean_rest(const Tensor<T>&, const Tensor<T>&);                              \
    template SquareSums<T> square_sums_along(const Tensor<T>&, const Shape&, const Tensor<T>*);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
