#include <unroll/optim/updates.hpp>

// Adam and its relatives: updates by a mean of the gradients.

namespace unroll::optim {

namespace {

template <class Options>
void check_betas(const Op& op, const Options& o) {
    require_decay(op, "beta1", o.beta1);
    require_decay(op, "beta2", o.beta2);
}

// Betas and epsilon, and two slots.
struct AdamLike {
    template <class Options>
    static void check(const Op& op, const Options& o) {
        check_betas(op, o);
        require_epsilon(op, o.epsilon);
    }

    template <class Options>
    static std::vector<Slot> slots(const Options&, const Shape& shape) {
        return slots_of(shape, {"mean", "squares"});
    }
};

// 1 - beta^t
double unbiased(double beta, double t) { return 1 - std::pow(beta, t); }

struct AdamRule : AdamLike {
    template <class Options>
    static std::vector<Slot> slots(const Options& o, const Shape& shape) {
        return o.amsgrad ? slots_of(shape, {"mean", "squares", "largest_squares"})
                         : slots_of(shape, {"mean", "squares"});
    }

    template <class Options, class T>
    static void update(const Options& o, const Change<T>& change) {
        const auto t = static_cast<double>(change.settings.count);
        const auto rate = static_cast<T>(change.settings.learning_rate / unbiased(o.beta1, t));
        const auto unbias = static_cast<T>(1 / std::sqrt(unbiased(o.beta2, t)));
        const auto epsilon = positive<T>(o.epsilon);
        const MovingAverage<T> average1(o.beta1), average2(o.beta2);
        if (!o.amsgrad) {
            sweep<2>(change, [=](auto g, auto m, auto s) {
                const auto mean = average1(m, g);
                const auto squares = average2(s, bounded_square(g));
                return std::tuple(mean * rate / (root(squares) * unbias + epsilon), mean, squares);
            });
            return;
        }
        sweep<3>(change, [=](auto g, auto m, auto s, auto most) {
            const auto mean = average1(m, g);
            const auto squares = average2(s, bounded_square(g));
            const auto largest = where(squares > most, squares, most);
            return std::tuple(mean * rate / (root(largest) * unbias + epsilon), mean, squares,
                              largest);
        });
    }
};

// mu_1 ... mu_t of NAdam. With q = 0.96^momentum_decay the logarithm of the product of
// 1 - q^i / 2 is -sum over k of 2^-k / k (q^k + q^2k + ... + q^tk).
double momentum_product(const NAdamOptions& o, double t) {
    const double power = std::pow(o.beta1, t);
    if (power < 1e-18) return 0; // 1 - the product is 1
    const double log_q = std::log(0.96) * o.momentum_decay;
    double sum = 0;
    for (int k = 1; k < 56; ++k) {
        const double step = k * log_q;
        const double terms =
            step == 0 ? t : std::exp(step) * std::expm1(t * step) / std::expm1(step);
        sum += std::ldexp(terms, -k) / k;
    }
    return power * std::exp(-sum);
}

} // namespace

template <>
struct UpdateRule<AdamOptions> : AdamRule {
    static constexpr const char* name = "Adam";
};

template <>
struct UpdateRule<AdamWOptions> : AdamRule {
    static constexpr const char* name = "AdamW";
};

template <>
struct UpdateRule<NAdamOptions> : AdamLike {
    static constexpr const char* name = "NAdam";

    static void check(const Op& op, const NAdamOptions& o) {
        AdamLike::check(op, o);
        require_epsilon(op, o.momentum_decay, "momentum_decay");
    }

    template <class T>
    static void update(const NAdamOptions& o, const Change<T>& change) {
        const auto t = static_cast<double>(change.settings.count);
        const auto mu = [&](double i) {
            return o.beta1 * (1 - 0.5 * std::pow(0.96, i * o.momentum_decay));
        };
        const double product = momentum_product(o, t), rate = change.settings.learning_rate;
        const auto rate_g = static_cast<T>(rate * (1 - mu(t)) / (1 - product));
        const auto rate_m = static_cast<T>(rate * mu(t + 1) / (1 - product * mu(t + 1)));
        const auto unbias = static_cast<T>(1 / std::sqrt(unbiased(o.beta2, t)));
        const auto epsilon = positive<T>(o.epsilon);
        const MovingAverage<T> average1(o.beta1), average2(o.beta2);
        sweep<2>(change, [=](auto g, auto m, auto s) {
            const auto mean = average1(m, g);
            const auto squares = average2(s, bounded_square(g));
            return std::tuple((mean * rate_m + g * rate_g) / (root(squares) * unbias + epsilon),
                              mean, squares);
        });
    }
};

template <>
struct UpdateRule<RAdamOptions> : AdamLike {
    static constexpr const char* name = "RAdam";

    template <class T>
    static void update(const RAdamOptions& o, const Change<T>& change) {
        const auto t = static_cast<double>(change.settings.count);
        const double most = 2 / (1 - o.beta2) - 1, power = std::pow(o.beta2, t);
        const double r = most - 2 * t * power / (1 - power);
        const bool adaptive = r > 5;
        double factor = change.settings.learning_rate / unbiased(o.beta1, t);
        if (adaptive)
            factor *=
                std::sqrt((r - 4) * (r - 2) * most / ((most - 4) * (most - 2) * r) * (1 - power));
        const auto rate = static_cast<T>(factor), epsilon = positive<T>(o.epsilon);
        const MovingAverage<T> average1(o.beta1), average2(o.beta2);
        sweep<2>(change, [=](auto g, auto m, auto s) {
            const auto mean = average1(m, g);
            const auto squares = average2(s, bounded_square(g));
            return std::tuple(adaptive ? mean * rate / (root(squares) + epsilon) : mean * rate,
                              mean, squares);
        });
    }
};

template <>
struct UpdateRule<AdamaxOptions> : AdamLike {
    static constexpr const char* name = "Adamax";

    static std::vector<Slot> slots(const AdamaxOptions&, const Shape& shape) {
        return slots_of(shape, {"mean", "largest"});
    }

    template <class T>
    static void update(const AdamaxOptions& o, const Change<T>& change) {
        const auto t = static_cast<double>(change.settings.count);
        const auto rate = static_cast<T>(change.settings.learning_rate / unbiased(o.beta1, t));
        const auto epsilon = positive<T>(o.epsilon);
        const MovingAverage<T> average(o.beta1);
        const Decay<T> decay(o.beta2);
        sweep<2>(change, [=](auto g, auto m, auto u) {
            const auto mean = average(m, g), size = magnitude(g) + epsilon;
            const auto decayed = decay(u, decltype(u)(0));
            const auto largest = where(decayed > size, decayed, size);
            return std::tuple(mean * rate / largest, mean, largest);
        });
    }
};

template <>
struct UpdateRule<LionOptions> {
    static constexpr const char* name = "Lion";

    static void check(const Op& op, const LionOptions& o) { check_betas(op, o); }

    static std::vector<Slot> slots(const LionOptions&, const Shape& shape) {
        return slots_of(shape, {"mean"});
    }

    template <class T>
    static void update(const LionOptions& o, const Change<T>& change) {
        const auto rate = static_cast<T>(change.settings.learning_rate);
        const MovingAverage<T> direction(o.beta1), average(o.beta2);
        sweep<1>(change, [=](auto g, auto m) {
            using V = decltype(g);
            const V mixed = direction(m, g);
            const V sign = where(mixed > 0, V(1), where(mixed < 0, V(-1), V(0)));
            return std::tuple(sign * rate, average(m, g));
        });
    }
};

UNROLL_OPTIMIZER(AdamOptions)
UNROLL_OPTIMIZER(AdamWOptions)
UNROLL_OPTIMIZER(NAdamOptions)
UNROLL_OPTIMIZER(RAdamOptions)
UNROLL_OPTIMIZER(AdamaxOptions)
UNROLL_OPTIMIZER(LionOptions)

} // namespace unroll::optim
