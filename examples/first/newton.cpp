// Newton's method for logistic regression. Conjugate gradients solve H p = g with products H v, so
// that the Hessian H is never formed.
#include <unroll/unroll.hpp>

#include <cmath>
#include <cstdio>
using namespace unroll;
using Vector = Tensor<double>;

double dot(const Vector& a, const Vector& b) { return sum(a * b).item(); }

// Solves A p = b, given v -> A v.
template <class Product>
Vector conjugate_gradients(const Product& product, const Vector& b) {
    Vector p = Vector::zeros(b.shape()), residual = b.copy(), direction = b.copy();
    double norm = dot(residual, residual);
    for (int i = 0; i < 100 && norm > 1e-20; ++i) {
        const Vector image = product(direction);
        const double step = norm / dot(direction, image);
        p = (p + step * direction).value();
        residual = (residual - step * image).value();
        const double before = norm;
        norm = dot(residual, residual);
        direction = (residual + norm / before * direction).value();
    }
    return p;
}

int main() {
    const std::size_t points = 500, features = 20;
    Random random(1);
    Vector x({points, features}), truth({features}), label({points});
    random.fill_normal(x.data(), x.size(), 0.0, 1.0);
    random.fill_normal(truth.data(), truth.size(), 0.0, 1.0);
    const Vector odds = sigmoid(dot(Variable(x), truth)).value();
    for (std::size_t i = 0; i < points; ++i) label(i) = random.uniform() < odds(i);

    Parameter<double> w("w", Vector::zeros({features}));
    for (int iteration = 0; iteration < 8; ++iteration) {
        Tape<double> tape;
        const auto loss = binary_cross_entropy(dot(x, w), label) + 5e-4 * sum(square(w));
        const Vector gradient = gradients(loss, {w}, {.retain = true})[0].value();
        std::printf("iteration %d: loss %.10f, gradient %.1e\n", iteration, loss.item(),
                    norm_l2(gradient).item());
        const auto product = [&](const Vector& v) {
            return hessian_vector_product(loss, {w}, {v})[0];
        };
        w.set((w - conjugate_gradients(product, gradient)).value());
    }
    const double cosine =
        dot(w.value(), truth) / std::sqrt(dot(w.value(), w.value()) * dot(truth, truth));
    std::printf("cosine with the true weights: %.3f\n", cosine);
}
