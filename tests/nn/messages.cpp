// Messages that a user can act on: the module, the line of the user, the correction.

#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/check/profile.hpp>
#include <unroll/core/check/statistics.hpp>
#include <unroll/core/files/idx.hpp>
#include <unroll/core/files/npy.hpp>
#include <unroll/core/graph/graph.hpp>
#include <unroll/nn/attention/transformer.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/losses/crf.hpp>
#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/nn/recurrent/rnn.hpp>
#include <unroll/nn/series/time_series.hpp>
#include <unroll/nn/text/text.hpp>
#include <unroll/nn/text/vocabulary.hpp>
#include <unroll/nn/text/word_vectors.hpp>
#include <unroll/nn/trees/treebank.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>
#include <unroll/optim/checkpoint.hpp>
#include <unroll/optim/clip.hpp>
#include <unroll/optim/flat.hpp>
#include <unroll/optim/optimizer.hpp>
#include <unroll/optim/parallel.hpp>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <regex>

using namespace test;

namespace {

struct Decoder {
    using value_type = float;
    nn::Linear<float> out{{.input = 4, .output = 2}};
    std::vector<nn::Linear<float>> blocks;
    void members(nn::Members<float>& m) { m("out", out)("blocks", blocks); }
};
struct Model {
    using value_type = float;
    Decoder decoder;
    void members(nn::Members<float>& m) { m("decoder", decoder); }
};

Variable<float> ones(const Shape& shape) { return Tensor<float>::ones(shape); }

// The line of this file at which, according to a message, its module was called.
int line_in(const std::string& message) {
    std::smatch found;
    const std::regex called("called at [^ ,;)]*messages.cpp:([0-9]+)");
    return std::regex_search(message, found, called) ? std::stoi(found[1]) : 0;
}

} // namespace

TEST_CASE("an error in a layer names the layer and the calling line") {
    Model model;
    for (int i = 0; i < 2; ++i)
        model.decoder.blocks.emplace_back(nn::LinearOptions{.input = 4, .output = 4});
    const std::string before = error_of([&] { model.decoder.out(ones({2, 3})); });
    CHECK(contains(before, "linear: x [2, 3], weight [2, 4]"));
    CHECK(contains(before, "(in Linear, called at "));
    parameters(model);
    const int line = __LINE__ + 1;
    const std::string message = error_of([&] { model.decoder.out(ones({2, 3})); });
    CHECK(contains(message, "linear: x [2, 3], weight [2, 4]"));
    CHECK(contains(message, "(in decoder.out, called at "));
    CHECK(line_in(message) == line);
    CHECK(contains(error_of([&] {
                       model.decoder.blocks[1](ones({2, 3}));
                   }),
                   "(in decoder.blocks.1, called at "));

    SUBCASE("also after a move, but not for its copies") {
        Model moved = std::move(model);
        CHECK(contains(error_of([&] { moved.decoder.out(ones({1})); }), "in decoder.out, "));
        const Model copy = moved;
        CHECK(contains(error_of([&] { copy.decoder.out(ones({1})); }), "in Linear, "));
        moved.decoder.out = nn::Linear<float>({.input = 3, .output = 1});
        CHECK(contains(error_of([&] { moved.decoder.out(ones({1})); }), "in decoder.out, "));
    }
    SUBCASE("by the path in the largest model") {
        parameters(model.decoder);
        CHECK(contains(error_of([&] { model.decoder.out(ones({1})); }), "in decoder.out, "));
        CHECK(model.decoder.out.weight.name() == "decoder.out.weight");
    }
    SUBCASE("through layers that call others") {
        nn::TransformerStack<float> stack({.width = 4, .heads = 2, .layers = 2, .hidden = 8});
        struct Around {
            using value_type = float;
            nn::TransformerStack<float>& encoder;
            void members(nn::Members<float>& m) { m("encoder", encoder); }
        } around{stack};
        parameters(around);
        stack.layers[1].linear1 = nn::Linear<float>({.input = 3, .output = 8});
        const int call = __LINE__ + 1;
        const std::string inner = error_of([&] { stack(ones({2, 1, 4})); });
        CHECK(contains(inner, "in encoder.layer1.TransformerLayer.linear1, "));
        CHECK(line_in(inner) == call);
        nn::Sequential chain(nn::Linear<float>({.input = 3, .output = 4}),
                             nn::Linear<float>({.input = 3, .output = 4}));
        parameters(chain);
        const int sequence = __LINE__ + 1;
        const std::string second = error_of([&] { chain(ones({1, 3})); });
        CHECK(contains(second, "in Linear1, "));
        CHECK(line_in(second) == sequence);
    }
}

TEST_CASE("a state of an earlier tape must be detached") {
    const nn::Lstm<float> lstm({.input = 2, .hidden = 2});
    Tape<float> tape;
    const auto first = lstm(ones({3, 1, 2}));
    tape.backward(sum(first.output));
    const std::string used_up = error_of([&] {
        tape.backward(sum(lstm(ones({3, 1, 2}), first.state).output));
    });
    CHECK(contains(used_up, "was used up by an earlier backward"));
    CHECK(contains(used_up, "detach()"));
    nn::Lstm<float>::States carried;
    {
        Tape inner;
        carried = lstm(ones({3, 1, 2})).state;
    }
    CHECK(contains(error_of([&] { lstm(ones({3, 1, 2}), carried); }), "detach()"));
    carried = detach(first.state);
    CHECK(error_of([&] { tape.backward(sum(lstm(ones({3, 1, 2}), carried).output)); }) == "");
}

TEST_CASE("an index is printed as passed") {
    const Variable<float> x = ones({2, 3});
    const int line = __LINE__ + 1;
    const std::string index = error_of([&] { select(x, 1, static_cast<std::size_t>(-1)); });
    CHECK(contains(index, "select: index -1 is out of range on axis 1 of shape [2, 3]"));
    CHECK(contains(index, "messages.cpp:" + std::to_string(line)));
    CHECK(contains(error_of([&] { slice(x, 0, 0, static_cast<std::size_t>(-1)); }),
                   "slice: range 0:-1 on axis 0 of shape [2, 3]"));
    CHECK(contains(error_of([&] { slice(x, 0, 1, 5); }), "expected 0 <= begin <= end <= 2"));
    const auto minus_one = static_cast<std::size_t>(-1);
    CHECK(contains(error_of([&] { block(x, minus_one, 3); }), "block -1 of 3 on the last axis of"));
    CHECK(contains(error_of([&] { split(x, minus_one); }), "cannot be split into -1 equal parts"));
    CHECK(contains(error_of([&] { topk(x, minus_one); }), "-1 elements requested of 3"));
    CHECK(contains(error_of([&] { pad(x, 0, minus_one, 0); }), "pad: -1 elements before x"));
    CHECK(contains(error_of([&] { view(x, -3); }), "view: index -3"));
    CHECK(contains(error_of([&] { x(0, -4); }), "-4"));
    CHECK(contains(error_of([&] { take(x, Indices({1}, {-1})); }), "take: index -1 at position 0"));
    const std::vector<std::size_t> lengths{1, minus_one};
    CHECK(contains(error_of([&] { nn::length_mask(lengths, 3); }), "length -1 of sequence 1"));
    const nn::Lstm<float> lstm({.input = 2, .hidden = 2});
    CHECK(contains(error_of([&] {
                       lstm(ones({3, 2, 2}), {}, lengths);
                   }),
                   "length -1 of sequence 1"));
}

TEST_CASE("a derivative of a gradient that was not recorded is an error with a hint") {
    Tape<float> tape;
    const auto x = tape.variable(Tensor<float>::ones({2}), "x");
    const auto g = gradients(sum(x * x * x), {x}, {.retain = true})[0];
    for (const std::string& message :
         {error_of([&] { gradients(sum(g), {x}); }), error_of([&] { gradients(sum(g * g), {x}); }),
          error_of([&] { tape.backward(sum(g)); })})
        CHECK(contains(message, "call the first gradients() with {.create_graph = true}"));
    // A constant gradient is a different case.
    const auto constant = gradients(sum(x * 2.f), {x}, {.create_graph = true})[0];
    CHECK(gradients(sum(constant), {x})[0].value() == Tensor<float>::zeros({2}));
    CHECK(error_of([&] { gradients(sum(detach(g) * x), {x}); }) == "");

    SUBCASE("also by the functions built on gradients, and through layers") {
        const nn::Linear<float> layer({.input = 2, .output = 2});
        const char* const hint = "call the first gradients() with {.create_graph = true}";
        const auto first = gradients(sum(layer(x * x)), {x}, {.retain = true})[0];
        for (const std::string& message :
             {error_of([&] { hessian(sum(first), x); }), error_of([&] { jacobian(first, x); }),
              error_of([&] {
                  jacobian(first, {x, layer.weight});
              }),
              error_of([&] { hessian_vector_product(sum(first), {x}, {ones({2}).value()}); })})
            CHECK(contains(message, hint));
    }
}

TEST_CASE("errors in other layers name the layer and the calling line, too") {
    struct Words {
        nn::Embedding<float> embedding{{.vocabulary = 3, .width = 2}};
        nn::LayerNorm<float> norm{4};
        nn::Lstm<float> lstm{{.input = 3, .hidden = 2}};
        void members(nn::Members<float>& m) {
            m("embedding", embedding)("norm", norm)("lstm", lstm);
        }
    };
    struct Around {
        using value_type = float;
        Words words;
        void members(nn::Members<float>& m) { m("words", words); }
    } net;
    parameters(net);
    const int line = __LINE__ + 2;
    for (const std::string& message :
         {error_of([&] { net.words.embedding(Indices({1}, {7})); }), error_of([&] {
              net.words.norm(ones({1, 3}));
          }),
          error_of([&] {
              net.words.lstm(ones({1, 1, 2}));
          })}) {
        CHECK(contains(message, "(in words."));
        CHECK(std::abs(line_in(message) - line) <= 6);
    }
}

TEST_CASE("a carried state must be detached, whatever carries it") {
    const nn::Gru<float> gru({.input = 2, .hidden = 2, .layers = 2});
    Tape<float> tape;
    const auto first = gru(ones({3, 1, 2}));
    tape.backward(sum(first.output));
    CHECK(contains(error_of([&] {
                       tape.backward(sum(gru(ones({3, 1, 2}), first.state).state[0]));
                   }),
                   "detach()"));
    const auto carried = detach(first.state);
    tape.clear();
    CHECK(contains(error_of([&] { gru(ones({3, 1, 2}), first.state); }), "detach()"));
    CHECK(error_of([&] { gru(ones({3, 1, 2}), carried); }) == "");
}

TEST_CASE("backward of an unrecorded value says what to change") {
    const nn::Linear<float> layer({.input = 2, .output = 1});
    const auto y = sum(layer(ones({1, 2})));
    Tape<float> tape;
    const std::string message = error_of([&] { tape.backward(y); });
    CHECK(contains(message, "create a tape, on the thread that computes, before the value is"));
    CHECK(contains(message, "messages.cpp:"));
    const auto seeded = layer(ones({1, 2}));
    for (const std::string& other : {error_of([&] {
                                         tape.backward(seeded, ones({1, 1}).value());
                                     }),
                                     error_of([&] { gradients(y, {layer.weight}); })})
        if (!other.empty()) CHECK(contains(other, "messages.cpp:"));
}

TEST_CASE("gradients of shards and of intermediate values name the line of the user") {
    nn::Linear<float> layer({.input = 2, .output = 1}), other({.input = 2, .output = 1});
    Tape<float> tape;
    const auto y = layer(ones({1, 2}));
    tape.backward(sum(y));
    optim::DataParallel<float> shards(2, parameters(layer));
    const auto loss = [&](std::size_t) { return sum(layer(ones({1, 2}))); };
    const double weights[] = {1, -1};
    for (const std::string& message :
         {error_of([&] { tape.gradient(y); }), error_of([&] {
              tape.gradient(ones({1, 2}));
          }),
          error_of([&] {
              tape.retain(ones({1, 2}));
          }),
          error_of([&] { optim::DataParallel<float>(0, parameters(layer)); }),
          error_of([&] { shards.backward(loss, weights); }), error_of([&] {
              shards.backward([&](std::size_t) { return sum(other(ones({1, 2}))); });
          }),
          error_of([&] { shards.backward([&](std::size_t) { return sum(y); }); })})
        CHECK(contains(message, "messages.cpp:"));
}

TEST_CASE("gradients without any tape are an error with a hint") {
    const nn::Linear<float> layer({.input = 2, .output = 1});
    const auto y = sum(layer(ones({1, 2})));
    const std::string message = error_of([&] { gradients(y, {layer.weight}); });
    CHECK(contains(message, "before the value is computed"));
    CHECK(contains(message, "messages.cpp:"));
}

TEST_CASE("a tape of the wrong type is reported") {
    const nn::Linear<double> layer({.input = 2, .output = 1});
    const Tape tape;
    const auto y = sum(layer(Tensor<double>::ones({1, 2})));
    CHECK(contains(error_of([&] { gradients(y, {layer.weight}); }), "create a Tape<double>"));
}

TEST_CASE("shapes that do not broadcast come with the names of the operands") {
    const Mask mask = Mask::ones({2, 3});
    CHECK(contains(error_of([&] {
                       masked_fill(ones({2, 4}), mask, 0);
                   }),
                   "the mask [2, 3] does not broadcast to x [2, 4]"));
    CHECK(contains(error_of([&] {
                       masked_fill(ones({4, 3}), Mask::ones({2, 4, 3}), 0);
                   }),
                   "the mask [2, 4, 3] does not broadcast to x [4, 3]"));
    CHECK(contains(error_of([&] {
                       where(mask, ones({2, 4}), ones({2, 3}));
                   }),
                   "condition [2, 3] and a [2, 4] and b [2, 3]"));
    const auto sum_of = named("gate state -> h", [](auto a, auto b) { return a + b; });
    CHECK(contains(error_of([&] { fuse("cell", sum_of, ones({2}), ones({3})); }),
                   "gate [2] and state [3]"));
}

TEST_CASE("errors of second derivatives name the function that was called") {
    Tape<float> tape;
    const auto x = tape.variable(Tensor<float>::ones({3}));
    CHECK(contains(error_of([&] { hessian(x * x, x); }), "hessian: second derivatives need"));
    CHECK(contains(error_of([&] { hessian(x * x, {x, x}); }), "hessian: "));
    const auto y = sum(x * x);
    const auto constant = ones({4});
    CHECK(contains(error_of([&] { hessian(y, constant); }), "hessian: a constant of shape [4]"));
    CHECK(contains(error_of([&] {
                       gradients(y, {x, constant});
                   }),
                   "gradients: a constant of shape [4], number 1 of wrt, has no gradient"));
    CHECK(contains(error_of([&] { hessian_vector_product(x * x, {x}, Tensor<float>::ones({3})); }),
                   "hessian_vector_product: second derivatives need a scalar, got shape [3]"));
}

TEST_CASE("a second pass without retain names the function that was called") {
    Tape<float> tape;
    const auto x = tape.variable(Tensor<float>::ones({3}), "x");
    const auto y = sum(x * x);
    gradients(y, {x});
    CHECK(contains(error_of([&] { gradients(y, {x}); }), "gradients: "));
    CHECK(contains(error_of([&] { tape.backward(y); }), "backward: "));
}

TEST_CASE("errors of optimisers and files name the line of the user") {
    nn::Linear<float> layer({.input = 2, .output = 1});
    const auto all = parameters(layer);
    optim::Adam<float> adam(all);
    const std::string none = "/nowhere/weights.safetensors";
    for (const std::string& message :
         {error_of([&] { optim::Adam<float>(all, {.beta1 = 2}); }),
          error_of([&] { optim::AdamW<float>(all, {.learning_rate = -1}); }),
          error_of([&] { optim::Sgd<float>(all, {.momentum = 1}); }),
          error_of([&] { adam.set_learning_rate(-1); }),
          error_of([&] { adam.add_group(all, {.weight_decay = -1}); }),
          error_of([&] { adam.restore({}, 0); }),
          error_of([&] { adam.step(); }),
          error_of([&] { optim::clip_norm(all, -1); }),
          error_of([&] { optim::clip_value(all, 0); }),
          error_of([&] { optim::save_weights(none, Parameters<float>()); }),
          error_of([&] { optim::save_weights(none, all); }),
          error_of([&] { optim::load_weights(none, all); }),
          error_of([&] { optim::Checkpoint<float>{.parameters = all}.save(none); }),
          error_of([&] { optim::Checkpoint<float>{.parameters = all}.load(none); }),
          error_of([&] { optim::random_state("x"); }),
          error_of([&] { optim::vector_to_parameters(Tensor<float>::ones({7}), all); }),
          error_of([&] { layer.weight.set(Tensor<float>::ones({7})); }),
          error_of([&] { read_file(none); }),
          error_of([&] { read_unpacked(none); }),
          error_of([&] { write_file_atomically(none, "text"); }),
          error_of([&] { require_writable(none); }),
          error_of([&] { OutputLock lock(none); }),
          error_of([&] { read_npy<float>(none); }),
          error_of([&] { read_idx(none, 1); }),
          error_of([&] { SafetensorsFile::read(none); }),
          error_of([&] { nn::Vocabulary::load(none); }),
          error_of([&] {
              nn::Vocabulary(nn::Vocabulary::Counts{{"a", 1}}).symbol(-1);
          }),
          error_of([&] { nn::read_lines(none); }),
          error_of([&] { nn::read_columns(none); }),
          error_of([&] { nn::read_trees(none); }),
          error_of([&] { nn::read_time_series(none); }),
          error_of([&] { nn::WordVectors<float>::read_text(none); }),
          error_of([&] { graph::write("graph.bmp", Tape<float>()); }),
          error_of([&] { graph::dot(Tape<float>(), {.budget = 0}); }),
          error_of([&] { graph::dot(ones({2})); })}) {
        CHECK(contains(message, "messages.cpp:"));
        CHECK(!contains(message, "../core"));
        CHECK(!contains(message, "../nn"));
    }
}

TEST_CASE("values that were moved from or never created are errors") {
    Tape<float> tape;
    Variable<float> x = tape.variable(Tensor<float>::ones({2})), y = x;
    const Variable<float> kept = std::move(x), none;
    const auto missing = [](const auto& f) { return contains(error_of(f), "no value"); };
    CHECK(missing([&] { sum(x); }));
    CHECK(missing([&] { y + x; }));
    CHECK(missing([&] { mean(none); }));
    CHECK(missing([&] { exp(none); }));
    CHECK(missing([&] { matmul(none, none); }));
    CHECK(missing([&] { concatenate({y, none}, 0); }));
    CHECK(missing([&] { stack({none, none}, 0); }));
    CHECK(missing([&] { reshape(none, {0}); }));
    CHECK(missing([&] { stop_gradient(none); }));
    CHECK(missing([&] { none.item(); }));
    CHECK(missing([&] { tape.backward(none); }));
    CHECK(missing([&] { gradients(sum(y), {none}); }));
    Parameter<float> w("w", Tensor<float>::ones({2}));
    const Parameter<float> moved = std::move(w);
    CHECK(missing([&] { sum(w); }));
    CHECK(missing([&] { w.change(); }));
    CHECK(contains(error_of([&] { tanh(x); }), "tanh: a variable has no value"));
    CHECK(contains(error_of([&] { matmul(y, none); }), "messages.cpp:"));
    CHECK(none.shape() == Shape{0});
    CHECK(none.size() == 0);
    CHECK(!none.has_value());
    CHECK(kept.has_value());
    CHECK(!detach(none).has_value());
}

TEST_CASE("tensors and masks that were moved from are errors") {
    const auto moved = [](auto x) {
        const auto other = std::move(x);
        return x;
    };
    const auto refused = [](const auto& f) { return contains(error_of(f), "was moved from"); };
    const auto t = moved(Tensor<float>::ones({2}));
    const auto mask = moved(Mask::ones({2, 3}));
    const auto indices = moved(Indices({2}, {0, 1}));
    const auto x = ones({3, 2, 4});
    Tape<float> tape;
    CHECK(refused([&] { sum(square(Variable(t))); }));
    CHECK(refused([&] { mean(t); }));
    CHECK(refused([&] { mean_squared_error(t, t); }));
    CHECK(refused([&] { concatenate({Variable(t), ones({2})}, 0); }));
    CHECK(refused([&] { ones({2}) * t; }));
    CHECK(refused([&] { tape.variable(t); }));
    CHECK(refused([&] { Parameter<float>("w", t); }));
    CHECK(refused([&] { nn::Embedding<float>({.vocabulary = 3, .width = 2})(indices); }));
    CHECK(refused([&] { nn::scaled_dot_product_attention(x, x, x, mask); }));
    nn::MultiHeadAttention<float> attention({.width = 4, .heads = 2});
    CHECK(refused([&] { attention(x, nn::AttentionMask{.key_padding_mask = mask}); }));
    CHECK(refused([&] { attention(x, nn::AttentionMask{.attn_mask = mask}); }));
    CHECK(refused([&] { nn::DotAttention<float>({.query = 4, .memory = 4}).prepare(x, mask); }));
    nn::TagConstraints constraints;
    constraints.starts = mask;
    CHECK(refused([&] { nn::Crf<float>({.tags = 2, .constraints = constraints}); }));
    CHECK(sum(Tensor<float>()).item() == 0);
}

TEST_CASE("retain after backward, and statistics of another tape, are errors") {
    Tape<float> other;
    const Statistics<float> statistics(other);
    const Profile<float> profile(other);
    Tape<float> tape;
    const auto x = tape.variable(Tensor<float>::ones({1}));
    const auto y = x * 2.f, loss = sum(y * y);
    CHECK(
        contains(error_of([&] { graph::dot(loss, {.annotate = true, .statistics = &statistics}); }),
                 "another tape"));
    CHECK(contains(error_of([&] { graph::dot(loss, {.profile = &profile}); }), "another tape"));
    CHECK(contains(error_of([&] { graph::dot(loss, {.annotate = true}); }), "annotate needs"));
    tape.backward(loss);
    CHECK(contains(error_of([&] { tape.retain(y); }), "call retain before it"));
}

TEST_CASE("an error in a cell that no layer runs names the cell and the calling line") {
    struct Net {
        nn::GruCell<float> gru{3, 2};
        nn::LstmCell<float> lstm{3, 2};
        nn::RnnCell<float> rnn{3, 2};
        void members(nn::Members<float>& m) { m("gru", gru)("lstm", lstm)("rnn", rnn); }
    } net;
    parameters(net);
    const int line = __LINE__ + 1;
    for (const auto& [message, name] : std::vector<std::pair<std::string, std::string>>{
             {error_of([&] {
                  net.gru.project(ones({1, 4}));
              }),
              "(in gru, called at"},
             {error_of([&] {
                  net.gru.step(ones({1, 5}), {ones({1, 2})});
              }),
              "(in gru, called at"},
             {error_of([&] {
                  net.lstm.project(ones({1, 4}));
              }),
              "(in lstm, called at"},
             {error_of([&] {
                  net.lstm.step(ones({1, 8}), {ones({1, 3}), ones({1, 2})});
              }),
              "(in lstm, called at"},
             {error_of([&] {
                  net.rnn.step(ones({1, 2}), {ones({1, 3})});
              }),
              "(in rnn, called at"},
             {error_of([&] {
                  nn::RnnCell<float>(3, 2).project(ones({1, 4}));
              }),
              "(in RnnCell, called at"}}) {
        CHECK(contains(message, name));
        CHECK(std::abs(line_in(message) - line) <= 24);
    }
}

TEST_CASE("a loss that is not finite has no gradients") {
    nn::Linear<float> layer({.input = 2, .output = 1});
    const double infinity = std::numeric_limits<double>::infinity();
    optim::DataParallel<float> shards(2, parameters(layer));
    for (const double bad : {infinity, -infinity, std::nan("")}) {
        const auto loss = [&](std::size_t) { return bad * sum(layer(ones({1, 2}))); };
        Tape<float> tape;
        const std::string message = error_of([&] { tape.backward(loss(0)); });
        CHECK(contains(message, "backward: the loss is "));
        CHECK(contains(message, "Checking"));
        CHECK(contains(message, "messages.cpp:"));
        CHECK(contains(error_of([&] { shards.backward(loss); }), "the loss is "));
        CHECK_FALSE(layer.weight.has_gradient());
        tape.backward(loss(0), {.allow_non_finite = true});
        shards.backward(loss, {}, {.allow_non_finite = true});
        CHECK_FALSE(std::isfinite(layer.weight.gradient()(0, 0)));
        layer.weight.clear_gradient(), layer.bias.clear_gradient();
    }
}

TEST_CASE("a changed value is named in the error") {
    Tape<float> tape;
    auto x = tape.variable(Tensor<float>::ones({3}));
    tape.name(x, "speed");
    const auto y = sum(x * x);
    Tensor<float> value = x.value();
    value.fill(2);
    CHECK(contains(error_of([&] { tape.backward(y); }), "the value of 'speed' of shape [3]"));
}
