#pragma once

// How the checks run a program.

#include "program.hpp"

#include <unroll/core/autograd/tape.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

namespace programs {

// Indices of the unused values, from which the loss is computed.
std::vector<std::size_t> ends(const Program& p);
// The weight of an element of an unused value in the loss.
double weight(std::size_t end, std::size_t element);
// "v7", "w0" of a parameter, "x1" of a variable.
std::string name(const Program& p, std::size_t value);

// The values of a program from those of its leaves; `run` executes one call.
template <class X, class F>
std::vector<X> run_calls(const Program& p, std::vector<X> values, const F& run) {
    for (const Call& call : p.calls) {
        std::vector<X> operands;
        for (const std::size_t o : call.operands) operands.push_back(values[o]);
        for (X& result : run(operations()[call.operation], operands, call))
            values.push_back(std::move(result));
    }
    return values;
}
template <class T>
Many<T> run_calls(const Program& p, Many<T> leaves) {
    return run_calls(p, std::move(leaves), [](const Operation& o, const Many<T>& x, const Call& c) {
        return o.run<T>(x, c);
    });
}

template <class T>
unroll::Variable<T> loss_of(const Program& p, const Many<T>& values) {
    unroll::Variable<T> loss(T(0));
    for (const std::size_t end : ends(p)) {
        Tensor<T> weights(values[end].shape());
        for (std::size_t k = 0; k < weights.size(); ++k)
            weights.data()[k] = static_cast<T>(weight(end, k));
        loss = loss + sum(values[end] * weights);
    }
    return loss;
}

// A program on its own tape.
template <class T>
struct Run {
    std::vector<unroll::Parameter<T>> parameters; // per leaf; unused if the leaf is a variable
    std::vector<Tensor<T>> inputs;                // the storage of the leaves
    unroll::Tape<T> tape;
    Many<T> leaves, values;
    unroll::Variable<T> loss;

    explicit Run(const Program& p) : Run(p, [](std::size_t, const auto& x) { return x; }) {}
    // through(v, x) is called for value v, which is x, and may return another variable to use.
    template <class F>
    Run(const Program& p, const F& through) {
        for (std::size_t i = 0; i < p.leaves.size(); ++i) {
            Tensor<T> input(p.leaves[i].shape());
            for (std::size_t k = 0; k < input.size(); ++k)
                input.data()[k] = static_cast<T>(std::as_const(p.leaves[i]).data()[k]);
            // Without reserve(), so that parameters are moved while variables refer to them.
            parameters.emplace_back(name(p, i), input);
            inputs.push_back(input);
            if (p.is_parameter[i])
                leaves.push_back(parameters.back());
            else
                leaves.push_back(tape.variable(input));
            values.push_back(through(i, leaves.back()));
        }
        std::size_t next = values.size();
        values = run_calls(p, std::move(values),
                           [&](const Operation& o, const Many<T>& x, const Call& c) {
                               auto made = o.run<T>(x, c);
                               for (auto& v : made) v = through(next++, v);
                               return made;
                           });
        loss = loss_of(p, values);
    }

    // Copies of the gradients of all leaves, from the tape and the parameters.
    std::vector<Tensor<T>> gradients() const {
        std::vector<Tensor<T>> all;
        for (const auto& leaf : leaves) all.push_back(tape.gradient(leaf).copy());
        return all;
    }
};

// Each returns the problem that it found, or an empty string. `expected`: the gradients per leaf of
// a plain run with backward only.
std::string check_float(const Program& p, const Run<double>& exact);
std::string check_moves(const Program& p, const std::vector<Tensor<double>>& expected);
std::string check_exceptions(const Program& p);
std::string check_threads(const Program& p, const std::vector<Tensor<double>>& expected);
std::string check_changes(const Program& p, const std::vector<Tensor<double>>& expected);

} // namespace programs
