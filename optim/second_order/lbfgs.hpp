#pragma once

#include <unroll/optim/second_order/minimizer.hpp>

namespace unroll::optim {

struct LbfgsOptions {
    double learning_rate = 1;         // first trial of a line search
    std::size_t max_iterations = 20;  // per step
    std::size_t max_evaluations = 0;  // 0: 5/4 of max_iterations
    std::size_t memory = 10;          // number of earlier steps that approximate the Hessian
    double gradient_tolerance = 1e-7; // of the largest magnitude of an element
    double change_tolerance = 1e-9;   // of the loss, and of the largest change of an element
};

// Limited-memory BFGS (Liu and Nocedal 1989) with a line search for the strong Wolfe conditions.
// The search direction is -H g, where H, an inverse Hessian, is built from the last `memory` steps
// s and changes y of the gradient, starting from (s . y / y . y) I. For full batches: the steps of
// different batches do not fit together.
//   optim::Lbfgs<double> lbfgs(parameters(model));
//   const auto result = lbfgs.step([&] { return mean(square(model(x) - y)); });
template <class T = float>
class Lbfgs final : public Minimizer<T> {
public:
    explicit Lbfgs(const Parameters<T>& parameters, const LbfgsOptions& options = {},
                   Where where = Where::current());
    template <detail::NoParameters<T> X>
    explicit Lbfgs(const X& model, const LbfgsOptions& = {})
        : Lbfgs(detail::no_parameters<T>(model)) {}

private:
    typename Minimizer<T>::Direction direction(Objective<T>& objective) const override;
};

extern template class Lbfgs<float>;
extern template class Lbfgs<double>;

} // namespace unroll::optim
