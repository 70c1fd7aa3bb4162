#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

struct SruOptions {
    double highway_bias = 0; // initial b_r: below 0, the layer passes on more of x
    bool rescale = true;     // α = sqrt(1 + 2 exp(highway_bias)), otherwise 1
};

// A simple recurrent unit (Lei et al. 2018, arXiv:1709.02755), whose gates read c only element by
// element:
//   f = sigmoid(W_f x + v_f c + b_f);  r = sigmoid(W_r x + v_r c + b_r)
//   c' = f c + (1 - f) W x;            h' = r c' + (1 - r) α x
// α gives h' the variance of x in a new layer. If input and hidden differ, W_s x replaces the last
// x. Initialised as in the paper: weights uniformly with variance 1 / input, b_f with 0. As in the
// authors' program, the variances of W_f and W_r are half of that, and v has the variance 1 / 2.
template <class T = float>
struct SruCell {
    using value_type = T;
    using Options = SruOptions;
    static constexpr std::size_t states = 2; // h, c
    static constexpr const char* name = "Sru";

    // Throws Error unless highway_bias is finite.
    SruCell(std::size_t input, std::size_t hidden, Options options = {},
            Where where = Where::current());
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 2> step(const Variable<T>& z, const State<T, 2>& state,
                     const StepContext<T>& context = {}, Where caller = Where::current()) const;
    void members(Members<T>& m);

    Options options;
    std::size_t input, hidden;
    double alpha;
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
