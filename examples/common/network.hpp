#pragma once

#include "fields.hpp"

#include <algorithm>
#include <string>
#include <variant>
#include <vector>

namespace example {

// The values of --cell: those of most programs, and all.
inline const std::vector<std::string> common_cells{"rnn", "lstm", "gru"};
inline const std::vector<std::string> all_cells{"rnn", "lstm",  "gru",    "mingru", "minlstm",
                                                "sru", "qrnn",  "indrnn", "lru",    "rglru",
                                                "s5",  "mamba", "slstm",  "mlstm"};

// Recurrent layers whose cell is selected at run time.
struct NetworkOptions {
    std::string cell = "lstm";
    std::size_t layers = 1, hidden = 128;
    bool bidirectional = false;
    double dropout = 0;     // between layers
    double forget_bias = 1; // of an LSTM, sLSTM or mLSTM
    std::size_t memory = 0; // for nn::initialize_chrono of an LSTM or GRU; 0: none
    double input_dropout = 0, output_dropout = 0, weight_dropout = 0; // not options of a command

    void fields(Fields f, const std::vector<std::string>& cells = common_cells);
    std::size_t width() const { return bidirectional ? 2 * hidden : hidden; }
};

// The detached state between consecutive segments of a sequence; empty: zeros.
template <class T>
using Carried = std::vector<unroll::Variable<T>>;

// The outputs of a recurrent network that starts from `carried` and updates it; null: from zeros.
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
    using Any = std::variant<unroll::nn::Rnn<T>, unroll::nn::Lstm<T>, unroll::nn::Gru<T>,
                             unroll::nn::MinGru<T>, unroll::nn::MinLstm<T>, unroll::nn::Sru<T>,
                             unroll::nn::Qrnn<T>, unroll::nn::IndRnn<T>, unroll::nn::Lru<T>,
                             unroll::nn::RgLru<T>, unroll::nn::S5<T>, unroll::nn::Mamba<T>,
                             unroll::nn::SLstm<T>, unroll::nn::MLstm<T>>;

    // Throws unroll::Error for an unknown cell, or options that it does not have.
    Network(const NetworkOptions& options, std::size_t input);

    // Outputs [T, B, width] of inputs [T, B, input].
    V operator()(const V& x, Lengths lengths = {}, Carried* carried = nullptr) const;
    // The final output of each sequence, [B, width]; of the backward direction that of step 0.
    V last(const V& x, Lengths lengths = {}) const;
    void members(unroll::nn::Members<T>& m);

private:
    Any net_;
    bool bidirectional_;
};

// Rows of x [T, B, n]: [rows, n]. Step t of sequence b is row t B + b.
template <class T>
unroll::Variable<T> rows(const unroll::Variable<T>& x, const unroll::Indices& at) {
    return take(reshape(x, {-1, static_cast<std::ptrdiff_t>(x.shape(2))}), at);
}
// The rows that are not padding, ordered by step.
unroll::Indices steps_within(std::span<const std::size_t> lengths);

} // namespace example
