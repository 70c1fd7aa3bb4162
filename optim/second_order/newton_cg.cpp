#include <unroll/optim/second_order/newton_cg.hpp>
#include <unroll/optim/second_order/objective.hpp>
#include <unroll/optim/second_order/vectors.hpp>

#include <algorithm>
#include <cmath>

namespace unroll::optim {

using namespace vectors;

namespace {

MinimizerOptions common(const NewtonCgOptions& o) {
    return {.learning_rate = o.learning_rate,
            .max_iterations = o.max_iterations,
            .max_evaluations = o.max_evaluations != 0 ? o.max_evaluations : o.max_iterations * 4,
            .memory = 0,
            .gradient_tolerance = o.gradient_tolerance,
            .change_tolerance = o.change_tolerance};
}

} // namespace

template <class T>
NewtonCg<T>::NewtonCg(const Parameters<T>& parameters, const NewtonCgOptions& options, Where where)
    : Minimizer<T>(Op("NewtonCg", where), parameters, common(options)), options_(options) {
    if (!(options.damping >= 0 && std::isfinite(options.damping)))
        fail(Op("NewtonCg", where),
             "damping must be at least 0 and finite, got " + std::to_string(options.damping));
}

template <class T>
typename Minimizer<T>::Direction NewtonCg<T>::direction(Objective<T>& f) const {
    const std::size_t n = f.x.size();
    const std::size_t most =
        options_.max_products != 0 ? options_.max_products : std::min<std::size_t>(n, 200);
    Tensor<T> z = Tensor<T>::zeros(f.x.shape()), r = f.gradient, d = scaled(-1, r);
    double rr = dot(r, r);
    const double norm = std::sqrt(rr), tolerance = std::min(0.5, std::sqrt(norm)) * norm;
    f.record_gradient();
    std::size_t done = 0;
    for (; done < most; ++done) {
        Tensor<T> hd = f.hessian_product(d);
        if (options_.damping != 0) hd = add_scaled(hd, options_.damping, d);
        const double curvature = dot(d, hd);
        if (!(curvature > 0 && std::isfinite(curvature))) break;
        const double step = rr / curvature;
        z = add_scaled(z, step, d);
        r = add_scaled(r, step, hd);
        const double before = std::exchange(rr, dot(r, r));
        if (std::sqrt(rr) <= tolerance) {
            ++done;
            break;
        }
        d = add_scaled(scaled(-1, r), rr / before, d);
    }
    f.forget_gradient();
    // The first direction is that of steepest descent.
    if (done == 0) return {d, false};
    return {z, true};
}

template class NewtonCg<float>;
template class NewtonCg<double>;

} // namespace unroll::optim
