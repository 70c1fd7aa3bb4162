#include <unroll/core/base/error.hpp>
#include <unroll/core/check/statistics.hpp>
#include <unroll/core/kernels/loops.hpp>
#include <unroll/optim/optimizer.hpp>

#include <cmath>

namespace unroll::optim {

namespace {

template <class T>
Lanes<T> root(Lanes<T> x) {
    return xsimd::sqrt(x.v);
}

template <class T>
double square_sum(const Tensor<T>& x) {
    Tensor<T> total = Tensor<T>::scalar(0);
    map_elements(x.shape(), std::array{Source<T>(x)}, std::array{Sink<T>(total)},
                 [](auto v) { return v * v; });
    return static_cast<double>(total.item());
}

// Value, gradient and slots pass once: f(w, g, slots...) -> (w, slots...), with weight decay
// around it.
template <class T, class F, class... Slot>
void pass(ParameterRef<T>& parameter, const Tensor<T>& gradient, double rate, double decay,
          bool decoupled, const F& f, Slot&... slots) {
    Tensor<T>& value = parameter.change();
    const auto coupled = static_cast<T>(decoupled ? 0 : decay);
    const auto shrink = static_cast<T>(decoupled ? 1 - rate * decay : 1);
    map_elements(value.shape(),
                 std::array{Source<T>(value), Source<T>(gradient), Source<T>(slots)...},
                 std::array{Sink<T>(value), Sink<T>(slots)...},
                 [&](auto w, auto g, auto... s) { return f(w * shrink, g + w * coupled, s...); });
}

void require(const char* name, bool holds, const char* what, double got) {
    if (!holds) fail(name, std::string(what) + ", got " + std::to_string(got));
}

} // namespace

template <class T>
Optimizer<T>::Optimizer(Parameters<T> parameters, double rate, std::vector<std::string> slots)
    : rate_(rate), parameters_(std::move(parameters)), slot_names_(std::move(slots)) {
    require("optimizer", rate >= 0 && std::isfinite(rate), "the rate must be at least 0", rate);
    for (const auto& parameter : parameters_) {
        auto& own = slots_.emplace_back();
        for (std::size_t i = 0; i < slot_names_.size(); ++i)
            own.push_back(Tensor<T>::zeros(parameter.shape()));
    }
}

template <class T>
bool Optimizer<T>::step() {
    for (const auto& parameter : parameters_) {
        if (!parameter.has_gradient() || is_finite(parameter.gradient())) continue;
        if (non_finite_ == NonFinite::error)
            fail("optimizer", "the gradient of '" + parameter.name() + "' is not finite");
        for (const auto& p : parameters_) p.clear_gradient();
        return false;
    }
    ++steps_;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        ParameterRef<T>& parameter = parameters_[i];
        if (!parameter.has_gradient()) continue;
        update(parameter, parameter.gradient(), slots_[i]);
        parameter.clear_gradient();
    }
    return true;
}

template <class T>
std::map<std::string, Tensor<T>> Optimizer<T>::state() const {
    std::map<std::string, Tensor<T>> all;
    for (std::size_t i = 0; i < slots_.size(); ++i)
        for (std::size_t s = 0; s < slot_names_.size(); ++s)
            all[std::to_string(i) + "." + slot_names_[s]] = slots_[i][s];
    return all;
}

template <class T>
void Optimizer<T>::restore(const std::map<std::string, Tensor<T>>& state, std::uint64_t steps) {
    const auto own = this->state();
    for (const auto& [name, tensor] : own) {
        const auto found = state.find(name);
        if (found == state.end()) fail("optimizer", "its state lacks '" + name + "'");
        if (found->second.shape() != tensor.shape())
            fail("optimizer", "'" + name + "' in its state has shape " +
                                  to_string(found->second.shape()) + ", expected " +
                                  to_string(tensor.shape()));
    }
    if (state.size() != own.size())
        fail("optimizer", "its state has " + std::to_string(state.size()) + " tensors, expected " +
                              std::to_string(own.size()));
    for (std::size_t i = 0; i < slots_.size(); ++i)
        for (std::size_t s = 0; s < slot_names_.size(); ++s)
            slots_[i][s].assign(state.at(std::to_string(i) + "." + slot_names_[s]));
    steps_ = steps;
}

template <class T>
Sgd<T>::Sgd(Parameters<T> parameters, const SgdOptions& options)
    : Optimizer<T>(std::move(parameters), options.rate, {"velocity"}), options_(options) {
    require("Sgd", !options.nesterov || options.momentum > 0, "Nesterov needs a momentum",
            options.momentum);
}

template <class T>
void Sgd<T>::update(ParameterRef<T>& parameter, const Tensor<T>& gradient,
                    std::vector<Tensor<T>>& slots) {
    const auto rate = static_cast<T>(this->rate_), momentum = static_cast<T>(options_.momentum);
    const auto ahead = static_cast<T>(options_.nesterov ? options_.momentum : 0);
    const auto plain = static_cast<T>(options_.nesterov ? 1 : 0);
    pass(
        parameter, gradient, this->rate_, options_.weight_decay, options_.decoupled,
        [=](auto w, auto g, auto v) {
            const auto next = v * momentum + g;
            const auto along = plain > 0 ? g + next * ahead : next;
            return std::tuple(w - along * rate, next);
        },
        slots[0]);
}

template <class T>
Adagrad<T>::Adagrad(Parameters<T> parameters, const AdagradOptions& options)
    : Optimizer<T>(std::move(parameters), options.rate, {"squares"}), options_(options) {}

template <class T>
void Adagrad<T>::update(ParameterRef<T>& parameter, const Tensor<T>& gradient,
                        std::vector<Tensor<T>>& slots) {
    const auto rate = static_cast<T>(this->rate_), epsilon = static_cast<T>(options_.epsilon);
    pass(
        parameter, gradient, this->rate_, options_.weight_decay, options_.decoupled,
        [=](auto w, auto g, auto s) {
            const auto next = s + g * g;
            return std::tuple(w - g * rate / (root(next) + epsilon), next);
        },
        slots[0]);
}

template <class T>
Rmsprop<T>::Rmsprop(Parameters<T> parameters, const RmspropOptions& options)
    : Optimizer<T>(std::move(parameters), options.rate, {"squares", "velocity"}),
      options_(options) {}

template <class T>
void Rmsprop<T>::update(ParameterRef<T>& parameter, const Tensor<T>& gradient,
                        std::vector<Tensor<T>>& slots) {
    const auto rate = static_cast<T>(this->rate_), epsilon = static_cast<T>(options_.epsilon);
    const auto decay = static_cast<T>(options_.decay), momentum = static_cast<T>(options_.momentum);
    pass(
        parameter, gradient, this->rate_, options_.weight_decay, options_.decoupled,
        [=](auto w, auto g, auto s, auto v) {
            const auto squares = s * decay + g * g * (1 - decay);
            const auto velocity = v * momentum + g / (root(squares) + epsilon);
            return std::tuple(w - velocity * rate, squares, velocity);
        },
        slots[0], slots[1]);
}

template <class T>
Adam<T>::Adam(Parameters<T> parameters, const AdamOptions& options)
    : Optimizer<T>(std::move(parameters), options.rate, {"mean", "squares"}), options_(options) {
    require("Adam", options.beta1 >= 0 && options.beta1 < 1, "beta1 must be in [0, 1)",
            options.beta1);
    require("Adam", options.beta2 >= 0 && options.beta2 < 1, "beta2 must be in [0, 1)",
            options.beta2);
}

template <class T>
void Adam<T>::update(ParameterRef<T>& parameter, const Tensor<T>& gradient,
                     std::vector<Tensor<T>>& slots) {
    const double t = static_cast<double>(this->steps_);
    const auto beta1 = static_cast<T>(options_.beta1), beta2 = static_cast<T>(options_.beta2);
    const auto step = static_cast<T>(this->rate_ / (1 - std::pow(options_.beta1, t)));
    const auto unbias = static_cast<T>(1 / std::sqrt(1 - std::pow(options_.beta2, t)));
    const auto epsilon = static_cast<T>(options_.epsilon);
    pass(
        parameter, gradient, this->rate_, options_.weight_decay, options_.decoupled,
        [=](auto w, auto g, auto m, auto s) {
            const auto mean = m * beta1 + g * (1 - beta1);
            const auto squares = s * beta2 + g * g * (1 - beta2);
            return std::tuple(w - mean * step / (root(squares) * unbias + epsilon), mean, squares);
        },
        slots[0], slots[1]);
}

template <class T>
double clip_norm(const Parameters<T>& parameters, double most) {
    require("clip_norm", most > 0, "the norm must be positive", most);
    double squares = 0;
    for (const auto& p : parameters)
        if (p.has_gradient()) squares += square_sum(p.gradient());
    const double norm = std::sqrt(squares);
    if (!std::isfinite(norm)) {
        for (const auto& p : parameters)
            if (p.has_gradient() && !is_finite(p.gradient()))
                fail("clip_norm", "the gradient of '" + p.name() + "' is not finite");
        fail("clip_norm", "the norm of the gradients is too large for their type");
    }
    if (norm <= most) return norm;
    const auto scale = static_cast<T>(most / norm);
    for (const auto& p : parameters) {
        if (!p.has_gradient()) continue;
        Tensor<T>& gradient = p.gradient_buffer();
        map_elements(gradient.shape(), std::array{Source<T>(gradient)},
                     std::array{Sink<T>(gradient)}, [scale](auto g) { return g * scale; });
    }
    return norm;
}

template <class T>
void clip_value(const Parameters<T>& parameters, double most) {
    require("clip_value", most > 0, "the bound must be positive", most);
    const auto bound = static_cast<T>(most);
    for (const auto& p : parameters) {
        if (!p.has_gradient()) continue;
        Tensor<T>& gradient = p.gradient_buffer();
        map_elements(gradient.shape(), std::array{Source<T>(gradient)},
                     std::array{Sink<T>(gradient)}, [bound](auto g) {
                         const auto low = where(g < -bound, -bound, g);
                         return where(low > bound, bound, low);
                     });
    }
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template class Optimizer<T>;                                                                   \
    template class Sgd<T>;                                                                         \
    template class Adagrad<T>;                                                                     \
    template class Rmsprop<T>;                                                                     \
    template class Adam<T>;                                                                        \
    template double clip_norm(const Parameters<T>&, double);                                       \
    template void clip_value(const Parameters<T>&, double);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::optim
