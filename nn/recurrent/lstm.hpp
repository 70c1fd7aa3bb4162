#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// Gates i, f, g, o:  c' = sigmoid(f) c + sigmoid(i) tanh(g);  h' = sigmoid(o) tanh(c')
// (Hochreiter and Schmidhuber 1997; Gers et al. 2000)
// Options, in any combination:
//   peephole: adds w_i c and w_f c to the gates i and f, and w_o c' to o  (Gers et al. 2003)
//   coupled_gates: 1 - sigmoid(f) replaces sigmoid(i) (CIFG); gates f, g, o  (Greff et al. 2017)
//   layer_norm: of both products, and of c' where h' reads it  (Ba et al. 2016)
//   projection: h' = W_hr (sigmoid(o) tanh(c')), of that width  (Sak et al. 2014)
struct LstmOptions {
    double forget_bias = 0; // added to the initial bias of the forget gate
    bool peephole = false;
    bool coupled_gates = false;
    bool layer_norm = false;
    std::size_t projection = 0; // 0: none
};

template <class T = float>
struct LstmCell : CellParameters<T> {
    using value_type = T;
    using Options = LstmOptions;
    static constexpr std::size_t states = 2; // h, c
    static constexpr const char* name = "Lstm";

    LstmCell(std::size_t input, std::size_t hidden, Options options = {},
             Where where = Where::current());
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 2> step(const Variable<T>& z, const State<T, 2>& state,
                     const StepContext<T>& context = {}, Where caller = Where::current()) const;
    std::array<std::size_t, 2> widths() const { return {this->output, this->hidden}; }
    void members(Members<T>& m);

    Options options;
    Parameter<T> peephole;  // [3, hidden], rows i, f, o; if coupled [2, hidden], f, o
    Parameter<T> weight_hr; // [projection, hidden]
    std::optional<LayerNorm<T>> norm_c;

private:
    State<T, 2> step_with_options(const Variable<T>& gates, const Variable<T>& c,
                                  const StepContext<T>& context) const;
};

template <class T = float>
using Lstm = Recurrent<LstmCell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct LstmCell<T>;                                                            \
    extern template class Recurrent<LstmCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
