#include <unroll/core/kernels/sums.hpp>
#include <unroll/optim/updates.hpp>

#include <algorithm>

namespace unroll::optim {

namespace {

// The root of the mean square of x, which is not empty.
template <class T>
double root_mean_square(const Tensor<T>& x) {
    const SquareSums<T> squares = square_sums_along(x, Shape(x.dimension(), 1));
    const int exponent = squares.exponents.empty() ? 0 : squares.exponents[0];
    const auto sum = static_cast<double>(squares.sums.item());
    return std::ldexp(std::sqrt(sum / static_cast<double>(x.size())), exponent);
}

// average = decay average + (1 - decay) x / n
template <class T>
void average_in(Tensor<T>& average, const MovingAverage<T>& moving, const Tensor<T>& x,
                std::size_t n) {
    const auto count = static_cast<T>(n);
    map_elements(average.shape(), std::array{InputOperand<T>(average), InputOperand<T>(x)},
                 std::array{OutputOperand<T>(average)},
                 [=](auto a, auto v) { return moving(a, bounded(v / count)); });
}

} // namespace

template <>
struct UpdateRule<AdafactorOptions> {
    static constexpr const char* name = "Adafactor";

    static void check(const Op& op, const AdafactorOptions& o) {
        require(op, o.beta2_decay <= 0 && std::isfinite(o.beta2_decay),
                "beta2_decay must be at most 0 and finite", o.beta2_decay);
        if (o.epsilon1) require_epsilon(op, *o.epsilon1, "epsilon1");
        require_epsilon(op, o.epsilon2, "epsilon2");
        require(op, o.clip >= 1 && std::isfinite(o.clip), "clip must be at least 1 and finite",
                o.clip);
    }

    static std::vector<Slot> slots(const AdafactorOptions&, const Shape& shape) {
        if (shape.size() < 2) return slots_of(shape, {"squares"});
        return {{"rows", without(shape, 1)}, {"columns", without(shape, 2)}};
    }

    template <class T>
    static void update(const AdafactorOptions& o, const Change<T>& change) {
        const Tensor<T>& g = change.gradient;
        if (g.size() == 0) return;
        const auto t = static_cast<double>(change.settings.count);
        const MovingAverage<T> moving(1 - std::pow(t, o.beta2_decay));
        const double epsilon = o.epsilon1.value_or(std::numeric_limits<T>::epsilon());
        const T least = positive<T>(epsilon), least_square = positive<T>(epsilon * epsilon);
        Tensor<T> u(g.shape());
        if (g.dimension() < 2) {
            Tensor<T>& squares = change.slots[0];
            map_elements(g.shape(), std::array{InputOperand<T>(g), InputOperand<T>(squares)},
                         std::array{OutputOperand<T>(u), OutputOperand<T>(squares)},
                         [=](auto x, auto s) {
                             const auto next = moving(s, bounded_square(x));
                             return std::tuple(x / root(at_least(next, least_square)), next);
                         });
        } else {
            const Shape& shape = g.shape();
            const std::size_t rank = shape.size();
            Tensor<T>&rows = change.slots[0], &columns = change.slots[1];
            average_in(rows, moving, sum_along(g, rows.shape(), Summand::square), shape[rank - 1]);
            average_in(columns, moving, sum_along(g, columns.shape(), Summand::square),
                       shape[rank - 2]);
            const Tensor<T> mean = mean_along(rows, without(rows.shape(), 2));
            map_elements(shape,
                         std::array{InputOperand<T>(g), InputOperand<T>(rows),
                                    InputOperand<T>(columns), InputOperand<T>(mean)},
                         std::array{OutputOperand<T>(u)}, [=](auto x, auto r, auto c, auto m) {
                             const auto s = r / at_least(m, least) * c;
                             return x / root(at_least(s, least_square));
                         });
        }
        const double scale = std::max(o.epsilon2, root_mean_square(change.parameter.value()));
        const double limit = std::max(1.0, root_mean_square(u) / o.clip);
        const double step = std::min(change.settings.learning_rate, 1 / std::sqrt(t));
        const auto rate = static_cast<T>(step * scale / limit);
        sweep<0>(Change<T>{change.settings, change.parameter, u, change.slots},
                 [=](auto v) { return std::tuple(v * rate); });
    }

private:
    // The shape with 1 in place of the last axis but `from_end - 1`.
    static Shape without(Shape shape, std::size_t from_end) {
        shape[shape.size() - from_end] = 1;
        return shape;
    }
    template <class V, class T>
    static V at_least(V x, T least) {
        return where(x < least, V(least), x);
    }
};

UNROLL_OPTIMIZER(AdafactorOptions)

} // namespace unroll::optim
