#pragma once

#include <unroll/nn/layers/layers.hpp>

namespace unroll::nn {

// How attention, which is permutation-invariant, encodes the order of steps: computed or learned
// vectors added to the input of a stack, or rotation of queries and keys in every layer (rotary).
enum class Positions { none, sinusoidal, learned, rotary };

// Rows for steps first, first + 1, ...: [steps, width]. For step t, column 2i is sin(t / 10000^(2i
// / width)) and column 2i + 1 the cosine of the same angle.  (Vaswani et al. 2017)
template <class T = float>
Tensor<T> sinusoidal_positions(std::size_t first, std::size_t steps, std::size_t width);

// x [B, T, ..., d] of steps first, first + 1, ..., with each pair of features (i, i + d/2) rotated
// by the angle t / 10000^(2i / d): dot products of rotated vectors depend only on the distance
// between steps. Throws Error for an odd d.  (Su et al. 2021; the paper pairs adjacent features)
template <class T>
Variable<T> rotate(const Variable<T>& x, std::size_t first = 0, Op op = "rotate");

struct PositionOptions {
    Positions kind = Positions::none;
    std::size_t width = 0;
    std::size_t steps = 0; // number of learned positions
};

// Adds a vector for each step, if the kind has one: x [T, B, width] of steps first, first + 1, ...
// -> [T, B, width]. Learned vectors are initialised normally with standard deviation 0.02. Throws
// Error for steps beyond the learned ones.
template <class T = float>
class PositionEncoding {
public:
    using value_type = T;
    explicit PositionEncoding(const PositionOptions& options, Where where = Where::current());
    Variable<T> operator()(const Variable<T>& x, std::size_t first = 0,
                           Where caller = Where::current()) const;
    void members(Members<T>& m);

    PositionOptions options;
    Parameter<T> weight; // [steps, width] if learned
    ModuleName module_name{"PositionEncoding"};
};

} // namespace unroll::nn
