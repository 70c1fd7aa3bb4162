#include "support.hpp"

#include <unroll/nn/attention/multi_head.hpp>
#include <unroll/nn/attention/seq2seq.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/nn/recurrent/rnn.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/optim/clip.hpp>
#include <unroll/optim/optimizer.hpp>

#include <algorithm>

using namespace test;

namespace {

template <class E, class D, class A>
using Model = nn::EncoderDecoder<E, D, A>;
using Additive = nn::AdditiveAttention<double>;
using Gru = nn::GruCell<double>;
using Lstm = nn::LstmCell<double>;
using Rnn = nn::RnnCell<double>;

template <class M>
typename M::Options small(decltype(M::Options::decoder.attention) attention = {}) {
    return {.encoder = {.input = 2, .hidden = 2},
            .decoder = {.vocabulary = 4, .width = 2, .hidden = 3, .attention = attention}};
}

const Indices targets({3, 2}, {1, 3, 2, 0, 3, -100});
const std::vector<std::size_t> lengths{3, 2};

template <class M>
void check_gradients_of(const typename M::Options& options, nn::TeacherForcing forcing = {}) {
    M model(options);
    for (const int order : {1, 2}) {
        const auto report = gradcheck(
            [&](const std::vector<Variable<double>>& in) {
                const auto out = model(in[0], targets, lengths, forcing);
                return cross_entropy(out.logits, targets) + sum(out.weights * out.weights);
            },
            // Some gradients are a thousand times smaller than others and accurate to five digits.
            {random_tensor({3, 2, 2})}, parameters(model),
            {.order = order, .smallest = 1e-2, .full = 100});
        CAPTURE(order);
        INFO(report.text());
        CHECK(report.passed());
    }
}

// The log-probability of `tokens` computed as in training.
template <class M>
double score(const M& model, const Tensor<double>& x, const std::vector<std::int64_t>& tokens) {
    const Indices column({tokens.size(), 1}, std::span<const std::int64_t>(tokens));
    const auto p = log_softmax(model(x, column).logits).value();
    double sum = 0;
    for (std::size_t t = 0; t < tokens.size(); ++t) sum += p(t, 0, tokens[t]);
    return sum;
}

using Vector = std::vector<double>;

Vector times(const Parameter<double>& w, const Vector& v) {
    Vector y(w.shape()[0]);
    for (std::size_t i = 0; i < y.size(); ++i)
        for (std::size_t j = 0; j < v.size(); ++j) y[i] += w.value()(i, j) * v[j];
    return y;
}
Vector plus(Vector a, const Parameter<double>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] += b.value()(i);
    return a;
}
Vector squashed(Vector a) {
    for (double& v : a) v = std::tanh(v);
    return a;
}
Vector joined(std::initializer_list<Vector> parts) {
    Vector all;
    for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

template <class M>
Vector embedded(const M& model, std::size_t token) {
    return model.decoder.embedding.weight.value().select(0, token).to_vector();
}
template <class M>
Vector first_state(const M& model, const Vector& encoded) {
    const auto& bridge = model.bridge.projections[0];
    return squashed(plus(times(bridge.weight, encoded), bridge.bias));
}
template <class M>
Vector next_state(const M& model, const Vector& in, const Vector& h) {
    const auto& cell = model.decoder.cells[0];
    Vector sum = plus(plus(times(cell.weight_ih, in), cell.bias_ih), cell.bias_hh);
    const Vector recurrent = times(cell.weight_hh, h);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += recurrent[i];
    return squashed(sum);
}
template <class M>
void check_logits(const M& model, const Vector& readout, const Tensor<double>& got) {
    const auto& output = model.decoder.output;
    const Vector logits = plus(times(output.weight, readout), output.bias);
    for (std::size_t v = 0; v < logits.size(); ++v)
        CHECK(got(0, v) == doctest::Approx(logits[v]).epsilon(1e-12));
}

} // namespace

TEST_CASE("encoder-decoders pass the gradient check") {
    SUBCASE("attending before, both directions, layers") {
        using M = Model<Gru, Lstm, Additive>;
        auto options = small<M>();
        options.encoder.bidirectional = true;
        options.encoder.layers = 2;
        options.decoder.layers = 2;
        options.decoder.dropout = 0.2;
        options.decoder.attention.width = 3;
        check_gradients_of<M>(options);
    }
    SUBCASE("attending after, with input feeding and scheduled sampling") {
        using M = Model<Lstm, Gru, nn::GeneralAttention<double>>;
        auto options = small<M>();
        options.decoder.attend = decltype(options.decoder)::Attend::after;
        options.decoder.input_feeding = true;
        check_gradients_of<M>(options, {.teacher_forcing_ratio = 0.5});
        check_gradients_of<M>(options, {.teacher_forcing_ratio = 0.5,
                                        .feedback = nn::TeacherForcing::Feedback::sampled});
    }
    SUBCASE("location-aware") {
        using M = Model<Rnn, Gru, nn::LocationAttention<double>>;
        check_gradients_of<M>(small<M>({.width = 2, .filters = 2, .window = 3}));
    }
    SUBCASE("projected states, learned ones") {
        using M = Model<Lstm, Lstm, Additive>;
        auto options = small<M>();
        options.encoder.hidden = 4;
        options.encoder.cell.projection = 2;
        options.encoder.learned_state = true;
        options.decoder.layers = 2;
        options.decoder.cell.projection = 1;
        options.decoder.attention.width = 2;
        check_gradients_of<M>(options);
    }
    SUBCASE("several heads") {
        using M = Model<Rnn, Gru, nn::MultiHeadAttention<double>>;
        check_gradients_of<M>(small<M>({.heads = 3}));
    }
    SUBCASE("without attention") {
        using M = Model<Rnn, Rnn, nn::FixedContext<double>>;
        auto options = small<M>();
        options.encoder.bidirectional = true;
        check_gradients_of<M>(options);
        options.decoder.attention.empty = true;
        check_gradients_of<M>(options);
    }
}

// With teacher forcing, steps are computed together; in decoding, one by one.
template <class M>
void check_steps(typename M::Options options) {
    options.decoder.attend = decltype(options.decoder)::Attend::after;
    options.decoder.layers = 2;
    const M model(options);
    const auto x = random_tensor({3, 2, 2});
    const auto all = model(x, targets, lengths);
    auto state = model.start(x, lengths);
    Indices tokens = model.starts(2);
    for (std::size_t t = 0; t < 3; ++t) {
        auto out = model.decoder.step(state, tokens);
        CHECK(test::distance(out.logits.value(), all.logits.value().select(0, t)) < 1e-12);
        CHECK(test::distance(out.state.weights.value(), all.weights.value().select(0, t)) < 1e-12);
        state = std::move(out.state);
        tokens = targets.select(0, t);
    }
}

TEST_CASE("steps computed together equal steps one by one") {
    using Dot = Model<Gru, Gru, nn::DotAttention<double>>;
    auto dot = small<Dot>();
    dot.encoder.hidden = 3;
    check_steps<Dot>(dot);
    check_gradients_of<Dot>(dot);
    dot.decoder.attend = decltype(dot.decoder)::Attend::after;
    check_gradients_of<Dot>(dot);
    using Location = Model<Rnn, Lstm, nn::LocationAttention<double>>;
    check_steps<Location>(small<Location>({.width = 2, .filters = 2, .window = 3}));
    using Fixed = Model<Rnn, Gru, nn::FixedContext<double>>;
    check_steps<Fixed>(small<Fixed>());
    using Heads = Model<Rnn, Gru, nn::MultiHeadAttention<double>>;
    check_steps<Heads>(small<Heads>({.heads = 3}));
}

TEST_CASE("a decoder's step equals its formula, attending before") {
    using M = Model<Rnn, Rnn, nn::FixedContext<double>>;
    auto options = small<M>();
    options.decoder.input_feeding = true;
    const M model(options);
    const auto x = random_tensor({3, 1, 2});
    const auto out = model(x, Indices({2, 1}, {2, 1})).logits.value();
    const Vector context = model.encoder(x).state[0].value().to_vector();
    Vector h = first_state(model, context), readout(3);
    for (std::size_t t = 0; t < 2; ++t) {
        const auto y = embedded(model, t == 0 ? 0 : 2);
        h = next_state(model, joined({y, context, readout}), h);
        readout = squashed(times(model.decoder.readout.weight, joined({h, context, y})));
        check_logits(model, readout, out.select(0, t));
    }
}

TEST_CASE("a decoder's step equals its formula, attending after") {
    using M = Model<Rnn, Rnn, nn::DotAttention<double>>;
    auto options = small<M>();
    options.encoder.hidden = 3;
    options.decoder.attend = decltype(options.decoder)::Attend::after;
    const M model(options);
    const auto x = random_tensor({4, 1, 2});
    const auto out = model(x, Indices({2, 1}, {2, 1}));
    const auto memory = model.encoder(x).output.value();
    Vector h = first_state(model, memory.select(0, 3).to_vector());
    for (std::size_t t = 0; t < 2; ++t) {
        h = next_state(model, embedded(model, t == 0 ? 0 : 2), h);
        Vector context(3), weights(4);
        double total = 0;
        for (std::size_t s = 0; s < 4; ++s) {
            for (std::size_t i = 0; i < 3; ++i) weights[s] += h[i] * memory(s, 0, i);
            total += weights[s] = std::exp(weights[s]);
        }
        for (std::size_t s = 0; s < 4; ++s) {
            for (std::size_t i = 0; i < 3; ++i) context[i] += weights[s] / total * memory(s, 0, i);
            CHECK(out.weights.value()(t, 0, s) == doctest::Approx(weights[s] / total));
        }
        check_logits(model, squashed(times(model.decoder.readout.weight, joined({h, context}))),
                     out.logits.value().select(0, t));
    }
}

TEST_CASE("beam search over an encoder-decoder equals enumeration") {
    using M = Model<Gru, Gru, Additive>;
    auto options = small<M>();
    options.encoder.bidirectional = true;
    options.decoder.attention.width = 3;
    options.decoder.input_feeding = true;
    const M model(options);
    for (auto& entry : parameters(const_cast<M&>(model)))
        entry.set(random_tensor(entry.shape(), 3));
    const auto x = random_tensor({3, 2, 2});
    Tape<double> tape;
    const auto found = nn::beam_search(model.step(), model.start(x, lengths), model.starts(2),
                                       {.beam = 100, .n_best = 3, .end = 3, .max_length = 3});
    for (std::size_t b = 0; b < 2; ++b) {
        const auto own = x.slice(1, b, b + 1).slice(0, 0, lengths[b]);
        std::vector<std::pair<double, std::vector<std::int64_t>>> all;
        for (std::int64_t i = 0; i < 4; ++i)
            for (std::int64_t j = 0; j < 4; ++j)
                for (std::int64_t k = 0; k < 4; ++k) {
                    std::vector<std::int64_t> tokens{i};
                    if (i != 3) tokens.push_back(j);
                    if (i != 3 && j != 3) tokens.push_back(k);
                    if ((i == 3 && j + k > 0) || (i != 3 && j == 3 && k > 0)) continue;
                    all.emplace_back(-score(model, own, tokens), tokens);
                }
        std::sort(all.begin(), all.end());
        REQUIRE(found[b].size() == 3);
        for (std::size_t n = 0; n < 3; ++n) {
            CHECK(found[b][n].tokens == all[n].second);
            CHECK(found[b][n].score == doctest::Approx(-all[n].first).epsilon(1e-10));
            CHECK(found[b][n].weights.shape() == Shape{found[b][n].tokens.size(), 3});
            const Indices column({found[b][n].tokens.size(), 1},
                                 std::span<const std::int64_t>(found[b][n].tokens));
            CHECK(distance(found[b][n].weights.slice(1, 0, lengths[b]),
                           model(own, column).weights.value().select(1, 0)) < 1e-12);
        }
    }
}

TEST_CASE("hypotheses of one sequence share its memory") {
    using M = Model<Gru, Gru, nn::GeneralAttention<double>>;
    const M model(small<M>());
    const auto state = model.start(random_tensor({3, 2, 2}), lengths);
    const auto two = state.reordered(Indices({4}, {0, 0, 1, 1}));
    CHECK(two.memory.keys.value().select(0, 1) == state.memory.keys.value().select(0, 0));
    CHECK(two.memory.mask.select(0, 2) == state.memory.mask.select(0, 1));
    const auto swapped = two.reordered(Indices({4}, {1, 0, 2, 2}));
    CHECK(swapped.memory.keys.value().data() == two.memory.keys.value().data());
    CHECK(swapped.cells[0][0].value().select(0, 3) == two.cells[0][0].value().select(0, 2));
    const auto fewer = swapped.reordered(Indices({1}, {3}));
    CHECK(fewer.memory.values.value().select(0, 0) == state.memory.values.value().select(0, 1));
}

TEST_CASE("scheduled sampling") {
    using M = Model<Gru, Gru, nn::DotAttention<double>>;
    auto options = small<M>();
    options.encoder.hidden = 3;
    options.bridge = nn::BridgeKind::copy;
    options.decoder.attend = decltype(options.decoder)::Attend::after;
    M model(options);
    std::uint64_t seed = 1;
    for (auto& entry : parameters(model)) entry.set(random_tensor(entry.shape(), ++seed, 2.0));
    Tape<double> tape;
    const auto x = Variable(random_tensor({3, 2, 2}));

    // Without teacher forcing it receives the output of greedy decoding.
    const auto written =
        nn::greedy(model.step(), model.start(x, lengths), model.starts(2), {.max_length = 6});
    const Indices truth = Indices::full({6, 2}, 1);
    const auto best = argmax(model(x, truth, lengths, {.teacher_forcing_ratio = 0}).logits);
    const auto told = argmax(model(x, truth, lengths).logits);
    CHECK(!(best == told));
    for (std::size_t b = 0; b < 2; ++b)
        for (std::size_t t = 0; t < 6; ++t) CHECK(best(t, b) == written[b].tokens[t]);

    // How often the target is fed, for a model that always outputs 2.
    const nn::detail::DecoderInputs<double> likeliest(truth, 2, 0, {.teacher_forcing_ratio = 0.7});
    const nn::detail::DecoderInputs<double> drawn(
        truth, 2, 0,
        {.teacher_forcing_ratio = 0.7, .feedback = nn::TeacherForcing::Feedback::sampled});
    const Variable<double> logits = Tensor<double>({2, 4}, {1, -50, 2, -50, 1, -50, 2, -50});
    std::vector<double> counts(4), drawn_counts(4);
    const int n = 5000;
    for (int i = 0; i < n; ++i)
        for (std::size_t b = 0; b < 2; ++b) {
            ++counts[static_cast<std::size_t>(likeliest(1, logits)(b))];
            ++drawn_counts[static_cast<std::size_t>(drawn(1, logits)(b))];
        }
    CHECK(likeliest(0, logits) == Indices::zeros({2}));
    CHECK(counts[1] / (2 * n) == doctest::Approx(0.7).epsilon(0.03));
    CHECK(counts[2] / (2 * n) == doctest::Approx(0.3).epsilon(0.06));
    const double share = 1 / (1 + std::exp(-1.0)); // of 2 among 0 and 2
    CHECK(drawn_counts[1] / (2 * n) == doctest::Approx(0.7).epsilon(0.03));
    CHECK(drawn_counts[2] / (2 * n) == doctest::Approx(0.3 * share).epsilon(0.08));
    CHECK(drawn_counts[0] / (2 * n) == doctest::Approx(0.3 * (1 - share)).epsilon(0.15));

    CHECK(nn::linear_decay(3, 1, 0.25) == 0.25);
    CHECK(nn::linear_decay(9, 1, 0.25, 0.1) == 0.1);
    CHECK(nn::exponential_decay(2, 0.5) == 0.25);
    CHECK(nn::inverse_sigmoid_decay(0, 4) == 0.8);
    CHECK(nn::inverse_sigmoid_decay(1000, 4) < 1e-6);
}

TEST_CASE("bridges") {
    const Variable<double> h = random_tensor({2, 3, 2}), c = random_tensor({2, 3, 2}, 2);
    const std::vector<Variable<double>> states{h, c};
    const nn::Bridge<double> copy(
        {.kind = nn::BridgeKind::copy, .from = {2, 2}, .to = {2, 2}, .layers = 3});
    const auto first = copy(states, 1);
    CHECK(first[0][1].value() == c.value().select(0, 0));
    CHECK(first[2][0].value() == h.value().select(0, 1));
    const nn::Bridge<double> zeros({.kind = nn::BridgeKind::zeros, .from = {4}, .to = {5}});
    CHECK(zeros(states, 2)[0][0].value() == Tensor<double>::zeros({3, 5}));
    const nn::Bridge<double> project({.from = {4}, .to = {5, 5}});
    const auto both = project(std::span(states).first(1), 2)[0];
    const auto joined = concatenate({select(h, 0, 0), select(h, 0, 1)}, -1);
    CHECK(distance(both[1].value(), tanh(project.projections[1](joined)).value()) == 0);
    CHECK(contains(error_of([] {
                       nn::Bridge<double>({.kind = nn::BridgeKind::copy, .from = {4}, .to = {5}});
                   }),
                   "Bridge: states of width 4 cannot be copied to a decoder of 5"));
}

TEST_CASE("an encoder-decoder learns to reverse sequences") {
    using M =
        nn::EncoderDecoder<nn::GruCell<float>, nn::GruCell<float>, nn::AdditiveAttention<float>>;
    nn::seed(1);
    const std::size_t words = 6, most = 5, batch = 32; // word 0 is the start and end token
    nn::Embedding<float> embed({.vocabulary = words, .width = 8});
    M model(
        {.encoder = {.input = 8, .hidden = 16, .bidirectional = true},
         .decoder = {.vocabulary = words, .width = 8, .hidden = 24, .attention = {.width = 16}}});
    optim::Adam<float> adam(parameters(embed, model), {.learning_rate = 1e-2});
    Random random(1);
    Tape<float> tape;
    std::vector<std::size_t> long_as(batch);
    Indices source, wanted;
    const auto draw = [&] {
        source = Indices::zeros({most, batch});
        wanted = Indices::full({most + 1, batch}, -100);
        for (std::size_t b = 0; b < batch; ++b) {
            const std::size_t n = long_as[b] = 1 + random.below(most);
            for (std::size_t t = 0; t < n; ++t) {
                source(t, b) = static_cast<std::int64_t>(1 + random.below(words - 1));
                wanted(n - 1 - t, b) = source(t, b);
            }
            wanted(n, b) = 0;
        }
    };
    for (std::size_t i = 0; i < 400; ++i) {
        draw();
        tape.clear();
        const auto out = model(embed(source), wanted, long_as,
                               {.teacher_forcing_ratio = nn::linear_decay(i, 1, 0.001, 0.7)});
        tape.backward(cross_entropy(out.logits, wanted));
        optim::clip_norm(adam.parameters(), 5.0);
        adam.step();
    }
    draw();
    tape.clear();
    const auto written =
        nn::beam_search(model.step(), model.start(embed(source), long_as), model.starts(batch),
                        {.beam = 3, .end = 0, .max_length = most + 2});
    std::size_t right = 0;
    for (std::size_t b = 0; b < batch; ++b) {
        const auto& tokens = written[b][0].tokens;
        bool same = tokens.size() == long_as[b] + 1;
        for (std::size_t t = 0; same && t < tokens.size(); ++t) same = tokens[t] == wanted(t, b);
        right += same;
    }
    MESSAGE(right << " of " << batch << " reversed");
    CHECK(right >= batch - 3);
}

TEST_CASE("edges and errors of encoder-decoders") {
    using M = Model<Gru, Gru, Additive>;
    auto options = small<M>();
    options.decoder.attention.width = 2;
    const M model(options);
    const auto x = random_tensor({3, 2, 2});
    CHECK(model(x, Indices(Shape{0, 2})).logits.shape() == Shape{0, 2, 4});
    const auto empty = model(random_tensor({0, 2, 2}), Indices::zeros({2, 2}));
    CHECK(empty.logits.shape() == Shape{2, 2, 4});
    CHECK(empty.weights.shape() == Shape{2, 2, 0});
    CHECK(std::isfinite(empty.logits.value()(1, 1, 3)));
    CHECK(contains(error_of([&] {
                       model(x, Indices::zeros({2, 3}));
                   }),
                   "Decoder: targets have shape [2, 3], expected [T, 2]"));
    CHECK(contains(error_of([&] {
                       model(x, Indices::full({2, 2}, 4));
                   }),
                   "index 4 at position 0 is outside [0, 4)"));
    CHECK(contains(error_of([&] {
                       model(x, Indices::zeros({2, 2}), {}, {.teacher_forcing_ratio = 2});
                   }),
                   "teacher_forcing_ratio must be in [0, 1], got 2"));
    CHECK(contains(error_of([&] { model.decoder.step(model.start(x), Indices::zeros({3})); }),
                   "tokens have shape [3], expected [2]"));
    CHECK(contains(error_of([&] { model.decoder.start({}, model.start(x).memory); }),
                   "0 states for 1 layers"));
    options.decoder.start = 4;
    CHECK(contains(error_of([&] { M{options}; }), "the start token is 4 of a vocabulary of 4"));
    options.decoder = {.width = 2, .hidden = 3};
    CHECK(contains(error_of([&] { M{options}; }), "vocabulary, width and layers"));
}
