#pragma once

#include <unroll/nn/options.hpp>
#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// The coefficients of a diagonal state space s' = a s + b B x, each [width].
template <class T = float>
struct StateSpaceCoefficients {
    Complex<T> a, b;
};

namespace detail {

// The width of the state: `width`, or `hidden` if it is 0. Throws Error for sizes of 0.
std::size_t state_space_width(const Op& cell, std::size_t input, std::size_t hidden,
                              std::size_t width);
// Normally, with variances 1 / (2 input) for complex B, 1 / width for C, 1 / input for D.
template <class T>
void initialise_state_space(Linear<T>& b, Linear<T>& c, Linear<T>& d);
// z [T, B, 2 width + hidden]: Re B x, Im B x, D x. `output_matrix`: [Re C, -Im C].
template <class T>
Scanned<T, 3> scan_state_space(const StateSpaceCoefficients<T>& coefficients, const Variable<T>& z,
                               const Linear<T>& output_matrix, const State<T, 3>& state,
                               const LinearScanOptions& options);

} // namespace detail

// A diagonal state space with a complex state s and matrices B, C, D:
//   s' = a s + b B x;  h' = Re(C s') + D x
// Its base `Dynamics`, LruDynamics or S5Dynamics, has the parameters of a and b. B, C and D are
// initialised normally with variances 1 / (2 input), 1 / width and 1 / input  (Orvieto et al.
// 2023).
template <class Dynamics>
struct StateSpaceCell : Dynamics {
    using T = typename Dynamics::value_type;
    using Options = typename Dynamics::Options;
    static constexpr std::size_t states = 3; // h, Re s, Im s
    static constexpr std::array<const char*, 3> state_names{"h", "real part", "imaginary part"};

    // Throws Error for options that Dynamics refuses.
    StateSpaceCell(std::size_t input, std::size_t hidden, const Options& options = {},
                   Where where = Where::current());
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 3> step(const Variable<T>& z, const State<T, 3>& state,
                     Where caller = Where::current()) const;
    Scanned<T, 3> scan(const Variable<T>& z, const State<T, 3>& state,
                       const LinearScanOptions& options) const;
    std::array<std::size_t, 3> widths() const { return {hidden, this->width, this->width}; }
    void members(Members<T>& m);

    std::size_t hidden;
    Linear<T> input_matrix;  // B: rows of the real parts, then of the imaginary ones
    Linear<T> output_matrix; // C: columns of the real parts, then of the negative imaginary ones
    Linear<T> skip;          // D
    ModuleName module_name{Dynamics::cell_name};
};

// ---- implementation ----

template <class Dynamics>
StateSpaceCell<Dynamics>::StateSpaceCell(std::size_t input, std::size_t hidden,
                                         const Options& options, Where where)
    : Dynamics(
          detail::state_space_width(Op(Dynamics::cell_name, where), input, hidden, options.width),
          options, Op(Dynamics::cell_name, where)),
      hidden(hidden), input_matrix({.input = input, .output = 2 * this->width, .bias = false}),
      output_matrix({.input = 2 * this->width, .output = hidden, .bias = false}),
      skip({.input = input, .output = hidden, .bias = false}) {
    detail::initialise_state_space(input_matrix, output_matrix, skip);
}

template <class Dynamics>
void StateSpaceCell<Dynamics>::members(Members<T>& m) {
    m(module_name);
    Dynamics::members(m);
    m("input_matrix", input_matrix)("output_matrix", output_matrix)("skip", skip);
}

template <class Dynamics>
auto StateSpaceCell<Dynamics>::project(const Variable<T>& x, Where caller) const -> Variable<T> {
    const detail::CellScope scope(module_name, detail::CellScope::Part::project, caller);
    return concatenate({input_matrix(x), skip(x)}, -1);
}

template <class Dynamics>
auto StateSpaceCell<Dynamics>::scan(const Variable<T>& z, const State<T, 3>& state,
                                    const LinearScanOptions& options) const -> Scanned<T, 3> {
    return detail::scan_state_space(this->coefficients(), z, output_matrix, state, options);
}

template <class Dynamics>
auto StateSpaceCell<Dynamics>::step(const Variable<T>& z, const State<T, 3>& state,
                                    Where caller) const -> State<T, 3> {
    const detail::CellScope scope(module_name, detail::CellScope::Part::step, caller);
    return detail::scan_step(*this, z, state);
}

} // namespace unroll::nn
