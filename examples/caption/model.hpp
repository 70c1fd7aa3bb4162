#pragma once

#include "../common/convolutions.hpp"
#include "../common/learning.hpp"
#include "../common/named_attention.hpp"
#include "data.hpp"

namespace caption {

struct Settings {
    static constexpr const char* program = "caption";
    std::string attention = "additive";
    std::size_t channels = 32, hidden = 256, width = 128;
    double dropout = 0.4;
    nn::Vocabulary words = example::empty_vocabulary();

    void fields(example::Fields f) {
        const CLI::Range size(1, 4096);
        f("--attention", attention)
            ->check(CLI::IsMember({"none", "general", "concat", "additive"}));
        f("--channels", channels, "channels of the first convolution, doubled by each further one")
            ->check(size);
        f("--hidden", hidden, "width of the LSTM")->check(size);
        f("--width", width, "width of the word embedding")->check(size);
        f("--dropout", dropout, "dropout probability")->check(CLI::Range(0.0, 0.99));
        f.stored("words", words);
    }
};

// Convolutional encoder and LSTM decoder: the initial state is computed from the mean over the grid
// of features, to which the decoder may attend before each step (Xu et al. 2015; Vinyals et al.
// 2015).
template <class T>
struct Model {
    using value_type = T;
    using Decoder = nn::Decoder<nn::LstmCell<T>, example::NamedAttention<T>>;
    static constexpr std::size_t strides[] = {1, 2, 2};

    explicit Model(const Settings& s)
        : eye(channels, s.channels, strides), decoder({.vocabulary = s.words.size(),
                                                       .width = s.width,
                                                       .hidden = s.hidden,
                                                       .memory = 4 * s.channels,
                                                       .dropout = s.dropout,
                                                       .start = s.words.start(),
                                                       .attention = {.name = s.attention}}),
          bridge({nn::BridgeKind::project,
                  {4 * s.channels},
                  {decoder.widths().begin(), decoder.widths().end()},
                  1}) {}

    // Images [B, channels, side, side] -> an 8 by 8 grid of features, [64, B, width].
    Variable<T> see(const Variable<T>& images) const {
        const Variable<T> x = eye(images);
        const Shape flat{x.shape(0), x.shape(1), x.shape(2) * x.shape(3)};
        return transpose(reshape(x, flat), {2, 0, 1});
    }
    typename Decoder::DecoderState start(const Variable<T>& images) const {
        const Variable<T> grid = see(images);
        const Variable<T> whole[] = {mean(grid, {0}, true)};
        nn::State<T, 2> first;
        const auto states = bridge(whole, 1)[0];
        std::copy(states.begin(), states.end(), first.begin());
        return decoder.start({first}, decoder.attention.prepare(grid, {}));
    }
    // Cross-entropy of the targets; those below 0 are ignored.
    Variable<T> loss(const Variable<T>& images, const Indices& targets, double smoothing) const {
        return cross_entropy(decoder(start(images), targets).logits, targets,
                             {.smoothing = smoothing});
    }
    void members(nn::Members<T>& m) { m("eye", eye)("decoder", decoder)("bridge", bridge); }

    example::Convolutions<T> eye;
    Decoder decoder;
    nn::Bridge<T> bridge;
};

struct Written {
    nn::Tokens words;
    Tensor<float> weights; // [words, 64] if the model has attention
};

// The caption of each image by beam search; 1: greedy. Without length normalisation, which would
// favour invented skin tones.
inline std::vector<Written> describe(const Model<float>& model, const nn::Vocabulary& words,
                                     const std::vector<Image>& images, std::size_t beam) {
    std::vector<Written> all;
    example::in_batches(images.size(), 100, [&](const auto& which) {
        const auto step = [&](const auto& state, const Indices& before) {
            return model.decoder.predict(state, before);
        };
        for (const auto& best :
             nn::beam_search(step, model.start(Variable(batch_of<float>(images, which))),
                             Indices::full({which.size()}, words.start()),
                             {.beam = beam, .end = words.end(), .max_length = 20}))
            all.push_back({words.decode(best.front().tokens), best.front().weights});
    });
    return all;
}

} // namespace caption
