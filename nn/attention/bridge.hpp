#pragma once

#include <unroll/nn/layers/layers.hpp>

#include <span>

namespace unroll::nn {

// How a decoder's initial states are computed from the encoder's final ones: zeros, a copy if
// shapes agree, or tanh(W h + b) for each layer and state.
enum class BridgeKind { zeros, copy, project };

// Final states of an encoder -> initial states of a decoder, for any pair of cells and any numbers
// of layers. The two directions of a bidirectional encoder are concatenated; decoder layers without
// a counterpart use the encoder's top layer, and states without one (an Lstm's c after a Gru) its
// h.
template <class T = float>
class Bridge {
public:
    using value_type = T;
    struct Options {
        BridgeKind kind = BridgeKind::project;
        List<std::size_t> from; // widths of an encoder layer's states, all directions
        List<std::size_t> to;   // widths of a decoder layer's states
        std::size_t layers = 1; // of the decoder
    };

    explicit Bridge(const Options& options, Where where = Where::current());
    // Encoder states [layers * directions, B, H] -> for each decoder layer, each state [B, to].
    std::vector<std::vector<Variable<T>>> operator()(std::span<const Variable<T>> states,
                                                     std::size_t directions,
                                                     Where caller = Where::current()) const;
    void members(Members<T>& m) { m(module_name)("projections", projections); }

    Options options;
    List<Linear<T>> projections; // layer by layer, state by state
    ModuleName module_name{"Bridge"};

private:
    std::size_t source(std::size_t state) const { return state < options.from.size() ? state : 0; }
};

// The state of one layer with directions concatenated: [B, directions * H] from an encoder's state
// [layers * directions, B, H].
template <class T>
Variable<T> layer_state(const Variable<T>& states, std::size_t layer, std::size_t directions);

} // namespace unroll::nn
