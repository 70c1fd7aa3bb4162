// Attention over a sequence of key-value pairs: a query retrieves the value of its key.
#include <unroll/unroll.hpp>

#include <cstdio>
using namespace unroll;

struct Lookup {
    void members(nn::Members<float>& m) {
        m("letters", letters)("digits", digits)("attention", attention)("out", out);
    }
    // keys, values [S, B], queries [B] -> scores of the ten digits [B, 10], weights [B, S]
    auto operator()(const Indices& keys, const Indices& values, const Indices& queries,
                    const Mask& mask) const {
        const auto pairs = concatenate({letters(keys), digits(values)}, -1); // [S, B, 32]
        const auto found =
            attention.step(letters(queries), attention.prepare(pairs, mask)); // context and weights
        return std::pair(out(found.context), found.weights);
    }

    using value_type = float;
    nn::Embedding<float> letters{{.vocabulary = 26, .width = 16}};
    nn::Embedding<float> digits{{.vocabulary = 10, .width = 16}};
    nn::AdditiveAttention<float> attention{{.query = 16, .memory = 32, .width = 32}};
    nn::Linear<float> out{{.input = 32, .output = 10}};
};

int main() {
    Lookup model;
    optim::Adam<float> adam(parameters(model), {.learning_rate = 1e-2});
    const std::size_t pairs = 6, batch = 64;
    Random random(1);
    for (int round = 0; round <= 300; ++round) {
        Indices keys({pairs, batch}), values({pairs, batch}), queries({batch}), answers({batch});
        std::vector<std::size_t> lengths;
        for (std::size_t b = 0; b < batch; ++b) {
            lengths.push_back(1 + random.below(pairs)); // number of pairs in the sequence
            const auto order = random.permutation(26);  // keys are distinct
            for (std::size_t s = 0; s < pairs; ++s) {
                keys(s, b) = static_cast<std::int64_t>(order[s]);
                values(s, b) = static_cast<std::int64_t>(random.below(10));
            }
            const std::size_t asked = random.below(lengths[b]);
            queries(b) = keys(asked, b), answers(b) = values(asked, b);
        }
        Tape tape;
        const auto [scores, weights] =
            model(keys, values, queries, nn::length_mask(lengths, pairs));
        const auto loss = cross_entropy(scores, answers);
        tape.backward(loss);
        adam.step();
        if (round % 100 == 0) std::printf("round %d: loss %.4f\n", round, loss.item());
        if (round < 300) continue;
        std::printf("asked for %c:", char('a' + queries(0)));
        for (std::size_t s = 0; s < lengths[0]; ++s)
            std::printf("  %c=%d (%.2f)", char('a' + keys(s, 0)), int(values(s, 0)),
                        weights.value()(0, s));
        std::printf("  -> %d\n", int(argmax(scores)(0)));
    }
}
