#pragma once

// Programs made at random of all operations, and what is compared of each.

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

// One call of an operation on earlier values, with what else it was given.
struct Call {
    std::size_t operation = 0; // index into operations()
    std::vector<std::size_t> operands;
    std::vector<std::int64_t> numbers; // axes, extents, indices, as the operation reads them
    Shape shape;
    std::vector<std::size_t> results; // numbers of the values it makes
};

// What a program has made so far, for an operation to choose operands from.
struct Values {
    std::vector<Tensor<double>> values;

    unroll::Random random{1};

    std::size_t below(std::size_t n) { return static_cast<std::size_t>(random.below(n)); }
    // A value of the kind wanted; false where there is none.
    bool pick(std::vector<std::size_t>& chosen, const std::function<bool(const Shape&)>& wanted);
    const Shape& shape(std::size_t value) const { return values[value].shape(); }
};

struct Operation {
    template <class T>
    using Run = std::function<Many<T>(const Many<T>&, const Call&)>;

    std::string name;
    // Chooses operands and the rest; false where nothing fits.
    std::function<bool(Values&, Call&)> choose;
    std::tuple<Run<float>, Run<double>> runs;
    std::function<Arrays<double>(const Arrays<double>&, const Call&)> reference;
    std::function<Arrays<reference::Pair>(const Arrays<reference::Pair>&, const Call&)> directed;
    // Whether a difference step away from the operands' values the function may bend.
    std::function<bool(const std::vector<Tensor<double>>&, const Call&)> near_corner = nullptr;

    template <class T>
    Many<T> run(const Many<T>& x, const Call& c) const {
        return std::get<Run<T>>(runs)(x, c);
    }
};
const std::vector<Operation>& operations();

struct Program {
    std::uint64_t seed = 0;
    std::vector<Tensor<double>> leaves; // values 0, 1, ...; numbers of float
    std::vector<bool> is_parameter;
    std::vector<Call> calls;
    std::size_t value_count() const;

    static Program random(std::uint64_t seed);
    std::string text() const;
    // Problems found; empty where all agrees: values and gradients with the reference, gradients
    // with differences, and at second order products with the Hessian; at first order values and
    // gradients in float, and gradients where something happens between the passes (mishaps.hpp).
    std::string check(bool second) const;
    // A smaller program that fails as well.
    Program minimised(bool second) const;
};

} // namespace programs
