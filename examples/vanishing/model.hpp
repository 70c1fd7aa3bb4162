#pragma once

#include "../common/inspection.hpp"

#include <cmath>
#include <string>
#include <vector>

namespace vanishing {

using namespace unroll;

constexpr std::size_t symbols = 4; // possible first letters, and as many other letters of noise

struct Settings {
    std::size_t length = 30, hidden = 32, batch = 32, steps = 3000, seed = 1;
    double learning_rate = 3e-3, clip = 1, radius = 1.6, minutes = 3;
    std::string out = "vanishing";
    example::Inspection inspection;

    void options(CLI::App& command) {
        const CLI::Range count(1, 1 << 20);
        const CLI::Validator positive = CLI::PositiveNumber;
        command.add_option("--length", length, "letters in a sequence")
            ->check(CLI::Range(2, 1 << 20));
        command.add_option("--hidden", hidden, "width of a network")->check(count);
        command.add_option("--batch", batch, "sequences in a training step")->check(count);
        command.add_option("--steps", steps, "training steps of each network")->check(count);
        command.add_option("--learning-rate", learning_rate, "Adam's learning rate")
            ->check(positive);
        command.add_option("--clip", clip, "largest norm of a clipped gradient")->check(positive);
        command
            .add_option("--radius", radius,
                        "spectral radius of the recurrent weights for exploding gradients")
            ->check(positive);
        command.add_option("--minutes", minutes, "time limit of the training")->check(positive);
        command.add_option("--seed", seed, "seed of weights and sequences");
        command.add_option("-o,--out", out, "folder for charts and tables");
        inspection.options(command);
    }
};

// Sequences of letters [T, B]: the first is the class, the others are noise.
struct Batch {
    Indices x, first;
};

inline Batch draw(const Settings& o, Random& random) {
    Batch batch{Indices({o.length, o.batch}), Indices({o.batch})};
    for (std::size_t i = 0; i < batch.x.size(); ++i)
        batch.x.data()[i] =
            static_cast<std::int64_t>(random.below(symbols) + (i < o.batch ? 0 : symbols));
    for (std::size_t b = 0; b < o.batch; ++b) batch.first.data()[b] = batch.x.data()[b];
    return batch;
}

template <class Cell>
struct Model {
    using value_type = typename Cell::value_type;
    using T = value_type;
    nn::Embedding<T> embed;
    nn::Recurrent<Cell> net;
    nn::Linear<T> head;

    Model(const Settings& o, typename Cell::Options cell)
        : embed({.vocabulary = 2 * symbols, .width = 2 * symbols}),
          net({.input = 2 * symbols, .hidden = o.hidden, .cell = cell}),
          head({.input = o.hidden, .output = symbols}) {}

    Variable<T> operator()(const Batch& batch) const {
        return head(select(net(embed(batch.x)).output, 0, batch.x.shape(0) - 1));
    }
    void members(nn::Members<T>& m) { m("embed", embed)("net", net)("head", head); }
};

// Norms of the gradient of the loss at h_t by distance from the last step, and the losses and the
// result of the training.
struct Run {
    std::string name, shown;
    std::vector<double> before, after, losses;
    double accuracy = std::nan("");
    std::string error; // where the training stopped
};

// Also draws the graph into `picture`, unless that is empty.
template <class Cell>
std::vector<double> gradient_norms(Model<Cell>& model, const Batch& batch,
                                   const std::string& picture = "") {
    Tape<float> tape;
    const Statistics<float> statistics(tape);
    const auto loss = cross_entropy(model(batch), batch.first);
    tape.backward(loss, {.allow_non_finite = true});
    for (const auto& parameter : parameters(model)) parameter.clear_gradient();
    if (!picture.empty())
        graph::write(picture, loss,
                     {.fold = graph::Fold::none,
                      .depth = 2,
                      .parameters = false,
                      .left_to_right = true,
                      .color = graph::Color::gradient_norm,
                      .statistics = &statistics});
    // The gradient of h is that of the first result of the cell's last operation.
    std::string last;
    for (const GradientRow& row : statistics.steps()) last = row.name;
    std::vector<double> norms;
    for (const GradientRow& row : statistics.steps())
        if (row.name == last && row.output == 0) norms.insert(norms.begin(), row.gradient.norm);
    return norms;
}

template <class Cell>
double accuracy(const Model<Cell>& model, const Settings& o) {
    Random random = Random(o.seed).split(2);
    std::size_t right = 0, all = 0;
    for (int i = 0; i < 20; ++i) {
        const Batch batch = draw(o, random);
        const Indices named = argmax(model(batch));
        for (std::size_t b = 0; b < o.batch; ++b, ++all)
            right += named.data()[b] == batch.first.data()[b];
    }
    return static_cast<double>(right) / static_cast<double>(all);
}

// Repeats the batch in checking mode, which reports the operation and the time step.
template <class Cell>
std::string diagnosis(const Model<Cell>& model, const Batch& batch) {
    Tape<float> tape;
    const Checking<float> checking(tape);
    try {
        tape.backward(cross_entropy(model(batch), batch.first));
    } catch (const Error& error) {
        return error.what();
    }
    return "all values are finite, but the norm of the gradient overflowed";
}

} // namespace vanishing
