#pragma once

#include "../common/learning.hpp"

#include <cmath>

namespace long_memory {

using namespace unroll;

// Two problems that a network solves only by keeping something for long (Hochreiter and Schmidhuber
// 1997, section 5.4; Arjovsky et al. 2016).
struct Settings : example::NetworkOptions {
    static constexpr const char* program = "long_memory";
    std::string problem = "adding";
    std::size_t lag = 50, symbols = 5; // of eight kinds

    Settings() { hidden = 64; }
    void fields(example::Fields& f) {
        f("--problem", problem, "", example::OneOf{"adding", "copying"});
        NetworkOptions::fields(f);
        f("--symbols", symbols, "how many are to be copied", example::Between{1, 1000});
        f.stored("lag", lag);
    }
    // Unless told otherwise, gates begin with memories as long as the lag.
    NetworkOptions network() const {
        NetworkOptions options = *this;
        if (memory == 0) options.memory = lag;
        return options;
    }
    bool adds() const { return problem == "adding"; }
    std::size_t inputs() const { return adds() ? 2 : 10; }
    std::size_t outputs() const { return adds() ? 1 : 8; }
};

// Sequences that are between the lag and a tenth more steps apart, so of different lengths.
// Adding: pairs of a number in [-1, 1] and a mark, which is 1 for one of the first ten steps and
// one of the rest of the first half, and -1 at both ends; the answer is 0.5 + a quarter of the sum
// of the two numbers. Copying: symbols, silence for the lag, a sign, and then the same symbols.
template <class T>
struct Batch {
    Tensor<T> x;                      // [longest, B, 2 or 10]
    std::vector<std::size_t> lengths; // of the sequences
    Tensor<T> sums;                   // [B, 1]
    Indices at, symbols;              // rows of the outputs that are asked for, and what is right

    Batch(const Settings& s, std::size_t width, Random& random) : sums({width, 1}) {
        const std::size_t given = s.adds() ? 0 : s.symbols;
        for (std::size_t b = 0; b < width; ++b)
            lengths.push_back(s.lag + random.below(s.lag / 10 + 1) + 2 * given);
        x = Tensor<T>::zeros({*std::ranges::max_element(lengths), width, s.inputs()});
        std::vector<std::int64_t> rows, right;
        for (std::size_t b = 0; b < width; ++b)
            if (s.adds())
                add(b, random);
            else
                copy(b, given, random, rows, right);
        at = Indices({rows.size()}, std::span<const std::int64_t>(rows));
        symbols = Indices({right.size()}, std::span<const std::int64_t>(right));
    }

private:
    void add(std::size_t b, Random& random) {
        const std::size_t n = lengths[b];
        for (std::size_t t = 0; t < n; ++t) x(t, b, 0) = static_cast<T>(2 * random.uniform() - 1);
        x(0, b, 1) = x(n - 1, b, 1) = T(-1);
        const std::size_t first = random.below(std::min<std::size_t>(10, n / 4));
        const std::size_t second = first + 1 + random.below(n / 2 - first - 1);
        sums(b, 0) = T(0.5);
        for (const std::size_t t : {first, second}) {
            x(t, b, 1) = T(1);
            sums(b, 0) += x(t, b, 0) / 4;
        }
    }
    void copy(std::size_t b, std::size_t given, Random& random, std::vector<std::int64_t>& rows,
              std::vector<std::int64_t>& right) {
        const std::size_t answer = lengths[b] - given;
        for (std::size_t t = 0; t < lengths[b]; ++t)
            if (t < given) {
                right.push_back(static_cast<std::int64_t>(random.below(8)));
                x(t, b, right.back()) = T(1);
                rows.push_back(static_cast<std::int64_t>((answer + t) * x.shape(1) + b));
            } else {
                x(t, b, t == answer ? 9 : 8) = T(1);
            }
    }
};

// A network with a linear head, which reads the last state or the outputs that are asked for.
template <class T>
struct Model {
    using value_type = T;
    bool adds;
    example::Network<T> net;
    nn::Linear<T> head;

    explicit Model(const Settings& s)
        : adds(s.adds()), net(s.network(), s.inputs()),
          head({.input = s.width(), .output = s.outputs()}) {}

    // Sums [B, 1], or logits [rows, 8].
    Variable<T> operator()(Tape<T>& tape, const Batch<T>& batch) const {
        const auto x = tape.constant(batch.x);
        return head(adds ? net.last(x, batch.lengths)
                         : example::rows(net(x, batch.lengths), batch.at));
    }
    Variable<T> loss(const Variable<T>& said, const Batch<T>& batch) const {
        return adds ? mean_squared_error(said, batch.sums) : cross_entropy(said, batch.symbols);
    }
    void members(nn::Members<T>& m) { m("net", net)("head", head); }
};

// Sequences that no training step has seen: the mean absolute error and the share of errors below
// 0.04, or the share of symbols that are right.
inline example::Figures figures(const Model<float>& model, const Settings& s, std::uint64_t seed,
                                int batches) {
    Random random = Random(seed).split(0);
    Tape<float> tape;
    tape.set_recording(false);
    double error = 0, right = 0, loss = 0, all = 0;
    for (int i = 0; i < batches; ++i) {
        const Batch<float> batch(s, 100, random);
        const auto said = model(tape, batch);
        loss += static_cast<double>(model.loss(said, batch).item()) / batches;
        const Indices named = s.adds() ? Indices() : argmax(said);
        const std::size_t n = s.adds() ? said.size() : named.size();
        all += static_cast<double>(n);
        for (std::size_t j = 0; j < n; ++j) {
            const double off =
                s.adds()
                    ? std::abs(static_cast<double>(said.value().data()[j] - batch.sums.data()[j]))
                    : named.data()[j] != batch.symbols.data()[j];
            error += off;
            right += off < 0.04;
        }
    }
    return {
        {s.adds() ? "mean_error" : "wrong", error / all}, {"right", right / all}, {"loss", loss}};
}

} // namespace long_memory
