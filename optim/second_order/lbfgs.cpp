#include <unroll/optim/second_order/lbfgs.hpp>
#include <unroll/optim/second_order/objective.hpp>
#include <unroll/optim/second_order/vectors.hpp>

namespace unroll::optim {

using namespace vectors;

namespace {

MinimizerOptions common(const Op& op, const LbfgsOptions& o) {
    if (o.memory == 0) fail(op, "memory must be at least 1, got 0");
    return {.learning_rate = o.learning_rate,
            .max_iterations = o.max_iterations,
            .max_evaluations =
                o.max_evaluations != 0 ? o.max_evaluations : o.max_iterations * 5 / 4,
            .memory = o.memory,
            .gradient_tolerance = o.gradient_tolerance,
            .change_tolerance = o.change_tolerance};
}

} // namespace

template <class T>
Lbfgs<T>::Lbfgs(const Parameters<T>& parameters, const LbfgsOptions& options, Where where)
    : Minimizer<T>(Op("Lbfgs", where), parameters, common(Op("Lbfgs", where), options)) {}

// The two-loop recursion (Nocedal and Wright 2006, algorithm 7.4).
template <class T>
typename Minimizer<T>::Direction Lbfgs<T>::direction(Objective<T>& f) const {
    const auto& memory = this->memory();
    Tensor<T> d = scaled(-1, f.gradient);
    if (memory.empty()) return {d, false};
    std::vector<double> a(memory.size());
    for (std::size_t i = memory.size(); i-- > 0;) {
        a[i] = dot(memory[i].step, d) / memory[i].step_change;
        d = add_scaled(d, -a[i], memory[i].change);
    }
    d = scaled(memory.back().step_change / memory.back().change_change, d);
    for (std::size_t i = 0; i < memory.size(); ++i) {
        const double b = dot(memory[i].change, d) / memory[i].step_change;
        d = add_scaled(d, a[i] - b, memory[i].step);
    }
    f.clear_frozen(d);
    return {d, true};
}

template class Lbfgs<float>;
template class Lbfgs<double>;

} // namespace unroll::optim
