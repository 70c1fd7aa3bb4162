// Modules and functions default to float.

#include "support.hpp"

#include <unroll/unroll.hpp>

using namespace test;

namespace {

template <class A, class B>
constexpr bool are_same = std::is_same_v<A, B>;

struct Net {
    nn::Embedding<> embedding{{.vocabulary = 5, .width = 2}};
    nn::Gru<> gru{{.input = 2, .hidden = 3}};
    Parameter<> scale{"scale", Tensor<float>::ones({3})};

    Variable<> operator()(const Indices& words) const {
        return gru(embedding(words)).output * scale;
    }
    void members(nn::Members<>& m) { m("embedding", embedding)("gru", gru)("scale", scale); }
};

struct OwnCell {
    OwnCell(std::size_t, std::size_t) {}
    Variable<> project(const Variable<>& x) const { return x; }
    nn::State<float, 1> step(const Variable<>& z, const nn::State<float, 1>& s) const {
        return {z + s[0]};
    }
};

} // namespace

TEST_CASE("modules default to float") {
    const nn::Linear linear({.input = 2, .output = 3});
    static_assert(are_same<decltype(linear), const nn::Linear<float>>);
    const nn::Embedding embedding({.vocabulary = 3, .width = 2});
    static_assert(are_same<decltype(embedding), const nn::Embedding<float>>);
    const nn::Embedding rows(Tensor<double>::ones({3, 2}));
    static_assert(are_same<decltype(rows), const nn::Embedding<double>>);
    const nn::Dropout drop(0.5);
    static_assert(are_same<decltype(drop), const nn::Dropout<float>>);
    const nn::LayerNorm norm(3);
    static_assert(are_same<decltype(norm), const nn::LayerNorm<float>>);
    const nn::BatchNorm batch_norm({.channels = 3});
    static_assert(are_same<decltype(batch_norm), const nn::BatchNorm<float>>);
    const nn::RmsNorm rms_norm(3);
    static_assert(are_same<decltype(rms_norm), const nn::RmsNorm<float>>);
    const nn::GroupNorm group_norm({.groups = 1, .channels = 3});
    static_assert(are_same<decltype(group_norm), const nn::GroupNorm<float>>);
    const nn::Prelu prelu;
    static_assert(are_same<decltype(prelu), const nn::Prelu<float>>);
    const nn::TransposedConvolution transposed({.input = 1, .output = 1});
    static_assert(are_same<decltype(transposed), const nn::TransposedConvolution<float>>);
    const nn::Convolution convolution({.input = 1, .output = 1, .kernel = {3, 3}});
    static_assert(are_same<decltype(convolution), const nn::Convolution<float>>);
    const nn::Sequential chain(nn::Linear({.input = 2, .output = 3}),
                               [](auto x) { return tanh(x); });
    static_assert(are_same<decltype(chain)::value_type, float>);
    const nn::AttentionPooling pooling({.input = 2, .hidden = 3});
    static_assert(are_same<decltype(pooling), const nn::AttentionPooling<float>>);
    const nn::PositionEncoding positions({.kind = nn::Positions::sinusoidal, .width = 2});
    static_assert(are_same<decltype(positions), const nn::PositionEncoding<float>>);
    const nn::AdaptiveSoftmax softmax({.vocabulary = 4, .width = 2, .frequent = 2});
    static_assert(are_same<decltype(softmax), const nn::AdaptiveSoftmax<float>>);
    const nn::MultiHeadAttention heads({.width = 4, .heads = 2});
    static_assert(are_same<decltype(heads), const nn::MultiHeadAttention<float>>);
    const nn::TransformerStack stack({.width = 4, .heads = 2});
    static_assert(are_same<decltype(stack), const nn::TransformerStack<float>>);
    const nn::Bridge bridge({.from = {2}, .to = {3}});
    static_assert(are_same<decltype(bridge), const nn::Bridge<float>>);
    const nn::FixedContext context({.query = 1, .memory = 2});
    static_assert(are_same<decltype(context), const nn::FixedContext<float>>);
    const nn::Subsampling subsampling({.input = 16, .width = 4});
    static_assert(are_same<decltype(subsampling), const nn::Subsampling<float>>);
    const nn::Crf crf({.tags = 3});
    static_assert(are_same<decltype(crf), const nn::Crf<float>>);
    const nn::Tagger tagger({.input = 2, .tags = 3});
    static_assert(are_same<decltype(tagger), const nn::Tagger<float>>);
    const nn::SkipGram skip_gram({.vocabulary = 3, .width = 2});
    static_assert(are_same<decltype(skip_gram), const nn::SkipGram<float>>);
    // For aliases, C++20 requires the brackets.
    static_assert(are_same<nn::Lstm<>, nn::Lstm<float>> && are_same<nn::Gru<>, nn::Gru<float>> &&
                  are_same<nn::Rnn<>, nn::Rnn<float>>);
    static_assert(are_same<nn::AdditiveAttention<>, nn::AdditiveAttention<float>> &&
                  are_same<nn::DotAttention<>, nn::DotAttention<float>> &&
                  are_same<nn::GeneralAttention<>, nn::GeneralAttention<float>> &&
                  are_same<nn::ConcatAttention<>, nn::ConcatAttention<float>> &&
                  are_same<nn::LocationAttention<>, nn::LocationAttention<float>>);
    static_assert(are_same<nn::ChildSumTreeLstm<>, nn::ChildSumTreeLstm<float>> &&
                  are_same<nn::NaryTreeLstm<>, nn::NaryTreeLstm<float>> &&
                  are_same<nn::Recursive<>, nn::Recursive<float>> &&
                  are_same<nn::Rntn<>, nn::Rntn<float>>);
    static_assert(are_same<nn::Members<>, nn::Members<float>> &&
                  are_same<nn::KeyValues<>, nn::KeyValues<float>> &&
                  are_same<nn::Hypothesis<>, nn::Hypothesis<float>> &&
                  are_same<nn::Prediction<int>, nn::Prediction<int, float>> &&
                  are_same<nn::CharacterLstm<>, nn::CharacterLstm<float>> &&
                  are_same<nn::WordVectors<>, nn::WordVectors<float>> &&
                  are_same<nn::StepContext<>, nn::StepContext<float>>);
    static_assert(are_same<optim::Checkpoint<>, optim::Checkpoint<float>>);
    const nn::EncoderDecoder<nn::LstmCell<>, nn::GruCell<>, nn::GeneralAttention<>> model(
        {.encoder = {.input = 2, .hidden = 3},
         .decoder = {.vocabulary = 4, .width = 2, .hidden = 3}});
    static_assert(are_same<decltype(model)::value_type, float>);
    const nn::Recurrent<OwnCell> own({.input = 2, .hidden = 2});
    CHECK(own(Tensor<float>::ones({2, 1, 2})).output.value()(1, 0, 0) == 2);
    CHECK(linear(Tensor<float>::ones({1, 2})).shape() == Shape{1, 3});
}

TEST_CASE("functions and training default to float") {
    CHECK(one_hot(Indices({2}, {1, 0}), 2) == Tensor<float>({2, 2}, {0, 1, 1, 0}));
    CHECK(nn::xavier({2, 3}, Random(1)) == nn::xavier<float>({2, 3}, Random(1)));
    CHECK(nn::he({2, 3}, Random(1)) == nn::he<float>({2, 3}, Random(1)));
    CHECK(nn::orthogonal({2, 3}, Random(1)) == nn::orthogonal<float>({2, 3}, Random(1)));
    CHECK(nn::sinusoidal_positions(0, 2, 4) == nn::sinusoidal_positions<float>(0, 2, 4));
    Net net;
    optim::Adam adam(parameters(net));
    static_assert(are_same<decltype(adam), optim::Adam<float>>);
    optim::Sgd sgd(parameters(net), {.learning_rate = 0.1});
    static_assert(are_same<decltype(sgd), optim::Sgd<float>>);
    optim::DataParallel shards(2, parameters(net));
    static_assert(are_same<decltype(shards), optim::DataParallel<float>>);
    Tape tape;
    Statistics statistics(tape);
    static_assert(are_same<decltype(statistics), Statistics<float>>);
    Profile profile(tape);
    static_assert(are_same<decltype(profile), Profile<float>>);
    Checking checking(tape);
    static_assert(are_same<decltype(checking), Checking<float>>);
    const auto loss = sum(square(net(Indices({2, 1}, {1, 2}))));
    tape.backward(loss);
    CHECK(optim::gradients_to_vector(parameters(net)).size() == nn::parameter_count(net));
    static_assert(are_same<decltype(gradients(loss, {net.scale})), std::vector<Variable<float>>>);
}
