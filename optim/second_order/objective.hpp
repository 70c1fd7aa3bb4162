#pragma once

#include <unroll/core/autograd/tape.hpp>
#include <unroll/optim/second_order/minimizer.hpp>

#include <memory>
#include <vector>

namespace unroll::optim {

// A loss as a function of the elements [n] of parameters, and its derivatives.
template <class T>
class Objective {
public:
    using Closure = typename Minimizer<T>::Closure;

    Objective(const Op& op, const Parameters<T>& parameters, const Closure& closure);
    // Evaluates the closure at the parameters' values. Throws Error as Minimizer::step does.
    void begin(bool allows_unlisted);

    // The current point of the minimiser.
    Tensor<T> x, gradient;
    double loss = 0;

    // The loss and the gradient at a point, to which it sets the parameters; infinity and zeros if
    // they are not finite.
    struct Evaluation {
        double loss;
        Tensor<T> gradient;
    };
    Evaluation at(const Tensor<T>& point);
    void set(const Tensor<T>& point);
    // Sets the elements of frozen parameters to 0.
    void clear_frozen(Tensor<T>& direction) const;
    std::size_t evaluations() const { return evaluations_; }

    // Evaluates the closure at the current point and records its gradient, for products with the
    // Hessian, until the next call.
    void record_gradient();
    Tensor<T> hessian_product(const Tensor<T>& v);
    void forget_gradient();
    std::size_t hessian_products() const { return products_; }

private:
    Variable<T> call();
    void clear_gradients() const;

    Op op_;
    const Parameters<T>& parameters_;
    const Closure& closure_;
    std::size_t evaluations_ = 0, products_ = 0;

    std::unique_ptr<Tape<T>> tape_; // of record_gradient
    std::vector<Variable<T>> trainable_, recorded_;
};

extern template class Objective<float>;
extern template class Objective<double>;

} // namespace unroll::optim
