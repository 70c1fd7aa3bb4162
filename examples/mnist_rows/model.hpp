#pragma once

#include "../common/idx.hpp"
#include "../common/learning.hpp"

#include <filesystem>
#include <numeric>
#include <optional>

namespace mnist_rows {

using namespace unroll;

constexpr std::size_t side = 28, classes = 10;

struct Digits {
    std::vector<std::uint8_t> pixels; // [n, side, side]
    std::vector<std::int64_t> labels;

    std::size_t size() const { return labels.size(); }
    const std::uint8_t* image(std::size_t i) const { return &pixels[i * side * side]; }
};

// The files "PREFIX-images-idx3-ubyte" and "PREFIX-labels-idx1-ubyte" of a folder, or with ".gz".
inline Digits read_digits(const std::string& folder, const std::string& prefix) {
    const auto read = [&](const std::string& what, std::size_t extents) {
        const std::string plain = folder + "/" + prefix + what;
        const std::string path = std::filesystem::exists(plain) ? plain : plain + ".gz";
        return std::pair(path, example::read_idx(path, extents));
    };
    auto [image_path, images] = read("-images-idx3-ubyte", 3);
    const auto [label_path, labels] = read("-labels-idx1-ubyte", 1);
    if (images.shape[1] != side || images.shape[2] != side)
        fail("mnist_rows", "the images of '" + image_path + "' are not 28 by 28");
    if (images.size() != labels.size())
        fail("mnist_rows", "'" + image_path + "' has " + std::to_string(images.size()) +
                               " images, '" + label_path + "' " + std::to_string(labels.size()) +
                               " labels");
    for (std::size_t i = 0; i < labels.size(); ++i)
        if (labels.bytes[i] >= classes)
            fail("mnist_rows", "label " + std::to_string(i) + " of '" + label_path + "' is " +
                                   std::to_string(labels.bytes[i]) + ", no digit");
    return {std::move(images.bytes), {labels.bytes.begin(), labels.bytes.end()}};
}

// Digits of seven bars, as on a calculator, somewhere in the image and with noise.
inline Digits drawn_digits(std::size_t n, Random random) {
    // Top, upper left, upper right, middle, lower left, lower right, bottom.
    constexpr const char* bars[] = {"1110111", "0010010", "1011101", "1011011", "0111010",
                                    "1101011", "1101111", "1010010", "1111111", "1111011"};
    constexpr std::size_t box[7][4] = {{0, 0, 2, 10},  {0, 0, 9, 2},  {0, 8, 9, 10},
                                       {8, 0, 10, 10}, {9, 0, 18, 2}, {9, 8, 18, 10},
                                       {16, 0, 18, 10}};
    Digits digits{std::vector<std::uint8_t>(n * side * side), {}};
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t digit = random.below(classes), down = 3 + random.below(4),
                          right = 7 + random.below(4);
        digits.labels.push_back(static_cast<std::int64_t>(digit));
        std::uint8_t* const image = &digits.pixels[i * side * side];
        for (std::size_t bar = 0; bar < 7; ++bar)
            for (std::size_t y = box[bar][0]; bars[digit][bar] == '1' && y < box[bar][2]; ++y)
                for (std::size_t x = box[bar][1]; x < box[bar][3]; ++x)
                    image[(y + down) * side + x + right] =
                        static_cast<std::uint8_t>(155 + random.below(100));
    }
    return digits;
}

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
    bool pixels = false;
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
    Tape<float> tape;
    tape.set_recording(false);
    for (; begin < end; begin += 500) {
        std::vector<std::size_t> which(std::min<std::size_t>(500, end - begin));
        std::iota(which.begin(), which.end(), begin);
        const Batch<float> batch(digits, which, pixels);
        f(which, model(tape.constant(batch.x)), batch.y);
    }
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
