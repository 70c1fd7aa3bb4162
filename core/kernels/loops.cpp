#include <unroll/core/kernels/loops.hpp>
#include <unroll/core/kernels/threads.hpp>
#include <unroll/core/tensor/strided_view.hpp>

#include <cstdint>

namespace unroll::detail {

namespace {

// Estimated cost of an element in floating-point operations, for threads::worth_splitting().
constexpr double cost = 16;
constexpr std::size_t chunk = 256;

using Steps = std::array<std::ptrdiff_t, most_operands>;

struct Axis {
    std::size_t extent = 1;
    Steps strides;
};

// The loop nest, outermost axis first. Unit axes are dropped, and adjacent axes are merged if they
// form one stride for every operand.
struct Nest {
    std::size_t operands = 0;
    std::size_t rank = 0;
    std::array<Axis, max_rank> axes;

    void add(const Axis& axis) {
        if (axis.extent == 1) return;
        if (rank > 0) {
            Axis& outer = axes[rank - 1];
            bool one_run = true;
            for (std::size_t k = 0; k < operands; ++k)
                one_run = one_run && outer.strides[k] ==
                                         axis.strides[k] * static_cast<std::ptrdiff_t>(axis.extent);
            if (one_run) {
                outer.extent *= axis.extent;
                outer.strides = axis.strides;
                return;
            }
        }
        axes[rank++] = axis;
    }

    // The innermost axis is the one along which the fewest operands must be gathered, unless its
    // rows are short; ties go to the axis along which most operands are dense.
    void choose_inner() {
        std::size_t best = rank - 1, most = 0;
        double least = 1e9;
        for (std::size_t a = rank; a-- > 0;) {
            const auto* const begin = axes[a].strides.begin();
            const auto* const end = begin + operands;
            const auto dense = static_cast<std::size_t>(std::count(begin, end, 1));
            const auto repeated = static_cast<std::size_t>(std::count(begin, end, 0));
            const double cost = static_cast<double>(operands - dense - repeated) +
                                8.0 / static_cast<double>(axes[a].extent);
            if (cost < least || (cost == least && dense > most))
                best = a, most = dense, least = cost;
        }
        std::rotate(axes.begin() + static_cast<std::ptrdiff_t>(best),
                    axes.begin() + static_cast<std::ptrdiff_t>(best) + 1,
                    axes.begin() + static_cast<std::ptrdiff_t>(rank));
    }
};

using Layout = LayoutRef::Layout;

// Whether the operand has this shape and is contiguous in row-major order.
inline bool is_dense(const Layout& layout, const Shape& shape) {
    const Shape& own = layout.shape;
    if (layout.is_row_major) return &own == &shape || own == shape;
    const Strides& strides = layout.strides;
    const std::size_t rank = shape.size();
    if (own.size() != rank) return false;
    std::size_t step = 1;
    for (std::size_t a = rank; a-- > 0;) {
        const std::size_t n = shape[a];
        if (own[a] != n || (static_cast<std::size_t>(strides[a]) != step && n != 1)) return false;
        step *= n;
    }
    return true;
}

// The stride along an axis of `shape`, to which the operand's own shape broadcasts: 0 if it is
// broadcast along the axis.
std::ptrdiff_t stride_along(const Layout& layout, const Shape& shape, std::size_t axis) {
    const Shape& own = layout.shape;
    const std::size_t lead = shape.size() - own.size();
    return axis < lead || own[axis - lead] != shape[axis] ? 0 : layout.strides[axis - lead];
}

// The sum of a vector of any width, of which the other numbers are 0; overwrites them.
template <class T>
T sum_of(T* numbers) {
    for (std::size_t n = widest<T> / 2; n > 0; n /= 2)
        for (std::size_t i = 0; i < n; ++i) numbers[i] += numbers[i + n];
    return numbers[0];
}

template <class T>
class Map {
public:
    using Places = std::array<T*, most_operands>;

    Map(std::span<const InputOperand<T>> in, std::span<const OutputOperand<T>> out,
        const RowKernel<T>& kernel)
        : in_(in.size()), all_(in.size() + out.size()), out_(out), kernel_(kernel) {
        for (std::size_t k = 0; k < in_; ++k) start_[k] = const_cast<T*>(in[k].data);
        for (std::size_t k = in_; k < all_; ++k) {
            start_[k] = out[k - in_].data;
            adds_[k - in_] = out[k - in_].accumulate;
        }
    }

    // All operands dense and in the same order.
    void run_dense(std::size_t size) const {
        std::array<std::size_t, most_operands> steps;
        std::fill_n(steps.begin(), all_, 1);
        if (!is_worth_splitting(size) || results_meet())
            return kernel_.run(kernel_.f, start_.data(), steps.data(), adds_.data(), size);
        threads::for_pieces(size, widest<T>, [&](std::size_t begin, std::size_t end) {
            Places p;
            for (std::size_t k = 0; k < all_; ++k) p[k] = start_[k] ? start_[k] + begin : nullptr;
            kernel_.run(kernel_.f, p.data(), steps.data(), adds_.data(), end - begin);
        });
    }

    void run(Nest& nest) {
        if (nest.rank == 0) nest.axes[nest.rank++] = {1, {}};
        nest.choose_inner();
        std::size_t size = 1;
        for (std::size_t a = 0; a < nest.rank; ++a) size *= nest.axes[a].extent;
        clear_sums(nest);

        // The first axis over which no result is summed is divided among threads.
        std::size_t shared = 0;
        while (shared < nest.rank && is_summed(nest.axes[shared])) ++shared;
        if (shared == nest.rank || !is_worth_splitting(size) || results_meet())
            return walk(nest, 0, start_);
        const Axis& axis = nest.axes[shared];
        const std::size_t align = shared + 1 == nest.rank ? widest<T> : 1;
        threads::for_pieces(axis.extent, align, [&](std::size_t begin, std::size_t end) {
            Nest part = nest;
            part.axes[shared].extent = end - begin;
            walk(part, 0, moved(start_, axis.strides, begin));
        });
    }

    // Clears results that are summed but not accumulated.
    void clear_sums(const Nest& nest) {
        for (std::size_t k = in_; k < all_; ++k) {
            if (start_[k] == nullptr || adds_[k - in_]) continue;
            bool sums = false;
            for (std::size_t a = 0; a < nest.rank; ++a)
                sums = sums || (nest.axes[a].extent != 1 && nest.axes[a].strides[k] == 0);
            if (!sums) continue;
            adds_[k - in_] = true;
            clear(nest, 0, k, start_[k]);
        }
    }

private:
    static bool is_worth_splitting(std::size_t size) {
        return size >= 4096 && threads::worth_splitting(cost * static_cast<double>(size));
    }

    // Whether two results, such as shifted views of one buffer, share elements that different
    // threads would write. Identical views are divided identically.
    bool results_meet() const {
        const auto elements = [](const OutputOperand<T>& sink) {
            const auto [low, high] = extent(sink.layout->shape, sink.layout->strides);
            return std::pair(sink.data + low, sink.data + high);
        };
        for (std::size_t i = 0; i < out_.size(); ++i)
            for (std::size_t j = 0; j < i; ++j) {
                if (out_[i].data == nullptr || out_[j].data == nullptr) continue;
                if (out_[i].data == out_[j].data && out_[i].layout == out_[j].layout) continue;
                const auto [a, a_end] = elements(out_[i]);
                const auto [b, b_end] = elements(out_[j]);
                if (a < b_end && b < a_end) return true;
            }
        return false;
    }

    Places moved(const Places& start, const Steps& strides, std::size_t i) const {
        Places p;
        for (std::size_t k = 0; k < all_; ++k)
            p[k] = start[k] ? start[k] + strides[k] * static_cast<std::ptrdiff_t>(i) : nullptr;
        return p;
    }

    bool is_summed(const Axis& axis) const {
        for (std::size_t k = in_; k < all_; ++k)
            if (start_[k] != nullptr && axis.strides[k] == 0) return true;
        return false;
    }

    void clear(const Nest& nest, std::size_t a, std::size_t k, T* to) const {
        while (a < nest.rank && nest.axes[a].strides[k] == 0) ++a;
        if (a == nest.rank) {
            *to = T(0);
            return;
        }
        for (std::size_t i = 0; i < nest.axes[a].extent; ++i)
            clear(nest, a + 1, k, to + nest.axes[a].strides[k] * static_cast<std::ptrdiff_t>(i));
    }

    void walk(const Nest& nest, std::size_t a, Places p) const {
        const Axis& axis = nest.axes[a];
        if (a + 1 == nest.rank) return run_rows(p, {1, {}}, axis);
        if (a + 2 == nest.rank) return run_rows(p, axis, nest.axes[a + 1]);
        for (std::size_t i = 0; i < axis.extent; ++i) {
            walk(nest, a + 1, p);
            advance(p, axis);
        }
    }

    void advance(Places& p, const Axis& axis) const {
        for (std::size_t k = 0; k < all_; ++k)
            if (p[k] != nullptr) p[k] += axis.strides[k];
    }

    // All rows along an axis. Operands that are not dense are copied through a scratch row:
    // broadcast values are read from one splatted vector, others are gathered and scattered in
    // chunks.
    void run_rows(Places& p, const Axis& rows, const Axis& row) const {
        const std::size_t n = row.extent;
        bool dense = true, splats = false;
        std::array<std::size_t, most_operands> steps;
        for (std::size_t k = 0; k < all_; ++k) {
            const bool repeated = k < in_ && row.strides[k] == 0;
            dense = dense && (p[k] == nullptr || row.strides[k] == 1 || repeated);
            splats = splats || repeated;
            steps[k] = repeated ? 0 : 1;
        }
        if (!dense) {
            for (std::size_t i = 0; i < rows.extent; ++i, advance(p, rows))
                for (std::size_t begin = 0; begin < n; begin += chunk)
                    run_chunk(moved(p, row.strides, begin), row.strides,
                              std::min(chunk, n - begin));
            return;
        }
        if (!splats) {
            for (std::size_t i = 0; i < rows.extent; ++i, advance(p, rows))
                kernel_.run(kernel_.f, p.data(), steps.data(), adds_.data(), n);
            return;
        }
        alignas(64) std::array<std::array<T, widest<T>>, most_operands> numbers;
        Places q;
        for (std::size_t i = 0; i < rows.extent; ++i, advance(p, rows)) {
            for (std::size_t k = 0; k < all_; ++k) {
                q[k] = p[k];
                if (steps[k] != 0) continue;
                numbers[k].fill(*p[k]);
                q[k] = numbers[k].data();
            }
            kernel_.run(kernel_.f, q.data(), steps.data(), adds_.data(), n);
        }
    }

    void run_chunk(const Places& p, const Steps& strides, std::size_t n) const {
        alignas(64) std::array<std::array<T, chunk>, most_operands> scratch;
        Places q = p;
        std::array<std::size_t, most_operands> steps;
        auto adds = adds_;
        for (std::size_t k = 0; k < all_; ++k) {
            steps[k] = 1;
            if (p[k] == nullptr || strides[k] == 1) continue;
            q[k] = scratch[k].data();
            if (strides[k] == 0) {
                std::fill_n(q[k], widest<T>, k < in_ ? *p[k] : T(0));
                steps[k] = 0;
            } else if (k < in_) {
                for (std::size_t i = 0; i < n; ++i)
                    q[k][i] = p[k][strides[k] * static_cast<std::ptrdiff_t>(i)];
            }
            if (k >= in_) adds[k - in_] = strides[k] == 0;
        }
        kernel_.run(kernel_.f, q.data(), steps.data(), adds.data(), n);
        for (std::size_t k = in_; k < all_; ++k) {
            if (p[k] == nullptr || strides[k] == 1) continue;
            const bool add = adds_[k - in_];
            if (strides[k] == 0) {
                const T sum = sum_of(q[k]);
                *p[k] = add ? *p[k] + sum : sum;
                continue;
            }
            for (std::size_t i = 0; i < n; ++i) {
                T& to = p[k][strides[k] * static_cast<std::ptrdiff_t>(i)];
                to = add ? to + q[k][i] : q[k][i];
            }
        }
    }

    std::size_t in_, all_;
    std::span<const OutputOperand<T>> out_;
    Places start_;
    std::array<bool, most_operands> adds_;
    const RowKernel<T>& kernel_;
};

} // namespace

template <class T>
void map_rows(const Shape& shape, std::span<const InputOperand<T>> in,
              std::span<const OutputOperand<T>> out, const RowKernel<T>& kernel) {
    Map<T> map(in, out, kernel);
    bool dense = true;
    for (const auto& source : in) dense = dense && is_dense(*source.layout, shape);
    for (const auto& sink : out)
        dense = dense && (sink.data == nullptr || is_dense(*sink.layout, shape));
    const std::size_t size = element_count(shape);
    if (dense) return map.run_dense(size);

    Nest nest; // its strides are large; initialised only here
    nest.operands = in.size() + out.size();
    for (std::size_t a = 0; a < shape.size(); ++a) {
        Axis axis;
        axis.extent = shape[a];
        for (std::size_t k = 0; k < in.size(); ++k)
            axis.strides[k] = stride_along(*in[k].layout, shape, a);
        for (std::size_t j = 0; j < out.size(); ++j)
            axis.strides[in.size() + j] =
                out[j].data == nullptr ? 0 : stride_along(*out[j].layout, shape, a);
        if (size == 0)
            nest.axes[nest.rank++] = axis;
        else
            nest.add(axis);
    }
    if (size == 0)
        map.clear_sums(nest);
    else
        map.run(nest);
}

template void map_rows(const Shape&, std::span<const InputOperand<float>>,
                       std::span<const OutputOperand<float>>, const RowKernel<float>&);
template void map_rows(const Shape&, std::span<const InputOperand<double>>,
                       std::span<const OutputOperand<double>>, const RowKernel<double>&);

} // namespace unroll::detail
