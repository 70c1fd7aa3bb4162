#pragma once

#include <unroll/nn/layers/layers.hpp>

namespace unroll::nn {

// How attention, which sees its input as a set, learns of the order of steps: vectors that are
// added to the input of a stack, computed or learned; or queries and keys that are turned in every
// layer (rotary).
enum class Positions { none, sinusoidal, learned, rotary };

// Rows for steps first, first + 1, ...: [steps, width], of step t sin(t / 10000^(2i / width)) in
// column 2i and the cosine of the same in column 2i + 1.  (Vaswani et al. 2017)
template <class T>
Tensor<T> sinusoidal_positions(std::size_t first, std::size_t steps, std::size_t width);

// x [B, T, ..., d] of steps first, first + 1, ..., in which each pair of features (i, i + d/2) is
// turned by t / 10000^(2i / d): products of what was turned depend on the distance of steps alone.
// Throws Error for an odd d.  (Su et al. 2021; there neighbours are pairs, another order of
// features)
template <class T>
Variable<T> rotate(const Variable<T>& x, std::size_t first = 0, Op op = "rotate");

struct PositionOptions {
    Positions kind = Positions::none;
    std::size_t width = 0;
    std::size_t steps = 0; // that learned positions are there for
};

// Adds a vector for each step, where the kind has one: x [T, B, width] of steps first, first + 1,
// ... -> [T, B, width]. Learned ones begin normal, with deviation 0.02. Throws Error for steps
// beyond those learned.
template <class T>
class PositionEncoding {
public:
    using value_type = T;
    explicit PositionEncoding(const PositionOptions& options);
    Variable<T> operator()(const Variable<T>& x, std::size_t first = 0,
                           Where caller = Where::current()) const;
    void members(Members<T>& m);

    PositionOptions options;
    Parameter<T> weight; // [steps, width] where learned
    ModuleName module_name{"PositionEncoding"};
};

} // namespace unroll::nn
