// Errors of options name the layer, and the line that constructs it.

#include "support.hpp"

#include <unroll/nn/attention/seq2seq.hpp>
#include <unroll/nn/attention/subsampling.hpp>
#include <unroll/nn/attention/transformer.hpp>
#include <unroll/nn/decoding/transducer.hpp>
#include <unroll/nn/layers/adaptive_softmax.hpp>
#include <unroll/nn/layers/convolution.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/layers/norms.hpp>
#include <unroll/nn/layers/positions.hpp>
#include <unroll/nn/layers/prelu.hpp>
#include <unroll/nn/layers/time_pooling.hpp>
#include <unroll/nn/losses/skip_gram.hpp>
#include <unroll/nn/losses/tagger.hpp>
#include <unroll/nn/recurrent/character_lstm.hpp>
#include <unroll/nn/recurrent/pyramid.hpp>
#include <unroll/nn/trees/recursive.hpp>

#include <functional>

using namespace test;

namespace {

struct Case {
    std::string message; // how it begins
    std::function<void()> construct;
};

using Network = nn::EncoderDecoder<nn::GruCell<>, nn::LstmCell<>, nn::DotAttention<>>;
using Spotter = nn::Transducer<nn::GruCell<>>;

} // namespace

TEST_CASE("errors of options name the layer and the line that constructs it") {
    const int first = __LINE__ + 1;
    const std::vector<Case> cases{
        {"Linear: input and output must be at least 1, got 0 and 2",
         [] { nn::Linear({.input = 0, .output = 2}); }},
        {"Embedding: vocabulary and width must be at least 1, got 3 and 0",
         [] { nn::Embedding({.vocabulary = 3, .width = 0}); }},
        {"Embedding: the padding row is 3 of a vocabulary of 3",
         [] { nn::Embedding({.vocabulary = 3, .width = 1, .padding = 3}); }},
        {"Embedding: expected rows [vocabulary, width], got [3]",
         [] { nn::Embedding(Tensor<float>::ones({3})); }},
        {"Dropout: the probability must be in [0, 1], got 1.5", [] { nn::Dropout(1.5); }},
        {"Dropout: the probability must be in [0, 1], got -0.1", [] { nn::Dropout(-0.1); }},
        {"LayerNorm: width must be at least 1, got 0", [] { nn::LayerNorm(0); }},
        {"Convolution: input and output must be multiples of groups and at least 1",
         [] { nn::Convolution({.input = 0, .output = 2}); }},
        {"Convolution: the kernel is empty",
         [] { nn::Convolution({.input = 1, .output = 2, .kernel = 0}); }},
        {"RmsNorm: width must be at least 1, got 0", [] { nn::RmsNorm(0); }},
        {"GroupNorm: groups and channels must be at least 1, got 0 and 2",
         [] { nn::GroupNorm({.channels = 2}); }},
        {"GroupNorm: channels must be a multiple of groups, got 3 and 2",
         [] { nn::GroupNorm({.groups = 2, .channels = 3}); }},
        {"Prelu: channels must be at least 1, got 0", [] { nn::Prelu({.channels = 0}); }},
        {"TransposedConvolution: input and output must be multiples of groups and at least 1, got "
         "0, 2 and 1",
         [] { nn::TransposedConvolution({.input = 0, .output = 2}); }},
        {"TransposedConvolution: axes must be 1 or 2, got 3",
         [] { nn::TransposedConvolution({.input = 1, .output = 2, .axes = 3}); }},
        {"TransposedConvolution: the kernel is empty",
         [] { nn::TransposedConvolution({.input = 1, .output = 2, .kernel = 0}); }},
        {"BatchNorm: channels must be at least 1, got 0", [] { nn::BatchNorm({}); }},
        {"BatchNorm: momentum must be in [0, 1]",
         [] { nn::BatchNorm({.channels = 2, .momentum = 2}); }},
        {"AdaptiveSoftmax: vocabulary and width must be at least 1",
         [] { nn::AdaptiveSoftmax({.vocabulary = 3}); }},
        {"AdaptiveSoftmax: 1 rare words need at least one group",
         [] { nn::AdaptiveSoftmax({.vocabulary = 3, .width = 1, .frequent = 2, .groups = 0}); }},
        {"PositionEncoding: learned positions need a width",
         [] { nn::PositionEncoding({.kind = nn::Positions::learned}); }},
        {"AttentionPooling: input and hidden must be at least 1, got 2 and 0",
         [] { nn::AttentionPooling({.input = 2, .hidden = 0}); }},
        {"SkipGram: vocabulary and width must be at least 1", [] { nn::SkipGram({}); }},
        {"Tagger: input and tags must be at least 1, got 3 and 0",
         [] { nn::Tagger({.input = 3}); }},
        {"Crf: tags must be at least 1, got 0", [] { nn::Crf({}); }},
        {"CharacterLstm: characters, width and hidden must be at least 1",
         [] {
             nn::CharacterLstm<float>(
                 {.characters = nn::Vocabulary(nn::Vocabulary::Counts{{"a", 1}})});
         }},
        {"RnnCell: input and hidden must be at least 1, got 0 and 2", [] { nn::RnnCell<>(0, 2); }},
        {"GruCell: input and hidden must be at least 1, got 2 and 0",
         [] { nn::Gru<>({.input = 2, .hidden = 0}); }},
        {"GruCell: layer_norm normalises U h as a whole",
         [] {
             nn::Gru<>({.input = 1,
                        .hidden = 1,
                        .cell = {.reset = nn::GruOptions::Reset::before, .layer_norm = true}});
         }},
        {"Lstm: layers must be at least 1, got 0",
         [] { nn::Lstm<>({.input = 1, .hidden = 1, .layers = 0}); }},
        {"Lstm: zoneout must be in [0, 1], got 2",
         [] { nn::Lstm<>({.input = 1, .hidden = 1, .zoneout = 2}); }},
        {"Gru: dropout is between layers, but there is one layer; use output_dropout",
         [] { nn::Gru<>({.input = 1, .hidden = 1, .dropout = 0.1}); }},
        {"Gru: merge needs bidirectional",
         [] { nn::Gru<>({.input = 1, .hidden = 1, .merge = nn::Merge::add}); }},
        {"Rnn: the connection needs a layer with inputs and outputs of equal width",
         [] { nn::Rnn<>({.input = 1, .hidden = 2, .connection = nn::Connection::residual}); }},
        {"Pyramid: every factor must be at least 1",
         [] { nn::Pyramid<nn::GruCell<>>({.input = 1, .hidden = 1, .factors = {0}}); }},
        {"Pyramid: dropout must be in [0, 1]",
         [] {
             nn::Pyramid<nn::GruCell<>>({.input = 1, .hidden = 1, .factors = {1}, .dropout = -1});
         }},
        {"Subsampling: frames of width 3 cannot be divided into 2 equal channels",
         [] { nn::Subsampling({.input = 3, .channels = 2, .width = 1}); }},
        {"Subsampling: filters and width must be at least 1, got 32 and 0",
         [] { nn::Subsampling({.input = 3}); }},
        {"MultiHeadAttention: a width of 3 cannot be divided into 2 equal heads",
         [] { nn::MultiHeadAttention({.width = 3, .heads = 2}); }},
        {"MultiHeadAttention: dropout must be in [0, 1]",
         [] { nn::MultiHeadAttention({.width = 2, .heads = 2, .dropout = 7}); }},
        {"TransformerLayer: width, heads and layers must be at least 1",
         [] { nn::TransformerLayer({}); }},
        {"TransformerStack: dropout must be in [0, 1], got 1.5",
         [] { nn::TransformerStack({.width = 2, .dropout = 1.5}); }},
        {"MultiHeadAttention: a width of 2 cannot be divided into 3 equal heads",
         [] { nn::TransformerStack({.width = 2, .heads = 3}); }},
        {"Transformer: vocabulary, width and layers must be at least 1",
         [] { nn::Transformer({}); }},
        {"DotScore: queries of width 1 and a memory of width 2",
         [] { nn::DotAttention<>({.query = 1, .memory = 2}); }},
        {"AdditiveScore: query, memory and width must be at least 1, got 1, 2 and 0",
         [] { nn::AdditiveAttention<>({.query = 1, .memory = 2}); }},
        {"LocationScore: filters and window must be at least 1, got 0 and 31",
         [] { nn::LocationAttention<>({.query = 1, .memory = 2, .width = 3, .filters = 0}); }},
        {"Decoder: vocabulary, width and layers must be at least 1, got 5, 0 and 1",
         [] {
             Network(
                 {.encoder = {.input = 1, .hidden = 2}, .decoder = {.vocabulary = 5, .hidden = 2}});
         }},
        {"DotScore: queries of width 3 and a memory of width 2",
         [] {
             Network({.encoder = {.input = 1, .hidden = 2},
                      .decoder = {.vocabulary = 5, .width = 2, .hidden = 3}});
         }},
        {"Transducer: vocabulary, encoded, joint and predictor.input must be at least 1, got 3, 2, "
         "0 "
         "and 1",
         [] { Spotter({.vocabulary = 3, .encoded = 2, .predictor = {.input = 1, .hidden = 1}}); }},
        {"Transducer: the predictor must not be bidirectional",
         [] {
             Spotter({.vocabulary = 3,
                      .encoded = 2,
                      .joint = 2,
                      .predictor = {.input = 1, .hidden = 1, .bidirectional = true}});
         }},
        {"Transducer: the blank symbol is 3, outside [0, 3)",
         [] {
             Spotter({.vocabulary = 3,
                      .encoded = 2,
                      .joint = 2,
                      .predictor = {.input = 1, .hidden = 1},
                      .blank = 3});
         }},
        {"Transducer: dropout must be in [0, 1], got 2",
         [] {
             Spotter({.vocabulary = 3,
                      .encoded = 2,
                      .joint = 2,
                      .predictor = {.input = 1, .hidden = 1},
                      .dropout = 2});
         }},
        {"Bridge: states of width 2 cannot be copied",
         [] { nn::Bridge({.kind = nn::BridgeKind::copy, .from = {2}, .to = {3}, .layers = 1}); }},
        {"Rntn: input, hidden and arity must be at least 1, got 1, 0 and 2",
         [] { nn::Rntn<>({.input = 1}); }},
        {"NaryTreeLstm: input, hidden and arity must be at least 1",
         [] { nn::NaryTreeLstm<>({.input = 1, .hidden = 1, .arity = 0}); }},
        {"ChildSumTreeLstm: input, hidden", [] { nn::ChildSumTreeLstm<>({}); }},
        {"RnnCell: input and hidden", [] { nn::Downward<nn::RnnCell<>>(0, 0); }}};
    const int last = __LINE__;
    for (const Case& c : cases) {
        const std::string message = error_of(c.construct);
        INFO(message);
        CHECK(message.starts_with(c.message));
        const std::size_t at = message.find("options.cpp:");
        REQUIRE(at != std::string::npos);
        const int line = std::stoi(message.substr(at + 12));
        CHECK(line >= first);
        CHECK(line <= last);
    }
}

TEST_CASE("errors of a layer within a layer name the line of the outer one") {
    const int line = __LINE__ + 1;
    const std::string message = error_of([] { nn::Gru<>({.input = 0, .hidden = 1, .layers = 2}); });
    CHECK(contains(message, "options.cpp:" + std::to_string(line)));
    struct Net {
        nn::Linear<> layer{{.input = 1, .output = 0}};
    };
    CHECK(contains(error_of([] { Net(); }), "options.cpp:"));
}

TEST_CASE("probabilities may be 0 and 1") {
    for (const double p : {0.0, 1.0}) {
        const nn::Dropout<float> drop(p);
        Tape tape;
        const auto x = tape.variable(Tensor<float>::ones({4}));
        CHECK(drop(x).value() == Tensor<float>::full({4}, p == 0 ? 1 : 0));
    }
}
