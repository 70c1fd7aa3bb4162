#include <unroll/optim/updates.hpp>

// Descent by the gradient, scaled by its mean square.

namespace unroll::optim {

template <>
struct UpdateRule<SgdOptions> {
    static constexpr const char* name = "Sgd";

    static void check(const Op& op, const SgdOptions& o) {
        require_decay(op, "momentum", o.momentum);
        require(op, !o.nesterov || o.momentum > 0, "Nesterov needs a momentum", o.momentum);
    }

    static std::vector<Slot> slots(const SgdOptions&, const Shape& shape) {
        return slots_of(shape, {"momentum"});
    }

    template <class T>
    static void update(const SgdOptions& o, const Change<T>& change) {
        const auto rate = static_cast<T>(change.settings.learning_rate);
        const Decay<T> momentum(o.momentum);
        const bool nesterov = o.nesterov;
        sweep<1>(change, [=](auto g, auto v) {
            const auto next = momentum(v, g);
            return std::tuple((nesterov ? momentum(next, g) : next) * rate, next);
        });
    }
};

template <>
struct UpdateRule<AdagradOptions> {
    static constexpr const char* name = "Adagrad";

    static void check(const Op& op, const AdagradOptions& o) { require_epsilon(op, o.epsilon); }

    static std::vector<Slot> slots(const AdagradOptions&, const Shape& shape) {
        return slots_of(shape, {"squares"});
    }

    template <class T>
    static void update(const AdagradOptions& o, const Change<T>& change) {
        const auto rate = static_cast<T>(change.settings.learning_rate);
        const auto epsilon = positive<T>(o.epsilon);
        sweep<1>(change, [=](auto g, auto s) {
            const auto next = bounded(s + bounded_square(g));
            return std::tuple(g * rate / (root(next) + epsilon), next);
        });
    }
};

template <>
struct UpdateRule<AdadeltaOptions> {
    static constexpr const char* name = "Adadelta";

    static void check(const Op& op, const AdadeltaOptions& o) {
        require_decay(op, "decay", o.decay);
        require_epsilon(op, o.epsilon);
    }

    static std::vector<Slot> slots(const AdadeltaOptions&, const Shape& shape) {
        return slots_of(shape, {"squares", "changes"});
    }

    template <class T>
    static void update(const AdadeltaOptions& o, const Change<T>& change) {
        const auto rate = static_cast<T>(change.settings.learning_rate);
        const auto epsilon = positive<T>(o.epsilon);
        const MovingAverage<T> average(o.decay);
        sweep<2>(change, [=](auto g, auto s, auto d) {
            const auto squares = average(s, bounded_square(g));
            const auto step = root(d + epsilon) / root(squares + epsilon) * g;
            return std::tuple(step * rate, squares, average(d, bounded_square(step)));
        });
    }
};

template <>
struct UpdateRule<RmspropOptions> {
    static constexpr const char* name = "Rmsprop";

    static void check(const Op& op, const RmspropOptions& o) {
        require_decay(op, "decay", o.decay);
        require_decay(op, "momentum", o.momentum);
        require_epsilon(op, o.epsilon);
    }

    static std::vector<Slot> slots(const RmspropOptions& o, const Shape& shape) {
        return o.centered ? slots_of(shape, {"variance", "momentum", "mean"})
                          : slots_of(shape, {"squares", "momentum"});
    }

    template <class T>
    static void update(const RmspropOptions& o, const Change<T>& change) {
        const auto rate = static_cast<T>(change.settings.learning_rate);
        const auto epsilon = positive<T>(o.epsilon);
        const MovingAverage<T> average(o.decay);
        const Decay<T> momentum(o.momentum);
        if (!o.centered) {
            sweep<2>(change, [=](auto g, auto s, auto v) {
                const auto squares = average(s, bounded_square(g));
                const auto velocity = momentum(v, g / (root(squares) + epsilon));
                return std::tuple(velocity * rate, squares, velocity);
            });
            return;
        }
        // The difference of mean square and squared mean, without cancellation:
        // s = decay (s + (1 - decay) (g - m)^2) with the mean m of the earlier gradients.
        const auto take = static_cast<T>(o.decay * (1 - o.decay));
        sweep<3>(change, [=](auto g, auto s, auto v, auto m) {
            const auto variance = average.keep(s, bounded_square(g - m) * take);
            const auto velocity = momentum(v, g / (root(variance) + epsilon));
            return std::tuple(velocity * rate, variance, velocity, average(m, g));
        });
    }
};

UNROLL_OPTIMIZER(SgdOptions)
UNROLL_OPTIMIZER(AdagradOptions)
UNROLL_OPTIMIZER(AdadeltaOptions)
UNROLL_OPTIMIZER(RmspropOptions)

} // namespace unroll::optim
