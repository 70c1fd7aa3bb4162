#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// A simple recurrent unit (Lei et al. 2018, arXiv:1709.02755), whose gates read c only element by
// element:
//   f = sigmoid(W_f x + v_f c + b_f);  r = sigmoid(W_r x + v_r c + b_r)
//   c' = f c + (1 - f) W x;            h' = r c' + (1 - r) x
// If input and hidden differ, W_s x replaces the last x. Weights are initialised uniformly within
// sqrt(3 / input), biases with zeros; v has the variance 1.
template <class T = float>
struct SruCell {
    using value_type = T;
    static constexpr std::size_t states = 2; // h, c
    static constexpr const char* name = "Sru";

    SruCell(std::size_t input, std::size_t hidden, Where where = Where::current());
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 2> step(const Variable<T>& z, const State<T, 2>& state,
                     const StepContext<T>& context = {}, Where caller = Where::current()) const;
    void members(Members<T>& m);

    std::size_t input, hidden;
    Linear<T> gates;               // rows of f, r
    Linear<T> candidate;           // W, without a bias
    std::optional<Linear<T>> skip; // W_s, without a bias
    Parameter<T> peephole;         // [2, hidden], rows v_f, v_r
    ModuleName module_name{"SruCell"};
};

template <class T = float>
using Sru = Recurrent<SruCell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct SruCell<T>;                                                             \
    extern template class Recurrent<SruCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
