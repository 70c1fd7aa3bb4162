// Values after the end of a sequence, or at a masked position, are never read: NaN and infinity
// there do not change a bit of the result.

#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/nn/attention/seq2seq.hpp>
#include <unroll/nn/attention/subsampling.hpp>
#include <unroll/nn/attention/transformer.hpp>
#include <unroll/nn/decoding/ctc_search.hpp>
#include <unroll/nn/decoding/transducer.hpp>
#include <unroll/nn/layers/time_pooling.hpp>
#include <unroll/nn/losses/ctc.hpp>
#include <unroll/nn/losses/tagger.hpp>
#include <unroll/nn/recurrent/character_lstm.hpp>
#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/nn/recurrent/pyramid.hpp>
#include <unroll/nn/recurrent/rnn.hpp>
#include <unroll/nn/scans/ind_rnn.hpp>
#include <unroll/nn/scans/lru.hpp>
#include <unroll/nn/scans/mamba.hpp>
#include <unroll/nn/scans/min_gru.hpp>
#include <unroll/nn/scans/min_lstm.hpp>
#include <unroll/nn/scans/mlstm.hpp>
#include <unroll/nn/scans/qrnn.hpp>
#include <unroll/nn/scans/rg_lru.hpp>
#include <unroll/nn/scans/s5.hpp>
#include <unroll/nn/scans/slstm.hpp>
#include <unroll/nn/scans/sru.hpp>
#include <unroll/nn/text/text.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>

#include <functional>
#include <limits>

using namespace test;

namespace {

using V = Variable<double>;
using Lengths = std::vector<std::size_t>;

constexpr double no_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

const Lengths lengths{4, 0, 2};

// x [T, B, ...] with a value after the end of each sequence.
Tensor<double> padded_with(double value, const Tensor<double>& x, const Lengths& lengths) {
    Tensor<double> padded = x.copy();
    for (std::size_t b = 0; b < lengths.size(); ++b)
        for (std::size_t t = lengths[b]; t < x.shape(0); ++t)
            padded.select(0, t).select(0, b).fill(value);
    return padded;
}

using Function = std::function<V(const V&)>;

// The value, gradients, and gradients of gradients.
std::vector<Tensor<double>> everything(const Function& f, const Tensor<double>& x,
                                       const Parameters<double>& parameters) {
    std::vector<Tensor<double>> all;
    all.push_back(f(V(x)).value());
    for (const int order : {1, 2}) {
        for (const auto& p : parameters) p.clear_gradient();
        Tape<double> tape;
        tape.set_random(Random(3));
        const V in = tape.variable(x);
        V y = f(in);
        all.push_back(y.value());
        y = sum(square(y) + y);
        if (order == 2) y = sum(square(gradients(y, {in}, {.create_graph = true})[0] + 1));
        tape.backward(y);
        all.push_back(tape.gradient(in));
        for (const auto& p : parameters) all.push_back(p.gradient().copy());
    }
    return all;
}

bool same(const Tensor<double>& a, const Tensor<double>& b) {
    const auto x = a.to_vector(), y = b.to_vector();
    for (std::size_t i = 0; i < x.size(); ++i)
        if (!(x[i] == y[i]) || !std::isfinite(x[i])) return false;
    return a.shape() == b.shape();
}

// with(value): the input with that value in its padding.
template <class With>
void check(const char* what, const Function& f, const With& with,
           const Parameters<double>& parameters) {
    CAPTURE(what);
    // A normalised row of equal biases has a curvature that differences cannot resolve.
    std::uint64_t seed = 100;
    for (auto parameter : parameters)
        if (parameter.shape().size() == 1)
            parameter.set((parameter + random_tensor(parameter.shape(), seed++)).value());
    const auto expected = everything(f, with(0), parameters);
    for (const double value : {no_number, infinity, -infinity, 1e300}) {
        CAPTURE(value);
        const auto found = everything(f, with(value), parameters);
        REQUIRE(found.size() == expected.size());
        for (std::size_t i = 0; i < found.size(); ++i) {
            CAPTURE(i);
            CHECK(same(found[i], expected[i]));
        }
        const auto before = with(0), after = with(value);
        for (const std::size_t at : {std::size_t{2}, 4 + parameters.size()}) { // gradients of x
            const auto gradient = found[at].to_vector(), x = before.to_vector(),
                       y = after.to_vector();
            for (std::size_t i = 0; i < x.size(); ++i)
                if (!(x[i] == y[i])) CHECK(gradient[i] == 0);
        }
    }
    for (const int order : {1, 2}) {
        CAPTURE(order);
        const auto report = gradcheck([&](const auto& in) { return sin(f(in[0]) + 1); }, {with(1)},
                                      parameters, {.order = order, .full = 20});
        INFO(report.text());
        CHECK(report.passed());
    }
}

template <class Module>
void check_steps(const char* what, Module& module, const Function& f, const Tensor<double>& x,
                 const Lengths& lengths = ::lengths) {
    check(
        what, f, [&](double value) { return padded_with(value, x, lengths); }, parameters(module));
}

V joined(const V& output, const auto& states) {
    std::vector<V> all{flatten(output)};
    for (const auto& s : states) all.push_back(flatten(s));
    return concatenate(all);
}

template <class Cell>
void check_recurrent(nn::RecurrentOptions<Cell> options, const char* what) {
    options.input = options.hidden = 3;
    for (const bool bidirectional : {false, true}) {
        options.bidirectional = bidirectional;
        if (bidirectional) options.merge = nn::Merge::average;
        nn::Recurrent<Cell> net(options);
        check_steps(
            what, net,
            [&](const V& x) {
                const auto result = net(x, {}, lengths);
                return joined(result.output, result.state);
            },
            random_tensor({4, 3, 3}));
    }
}

template <class Cell>
void check_cell() {
    check_recurrent<Cell>({}, "plain");
    check_recurrent<Cell>({.layers = 2, .dropout = 0.3}, "layers");
    check_recurrent<Cell>({.input_dropout = 0.3, .output_dropout = 0.3}, "locked dropout");
    check_recurrent<Cell>({.state_dropout = 0.3, .weight_dropout = 0.3}, "recurrent dropout");
    check_recurrent<Cell>({.zoneout = 0.3, .learned_state = true}, "zoneout");
    check_recurrent<Cell>({.layers = 2, .connection = nn::Connection::residual}, "residual");
    check_recurrent<Cell>({.layers = 2, .connection = nn::Connection::highway}, "highway");
    check_recurrent<Cell>({.cell = {.layer_norm = true}}, "layer norm");
}

// [B, S] of masks, and the masked elements of a batch-first x.
Tensor<double> hidden_with(double value, const Tensor<double>& x, const Mask& keys,
                           std::size_t axis) {
    Tensor<double> hidden = x.copy();
    for (std::size_t b = 0; b < keys.shape(0); ++b)
        for (std::size_t s = 0; s < keys.shape(1); ++s)
            if (!keys(b, s)) {
                if (axis == 1)
                    hidden.select(0, b).select(0, s).fill(value);
                else
                    hidden.select(0, s).select(0, b).fill(value);
            }
    return hidden;
}

template <class Attention>
void check_attention(const char* what, const typename Attention::Options& options) {
    Attention attention(options);
    const V queries = random_tensor({2, 3, 3}, 5);
    check_steps(
        what, attention,
        [&](const V& x) {
            const auto found =
                attention(queries, attention.prepare(x, nn::length_mask(lengths, 4)));
            return joined(found.context, std::vector<V>{found.weights});
        },
        random_tensor({4, 3, 3}));
}

} // namespace

TEST_CASE("padding is not read: Rnn") { check_cell<nn::RnnCell<double>>(); }
TEST_CASE("padding is not read: Lstm") {
    check_cell<nn::LstmCell<double>>();
    check_recurrent<nn::LstmCell<double>>(
        {.cell = {.peephole = true, .coupled_gates = true, .layer_norm = true, .projection = 3}},
        "every option of the cell");
}
TEST_CASE("padding is not read: Gru") {
    check_cell<nn::GruCell<double>>();
    for (const auto reset : {nn::GruOptions::Reset::before, nn::GruOptions::Reset::none})
        check_recurrent<nn::GruCell<double>>({.cell = {.reset = reset}}, "resets");
}

template <class Cell>
void check_scan(const nn::cell_options<Cell>& cell = {}) {
    CAPTURE(Cell::name);
    check_recurrent<Cell>({.layers = 2, .dropout = 0.3, .cell = cell}, "layers");
    check_recurrent<Cell>({.cell = cell, .zoneout = 0.3}, "zoneout");
}
TEST_CASE("padding is not read: scans") {
    check_scan<nn::MinGruCell<double>>();
    check_scan<nn::MinLstmCell<double>>();
    check_scan<nn::SruCell<double>>();
    check_scan<nn::QrnnCell<double>>();
    check_scan<nn::IndRnnCell<double>>();
    check_scan<nn::LruCell<double>>();
    check_scan<nn::RgLruCell<double>>();
    check_scan<nn::S5Cell<double>>();
    check_scan<nn::MambaCell<double>>({.states = 2, .window = 2, .expand = 1});
    check_scan<nn::SLstmCell<double>>();
    check_scan<nn::MLstmCell<double>>();
}

TEST_CASE("padding is not read: pyramids and joined steps") {
    nn::Pyramid<nn::GruCell<double>> pyramid(
        {.input = 2, .hidden = 2, .factors = {1, 2}, .dropout = 0.2});
    const auto x = random_tensor({4, 3, 2});
    check_steps(
        "pyramid", pyramid, [&](const V& x) { return pyramid(x, lengths).x; }, x);
    for (const std::size_t factor : {1, 2, 3})
        check(
            "join_steps", [&](const V& x) { return nn::join_steps(x, factor, lengths).x; },
            [&](double value) { return padded_with(value, x, lengths); }, {});
    nn::Subsampling<double> less({.input = 4, .channels = 2, .filters = 2, .width = 2});
    const Lengths five{5, 0, 3};
    check_steps(
        "subsampling", less, [&](const V& x) { return less(x, five).x; },
        random_tensor({5, 3, 4}, 3), five);
}

TEST_CASE("padding is not read: pooling over time") {
    const auto x = random_tensor({4, 3, 2});
    const auto with = [&](double value) { return padded_with(value, x, lengths); };
    check("mean", [](const V& x) { return nn::mean_over_time(x, lengths); }, with, {});
    check("max", [](const V& x) { return nn::max_over_time(x, lengths); }, with, {});
    nn::AttentionPooling<double> pool({.input = 2, .hidden = 3});
    check_steps(
        "attention", pool,
        [&](const V& x) {
            const auto found = pool(x, lengths);
            return joined(found.context, std::vector<V>{found.weights});
        },
        x);
}

TEST_CASE("padding is not read: losses and taggers") {
    const auto x = random_tensor({4, 3, 3});
    const nn::PaddedBatch targets{Indices({2, 3}, {1, 1, 2, 2, 1, 1}), {2, 0, 1}};
    check(
        "ctc",
        [&](const V& x) {
            return nn::ctc_loss(log_softmax(x), lengths, targets,
                                {.reduction = nn::Reduction::none})
                .loss;
        },
        [&](double value) { return padded_with(value, x, lengths); }, {});

    const Indices tags({4, 3}, {0, 9, 1, 1, 9, 2, 2, 9, 9, 0, 9, 9});
    nn::Crf<double> crf({.tags = 3});
    check_steps(
        "likelihood", crf, [&](const V& x) { return crf.log_likelihood(x, tags, lengths); }, x);
    check_steps(
        "partition", crf, [&](const V& x) { return crf.log_partition(x, lengths); }, x);
    check_steps(
        "score", crf, [&](const V& x) { return crf.score(x, tags, lengths); }, x);
    for (const bool with_crf : {false, true}) {
        nn::Tagger<double> tagger({.input = 3, .tags = 4, .crf = with_crf});
        check_steps(
            "tagger", tagger, [&](const V& x) { return tagger.loss(x, tags, lengths); }, x);
        CHECK(tagger.decode(padded_with(no_number, x, lengths), lengths) ==
              tagger.decode(x, lengths));
    }

    const auto p = log_softmax(V(x)).value(), bad = padded_with(no_number, p, lengths);
    CHECK(nn::ctc_align(bad, lengths, targets) == nn::ctc_align(p, lengths, targets));
    const auto greedy = nn::ctc_greedy(bad, lengths), expected = nn::ctc_greedy(p, lengths);
    for (std::size_t b = 0; b < 3; ++b) CHECK(greedy[b].symbols == expected[b].symbols);
    const auto found = nn::ctc_beam_search(bad, lengths), best = nn::ctc_beam_search(p, lengths);
    for (std::size_t b = 0; b < 3; ++b) CHECK(found[b][0].symbols == best[b][0].symbols);
    const auto path = crf.decode(bad, lengths), way = crf.decode(p, lengths);
    for (std::size_t b = 0; b < 3; ++b) CHECK(path[b].tags == way[b].tags);
}

TEST_CASE("padding is not read: transducers") {
    const nn::PaddedBatch targets{Indices({2, 3}, {1, 1, 2, 2, 1, 1}), {2, 0, 1}};
    const auto x = random_tensor({3, 4, 3, 3});
    const auto with = [&](double value) {
        Tensor<double> filled = x.copy();
        for (std::size_t b = 0; b < 3; ++b) {
            filled.select(0, b).slice(0, lengths[b], 4).fill(value);
            filled.select(0, b).slice(1, targets.lengths[b] + 1, 3).fill(value);
        }
        return filled;
    };
    check("loss",
          [&](const V& x) {
              return nn::transducer_loss(log_softmax(x), lengths, targets,
                                         {.reduction = nn::Reduction::none})
                  .loss;
          },
          with, {});
    const auto p = log_softmax(V(x)).value();
    CHECK(nn::transducer_align(log_softmax(V(with(no_number))).value(), lengths, targets) ==
          nn::transducer_align(p, lengths, targets));

    nn::Transducer<nn::GruCell<double>> model(
        {.vocabulary = 3, .encoded = 2, .joint = 3, .predictor = {.input = 2, .hidden = 2}});
    const auto encoded = random_tensor({4, 3, 2});
    check_steps(
        "module", model,
        [&](const V& x) { return model.loss(x, targets, lengths, nn::Reduction::none); }, encoded);
    const auto bad = padded_with(no_number, encoded, lengths);
    const auto greedy = model.greedy(bad, lengths), expected = model.greedy(encoded, lengths);
    for (std::size_t b = 0; b < 3; ++b) CHECK(greedy[b].symbols == expected[b].symbols);
}

TEST_CASE("masked positions are not read: attention by every score") {
    check_attention<nn::DotAttention<double>>("dot", {.query = 3, .memory = 3, .scaled = true});
    check_attention<nn::GeneralAttention<double>>("general", {.query = 3, .memory = 3});
    check_attention<nn::ConcatAttention<double>>("concat", {.query = 3, .memory = 3, .width = 2});
    check_attention<nn::AdditiveAttention<double>>("additive",
                                                   {.query = 3, .memory = 3, .width = 2});
    check_attention<nn::LocationAttention<double>>(
        "location", {.query = 3, .memory = 3, .width = 2, .filters = 2, .window = 3});
}

TEST_CASE("masked positions are not read: scaled dot-product attention") {
    const Mask keys = nn::length_mask(lengths, 4);
    const V q = random_tensor({3, 2, 2}, 5);
    const auto x = random_tensor({3, 4, 2});
    const auto with = [&](double value) { return hidden_with(value, x, keys, 1); };
    const auto all = [](const nn::AttentionOutput<double>& found) {
        return joined(found.context, std::vector<V>{found.weights});
    };
    check("keys and values",
          [&](const V& x) {
              return all(nn::scaled_dot_product_attention(q, x, x * 2, keys.expand_dims(1)));
          },
          with, {});
    // A key that no query attends to, by a mask that differs between queries.
    const Mask pairs({2, 4}, {true, false, false, true, false, true, false, true});
    check(
        "pairs",
        [&](const V& x) { return all(nn::scaled_dot_product_attention(q, x, x * 2, pairs)); },
        [&](double value) {
            return hidden_with(value, x,
                               Mask({1, 4}, {true, true, false, true}).broadcast_to({3, 4}), 1);
        },
        {});
}

TEST_CASE("masked positions are not read: multi-head attention") {
    const Mask keys = nn::length_mask(lengths, 4);
    const auto x = random_tensor({4, 3, 4});
    const V q = random_tensor({2, 3, 4}, 5);
    const auto all = [](const nn::AttentionOutput<double>& found) {
        return joined(found.context, std::vector<V>{found.weights});
    };
    for (const bool rotary : {false, true}) {
        nn::MultiHeadAttention<double> attention(
            {.width = 4, .heads = 2, .dropout = 0.2, .rotary = rotary});
        for (const bool causal : {false, true})
            check_steps(
                "itself", attention,
                [&](const V& x) {
                    return all(attention(x, {.key_padding_mask = keys, .is_causal = causal}));
                },
                x);
        check_steps(
            "another", attention,
            [&](const V& x) { return all(attention(q, x, x * 2, {.key_padding_mask = keys})); }, x);
        check_steps(
            "prepared", attention,
            [&](const V& x) { return all(attention(q, attention.prepare(x, keys))); }, x);
    }
    // After two past steps, one of which is also masked.
    nn::MultiHeadAttention<double> attention({.width = 4, .heads = 2});
    const Mask longer({3, 6}, {true, true, true, true, true, true,     //
                               true, true, false, false, false, false, //
                               false, true, true, true, false, false});
    check_steps(
        "with a past", attention,
        [&](const V& x) {
            nn::KeyValues<double> past;
            attention(q, past, {.key_padding_mask = longer.slice(1, 0, 2)});
            return all(attention(x, past, {.key_padding_mask = longer}));
        },
        x);
    nn::MultiHeadAttention<double> wide({.width = 4, .heads = 2, .memory = 3});
    check_steps(
        "wider memory", wide,
        [&](const V& x) { return all(wide(q, x, x, {.key_padding_mask = keys})); },
        random_tensor({4, 3, 3}));
}

TEST_CASE("masked positions are not read: transformers") {
    const Mask keys = nn::length_mask(lengths, 4);
    const auto x = random_tensor({4, 3, 4});
    for (const bool pre : {false, true}) {
        const nn::TransformerOptions options{.width = 4,
                                             .heads = 2,
                                             .layers = 2,
                                             .hidden = 3,
                                             .dropout = 0.2,
                                             .activation = nn::Activation::gelu,
                                             .norm_first = pre,
                                             .positions = nn::Positions::learned,
                                             .steps = 8};
        nn::TransformerLayer<double> layer(options);
        check_steps(
            "layer", layer, [&](const V& x) { return layer(x, {.key_padding_mask = keys}); }, x);
        nn::TransformerStack<double> stack(options);
        check_steps(
            "stack", stack, [&](const V& x) { return stack(x, {.key_padding_mask = keys}); }, x);
        const V earlier = random_tensor({2, 3, 4}, 6);
        const Mask longer({3, 6}, {true, true, true, true, true, true,     //
                                   true, true, false, false, false, false, //
                                   false, true, true, true, false, false});
        check_steps(
            "stack with a past", stack,
            [&](const V& x) {
                auto state = stack.start();
                stack(earlier, state, {.key_padding_mask = longer.slice(1, 0, 2)});
                return stack(x, state, {.key_padding_mask = longer}).context;
            },
            x);
        auto writer = options;
        writer.layers = 1;
        nn::Transformer<double> model({.encoder = options, .decoder = writer, .vocabulary = 3});
        const Indices targets({2, 3}, {1, 2, 0, 2, -1, 1});
        check_steps(
            "transformer", model,
            [&](const V& x) {
                const auto written = model(x, targets, lengths);
                return joined(written.logits, std::vector<V>{written.weights});
            },
            x);
    }
}

TEST_CASE("padding is not read: encoders and decoders") {
    using Model = nn::EncoderDecoder<nn::LstmCell<double>, nn::GruCell<double>,
                                     nn::AdditiveAttention<double>>;
    Model::Options options;
    options.encoder = {.input = 3, .hidden = 2, .bidirectional = true};
    options.decoder.vocabulary = 3;
    options.decoder.width = options.decoder.hidden = 2;
    options.decoder.attention.width = 2;
    Model model(options);
    const Indices targets({2, 3}, {1, 2, 0, 2, -1, 1});
    check_steps(
        "attention", model,
        [&](const V& x) {
            const auto written = model(x, targets, lengths);
            return joined(written.logits, std::vector<V>{written.weights});
        },
        random_tensor({4, 3, 3}));
}

TEST_CASE("the padding row of an embedding is not read") {
    nn::Embedding<double> embedding({.vocabulary = 4, .width = 2, .padding = 1});
    const Indices words({3, 2}, {0, 3, 1, 2, 1, 1});
    const Tensor<double> clean = embedding.weight.value().copy();
    const auto run = [&](double value) {
        Tensor<double> weight = clean.copy();
        weight.select(0, 1).fill(value);
        embedding.weight.set(weight);
        embedding.weight.clear_gradient();
        Tape<double> tape;
        const auto rows = embedding(words);
        tape.backward(sum(square(rows) + rows));
        return std::pair(rows.value(), embedding.weight.gradient().copy());
    };
    const auto expected = run(0), found = run(no_number);
    CHECK(same(found.first, expected.first));
    CHECK(same(found.second, expected.second));
    for (const double g : found.second.select(0, 1).to_vector()) CHECK(g == 0);
}

TEST_CASE("padding is not read: character LSTM embeddings") {
    const nn::Vocabulary letters(std::vector<nn::Tokens>{nn::split_characters("abc")});
    nn::CharacterLstm<double> spell({.characters = letters, .width = 2, .hidden = 2});
    const std::vector<nn::Tokens> sentences{{"ab", "c", "cab"}, {}, {"", "b"}};
    const Tensor<double> clean = spell.characters.weight.value().copy();
    const auto run = [&](double value) {
        Tensor<double> weight = clean.copy();
        weight.select(0, static_cast<std::size_t>(letters.padding())).fill(value);
        spell.characters.weight.set(weight);
        std::vector<Tensor<double>> all;
        for (const auto& p : parameters(spell)) p.clear_gradient();
        Tape<double> tape;
        const auto y = spell(sentences);
        tape.backward(sum(square(y) + y));
        all.push_back(y.value());
        for (const auto& p : parameters(spell)) all.push_back(p.gradient().copy());
        return all;
    };
    const auto expected = run(0), found = run(no_number);
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(same(found[i], expected[i]));
}
