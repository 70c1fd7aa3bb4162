#include <unroll/core/autograd/backward/linear_maps.hpp>
#include <unroll/ops/linalg/lapack.hpp>
#include <unroll/ops/linalg/solve.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/rearrange/diagonal.hpp>
#include <unroll/ops/views.hpp>

#include <numeric>

namespace unroll {

namespace {

Shape batches(const Shape& shape) { return {shape.begin(), shape.end() - 2}; }

void check_square(const Op& op, const Shape& a) {
    if (a.size() < 2 || a[a.size() - 1] != a[a.size() - 2])
        fail(op, "a " + to_string(a) + "; expected square matrices [..., n, n]");
}

// " 3 of [2, 5, 5]", or nothing for a single matrix.
std::string position(std::size_t i, const Shape& shape) {
    return shape.size() == 2 ? "" : " " + std::to_string(i) + " of " + to_string(shape);
}

template <class T>
lapack::Lu<T> factored(const Op& op, const Tensor<T>& a, std::size_t i) {
    const std::size_t n = a.shape().back();
    lapack::Lu<T> lu(op, a.data() + i * n * n, n);
    if (lu.is_singular()) fail(op, "matrix" + position(i, a.shape()) + " is singular");
    return lu;
}

template <class T>
Tensor<T> transposed(const Tensor<T>& x) {
    Shape order(x.dimension());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::swap(order.back(), order[order.size() - 2]);
    return x.transpose({order.begin(), order.size()});
}

// The solutions x [batch, n, m] for b [batch, n, m], where the batches of a broadcast to `batch`.
template <class T>
Tensor<T> solutions(const Op& op, const Tensor<T>& matrices, const Tensor<T>& right,
                    const Shape& batch) {
    const std::size_t n = right.shape(right.dimension() - 2), m = right.shape().back();
    const Tensor<T> a = matrices.contiguous();
    const Shape own = batches(a.shape());
    // Which matrix of a belongs to each of the batch.
    Indices numbers(own);
    std::iota(numbers.data(), numbers.data() + numbers.size(), std::int64_t{0});
    const Indices of = numbers.broadcast_to(batch).contiguous();
    Shape shape = batch;
    shape.push_back(n);
    shape.push_back(m);
    // One right side after the other.
    Tensor<T> x = transposed(right.broadcast_to(shape)).copy();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const lapack::Lu<T> lu = factored(op, a, i);
        for (std::size_t k = 0; k < of.size(); ++k)
            if (of.data()[k] == static_cast<std::int64_t>(i)) lu.solve(x.data() + k * n * m, m);
    }
    return transposed(x);
}

// With 1 below, 1/2 on, and 0 above the diagonal.
template <class T>
Variable<T> half_lower(std::size_t n) {
    Tensor<T> weights = Tensor<T>::zeros({n, n});
    for (std::size_t i = 0; i < n; ++i) {
        std::fill_n(weights.data() + i * n, i, T(1));
        weights.data()[i * (n + 1)] = T(0.5);
    }
    return constant(std::move(weights));
}

} // namespace

template <class T>
Variable<T> solve(const Variable<T>& a, const std::type_identity_t<Variable<T>>& b, Op op) {
    check_square(op, a.shape());
    const std::size_t n = a.shape().back();
    const auto wrong = [&] {
        fail(op, "a " + to_string(a.shape()) + ", b " + to_string(b.shape()) +
                     "; expected [..., n, n], and [..., n, m] or [n]");
    };
    if (b.dimension() == 0 || b.shape(b.dimension() < 2 ? 0 : b.dimension() - 2) != n) wrong();
    if (b.dimension() == 1) {
        const Composite composite(op);
        return squeeze(solve(a, expand_dims(b, 1), op), -1);
    }
    const Shape batch = broadcast(op, batches(a.shape()), batches(b.shape()));
    return record<T>(op, {&a, &b}, solutions(op, a.value(), b.value(), batch),
                     save_for_backward(a, result),
                     [](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& a,
                        const Variable<T>& x) {
                         const Variable<T> right = solve(transposed(a), g, to[0].operation());
                         to[1].add(right);
                         to[0].add_product(right, transposed(x), T(-1));
                     });
}

template <class T>
Variable<T> inverse(const Variable<T>& a, Op op) {
    check_square(op, a.shape());
    const std::size_t n = a.shape().back();
    Tensor<T> unit = Tensor<T>::zeros({n, n});
    for (std::size_t i = 0; i < n; ++i) unit.data()[i * (n + 1)] = 1;
    const Composite composite(op);
    return solve(a, constant(std::move(unit)), op);
}

template <class T>
Variable<T> cholesky(const Variable<T>& a, Op op) {
    check_square(op, a.shape());
    const Composite composite(op);
    const Variable<T> symmetric = 0.5 * (a + transposed(a));
    const std::size_t n = a.shape().back();
    Tensor<T> lower = symmetric.value().copy();
    for (std::size_t i = 0; n > 0 && i * n * n < lower.size(); ++i) {
        const std::size_t rows = lapack::cholesky(op, lower.data() + i * n * n, n);
        if (rows < n)
            fail(op, "matrix" + position(i, a.shape()) + " is not positive definite: its leading " +
                         std::to_string(rows + 1) + " rows are not, or hold NaN");
    }
    // With P the lower triangle of L^T G, its diagonal halved, the gradient is L^-T P L^-1.
    return record<T>(op, {&symmetric}, std::move(lower), save_for_backward(result),
                     [](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& lower) {
                         const Op op = to[0].operation();
                         const Variable<T> upper = transposed(lower);
                         const Variable<T> p =
                             product(op, upper, g) * half_lower<T>(lower.shape().back());
                         const Variable<T> left = solve(upper, p, op);
                         to[0].add(transposed(solve(upper, transposed(left), op)));
                     });
}

template <class T>
Variable<T> log_determinant(const Variable<T>& a, Op op) {
    check_square(op, a.shape());
    const Tensor<T> matrices = a.value().contiguous();
    Tensor<T> values(batches(a.shape()));
    for (std::size_t i = 0; i < values.size(); ++i)
        values.data()[i] = factored(op, matrices, i).log_determinant();
    return record<T>(op, {&a}, std::move(values), save_for_backward(a),
                     [](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& a) {
                         to[0].add(expand_dims(expand_dims(g, -1), -1) *
                                   transposed(inverse(a, to[0].operation())));
                     });
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> solve(const Variable<T>&, const Variable<T>&, Op);                        \
    template Variable<T> inverse(const Variable<T>&, Op);                                          \
    template Variable<T> cholesky(const Variable<T>&, Op);                                         \
    template Variable<T> log_determinant(const Variable<T>&, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
