// A loss written for xtensor, with its gradient. Only its namespace and its return type have
// changed.
#include <unroll/unroll.hpp>
#include <unroll/xt.hpp>

#include <iostream>
namespace xt = unroll::xt;

// -log p(target), where p is a mixture of three normal distributions given by a linear map of x: x
// [n, k], w [k, 9], target [n, 1].
xt::xarray<double> loss(const xt::xarray<double>& x, const xt::xarray<double>& w,
                        const xt::xarray<double>& target) {
    xt::xarray<double> z = xt::linalg::dot(x, w);
    auto logits = xt::view(z, xt::all(), xt::range(0, 3));
    auto mean = xt::view(z, xt::all(), xt::range(3, 6));
    auto deviation = xt::exp(xt::view(z, xt::all(), xt::range(6, 9)));
    auto weight = xt::exp(logits) / xt::sum(xt::exp(logits), {1}, xt::keep_dims);
    auto density = weight * xt::exp(-0.5 * xt::square((target - mean) / deviation)) / deviation;
    return -xt::mean(xt::log(xt::sum(density, {1})))();
}

int main() {
    using namespace unroll;
    const Tensor<double> x({4, 2}, {0.1, 1, 0.4, 1, 0.7, 1, 1.0, 1}), target({4, 1}, {0, 1, 0, 2});
    const Tensor<double> start({2, 9}, {0.5, -0.2, 0.1, 0.3, -0.4, 0.8, 0.2, 0.1, -0.3, //
                                        -0.1, 0.4, 0.2, 0.6, 0.1, -0.5, 0.3, -0.2, 0.1});
    std::cout << "loss " << loss(x, start, target).item() << "\n"
              << gradcheck(loss, x, start, target);

    Parameter<double> w("w", start);
    optim::Adam<double> adam(parameters(w), {.learning_rate = 1e-2});
    for (int step = 0; step <= 200; ++step) {
        Tape<double> tape;
        const auto now = loss(x, w, target);
        tape.backward(now);
        adam.step();
        if (step % 50 == 0) std::cout << step << ": " << now.item() << "\n";
    }
}
