#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/positions.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/views.hpp>

#include <cmath>
#include <vector>

namespace unroll::nn {

namespace {

// The rotation angle of each pair of features per step.
std::vector<double> speeds(std::size_t width) {
    std::vector<double> all;
    for (std::size_t i = 0; i < width; i += 2)
        all.push_back(std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(width)));
    return all;
}

} // namespace

template <class T>
Tensor<T> sinusoidal_positions(std::size_t first, std::size_t steps, std::size_t width) {
    const auto speed = speeds(width);
    Tensor<T> rows(Shape{steps, width});
    for (std::size_t t = 0; t < steps; ++t)
        for (std::size_t i = 0; i < width; ++i) {
            const double a = static_cast<double>(first + t) * speed[i / 2];
            rows.data()[t * width + i] = static_cast<T>(i % 2 == 0 ? std::sin(a) : std::cos(a));
        }
    return rows;
}

template <class T>
Variable<T> rotate(const Variable<T>& x, std::size_t first, Op op) {
    if (x.dimension() < 2 || x.shape().back() % 2 != 0)
        fail(op, "x has shape " + to_string(x.shape()) +
                     ", expected [B, T, ..., d] with an even number d of features");
    const std::size_t steps = x.shape(1), width = x.shape().back(), half = width / 2;
    // One factor for the feature itself and one for its partner in the other half.
    Shape shape{steps};
    while (shape.size() + 2 < x.dimension()) shape.push_back(1);
    shape.push_back(2);
    shape.push_back(half);
    const auto speed = speeds(width);
    Tensor<T> own(shape), other(shape);
    for (std::size_t t = 0; t < steps; ++t)
        for (std::size_t i = 0; i < half; ++i) {
            const double a = static_cast<double>(first + t) * speed[i];
            T* const at = own.data() + t * width + i;
            T* const across = other.data() + t * width + i;
            at[0] = at[half] = static_cast<T>(std::cos(a));
            across[0] = static_cast<T>(-std::sin(a));
            across[half] = static_cast<T>(std::sin(a));
        }
    Shape paired(x.shape().begin(), x.shape().end() - 1);
    paired.push_back(2);
    paired.push_back(half);
    const Composite composite(op);
    const Variable<T> pairs = reshape(x, paired);
    const Variable<T> turned = fuse(
        op, primitive([](auto x, auto y, auto own, auto other) { return x * own + y * other; }),
        pairs, flip(pairs, -2), own, other);
    return reshape(turned, x.shape());
}

template <class T>
PositionEncoding<T>::PositionEncoding(const PositionOptions& options, Where where)
    : options(options) {
    if (options.kind != Positions::learned) return;
    if (options.steps == 0 || options.width == 0)
        fail(Op("PositionEncoding", where),
             "learned positions need a width and a number of steps of at least 1, got " +
                 std::to_string(options.width) + " and " + std::to_string(options.steps));
    weight = Parameter<T>("weight", normal<T>({options.steps, options.width}, 0.02, next_stream()));
}

template <class T>
Variable<T> PositionEncoding<T>::operator()(const Variable<T>& x, std::size_t first,
                                            Where caller) const {
    if (options.kind == Positions::none || options.kind == Positions::rotary) return x;
    const Scope scope(module_name, caller);
    if (x.dimension() != 3 || x.shape(2) != options.width)
        fail("PositionEncoding", "x has shape " + to_string(x.shape()) + ", expected [T, B, " +
                                     std::to_string(options.width) + "]");
    const std::size_t end = first + x.shape(0);
    if (options.kind == Positions::sinusoidal)
        return x + sinusoidal_positions<T>(first, x.shape(0), options.width).expand_dims(1);
    if (end > options.steps)
        fail("PositionEncoding", "there are positions for " + std::to_string(options.steps) +
                                     " steps, but not for step " + std::to_string(end - 1));
    return x + expand_dims(slice(weight, 0, first, end), 1);
}

template <class T>
void PositionEncoding<T>::members(Members<T>& m) {
    m(module_name);
    if (options.kind == Positions::learned) m("weight", weight);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Tensor<T> sinusoidal_positions(std::size_t, std::size_t, std::size_t);                \
    template Variable<T> rotate(const Variable<T>&, std::size_t, Op);                              \
    template class PositionEncoding<T>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
