#pragma once

#include <unroll/nn/layers/layers.hpp>
#include <unroll/ops/operand.hpp>

#include <span>

namespace unroll::nn {

// One vector for each sequence, [B, n], from the vectors of its steps, h [T, B, n]. h after the end
// of a sequence is not read; a sequence without steps gives zeros. No lengths: all have T steps.
// Throw Error if shape or lengths do not match.
template <class T>
Variable<T> mean_over_time(const Variable<T>& h, std::span<const std::size_t> lengths = {},
                           Op op = "mean_over_time");
template <class T>
Variable<T> max_over_time(const Variable<T>& h, std::span<const std::size_t> lengths = {},
                          Op op = "max_over_time");

// The last layer of the final state of a recurrent network, [layers * directions, B, H] -> [B,
// directions * H], the directions concatenated.
template <class T>
Variable<T> last_layer(const Variable<T>& state, bool bidirectional, Op op = "last_layer");

// The same for tensors.
auto mean_over_time(const TensorOperand auto& h, std::span<const std::size_t> lengths = {},
                    Op op = "mean_over_time") {
    return mean_over_time(unroll::detail::variable(h), lengths, op);
}
auto max_over_time(const TensorOperand auto& h, std::span<const std::size_t> lengths = {},
                   Op op = "max_over_time") {
    return max_over_time(unroll::detail::variable(h), lengths, op);
}
auto last_layer(const TensorOperand auto& state, bool bidirectional, Op op = "last_layer") {
    return last_layer(unroll::detail::variable(state), bidirectional, op);
}

struct AttentionPoolingOptions {
    std::size_t input = 0;
    std::size_t hidden = 0;
};

// Additive attention with one learned query: the sum over t of a_t h_t with a = softmax over
// time of v . tanh(W h_t + b)  (Bahdanau et al. 2015; Lin et al. 2017, with one hop).
template <class T = float>
class AttentionPooling {
public:
    using value_type = T;
    explicit AttentionPooling(const AttentionPoolingOptions& options,
                              Where where = Where::current());

    struct Pooled {
        Variable<T> context; // [B, input]
        Variable<T> weights; // a [T, B]; zeros after the end of a sequence
    };
    // h [T, B, input]; throws Error as mean_over_time() does.
    Pooled operator()(const Variable<T>& h, std::span<const std::size_t> lengths = {},
                      Where caller = Where::current()) const;
    void members(Members<T>& m) { m(module_name)("attend", attend)("weigh", weigh); }

    Linear<T> attend, weigh;
    ModuleName module_name{"AttentionPooling"};
};

extern template class AttentionPooling<float>;
extern template class AttentionPooling<double>;

} // namespace unroll::nn
