#pragma once

#include "../common/digits.hpp"
#include "../common/learning.hpp"

#include <optional>

namespace mnist_rows {

using namespace unroll;

using example::Digits;
constexpr std::size_t side = example::digit_side, classes = 10;

// An image as it is shown to the network, moved by so many pixels.
template <class T>
struct Batch {
    Tensor<T> x; // [T, B, n]: 28 rows of 28 numbers, or 784 of one
    Indices y;

    Batch(const Digits& digits, std::span<const std::size_t> which, bool pixels,
          std::size_t shift = 0, Random* random = nullptr)
        : x(Tensor<T>::zeros({side * (pixels ? side : 1), which.size(), pixels ? 1 : side})),
          y({which.size()}) {
        for (std::size_t b = 0; b < which.size(); ++b) {
            y.data()[b] = digits.labels[which[b]];
            const std::size_t down = shift > 0 ? random->below(2 * shift + 1) : 0,
                              right = shift > 0 ? random->below(2 * shift + 1) : 0;
            for (std::size_t i = 0; i < side * side; ++i) {
                const std::size_t row = i / side + down - shift, column = i % side + right - shift;
                if (row >= side || column >= side) continue;
                const std::size_t to = pixels ? (row * side + column) * which.size() + b
                                              : (row * which.size() + b) * side + column;
                x.data()[to] = static_cast<T>(digits.image(which[b])[i]) / T(255);
            }
        }
    }
};

struct Settings : example::NetworkOptions {
    static constexpr const char* program = "mnist_rows";
    bool pixels = false;

    void fields(example::Fields& f) {
        NetworkOptions::fields(f, {"mlp", "rnn", "lstm", "gru"});
        f.takes("--bidirectional", bidirectional, "read from both ends");
        f("--pixels", pixels, "784 steps of one pixel");
    }
};

// Logits [B, 10] from the last state of a recurrent network over rows or pixels; of "mlp", from a
// hidden layer that sees the whole image at once.
template <class T>
struct Model {
    using value_type = T;
    double dropped;
    std::optional<example::Network<T>> net;
    std::optional<nn::Linear<T>> layer;
    nn::Linear<T> head;

    explicit Model(const Settings& s)
        : dropped(s.dropout), head({.input = s.width(), .output = classes}) {
        if (s.cell == "mlp")
            layer.emplace(nn::LinearOptions{.input = side * side, .output = s.width()});
        else
            net.emplace(s, s.pixels ? 1 : side);
    }
    Variable<T> operator()(const Variable<T>& x) const {
        const auto seen = [&] {
            if (net) return net->last(x);
            const Variable<T> images = swapaxes(x, 0, 1);
            return relu(
                (*layer)(reshape(images, {static_cast<std::ptrdiff_t>(x.shape(1)), side * side})));
        };
        return head(dropout(seen(), dropped));
    }
    void members(nn::Members<T>& m) {
        if (net) m("net", *net);
        if (layer) m("layer", *layer);
        m("head", head);
    }
};

// Calls f with numbers of digits, logits and labels, some hundred digits at a time.
template <class F>
void look(const Model<float>& model, bool pixels, const Digits& digits, std::size_t begin,
          std::size_t end, const F& f) {
    example::in_batches(begin, end, 500, [&](auto& tape, const auto& which) {
        const Batch<float> batch(digits, which, pixels);
        f(which, model(tape.constant(batch.x)), batch.y);
    });
}

inline example::Figures figures(const Model<float>& model, bool pixels, const Digits& digits,
                                std::size_t most) {
    const std::size_t n = std::min(most, digits.size());
    double right = 0, loss = 0;
    look(model, pixels, digits, 0, n,
         [&](const auto& which, const Variable<float>& logits, const Indices& y) {
             const Indices said = argmax(logits);
             for (std::size_t b = 0; b < y.size(); ++b) right += said.data()[b] == y.data()[b];
             loss += static_cast<double>(which.size() * cross_entropy(logits, y).item());
         });
    const auto count = static_cast<double>(n);
    return {{"test_accuracy", right / count}, {"test_nats", loss / count}};
}

} // namespace mnist_rows
