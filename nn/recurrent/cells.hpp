#pragma once

#include <unroll/core/autograd/record.hpp>
#include <unroll/nn/layers/layers.hpp>

#include <array>
#include <optional>

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

// What a step is handed beside its input and state.
template <class T>
struct StepContext {
    // Where it may leave what the next ones read side by side: its new h, and the recurrent
    // pre-activations of cells that need them apart from the input's.
    Place<T> h;
    Place<T> recurrent;
    // Instead of weight_hh, and a factor of the h that the recurrent product reads; null: none.
    const Variable<T>* weight_hh = nullptr;
    const Variable<T>* mask = nullptr;
};

// What the cells of this file are made of: G gates, h of width `output`.
template <class T>
struct CellParameters {
    std::size_t input = 0, hidden = 0, gates = 0, output = 0;
    Parameter<T> weight_ih, weight_hh, bias_ih, bias_hh;
    // With layer normalisation: LN(W_ih x) and LN(W_hh h) for the products  (Ba et al. 2016)
    std::optional<LayerNorm<T>> norm_ih, norm_hh;

    // Uniform within 1 / sqrt(hidden), as PyTorch begins.
    CellParameters(std::size_t input, std::size_t hidden, std::size_t gates, bool layer_norm,
                   std::size_t output = 0);
    void members(Members<T>& m);

protected:
    Variable<T> inputs(const Variable<T>& x, const Variable<T>& bias) const; // W_ih x + bias
    // z + W_hh h
    Variable<T> add_recurrent(const Variable<T>& z, const Variable<T>& h,
                              const StepContext<T>& context) const;
    Variable<T> read(const Variable<T>& h, const StepContext<T>& context) const;
    Variable<T> recurrent_weight(const StepContext<T>& context) const;
};

// h' = g(W_ih x + b_ih + W_hh h + b_hh), g = tanh or ReLU  (Elman 1990)
struct RnnOptions {
    bool relu = false;
    bool layer_norm = false;
};

template <class T>
struct RnnCell : CellParameters<T> {
    using value_type = T;
    using Options = RnnOptions;
    static constexpr std::size_t states = 1;
    static constexpr std::size_t recurrent_gates = 0;
    static constexpr const char* name = "Rnn";

    RnnCell(std::size_t input, std::size_t hidden, Options options = {})
        : CellParameters<T>(input, hidden, 1, options.layer_norm), options(options) {}
    Variable<T> project(const Variable<T>& x) const;
    State<T, 1> step(const Variable<T>& z, const State<T, 1>& state,
                     const StepContext<T>& context = {}) const;

    Options options;
};

// Gates i, f, g, o:  c' = sigmoid(f) c + sigmoid(i) tanh(g);  h' = sigmoid(o) tanh(c')
// (Hochreiter and Schmidhuber 1997; Gers et al. 2000)
// What else there is, in any combination:
//   peephole: w_i c and w_f c are added to the gates i and f, w_o c' to o  (Gers et al. 2003)
//   coupled: 1 - sigmoid(f) in the place of sigmoid(i); gates f, g, o  (Greff et al. 2017)
//   layer_norm: of both products, and of c' where h' reads it  (Ba et al. 2016)
//   projection: h' = W_hr (sigmoid(o) tanh(c')), of so many numbers  (Sak et al. 2014)
struct LstmOptions {
    double forget_bias = 0; // added to the starting value of the forget gate's bias
    bool peephole = false;
    bool coupled = false;
    bool layer_norm = false;
    std::size_t projection = 0; // 0: none
};

template <class T>
struct LstmCell : CellParameters<T> {
    using value_type = T;
    using Options = LstmOptions;
    static constexpr std::size_t states = 2; // h, c
    static constexpr std::size_t recurrent_gates = 0;
    static constexpr const char* name = "Lstm";

    LstmCell(std::size_t input, std::size_t hidden, Options options = {});
    Variable<T> project(const Variable<T>& x) const;
    State<T, 2> step(const Variable<T>& z, const State<T, 2>& state,
                     const StepContext<T>& context = {}) const;
    std::array<std::size_t, 2> widths() const { return {this->output, this->hidden}; }
    void members(Members<T>& m);

    Options options;
    Parameter<T> peephole;  // [3, hidden], rows i, f, o; of coupled gates [2, hidden], f, o
    Parameter<T> weight_hr; // [projection, hidden]
    std::optional<LayerNorm<T>> norm_c;

private:
    State<T, 2> step_with_options(const Variable<T>& gates, const Variable<T>& c,
                                  const StepContext<T>& context) const;
};

// Gates r, z, n: the candidate n is tanh(W x + b + r (U h + b')) or, with the reset before the
// product, tanh(W x + b + U (r h) + b'), or tanh(W x + b + U h + b') without a reset gate (whose
// rows of the weights are then not used). h' = z h + (1 - z) n, or with the gate the other way
// (1 - z) h + z n.  (Cho et al. 2014; the default form is cuDNN's and PyTorch's)
struct GruOptions {
    enum class Reset { after, before, none } reset = Reset::after;
    enum class Update { keeps_old, lets_new } update = Update::keeps_old;
    bool layer_norm = false; // of W x and of U h, all gates at once; not with Reset::before
};

template <class T>
struct GruCell : CellParameters<T> {
    using value_type = T;
    using Options = GruOptions;
    static constexpr std::size_t states = 1;
    static constexpr std::size_t recurrent_gates = 3;
    static constexpr const char* name = "Gru";

    // Throws Error for layer normalisation with Reset::before.
    GruCell(std::size_t input, std::size_t hidden, Options options = {});
    Variable<T> project(const Variable<T>& x) const;
    State<T, 1> step(const Variable<T>& z, const State<T, 1>& state,
                     const StepContext<T>& context = {}) const;

    Options options;

private:
    template <class Keeps>
    Variable<T> mixed_step(const Variable<T>& x, const Variable<T>& h,
                           const StepContext<T>& context, Keeps) const;
};

} // namespace unroll::nn
