#pragma once

#include "fields.hpp"

#include <algorithm>
#include <string>
#include <variant>
#include <vector>

namespace example {

// Recurrent layers with a cell that is chosen when the program runs.
struct NetworkOptions {
    std::string cell = "lstm";
    std::size_t layers = 1, hidden = 128;
    bool bidirectional = false;
    double dropout = 0;     // between layers
    double forget_bias = 1; // of an LSTM
    // Of an LSTM or a GRU: gates begin as if they kept each unit's state for another time, of up to
    // so many steps: the logarithm of that time is added to the biases of an LSTM's f and a GRU's
    // z, and taken from that of an LSTM's i (chrono initialization, Tallec and Ollivier 2018). 0:
    // they do not.
    std::size_t memory = 0;

    void fields(Fields& f, const OneOf& cells = {"rnn", "lstm", "gru"});
    std::size_t width() const { return bidirectional ? 2 * hidden : hidden; }
};

// A state between pieces of a sequence, without its history; empty: zeros.
template <class T>
using Carried = std::vector<unroll::Variable<T>>;

// Outputs of a recurrent network that reads on from a state, and takes it along, where one is
// given.
template <class Net, class T = typename Net::value_type>
unroll::Variable<T> read_on(const Net& net, const unroll::Variable<T>& x, Carried<T>* carried,
                            std::span<const std::size_t> lengths = {}) {
    typename Net::States begin;
    if (carried && !carried->empty()) std::ranges::copy(*carried, begin.begin());
    auto [output, end] = net(x, begin, lengths);
    if (carried) {
        end = unroll::nn::detach(end);
        carried->assign(end.begin(), end.end());
    }
    return output;
}

template <class T>
class Network {
public:
    using value_type = T;
    using Lengths = std::span<const std::size_t>;
    using Carried = example::Carried<T>;
    using V = unroll::Variable<T>;

    // Throws unroll::Error for a cell of no known name.
    Network(const NetworkOptions& options, std::size_t input);

    // Outputs [T, B, width] of inputs [T, B, input].
    V operator()(const V& x, Lengths lengths = {}, Carried* carried = nullptr) const;
    // What each sequence ended with, [B, width]: both directions, each at its own end.
    V last(const V& x, Lengths lengths = {}) const;
    void members(unroll::nn::Members<T>& m);

private:
    std::variant<unroll::nn::Rnn<T>, unroll::nn::Lstm<T>, unroll::nn::Gru<T>> net_;
    bool bidirectional_;
};

// The step t of sequence b is row t B + b. These rows of [T, B, n]: [rows, n].
template <class T>
unroll::Variable<T> rows(const unroll::Variable<T>& x, const unroll::Indices& at) {
    return take(reshape(x, {-1, static_cast<std::ptrdiff_t>(x.shape(2))}), at);
}
// The rows of all steps that are not padding, step by step.
unroll::Indices steps_within(std::span<const std::size_t> lengths);

} // namespace example
