// Errors of indexing, lengths and masks name the line of the user.

#include "support.hpp"

#include <unroll/core/check/curves.hpp>
#include <unroll/core/check/precisions.hpp>
#include <unroll/core/kernels/threads.hpp>
#include <unroll/nn/attention/attention.hpp>
#include <unroll/nn/attention/seq2seq.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/layers/time_pooling.hpp>
#include <unroll/nn/losses/skip_gram.hpp>
#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/pyramid.hpp>
#include <unroll/nn/text/batches.hpp>
#include <unroll/nn/text/shuffled_batches.hpp>
#include <unroll/nn/text/stream.hpp>
#include <unroll/nn/text/text_metrics.hpp>
#include <unroll/nn/trees/tree.hpp>
#include <unroll/ops/views.hpp>

#include <array>
#include <regex>

using namespace test;

TEST_CASE("errors of indexing, of lengths and of masks name the line of the user") {
    Tensor<float> t = Tensor<float>::ones({2, 3});
    const Tensor<float>& constant = t;
    const Variable<float> x = t;
    const std::vector<std::size_t> lengths{1, 9};
    const Mask mask = Mask::ones({2, 3}), other = Mask::ones({2, 4});
    const int first = __LINE__ + 1;
    const std::vector<std::string> messages{
        error_of([&] { t(0, 3) = 1; }),
        error_of([&] { constant(2, 0); }),
        error_of([&] { t(0); }),
        error_of([&] { t(); }),
        error_of([&] { x(0, 3); }),
        error_of([&] { x(0); }),
        error_of([&] { t.item(); }),
        error_of([&] { x.item(); }),
        error_of([&] { view(x, 2); }),
        error_of([&] { view(t, all(), range(0, 7)); }),
        error_of([&] { select(x, 1, 3); }),
        error_of([&] { select(t, 2, 0); }),
        error_of([&] { t.select(0, 2); }),
        error_of([&] { t.slice(0, 0, 3); }),
        error_of([&] { t.reshape({7}); }),
        error_of([&] { reshape(x, {7}); }),
        error_of([&] { t.transpose({std::array<std::size_t, 1>{0}}); }),
        error_of([&] {
            transpose(x, {0, 0});
        }),
        error_of([&] { t.squeeze(0); }),
        error_of([&] { squeeze(x, 0); }),
        error_of([&] { t.expand_dims(5); }),
        error_of([&] { expand_dims(x, 5); }),
        error_of([&] { t.flip(2); }),
        error_of([&] { flip(x, 2); }),
        error_of([&] {
            t.broadcast_to({3, 2});
        }),
        error_of([&] {
            broadcast_to(x, {3, 2});
        }),
        error_of([&] { t.assign(Tensor<float>::ones({3})); }),
        error_of([&] {
            Tensor<float>({2}, {1, 2, 3});
        }),
        error_of([&] { nn::length_mask(lengths, 3); }),
        error_of([&] { nn::causal_mask(3, 2); }),
        error_of([&] { nn::all_of(mask, other); }),
        error_of([&] { nn::mean_over_time(x); }),
        error_of([&] { nn::max_over_time(t); }),
        error_of([&] {
            nn::max_over_time(reshape(x, {3, 2, 1}), lengths);
        }),
        error_of([&] {
            nn::mean_over_time(reshape(x, {3, 2, 1}), lengths);
        }),
        error_of([&] { nn::last_layer(x, true); }),
        error_of([&] {
            nn::without_padding(reshape(x, {3, 2, 1}), lengths);
        }),
        error_of([&] { nn::join_steps(x, 2); }),
        error_of([&] {
            nn::unpad_sequences(Indices::ones({3, 2}), lengths);
        })};
    const int last = __LINE__;
    for (const std::string& message : messages) {
        INFO(message);
        std::smatch found;
        REQUIRE(std::regex_search(message, found, std::regex("lines.cpp:([0-9]+)")));
        CHECK(std::stoi(found[1]) >= first);
        CHECK(std::stoi(found[1]) <= last);
    }
    CHECK(contains(messages[0], "Tensor: index 3 is out of range on axis 1 of shape [2, 3]"));
    CHECK(contains(messages[5], "element: 1 indices for an element of shape [2, 3]"));
}

TEST_CASE("errors of data, metrics and settings name the line of the user") {
    using nn::Tree;
    Random random;
    Curves curves({"a", "b"});
    Tape<float> tape, other;
    const Variable<float> none, x = tape.variable(Tensor<float>::ones({2}));
    const Shape huge{std::size_t{1} << 40, std::size_t{1} << 40};
    const std::vector<std::int64_t> words{1, 2, 3};
    const std::vector<std::vector<std::int64_t>> sequences{words};
    const std::vector<std::size_t> one{1}, counts{3, 2, 1, 4};
    const std::vector<std::string> tags{"X"};
    const nn::Vocabulary vocabulary(nn::Vocabulary::Counts{{"a", 1}});
    const std::vector<Tree> trees{Tree::from_parents(std::vector<std::int64_t>{-1})};
    nn::ConfusionMatrix matrix(2);
    nn::EntityScores scores;
    nn::Bleu bleu;
    const nn::NoiseTable noise(counts);
    const auto constant = [](const std::vector<Variable<double>>&) {
        return Variable<double>(1.0);
    };
    nn::EncoderDecoder<nn::GruCell<float>, nn::GruCell<float>, nn::DotAttention<float>> model(
        {.encoder = {.input = 2, .hidden = 3},
         .decoder = {.vocabulary = 4, .width = 2, .hidden = 3}});
    const auto step = [](const Variable<float>& state, const Indices&) {
        return nn::Prediction<Variable<float>>{state, state};
    };
    const auto file = golden("functions");
    const int first = __LINE__ + 1;
    const std::vector<std::string> messages{
        error_of([&] { random.below(0); }),
        error_of([&] { random.fill_bernoulli(std::array<float, 1>().data(), 1, 2.0, 1.f); }),
        error_of([&] { threads::set(0); }),
        error_of([&] { none.item(); }),
        error_of([&] { none.value(); }),
        error_of([&] { other.name(x, "x"); }),
        error_of([&] { Tensor<float>::zeros(huge); }),
        error_of([&] { Tensor<float>::ones(huge); }),
        error_of([&] { Tensor<double>::full(huge, 2); }),
        error_of([&] { curves.add({1}); }),
        error_of([&] { curves.svg("title", {"c"}); }),
        error_of([&] { file.at("nothing"); }),
        error_of([&] { file.get<float>("nothing"); }),
        error_of([&] { nn::TextStream(words, 3, 1); }),
        error_of([&] { nn::TextStream(words, 1, 1).batch(9); }),
        error_of([&] { nn::pad_sequences(sequences, one, 0); }),
        error_of([&] { nn::pad_frames(std::span<const Tensor<float>>()); }),
        error_of([&] { nn::hide_rare(Indices({1}, {0}), vocabulary, one, -1, random); }),
        error_of([&] { nn::bucket_by_length(one, random, {.batch = 0}); }),
        error_of([&] { nn::ShuffledBatches(1, 2, 1); }),
        error_of([&] { nn::ConfusionMatrix(0); }),
        error_of([&] { matrix.add(Indices({1}, {5}), Indices({1}, {0})); }),
        error_of([&] { matrix.count(2, 0); }),
        error_of([&] { matrix.of_class(2); }),
        error_of([&] { matrix.table(tags); }),
        error_of([&] {
            nn::accuracy(Indices({1}, {5}), Indices({2}, {0, 1}));
        }),
        error_of([&] { nn::perplexity(1, 0); }),
        error_of([&] { nn::bits_per_character(1, 0); }),
        error_of([&] { nn::correlation(Tensor<float>(), Tensor<float>()); }),
        error_of([&] { nn::entities(tags); }),
        error_of([&] { scores.add(tags, {}); }),
        error_of([&] { nn::Bleu(0); }),
        error_of([&] { bleu.add({}, {}); }),
        error_of([&] { bleu.precision(0); }),
        error_of([&] { Tree::from_parents(words); }),
        error_of([&] { Tree::from_children(sequences); }),
        error_of([&] { nn::TreeBatch(trees, one); }),
        error_of([&] { nn::NoiseTable(std::vector<std::size_t>{1}); }),
        error_of([&] { noise.probability(9); }),
        error_of([&] {
            noise.draw_beside(Indices::ones({1, 1}), 1, random);
        }),
        error_of([&] { nn::skip_gram_pairs(words, 0, random); }),
        error_of([&] { nn::subsample(words, counts, 0, random); }),
        error_of([&] { nn::xavier<float>({}, random); }),
        error_of([&] { nn::orthogonal<float>({2}, random); }),
        error_of([&] { gradcheck(constant, {}); }),
        error_of([&] {
            compare_precisions([] { return Variable<float>(1.f); }, {},
                               [] { return Variable<double>(1.0); }, {});
        }),
        error_of([&] {
            model(Tensor<float>::ones({5, 2, 2}), Indices::ones({3, 4}));
        }),
        error_of([&] {
            nn::beam_search(step, none, Indices::ones({1, 1}), {});
        }),
        error_of([&] {
            nn::beam_search(step, Variable<float>(Tensor<float>::ones({3, 2})), Indices::ones({2}),
                            {});
        })};
    const int last = __LINE__;
    for (const std::string& message : messages) {
        INFO(message);
        std::smatch found;
        REQUIRE(std::regex_search(message, found, std::regex("lines.cpp:([0-9]+)")));
        CHECK(std::stoi(found[1]) >= first);
        CHECK(std::stoi(found[1]) <= last);
        CHECK(!contains(message, "../nn"));
    }
    CHECK(contains(messages.back(),
                   "beam_search: a state has shape [3, 2], a batch of 3, but there "
                   "are 2 start tokens"));
}

TEST_CASE("pooling over time takes tensors and parameters") {
    const Tensor<float> h({2, 1, 2}, {1, 2, 3, 6});
    const Parameter<float> p("h", h);
    const std::vector<std::size_t> one{1};
    CHECK(nn::mean_over_time(h).value() == Tensor<float>({1, 2}, {2, 4}));
    CHECK(nn::mean_over_time(p).value() == Tensor<float>({1, 2}, {2, 4}));
    CHECK(nn::max_over_time(h, one).value() == Tensor<float>({1, 2}, {1, 2}));
    CHECK(nn::max_over_time(p, one).value() == Tensor<float>({1, 2}, {1, 2}));
    CHECK(nn::last_layer(h, false).value() == Tensor<float>({1, 2}, {3, 6}));
    CHECK(nn::without_padding(p, one).value() == Tensor<float>({2, 1, 2}, {1, 2, 0, 0}));
    CHECK(nn::join_steps(h, 2).x.value() == Tensor<float>({1, 1, 4}, {1, 2, 3, 6}));
}
