#pragma once

#include "../common/convolutions.hpp"
#include "../common/digits.hpp"
#include "../common/learning.hpp"

namespace moving_digits {

using namespace unroll;
using example::Digits;

constexpr std::size_t side = 32, small = example::digit_side / 2; // of a frame, of a digit in it
constexpr std::size_t classes = 10, direction_count = 8;
constexpr int across[] = {1, 1, 0, -1, -1, -1, 0, 1}, down[] = {0, 1, 1, 1, 0, -1, -1, -1};
constexpr const char* names[] = {"right", "down and right", "down", "down and left",
                                 "left",  "up and left",    "up",   "up and right"};

struct Settings : example::NetworkOptions {
    static constexpr const char* program = "moving_digits";
    std::size_t frames = 8;
    double noise = 0.1;

    Settings() { hidden = 64; }
    void fields(example::Fields f) {
        NetworkOptions::fields(f);
        f("--frames", frames, "in a clip")->check(CLI::Range(1, 19));
        f("--noise", noise, "fraction of random bright pixels")->check(CLI::Range(0.0, 1.0));
    }
};

// Clips of digits at half their size that move by one or two pixels per frame.
template <class T>
struct Clips {
    Tensor<T> frames; // [T * B, 1, side, side], step by step
    Indices digits, directions;

    // Direction, start and speed of each clip are drawn from its own random stream.
    Clips(const Digits& source, std::span<const std::size_t> which, const Settings& s,
          const Random& random)
        : frames({s.frames * which.size(), 1, side, side}), digits({which.size()}),
          directions({which.size()}) {
        const std::size_t steps = s.frames - 1, free = side - small;
        const T noise = static_cast<T>(s.noise);
        for (std::size_t b = 0; b < which.size(); ++b) {
            Random own = random.split(which[b]);
            const std::size_t direction = own.below(direction_count);
            const std::size_t speed = 1 + (2 * steps <= free ? own.below(2) : 0);
            const auto start = [&](int towards) { // so that it stays inside the frame
                const std::size_t length = towards == 0 ? 0 : speed * steps;
                return own.below(free - length + 1) + (towards < 0 ? length : 0);
            };
            const std::size_t left = start(across[direction]), top = start(down[direction]);
            digits.data()[b] = source.labels[which[b]];
            directions.data()[b] = static_cast<std::int64_t>(direction);
            for (std::size_t t = 0; t < s.frames; ++t) {
                T* const frame = frames.data() + (t * which.size() + b) * side * side;
                own.fill_uniform(frame, side * side, T(0), T(1));
                for (std::size_t i = 0; i < side * side; ++i)
                    frame[i] = frame[i] < noise ? frame[i] / noise : T(0);
                const auto moved = [&](std::size_t from, int towards) {
                    return from + static_cast<std::size_t>(towards) * speed * t; // may wrap back
                };
                draw(source.image(which[b]),
                     frame + moved(top, down[direction]) * side + moved(left, across[direction]));
            }
        }
    }

private:
    static void draw(const std::uint8_t* image, T* to) {
        for (std::size_t y = 0; y < small; ++y)
            for (std::size_t x = 0; x < small; ++x) {
                const std::uint8_t* const four = image + 2 * y * example::digit_side + 2 * x;
                const int sum =
                    four[0] + four[1] + four[example::digit_side] + four[example::digit_side + 1];
                T& pixel = to[y * side + x];
                pixel = std::max(pixel, static_cast<T>(sum) / T(4 * 255));
            }
    }
};

template <class T>
struct Answers {
    Variable<T> digits, directions; // logits [B, 10] and [B, 8]
};

// Convolutions process every frame separately, a recurrent network processes their features; both
// classifiers read its final state.
template <class T>
struct Model {
    using value_type = T;
    static constexpr std::size_t channels = 16, seen = 64, strides[] = {2, 2, 2};

    explicit Model(const Settings& s)
        : frames(s.frames), dropped(s.dropout), net(s, seen),
          digit({.input = s.width(), .output = classes}),
          direction({.input = s.width(), .output = direction_count}) {}

    Answers<T> operator()(const Variable<T>& clips) const {
        const auto rows = static_cast<std::ptrdiff_t>(clips.shape(0));
        const Variable<T> features = silu(frame(reshape(eye(clips), {rows, -1})));
        const Variable<T> x = reshape(features, {static_cast<std::ptrdiff_t>(frames), -1, seen});
        const Variable<T> last = dropout(net.last(x), dropped);
        return {digit(last), direction(last)};
    }
    Variable<T> loss(const Clips<T>& clips) const {
        const auto [digits, directions] = (*this)(Variable(clips.frames));
        return cross_entropy(digits, clips.digits) + cross_entropy(directions, clips.directions);
    }
    void members(nn::Members<T>& m) {
        m("eye", eye)("frame", frame)("net", net)("digit", digit)("way", direction);
    }

    std::size_t frames;
    double dropped;
    example::Convolutions<T> eye{1, channels, strides};
    nn::Linear<T> frame{{.input = 4 * channels * side * side / 64, .output = seen}};
    example::Network<T> net;
    nn::Linear<T> digit, direction;
};

// Clip i of the test digits is fixed.
inline Clips<float> test_clips(const Digits& digits, std::span<const std::size_t> which,
                               const Settings& settings) {
    return Clips<float>(digits, which, settings, Random(9));
}

inline example::Figures figures(const Model<float>& model, const Settings& settings,
                                const Digits& digits, std::size_t most) {
    const std::size_t n = std::min(most, digits.size());
    double digits_right = 0, directions_right = 0, both_right = 0;
    example::in_batches(n, 100, [&](const auto& which) {
        const auto clips = test_clips(digits, which, settings);
        const auto logits = model(Variable(clips.frames));
        const Indices predicted_digits = argmax(logits.digits),
                      predicted_directions = argmax(logits.directions);
        for (std::size_t b = 0; b < predicted_digits.size(); ++b) {
            const bool digit = predicted_digits(b) == clips.digits(b),
                       direction = predicted_directions(b) == clips.directions(b);
            digits_right += digit;
            directions_right += direction;
            both_right += digit && direction;
        }
    });
    const auto count = static_cast<double>(n);
    return {{"digit_accuracy", digits_right / count},
            {"way_accuracy", directions_right / count},
            {"both_accuracy", both_right / count}};
}

} // namespace moving_digits
