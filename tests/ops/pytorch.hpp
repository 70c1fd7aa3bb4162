#pragma once

#include "support.hpp"

#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <functional>
#include <string>
#include <vector>

namespace test {

// An operation, and the name of its operands and results in a golden file.
struct PytorchCase {
    std::string name;
    std::function<Variable<double>(const std::vector<Variable<double>>&)> f;
};

// Compares values, first and second derivatives; see second_order() of make_golden.py.
inline void equals_pytorch(const SafetensorsFile& file, const PytorchCase& which) {
    using V = Variable<double>;
    const std::string& name = which.name;
    CAPTURE(name);
    const auto get = [&](const std::string& what, std::size_t i) {
        return file.get<double>(name + "." + what + std::to_string(i));
    };
    Tape<double> tape;
    std::vector<V> x;
    while (file.contains(name + ".x" + std::to_string(x.size())))
        x.push_back(tape.variable(get("x", x.size())));
    const V y = which.f(x);
    CHECK(distance(y.value(), file.get<double>(name + ".y")) < 1e-12);
    const V seed(file.get<double>(name + ".seed"));
    const std::vector<V> first =
        tape.gradients(std::span(&y, 1), std::span(&seed, 1), x, {.create_graph = true});
    V bent(0.0);
    for (std::size_t i = 0; i < x.size(); ++i) {
        CHECK(distance(first[i].value(), get("grad", i)) < 1e-12);
        bent = bent + sum(V(get("across", i)) * square(first[i]));
    }
    if (!bent.is_recorded()) return; // linear in a single operand
    tape.backward(bent);
    for (std::size_t i = 0; i < x.size(); ++i)
        CHECK(distance(tape.gradient(x[i]), get("second", i)) < 1e-11);
}

} // namespace test
