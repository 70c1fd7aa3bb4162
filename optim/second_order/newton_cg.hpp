#pragma once

#include <unroll/optim/second_order/minimizer.hpp>

namespace unroll::optim {

struct NewtonCgOptions {
    double learning_rate = 1;        // first trial of a line search
    std::size_t max_iterations = 20; // per step
    std::size_t max_evaluations = 0; // 0: 4 max_iterations
    std::size_t max_products = 0; // Hessian-vector products per iteration; 0: elements, at most 200
    double damping = 0;           // added to the diagonal of the Hessian
    double gradient_tolerance = 1e-7; // of the largest magnitude of an element
    double change_tolerance = 1e-9;   // of the loss, and of the largest change of an element
};

// Newton's method. Conjugate gradients solve (H + damping I) d = -g approximately, until the
// residual is below min(1/2, sqrt |g|) |g| or a direction has no positive curvature, with products
// of the Hessian and a vector instead of the matrix; a line search along d follows (Nocedal and
// Wright 2006, algorithm 7.1).
//   optim::NewtonCg<double> newton(parameters(model));
//   const auto result = newton.step([&] { return mean(square(model(x) - y)); });
template <class T = float>
class NewtonCg final : public Minimizer<T> {
public:
    explicit NewtonCg(const Parameters<T>& parameters, const NewtonCgOptions& options = {},
                      Where where = Where::current());
    template <detail::NoParameters<T> X>
    explicit NewtonCg(const X& model, const NewtonCgOptions& = {})
        : NewtonCg(detail::no_parameters<T>(model)) {}

private:
    typename Minimizer<T>::Direction direction(Objective<T>& objective) const override;

    NewtonCgOptions options_;
};

extern template class NewtonCg<float>;
extern template class NewtonCg<double>;

} // namespace unroll::optim
