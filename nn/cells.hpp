#pragma once

#include <unroll/core/record.hpp>
#include <unroll/nn/module.hpp>

#include <array>

namespace unroll::nn {

// A recurrent cell is one step of a recurrent network, a function of an input and a state. The
// input is projected for all steps at once, before the first of them:
//   project: x [..., in] -> [..., G hidden]        step: (z [B, G hidden], state) -> state
// Weights have PyTorch's names, shapes and order of gates: weight_ih [G hidden, in],
// weight_hh [G hidden, hidden], bias_ih and bias_hh [G hidden].
// See docs/recurrent.md for the formulas.

// h, and whatever else a cell carries from step to step.
template <class T, std::size_t N>
using State = std::array<Variable<T>, N>;

// Where a step may leave what the next ones read side by side: its new h, and the recurrent
// pre-activations of cells that need them apart from the input's.
template <class T>
struct StepPlaces {
    Place<T> h;
    Place<T> recurrent;
};

template <class T, std::size_t gates>
struct CellParameters {
    std::size_t input = 0, hidden = 0;
    Parameter<T> weight_ih, weight_hh, bias_ih, bias_hh;

    // Uniform within 1 / sqrt(hidden), as PyTorch begins.
    CellParameters(std::size_t input, std::size_t hidden);
    void members(Members<T>& m) {
        m("weight_ih", weight_ih)("weight_hh", weight_hh)("bias_ih", bias_ih)("bias_hh", bias_hh);
    }
};

// h' = g(W_ih x + b_ih + W_hh h + b_hh), g = tanh or ReLU  (Elman 1990)
struct RnnOptions {
    bool relu = false;
};

template <class T>
struct RnnCell : CellParameters<T, 1> {
    using value_type = T;
    using Options = RnnOptions;
    static constexpr std::size_t states = 1;
    static constexpr std::size_t recurrent_gates = 0;
    static constexpr const char* name = "Rnn";

    RnnCell(std::size_t input, std::size_t hidden, Options options = {})
        : CellParameters<T, 1>(input, hidden), options(options) {}
    Variable<T> project(const Variable<T>& x) const;
    State<T, 1> step(const Variable<T>& z, const State<T, 1>& state,
                     const StepPlaces<T>& places = {}) const;

    Options options;
};

// Gates i, f, g, o:  c' = sigmoid(f) c + sigmoid(i) tanh(g);  h' = sigmoid(o) tanh(c')
// (Hochreiter and Schmidhuber 1997; Gers et al. 2000)
struct LstmOptions {
    double forget_bias = 0; // added to the starting value of the forget gate's bias
};

template <class T>
struct LstmCell : CellParameters<T, 4> {
    using value_type = T;
    using Options = LstmOptions;
    static constexpr std::size_t states = 2; // h, c
    static constexpr std::size_t recurrent_gates = 0;
    static constexpr const char* name = "Lstm";

    LstmCell(std::size_t input, std::size_t hidden, Options options = {});
    Variable<T> project(const Variable<T>& x) const;
    State<T, 2> step(const Variable<T>& z, const State<T, 2>& state,
                     const StepPlaces<T>& places = {}) const;
};

// Gates r, z, n: the candidate n is tanh(W x + b + r (U h + b')) or, with the reset before the
// product, tanh(W x + b + U (r h) + b'), or tanh(W x + b + U h + b') without a reset gate (whose
// rows of the weights are then not used). h' = z h + (1 - z) n, or with the gate the other way
// (1 - z) h + z n.  (Cho et al. 2014; the default form is cuDNN's and PyTorch's)
struct GruOptions {
    enum class Reset { after, before, none } reset = Reset::after;
    enum class Update { keeps_old, lets_new } update = Update::keeps_old;
};

template <class T>
struct GruCell : CellParameters<T, 3> {
    using value_type = T;
    using Options = GruOptions;
    static constexpr std::size_t states = 1;
    static constexpr std::size_t recurrent_gates = 3;
    static constexpr const char* name = "Gru";

    GruCell(std::size_t input, std::size_t hidden, Options options = {})
        : CellParameters<T, 3>(input, hidden), options(options) {}
    Variable<T> project(const Variable<T>& x) const;
    State<T, 1> step(const Variable<T>& z, const State<T, 1>& state,
                     const StepPlaces<T>& places = {}) const;

    Options options;
};

} // namespace unroll::nn
