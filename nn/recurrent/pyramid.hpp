#pragma once

#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>

#include <span>
#include <vector>

namespace unroll::nn {

// A batch of steps, and the length of each sequence.
template <class T = float>
struct Frames {
    Variable<T> x; // [T, B, width]
    std::vector<std::size_t> lengths;
};

// Joins each `factor` steps into one: x [T, B, n] -> [ceil(T / factor), B, factor n], lengths
// likewise. x after the end of a sequence is replaced by zeros, which also pad the last step.
// Throws Error for a factor of 0, and if shapes or lengths do not match.
template <class T>
Frames<T> join_steps(const Variable<T>& x, std::size_t factor,
                     std::span<const std::size_t> lengths = {}, Op op = "join_steps");
// The same for tensors.
auto join_steps(const TensorOperand auto& x, std::size_t factor,
                std::span<const std::size_t> lengths = {}, Op op = "join_steps") {
    return join_steps(unroll::detail::variable(x), factor, lengths, op);
}

struct PyramidOptions {
    std::size_t input = 0;
    std::size_t hidden = 0;         // of each direction
    List<std::size_t> factors = {}; // of each layer: the number of steps that it reads as one
    double dropout = 0;             // of the input of each layer but the first
    bool bidirectional = true;
};

// Recurrent layers that each read several steps of the layer below as one, so that the top has few
// steps: the listener of Listen, Attend and Spell (Chan et al. 2016), there with factors 1, 2,
// 2, 2.
template <class Cell>
class Pyramid {
public:
    using value_type = cell_scalar<Cell>;
    using T = value_type;

    // Throws Error if there are no layers, and for a factor of 0.
    explicit Pyramid(const PyramidOptions& options, Where where = Where::current());
    // x [T, B, input] -> [T', B, output_width()]. Throws Error if shapes or lengths do not match.
    Frames<T> operator()(const Variable<T>& x, std::span<const std::size_t> lengths = {},
                         Where caller = Where::current()) const;

    std::size_t output_width(Where where = Where::current()) const {
        module_name.require_not_moved(where);
        return layers.back().output_width();
    }
    // The number of input steps per output step.
    std::size_t factor() const;
    void members(Members<T>& m) { m(module_name)("layers", layers); }

    PyramidOptions options;
    List<Recurrent<Cell>> layers;
    ModuleName module_name{"Pyramid"};
};

extern template class Pyramid<LstmCell<float>>;
extern template class Pyramid<LstmCell<double>>;
extern template class Pyramid<GruCell<float>>;
extern template class Pyramid<GruCell<double>>;

} // namespace unroll::nn
