// Every module and every loss of nn/ passes the gradient check at first and second order. Their own
// tests check variants; here none can be forgotten.

#include "nn/trees/trees.hpp"

#include <unroll/nn/attention/attention.hpp>
#include <unroll/nn/attention/bridge.hpp>
#include <unroll/nn/attention/multi_head.hpp>
#include <unroll/nn/attention/seq2seq.hpp>
#include <unroll/nn/attention/subsampling.hpp>
#include <unroll/nn/attention/transformer.hpp>
#include <unroll/nn/decoding/decode.hpp>
#include <unroll/nn/decoding/transducer.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/adaptive_softmax.hpp>
#include <unroll/nn/layers/convolution.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/layers/norms.hpp>
#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/layers/positions.hpp>
#include <unroll/nn/layers/prelu.hpp>
#include <unroll/nn/layers/time_pooling.hpp>
#include <unroll/nn/losses/crf.hpp>
#include <unroll/nn/losses/ctc.hpp>
#include <unroll/nn/losses/skip_gram.hpp>
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
#include <unroll/nn/trees/recursive.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <regex>
#include <set>
#include <sstream>

using namespace test;

namespace {

using V = Variable<double>;
using Many = std::vector<V>;

// What an entry checks, by the names in the headers, separated by spaces.
struct Entry {
    std::string names;
    std::function<V(const Many&)> f;
    std::vector<Tensor<double>> inputs;
    Parameters<double> parameters = {};
};

// f is called with the module and the inputs.
template <class M, class F>
Entry of(const std::string& names, M module, F f, const std::vector<Shape>& shapes) {
    const auto kept = std::make_shared<M>(std::move(module));
    Entry entry{names, [kept, f](const Many& x) { return f(*kept, x); }, {}, parameters(*kept)};
    for (const Shape& shape : shapes)
        entry.inputs.push_back(random_tensor(shape, 30 + entry.inputs.size()));
    for (auto& parameter : entry.parameters) // biases, gains and zeros included
        parameter.change().assign(
            random_tensor(parameter.shape(), 60 + parameter.path.size(), 0.7));
    return entry;
}
template <class F>
Entry function(const std::string& name, F f, const std::vector<Shape>& shapes) {
    Entry entry{name, f, {}};
    for (const Shape& shape : shapes)
        entry.inputs.push_back(random_tensor(shape, 30 + entry.inputs.size()));
    return entry;
}

const std::vector<std::size_t> lengths{3, 2};
const Indices targets({3, 2}, {1, 3, 2, 0, 3, -100});
const Mask keys({2, 3}, {true, true, true, true, true, false});

// A module of one variable.
const auto call = [](const auto& module, const Many& x) { return module(x[0]); };

void add_layers(std::vector<Entry>& all) {
    all.push_back(of("Linear", nn::Linear<double>({.input = 3, .output = 2}), call, {{2, 3}}));
    all.push_back(of("Embedding",
                     nn::Embedding<double>({.vocabulary = 5, .width = 2, .padding = 0}),
                     [](const auto& embed, const Many&) {
                         return embed(Indices({2, 2}, {1, 0, 4, 1}));
                     },
                     {}));
    all.push_back(of("Dropout", nn::Dropout<double>(0.4), call, {{3, 4}}));
    all.push_back(of("LayerNorm", nn::LayerNorm<double>(4), call, {{3, 4}}));
    all.push_back(of("RmsNorm", nn::RmsNorm<double>(4), call, {{3, 4}}));
    all.push_back(
        of("GroupNorm", nn::GroupNorm<double>({.groups = 2, .channels = 4}), call, {{3, 4, 2}}));
    all.push_back(of("Prelu", nn::Prelu<double>({.channels = 4}), call, {{3, 4}}));
    all.push_back(of("TransposedConvolution",
                     nn::TransposedConvolution<double>(
                         {.input = 2, .output = 3, .stride = 2, .padding = 1, .output_padding = 1}),
                     call, {{2, 2, 2, 3}}));
    all.push_back(of("Sequential",
                     nn::Sequential(
                         nn::Linear<double>({.input = 3, .output = 4}),
                         [](const V& x) { return tanh(x); }, nn::LayerNorm<double>(4)),
                     call, {{2, 3}}));
    all.push_back(of("Convolution",
                     nn::Convolution<double>({.input = 2, .output = 3, .padding = 1}), call,
                     {{2, 2, 3, 4}}));
    all.push_back(of(
        "BatchNorm",
        nn::Sequential(nn::BatchNorm<double>({.channels = 2}), [](const V& x) { return tanh(x); }),
        call, {{3, 2, 2}}));
    all.push_back(
        of("PositionEncoding",
           nn::PositionEncoding<double>({.kind = nn::Positions::learned, .width = 4, .steps = 5}),
           [](const auto& add, const Many& x) { return add(x[0], 1); }, {{3, 2, 4}}));
    all.push_back(
        function("rotate", [](const Many& x) { return nn::rotate(x[0], 2); }, {{2, 3, 4}}));
    all.push_back(of("AttentionPooling", nn::AttentionPooling<double>({.input = 3, .hidden = 2}),
                     [](const auto& pool, const Many& x) {
                         const auto pooled = pool(x[0], lengths);
                         return sum(pooled.context) + sum(square(pooled.weights));
                     },
                     {{3, 2, 3}}));
    all.push_back(function("mean_over_time",
                           [](const Many& x) { return nn::mean_over_time(x[0], lengths); },
                           {{3, 2, 2}}));
    all.push_back(function("max_over_time",
                           [](const Many& x) { return nn::max_over_time(x[0], lengths); },
                           {{3, 2, 2}}));
    all.push_back(function("last_layer", [](const Many& x) { return nn::last_layer(x[0], true); },
                           {{4, 2, 3}}));
    all.push_back(function("without_padding",
                           [](const Many& x) { return nn::without_padding(x[0], lengths); },
                           {{3, 2, 2}}));
    all.push_back(
        of("AdaptiveSoftmax",
           nn::AdaptiveSoftmax<double>({.vocabulary = 7, .width = 2, .frequent = 3, .groups = 2}),
           [](const auto& softmax, const Many& x) {
               return softmax.loss(x[0], x[1], Indices({4}, {1, 3, 6, -100}));
           },
           {{4, 2}, {7, 2}}));
}

template <class Cell>
Entry recurrent(const std::string& names, const nn::cell_options<Cell>& cell = {},
                std::size_t layers = 2) {
    return of(names,
              nn::Recurrent<Cell>({.input = 2,
                                   .hidden = 2,
                                   .layers = layers,
                                   .bidirectional = true,
                                   .cell = cell,
                                   .learned_state = true}),
              [](const auto& net, const Many& x) {
                  const auto result = net(x[0], {}, lengths);
                  return sum(square(result.output)) + sum(sin(result.state.back()));
              },
              {{3, 2, 2}});
}

void add_recurrent(std::vector<Entry>& all) {
    all.push_back(recurrent<nn::LstmCell<double>>("Recurrent LstmCell CellParameters"));
    all.push_back(recurrent<nn::GruCell<double>>("GruCell"));
    all.push_back(recurrent<nn::RnnCell<double>>("RnnCell"));
    all.push_back(recurrent<nn::MinGruCell<double>>("MinGruCell"));
    all.push_back(recurrent<nn::MinLstmCell<double>>("MinLstmCell"));
    all.push_back(recurrent<nn::SruCell<double>>("SruCell"));
    all.push_back(recurrent<nn::QrnnCell<double>>("QrnnCell"));
    all.push_back(recurrent<nn::IndRnnCell<double>>("IndRnnCell"));
    all.push_back(recurrent<nn::LruCell<double>>("StateSpaceCell LruDynamics"));
    all.push_back(recurrent<nn::RgLruCell<double>>("RgLruCell"));
    all.push_back(recurrent<nn::S5Cell<double>>("S5Dynamics"));
    all.push_back(recurrent<nn::MambaCell<double>>("MambaCell", {.states = 2, .window = 2}, 1));
    all.push_back(recurrent<nn::SLstmCell<double>>("SLstmCell"));
    all.push_back(recurrent<nn::MLstmCell<double>>("MLstmCell", {.heads = 2}));
    all.push_back(of("Pyramid",
                     nn::Pyramid<nn::GruCell<double>>(
                         {.input = 2, .hidden = 2, .factors = {1, 2}, .bidirectional = false}),
                     [](const auto& net, const Many& x) { return net(x[0], lengths).x; },
                     {{3, 2, 2}}));
    all.push_back(function("join_steps",
                           [](const Many& x) { return nn::join_steps(x[0], 2, lengths).x; },
                           {{3, 2, 2}}));
    all.push_back(of("CharacterLstm",
                     nn::CharacterLstm<double>(
                         {.characters = nn::Vocabulary::of(std::vector<std::string>{"a", "b"}),
                          .width = 2,
                          .hidden = 2}),
                     [](const auto& spell, const Many&) {
                         return spell(std::vector<nn::Tokens>{{"ab", "a"}, {"bba"}});
                     },
                     {}));
}

template <class Net>
Entry tree(const std::string& names) {
    const auto trees = std::make_shared<nn::TreeBatch>(random_trees(1, 2));
    return of(names, Net({.input = 2, .hidden = 2}),
              [trees](const auto& net, const Many& x) { return net(*trees, x[0])[0]; },
              {{trees->size(), 2}});
}

void add_trees(std::vector<Entry>& all) {
    const auto pairs = std::make_shared<nn::TreeBatch>(random_trees(2, 2));
    const auto pair = [pairs](const auto& net, const Many& x) { return net(*pairs, x[0])[0]; };
    all.push_back(of("Upward RecursiveParameters RecursiveCell",
                     nn::Recursive<double>({.input = 2, .hidden = 2}), pair, {{pairs->size(), 2}}));
    all.push_back(
        of("TensorCell", nn::Rntn<double>({.input = 2, .hidden = 2}), pair, {{pairs->size(), 2}}));
    all.push_back(tree<nn::ChildSumTreeLstm<double>>("ChildSumCell"));
    all.push_back(tree<nn::NaryTreeLstm<double>>("NaryCell"));
    all.push_back(of("Downward", nn::Downward<nn::LstmCell<double>>(2, 2),
                     [pairs](const auto& net, const Many& x) { return net(*pairs, x[0]); },
                     {{pairs->size(), 2}}));
}

template <class A>
Entry attention(const std::string& names, const typename A::Options& options) {
    return of(names, A(options),
              [](const auto& attend, const Many& x) {
                  const auto out = attend(x[0], attend.prepare(x[1], keys));
                  return sum(square(out.context)) + sum(sin(out.weights));
              },
              {{2, 2, 2}, {3, 2, 2}});
}

void add_attention(std::vector<Entry>& all) {
    using namespace nn;
    all.push_back(attention<DotAttention<double>>("Attention DotScore", {2, 2, true}));
    all.push_back(attention<GeneralAttention<double>>("GeneralScore", {2, 2}));
    all.push_back(attention<ConcatAttention<double>>("ConcatScore", {2, 2, 3}));
    all.push_back(attention<AdditiveAttention<double>>("AdditiveScore", {2, 2, 3}));
    all.push_back(attention<LocationAttention<double>>("LocationScore", {2, 2, 3, 2, 3}));
    all.push_back(of("MultiHeadAttention", MultiHeadAttention<double>({.width = 4, .heads = 2}),
                     [](const auto& attend, const Many& x) {
                         const auto out =
                             attend(x[0], {.key_padding_mask = keys, .is_causal = true});
                         return sum(square(out.context)) + sum(sin(out.weights));
                     },
                     {{3, 2, 4}}));
    all.push_back(function("layer_state", [](const Many& x) { return layer_state(x[0], 1, 2); },
                           {{4, 2, 3}}));
    all.push_back(function("reorder",
                           [](const Many& x) {
                               return reorder(x[0], Indices({3}, {1, 0, 1}));
                           },
                           {{2, 2, 3}}));
    all.push_back(function("scaled_dot_product_attention",
                           [](const Many& x) {
                               const auto out =
                                   scaled_dot_product_attention(x[0], x[1], x[2], {}, 0.3);
                               return sum(square(out.context)) + sum(sin(out.weights));
                           },
                           {{2, 3, 2}, {2, 4, 2}, {2, 4, 3}}));
    all.push_back(of("Bridge", Bridge<double>({.from = {3}, .to = {2, 2}, .layers = 2}),
                     [](const auto& bridge, const Many& x) {
                         V total = 0.0;
                         for (const auto& layer : bridge(x, 1))
                             for (const V& state : layer) total = total + sum(square(state));
                         return total;
                     },
                     {{1, 2, 3}}));
    all.push_back(of("Subsampling", Subsampling<double>({.input = 7, .filters = 2, .width = 3}),
                     [](const auto& sample, const Many& x) {
                         return sample(x[0], std::vector<std::size_t>{9, 7}).x;
                     },
                     {{9, 2, 7}}));
    all.push_back(of(
        "TransformerLayer",
        TransformerLayer<double>(
            {.width = 4, .heads = 2, .hidden = 3, .dropout = 0.2, .activation = Activation::gelu}),
        call, {{3, 2, 4}}));
    all.push_back(of("TransformerStack",
                     TransformerStack<double>({.width = 4,
                                               .heads = 2,
                                               .layers = 2,
                                               .hidden = 3,
                                               .activation = Activation::gelu,
                                               .norm_first = true,
                                               .is_causal = true,
                                               .positions = Positions::rotary}),
                     call, {{3, 2, 4}}));
    const TransformerOptions stack{
        .width = 4, .heads = 2, .hidden = 3, .activation = Activation::gelu};
    auto decoder = stack;
    decoder.memory = 4;
    decoder.is_causal = true;
    const auto write = [](const auto& model, const Many& x) {
        const auto out = model(x[0], targets, lengths);
        return cross_entropy(out.logits, targets) + sum(square(out.weights));
    };
    all.push_back(of("Transformer", Transformer<double>({stack, decoder, 4}), write, {{3, 2, 4}}));
    using Gru = GruCell<double>;
    all.push_back(
        of("EncoderDecoder Decoder",
           EncoderDecoder<Gru, LstmCell<double>, AdditiveAttention<double>>(
               {.encoder = {.input = 2, .hidden = 2},
                .decoder = {.vocabulary = 4, .width = 2, .hidden = 3, .attention = {.width = 2}}}),
           write, {{3, 2, 2}}));
    all.push_back(of("FixedContext",
                     EncoderDecoder<Gru, Gru, FixedContext<double>>(
                         {.encoder = {.input = 2, .hidden = 2},
                          .decoder = {.vocabulary = 4, .width = 2, .hidden = 3}}),
                     [](const auto& model, const Many& x) {
                         return cross_entropy(model(x[0], targets, lengths).logits, targets);
                     },
                     {{3, 2, 2}}));
}

void add_losses(std::vector<Entry>& all) {
    const Indices tags({3, 2}, {1, 2, 0, 0, 1, -100});
    all.push_back(of("Crf", nn::Crf<double>({.tags = 3}),
                     [=](const auto& crf, const Many& x) { return crf.loss(x[0], tags, lengths); },
                     {{3, 2, 3}}));
    all.push_back(
        of("Tagger", nn::Tagger<double>({.input = 2, .tags = 3, .crf = true}),
           [=](const auto& tagger, const Many& x) { return tagger.loss(x[0], tags, lengths); },
           {{3, 2, 2}}));
    const nn::PaddedBatch words{Indices({2, 2}, {1, 2, 1, -1}), {2, 1}};
    all.push_back(function(
        "ctc_loss",
        [=](const Many& x) { return nn::ctc_loss(log_softmax(x[0]), lengths, words).loss; },
        {{3, 2, 3}}));
    all.push_back(function(
        "transducer_loss",
        [=](const Many& x) { return nn::transducer_loss(log_softmax(x[0]), lengths, words).loss; },
        {{2, 3, 3, 3}}));
    all.push_back(
        of("Transducer",
           nn::Transducer<nn::GruCell<double>>({.vocabulary = 3,
                                                .encoded = 2,
                                                .joint = 3,
                                                .predictor = {.input = 2, .hidden = 2},
                                                .dropout = 0.2}),
           [=](const auto& model, const Many& x) { return model.loss(x[0], words, lengths); },
           {{3, 2, 2}}));
    all.push_back(of("SkipGram", nn::SkipGram<double>({.vocabulary = 5, .width = 3}),
                     [](const auto& model, const Many&) {
                         return model.loss(Indices({2}, {0, 4}), Indices({2}, {1, 0}),
                                           Indices({2, 2}, {2, 3, 3, 1}));
                     },
                     {}));
}

std::vector<Entry> table() {
    nn::seed(1);
    std::vector<Entry> all;
    add_layers(all);
    add_recurrent(all);
    add_trees(all);
    add_attention(all);
    add_losses(all);
    return all;
}

} // namespace

TEST_CASE("every module and loss: first and second derivatives") {
    for (const Entry& entry : table())
        for (const int order : {1, 2}) {
            CAPTURE(entry.names);
            CAPTURE(order);
            const auto report =
                gradcheck([&](const Many& x) { return sin(entry.f(x) + 1.0); }, entry.inputs,
                          entry.parameters, {.order = order, .smallest = 1e-3, .full = 30});
            INFO(report.text());
            CHECK(report.passed());
        }
}

TEST_CASE("every module and loss: an input without a value is named as such") {
    for (const Entry& entry : table())
        for (std::size_t i = 0; i < entry.inputs.size(); ++i) {
            CAPTURE(entry.names);
            CAPTURE(i);
            Many x(entry.inputs.begin(), entry.inputs.end());
            x[i] = V();
            const std::string error = error_of([&] { entry.f(x); });
            INFO(error);
            CHECK(contains(error, "no value"));
        }
}

// Structs and classes that list members, and functions of variables.
TEST_CASE("the table of modules is complete") {
    std::set<std::string> known;
    for (const Entry& entry : table()) {
        std::istringstream names(entry.names);
        for (std::string name; names >> name;) known.insert(name);
    }
    const std::regex type("^(?:struct|class) (\\w+)"), members("^    void members\\("),
        function("^(?:Variable|CtcLoss|TransducerLoss|AttentionOutput|Frames)<T> (\\w+)\\("),
        internal("^namespace detail");
    const std::filesystem::path folder = std::filesystem::path(test::golden_folder) / "../../nn";
    std::size_t found = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.path().extension() != ".hpp") continue;
        std::ifstream in(entry.path());
        std::string owner;
        bool is_internal = false;
        for (std::string line; std::getline(in, line);) {
            std::smatch match;
            if (std::regex_search(line, internal)) is_internal = true;
            if (line.starts_with("} // namespace detail")) is_internal = false;
            if (std::regex_search(line, match, type)) owner = match[1];
            const bool is_module = std::regex_search(line, members);
            if (is_internal || !(is_module || std::regex_search(line, match, function))) continue;
            ++found;
            CAPTURE(entry.path().string());
            const std::string name = is_module ? owner : match[1].str();
            CAPTURE(name);
            CHECK(known.contains(name));
        }
    }
    CHECK(found > 40);
}
