#pragma once

// Random programs of all operations, and the checks of each.

#include "scalar.hpp"

#include <unroll/core/autograd/variable.hpp>
#include <unroll/core/tensor/random.hpp>

#include <functional>
#include <string>
#include <tuple>
#include <vector>

namespace programs {

using unroll::Shape;
using unroll::Tensor;
template <class T>
using Many = std::vector<unroll::Variable<T>>;
template <class N>
using Arrays = std::vector<reference::Array<N>>;

// One call of an operation on earlier values, with its other arguments.
struct Call {
    std::size_t operation = 0; // index into operations()
    std::vector<std::size_t> operands;
    std::vector<std::int64_t> numbers; // axes, extents, indices, as the operation reads them
    Shape shape;
    std::vector<std::size_t> results; // numbers of its results
};

// The values of a program so far, from which an operation chooses operands.
struct Values {
    std::vector<Tensor<double>> values;

    unroll::Random random{1};

    std::size_t below(std::size_t n) { return static_cast<std::size_t>(random.below(n)); }
    // Picks a value that satisfies the predicate; false if there is none.
    bool pick(std::vector<std::size_t>& chosen, const std::function<bool(const Shape&)>& wanted);
    const Shape& shape(std::size_t value) const { return values[value].shape(); }
};

struct Operation {
    template <class T>
    using Run = std::function<Many<T>(const Many<T>&, const Call&)>;

    std::string name;
    // Chooses operands and other arguments; false if there are none.
    std::function<bool(Values&, Call&)> choose;
    std::tuple<Run<float>, Run<double>> runs;
    std::function<Arrays<double>(const Arrays<double>&, const Call&)> reference;
    std::function<Arrays<reference::Pair>(const Arrays<reference::Pair>&, const Call&)> directed;
    // Whether the function may have a kink within a difference step of the operands.
    std::function<bool(const std::vector<Tensor<double>>&, const Call&)> near_corner = nullptr;

    template <class T>
    Many<T> run(const Many<T>& x, const Call& c) const {
        return std::get<Run<T>>(runs)(x, c);
    }
};
const std::vector<Operation>& operations();

struct Program {
    std::uint64_t seed = 0;
    std::vector<Tensor<double>> leaves; // values 0, 1, ...; representable in float
    std::vector<bool> is_parameter;
    std::vector<Call> calls;
    std::size_t value_count() const;

    static Program random(std::uint64_t seed);
    std::string text() const;
    // The problems found; empty if all comparisons agree: values and gradients with the reference,
    // gradients with differences, and at second order Hessian-vector products; at first order also
    // values and gradients in float, and gradients with disturbances between the passes (run.hpp).
    std::string check(bool second) const;
    // A smaller program that also fails.
    Program minimised(bool second) const;
};

} // namespace programs
