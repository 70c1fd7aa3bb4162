#pragma once

#include "support.hpp"

#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace test {

using V = Variable<double>;
using Many = std::vector<V>;

// One operation: a call on samples, an independent reference if it is pointwise, and a call that
// must fail with the given text.
struct Spec {
    std::string name;
    std::function<V(const Many&)> f;
    std::vector<std::vector<Shape>> samples;
    std::function<double(double)> scalar = nullptr;
    std::function<void()> wrong = nullptr;
    std::string message = "";
    double low = -std::numeric_limits<double>::infinity(); // its domain
    double high = std::numeric_limits<double>::infinity();
    bool flat = false; // its derivative is 0 everywhere
};

std::vector<Spec> pointwise_specs();
std::vector<Spec> shape_specs();
std::vector<Spec> sum_specs();
std::vector<Spec> order_specs();
std::vector<Spec> linalg_specs();
std::vector<Spec> loss_specs();
std::vector<Spec> layer_specs();

inline V fixed(const Shape& shape) { return V(random_tensor(shape, 9)); }
inline const std::vector<std::vector<Shape>> any{{{3, 5}}, {{}}, {{2, 3, 4}}, {{0, 3}}, {{17}}};

} // namespace test
