#include "support.hpp"

#include <unroll/nn/attention/transformer.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <limits>

using namespace test;

namespace {

constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

Mask mask_of(const SafetensorsFile& file, const std::string& key) {
    const auto numbers = file.get<std::int64_t>(key);
    Mask mask(numbers.shape());
    for (std::size_t i = 0; i < mask.size(); ++i) mask.data()[i] = numbers.data()[i] != 0;
    return mask;
}

nn::TransformerOptions golden_options(bool pre, std::size_t layers = 1) {
    return {.width = 6,
            .heads = 2,
            .layers = layers,
            .hidden = 10,
            .activation = pre ? nn::Activation::gelu : nn::Activation::relu,
            .norm_first = pre};
}

// Loads weights from the file and compares `run(x, memory, keys)` and all gradients with it.
template <class T, class Module, class Run>
void compare(const std::string& what, Module& module, const std::string& prefix, const Run& run) {
    CAPTURE(what);
    const double tolerance = std::is_same_v<T, float> ? 2e-5 : 1e-12;
    const auto file = golden("transformer");
    const auto get = [&](const std::string& key) {
        return file.get<T>(what + "." + key, Narrowing::allow);
    };
    for (auto entry : parameters(module)) entry.set(get(prefix + entry.path));
    Tape<T> tape;
    const auto x = tape.variable(get("x"));
    const bool reads = file.contains(what + ".memory");
    const auto memory = reads ? tape.variable(get("memory")) : Variable<T>();
    const Variable<T> out = run(x, memory, mask_of(file, what + ".keys"));
    const Tensor<T> seed = get("seed.output");
    CHECK(distance((out * seed).value(), (Variable<T>(get("output")) * seed).value()) < tolerance);
    tape.backward(sum(out * seed));
    CHECK(distance(tape.gradient(x), get("grad.x")) < tolerance);
    if (reads) CHECK(distance(tape.gradient(memory), get("grad.memory")) < tolerance);
    for (auto& entry : parameters(module)) {
        CAPTURE(entry.path);
        CHECK(distance(entry.gradient(), get("grad." + prefix + entry.path)) < tolerance);
    }
}

// The parts that PyTorch's Transformer also has.
template <class T>
struct Stacks {
    nn::Transformer<T>& model;
    void members(nn::Members<T>& m) { m("encoder", model.encoder)("decoder", model.decoder); }
};

template <class T>
void compare_all(bool pre) {
    const std::string kind = pre ? "_pre" : "_post";
    nn::TransformerLayer<T> layer(golden_options(pre));
    compare<T>("encoder" + kind, layer, "", [&](const auto& x, const auto&, const Mask& keys) {
        return layer(x, {.key_padding_mask = keys});
    });
    nn::TransformerLayer<T> causal(golden_options(pre));
    compare<T>("causal" + kind, causal, "", [&](const auto& x, const auto&, const Mask&) {
        return causal(x, {.is_causal = true});
    });
    auto options = golden_options(pre);
    options.memory = 6;
    nn::TransformerLayer<T> decoder(options);
    compare<T>("decoder" + kind, decoder, "",
               [&](const auto& x, const auto& memory, const Mask& keys) {
                   nn::KeyValues<T> past;
                   return decoder(x, past, decoder.multihead_attn->prepare(memory, keys),
                                  {.is_causal = true})
                       .context;
               });
    nn::TransformerModelOptions both{
        .encoder = golden_options(pre, 2), .decoder = golden_options(pre, 2), .vocabulary = 3};
    nn::Transformer<T> model(both);
    Stacks<T> stacks{model};
    compare<T>("both" + kind, stacks, "", [&](const auto& x, const auto& memory, const Mask& keys) {
        auto state = model.decoder.start(model.encoder(memory, {.key_padding_mask = keys}), keys);
        return model.decoder(x, state).context;
    });
}

template <class T>
nn::TransformerOptions small(nn::Positions positions, bool pre = true) {
    return {.width = 8,
            .heads = 2,
            .layers = 2,
            .hidden = 6,
            .activation = nn::Activation::gelu,
            .norm_first = pre,
            .positions = positions,
            .steps = 12};
}

constexpr nn::Positions all_positions[] = {nn::Positions::none, nn::Positions::sinusoidal,
                                           nn::Positions::learned, nn::Positions::rotary};

nn::Transformer<double> translator(nn::Positions positions, std::size_t vocabulary = 5) {
    nn::seed(3);
    nn::Transformer<double> model({.encoder = small<double>(positions),
                                   .decoder = small<double>(positions, false),
                                   .vocabulary = vocabulary,
                                   .start = 1});
    for (auto entry : parameters(model)) // clearly different between tokens
        if (entry.shape().size() == 2) entry.set(random_tensor(entry.shape(), 7, 0.7));
    return model;
}

} // namespace

TEST_CASE("Transformer layers and stacks equal PyTorch's") {
    for (const bool pre : {false, true}) {
        compare_all<double>(pre);
        compare_all<float>(pre);
    }
}

TEST_CASE("positions equal their formulas") {
    const auto rows = nn::sinusoidal_positions<double>(3, 4, 5);
    for (std::size_t t = 0; t < 4; ++t)
        for (std::size_t i = 0; i < 5; ++i) {
            const double angle = static_cast<double>(t + 3) *
                                 std::exp(-std::log(10000.0) * static_cast<double>(i - i % 2) / 5);
            CHECK(rows(t, i) == doctest::Approx(i % 2 == 0 ? std::sin(angle) : std::cos(angle)));
        }
    const auto x = random_tensor({2, 3, 2, 6});
    const auto turned = nn::rotate<double>(x, 5).value();
    for (std::size_t b = 0; b < 2; ++b)
        for (std::size_t t = 0; t < 3; ++t)
            for (std::size_t h = 0; h < 2; ++h)
                for (std::size_t i = 0; i < 3; ++i) {
                    const double angle =
                        static_cast<double>(t + 5) * std::pow(10000.0, -static_cast<double>(i) / 3);
                    const double u = x(b, t, h, i), v = x(b, t, h, i + 3);
                    CHECK(turned(b, t, h, i) ==
                          doctest::Approx(u * std::cos(angle) - v * std::sin(angle)));
                    CHECK(turned(b, t, h, i + 3) ==
                          doctest::Approx(u * std::sin(angle) + v * std::cos(angle)));
                }
    const nn::PositionEncoding<double> added({nn::Positions::sinusoidal, 5});
    const auto y = random_tensor({4, 2, 5});
    CHECK(added(y, 3).value()(1, 1, 2) == y(1, 1, 2) + rows(1, 2));
    const nn::PositionEncoding<double> learned({nn::Positions::learned, 5, 7});
    CHECK(learned(y, 3).value()(1, 1, 2) == y(1, 1, 2) + learned.weight.value()(4, 2));
}

TEST_CASE("scores of rotated vectors depend only on distances") {
    nn::MultiHeadAttention<double> attention({.width = 8, .heads = 2, .rotary = true});
    const auto x = random_tensor({4, 2, 8}), earlier = random_tensor({3, 2, 8}, 2);
    Tape<double> tape;
    const auto seen = attention(Variable(x), {.is_causal = true});
    nn::KeyValues<double> past;
    attention(Variable(earlier), past);
    const Mask hidden({2, 7}, {false, false, false, true, true, true, true, //
                               false, false, false, true, true, true, true});
    const auto later =
        attention(Variable(x), past, {.key_padding_mask = hidden, .is_causal = true});
    CHECK(distance(later.context.value(), seen.context.value()) < 1e-12);
    // And they do depend on distances: the order of steps matters.
    const auto back = attention(Variable(x.flip(0))), forth = attention(Variable(x));
    CHECK(distance(back.context.value().flip(0), forth.context.value()) > 1e-3);
}

TEST_CASE_TEMPLATE("steps one by one equal all steps at once", T, float, double) {
    const double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-13;
    for (const auto positions : all_positions)
        for (const bool pre : {false, true}) {
            auto options = small<T>(positions, pre);
            options.is_causal = true;
            options.memory = 3;
            const nn::TransformerStack<T> stack(options);
            Tape<T> tape;
            const auto x = Variable(random_tensor<T>({7, 3, 8}));
            const auto memory = Variable(random_tensor<T>({4, 3, 3}, 2));
            const std::vector<std::size_t> lengths{4, 0, 2};
            const auto start = stack.start(memory, nn::length_mask(lengths, 4));
            auto state = start;
            const auto whole = stack(x, state);
            CHECK(state.steps() == 7);
            CHECK(whole.weights.shape() == Shape{7, 3, 4});
            for (const auto& pieces : {std::vector<std::size_t>{1, 1, 1, 1, 1, 1, 1},
                                       std::vector<std::size_t>{3, 1, 3}}) {
                auto now = start;
                for (const std::size_t n : pieces) {
                    const std::size_t t = now.steps();
                    const auto part = stack(slice(x, 0, t, t + n), now);
                    CHECK(distance(part.context.value(), whole.context.value().slice(0, t, t + n)) <
                          tolerance);
                    CHECK(distance(part.weights.value(), whole.weights.value().slice(0, t, t + n)) <
                          tolerance);
                }
            }
        }
}

TEST_CASE_TEMPLATE("a stack continues from carried steps", T, float, double) {
    const double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-13;
    auto options = small<T>(nn::Positions::rotary);
    options.is_causal = true;
    const nn::TransformerStack<T> stack(options);
    Tape<T> tape;
    const auto x = tape.variable(random_tensor<T>({7, 3, 8}));
    const auto whole = stack(x).value();
    for (const std::size_t piece : {1, 2, 7}) {
        std::vector<Variable<T>> carried;
        for (std::size_t t = 0; t < 7; t += piece) {
            const std::size_t end = std::min<std::size_t>(t + piece, 7);
            auto state = stack.resume(carried);
            const auto part = stack(slice(x, 0, t, end), state).context.value();
            CHECK(distance(part, whole.slice(0, t, end)) < tolerance);
            carried = stack.carry(state, 100);
            REQUIRE(carried.size() == 4);
            for (const auto& one : carried) {
                CHECK(one.shape() == Shape{end, 3, 8});
                CHECK(one.tape() == nullptr);
            }
        }
    }
    // Dropped steps have no influence, however long the context was.
    auto state = stack.start();
    stack(slice(x, 0, 0, 5), state);
    const auto last = stack.carry(state, 2);
    CHECK(last[0].shape() == Shape{2, 3, 8});
    auto cut = stack.start();
    for (std::size_t i = 0; i < 2; ++i) {
        const auto& past = state.past[i];
        cut.past[i] = {slice(past.keys, 1, 3, 5), slice(past.values, 1, 3, 5), {}};
    }
    auto resumed = stack.resume(last);
    const auto rest = slice(x, 0, 5, 7);
    CHECK(distance(stack(rest, resumed).context.value(), stack(rest, cut).context.value()) <
          tolerance);
    // Sequences can be reordered, as decoders do.
    const Indices parents({2}, {2, 0});
    auto some = stack.resume(nn::reorder(last, parents));
    auto all = stack.resume(last);
    const auto after = stack(rest, all).context.value();
    const auto swapped = stack(swapaxes(take(swapaxes(rest, 0, 1), parents), 0, 1), some);
    CHECK(distance(swapped.context.value().slice(1, 0, 1), after.slice(1, 2, 3)) < tolerance);
    CHECK(distance(swapped.context.value().slice(1, 1, 2), after.slice(1, 0, 1)) < tolerance);

    CHECK(stack.carry(stack.start(), 5).empty());
    CHECK(stack.carry(state, 0).empty());
    CHECK(stack.resume({}).steps() == 0);
    const auto refused = [&](const std::vector<Variable<T>>& carried) {
        return error_of([&] { stack.resume(carried); });
    };
    CHECK(contains(refused({last[0], last[1]}), "expected keys and values of 2 layers, got 2"));
    CHECK(contains(refused({last[0], last[1], last[2], slice(last[3], 0, 0, 1)}),
                   "a carried tensor has shape [1, 3, 8], expected [S, B, 8] for all of them"));
    CHECK(contains(refused(std::vector<Variable<T>>(4, random_tensor<T>({2, 3, 6}))),
                   "a carried tensor has shape [2, 3, 6]"));
}

TEST_CASE("decoding with a KV cache equals decoding without") {
    using State = std::vector<std::vector<std::int64_t>>; // tokens of each row, and its sequence
    struct Again {
        State rows;
        Again reordered(const Indices& parents) const {
            Again next;
            for (std::size_t i = 0; i < parents.size(); ++i)
                next.rows.push_back(rows[static_cast<std::size_t>(parents(i))]);
            return next;
        }
    };
    for (const auto positions : all_positions) {
        const auto model = translator(positions);
        Tape<double> tape;
        const auto x = Variable(random_tensor({4, 3, 8}));
        const std::vector<std::size_t> lengths{4, 2, 0};
        const auto again = [&](const Again& state, const Indices& tokens) {
            Again next = state;
            std::vector<Variable<double>> scores, weights;
            for (std::size_t i = 0; i < tokens.size(); ++i) {
                auto& row = next.rows[i];
                row.push_back(tokens(i));
                // Targets shifted by one, with an ignored one after the last token.
                std::vector<std::int64_t> targets(row.begin() + 2, row.end());
                targets.push_back(-100);
                const auto b = static_cast<std::size_t>(row[0]);
                const auto out = model(slice(x, 1, b, b + 1), Indices({targets.size(), 1}, targets),
                                       std::span(lengths).subspan(b, 1));
                scores.push_back(select(out.logits, 0, targets.size() - 1));
                weights.push_back(select(out.weights, 0, targets.size() - 1));
            }
            return nn::Prediction<Again, double>{next, log_softmax(concatenate(scores)),
                                                 concatenate(weights)};
        };
        const Again first{{{0}, {1}, {2}}};
        const auto start = model.start(x, lengths);
        const nn::BeamOptions options{.beam = 4, .n_best = 3, .end = 0, .max_length = 6};
        const auto expected = nn::beam_search(again, first, model.starts(3), options);
        const auto found = nn::beam_search(model.step(), start, model.starts(3), options);
        for (std::size_t b = 0; b < 3; ++b) {
            REQUIRE(found[b].size() == expected[b].size());
            for (std::size_t k = 0; k < found[b].size(); ++k) {
                CHECK(found[b][k].tokens == expected[b][k].tokens);
                CHECK(found[b][k].score == doctest::Approx(expected[b][k].score).epsilon(1e-9));
                CHECK(distance(found[b][k].weights, expected[b][k].weights) < 1e-9);
            }
        }
        const auto likeliest =
            nn::greedy(model.step(), start, model.starts(3), {.end = 0, .max_length = 6});
        const auto reread = nn::greedy(again, first, model.starts(3), {.end = 0, .max_length = 6});
        const auto drawn = nn::sample(model.step(), start, model.starts(3),
                                      {.end = 0, .max_length = 6, .random = Random(5)});
        const auto redrawn = nn::sample(again, first, model.starts(3),
                                        {.end = 0, .max_length = 6, .random = Random(5)});
        for (std::size_t b = 0; b < 3; ++b) {
            CHECK(likeliest[b].tokens == reread[b].tokens);
            CHECK(drawn[b].tokens == redrawn[b].tokens);
        }
    }
}

TEST_CASE("Transformers pass the gradient check at first and second order") {
    const std::vector<std::size_t> lengths{3, 0};
    const Mask keys = nn::length_mask(lengths, 3);
    for (const auto positions : all_positions) {
        nn::Transformer<double> model = translator(positions, 3);
        const Indices targets({2, 2}, {2, 0, -100, 1});
        for (const int order : {1, 2}) {
            const auto report = gradcheck(
                [&](const std::vector<Variable<double>>& in) {
                    const auto out = model(in[0], targets, lengths);
                    return cross_entropy(out.logits, targets) + sum(square(out.weights));
                },
                {random_tensor({3, 2, 8})}, parameters(model), {.order = order, .full = 100});
            CAPTURE(order);
            CAPTURE(static_cast<int>(positions));
            INFO(report.text());
            CHECK(report.passed());
        }
    }
}

TEST_CASE("gradients flow through the past") {
    auto options = small<double>(nn::Positions::rotary);
    options.is_causal = true;
    nn::TransformerStack<double> stack(options);
    const auto x = random_tensor({4, 2, 8}), seed = random_tensor({4, 2, 8}, 2);
    Tensor<double> gradients[2];
    for (const bool apart : {false, true}) {
        Tape<double> tape;
        const auto in = tape.variable(x);
        auto state = stack.start();
        Variable<double> out;
        if (apart) {
            const auto first = stack(slice(in, 0, 0, 3), state).context;
            out = concatenate({first, stack(slice(in, 0, 3, 4), state).context});
        } else {
            out = stack(in, state).context;
        }
        tape.backward(sum(out * seed));
        gradients[apart] = tape.gradient(in);
    }
    CHECK(distance(gradients[0], gradients[1]) < 1e-12);
}

TEST_CASE("masked steps have no influence, and sequences may be empty") {
    for (const bool pre : {false, true}) {
        nn::TransformerStack<double> stack(small<double>(nn::Positions::learned, pre));
        auto x = random_tensor({4, 3, 8});
        const auto alone = stack(x.slice(1, 0, 1).slice(0, 0, 2).copy()).value();
        x.slice(1, 0, 1).slice(0, 2, 4).fill(no_number);
        x.select(1, 1).fill(no_number);
        const std::vector<std::size_t> lengths{2, 0, 4};
        Tape<double> tape;
        const auto in = tape.variable(x);
        const auto out = stack(in, {.key_padding_mask = nn::length_mask(lengths, 4)});
        CHECK(distance(out.value().slice(1, 0, 1).slice(0, 0, 2), alone) < 1e-13);
        CHECK(out.value().select(1, 1) == Tensor<double>::zeros({4, 8}));
        CHECK(out.value().select(1, 0).slice(0, 2, 4) == Tensor<double>::zeros({2, 8}));
        tape.backward(sum(square(out)));
        CHECK(tape.gradient(in).select(1, 1) == Tensor<double>::zeros({4, 8}));
        CHECK(std::isfinite(sum(Variable<double>(tape.gradient(in))).item()));
        for (auto& entry : parameters(stack))
            for (const double g : entry.gradient().to_vector()) CHECK(std::isfinite(g));

        CHECK(stack(Variable(random_tensor({0, 3, 8}))).shape() == Shape{0, 3, 8});
        CHECK(stack(Variable(random_tensor({4, 0, 8}))).shape() == Shape{4, 0, 8});
    }
    const auto model = translator(nn::Positions::sinusoidal);
    Tape<double> tape;
    const auto out = model(Variable(random_tensor({0, 2, 8})), Indices::ones({3, 2}));
    CHECK(out.logits.shape() == Shape{3, 2, 5});
    CHECK(out.weights.shape() == Shape{3, 2, 0});
    for (const double v : out.logits.value().to_vector()) CHECK(std::isfinite(v));
    CHECK(model(Variable(random_tensor({3, 2, 8})), Indices::ones({0, 2})).logits.shape() ==
          Shape{0, 2, 5});
}

TEST_CASE("a causal stack does not depend on later steps") {
    auto options = small<double>(nn::Positions::sinusoidal);
    options.is_causal = true;
    const nn::TransformerStack<double> stack(options);
    auto x = random_tensor({5, 1, 8});
    const auto before = stack(x).value();
    x.slice(0, 3, 5).fill(7);
    const auto after = stack(x).value();
    CHECK(after.slice(0, 0, 3) == before.slice(0, 0, 3));
    CHECK(distance(after.slice(0, 3, 5), before.slice(0, 3, 5)) > 1e-3);
}

TEST_CASE("Transformers apply dropout in training only") {
    auto options = small<double>(nn::Positions::none);
    options.dropout = 0.5;
    const nn::TransformerStack<double> stack(options);
    Tape<double> tape;
    const auto x = tape.variable(random_tensor({3, 2, 8}));
    CHECK(distance(stack(x).value(), stack(x).value()) > 1e-3);
    tape.set_evaluating(true);
    CHECK(stack(x).value() == stack(x).value());
}

TEST_CASE("Transformers report shape errors") {
    const auto wrong = [](nn::TransformerOptions options) {
        return error_of([&] { nn::TransformerStack<double>{options}; });
    };
    CHECK(contains(wrong({.width = 6, .heads = 4}),
                   "a width of 6 cannot be divided into 4 equal heads"));
    CHECK(contains(wrong({}), "TransformerStack: width, heads and layers must be at least 1"));
    CHECK(contains(wrong({.width = 6, .heads = 2, .positions = nn::Positions::rotary}),
                   "rotary positions need heads of an even width, got 3"));
    CHECK(contains(
        wrong({.width = 6, .positions = nn::Positions::learned}),
        "learned positions need a width and a number of steps of at least 1, got 6 and 0"));
    CHECK(contains(wrong({.width = 6, .layers = 0}), "layers must be at least 1, got 6, 1 and 0"));
    CHECK(contains(wrong({.width = 6, .dropout = 1.5}), "dropout must be in [0, 1]"));

    nn::TransformerStack<double> stack(small<double>(nn::Positions::learned));
    const auto x = random_tensor({4, 2, 8});
    CHECK(contains(error_of([&] {
                       stack(random_tensor({4, 2, 7}));
                   }),
                   "x has shape [4, 2, 7], expected [T, B, 8]"));
    CHECK(contains(error_of([&] {
                       stack(random_tensor({13, 2, 8}));
                   }),
                   "there are positions for 12 steps, but not for step 12"));
    CHECK(contains(error_of([&] {
                       stack(x, {.key_padding_mask = Mask::ones({2, 3})});
                   }),
                   "the mask has shape [2, 3], expected [B, S] = [2, 4]"));
    CHECK(contains(error_of([&] { stack.start(x); }),
                   "a memory was given, but the layers have no cross-attention"));
    nn::TransformerState<double> strange;
    CHECK(contains(error_of([&] { stack(x, strange); }), "the state has 0 layers, expected 2"));
    auto state = stack.start();
    stack(x, state);
    CHECK(
        contains(error_of([&] {
                     stack(random_tensor({1, 3, 8}), state);
                 }),
                 "the past has keys [2, 4, 2, 4] and values [2, 4, 2, 4], expected [3, 4, 2, 4]"));

    auto options = small<double>(nn::Positions::none);
    options.memory = 3;
    nn::TransformerStack<double> reader(options);
    CHECK(contains(error_of([&] { reader(x); }),
                   "the layer has cross-attention, but no memory was given"));
    CHECK(contains(error_of([&] {
                       reader.start(random_tensor({4, 2, 8}));
                   }),
                   "expected [steps, 2, 3]"));
    CHECK(contains(error_of([] {
                       nn::rotate<double>(random_tensor({2, 3, 5}));
                   }),
                   "rotate: x has shape [2, 3, 5]"));
    CHECK(contains(error_of([] {
                       nn::Transformer<double>(
                           {.encoder = {.width = 4}, .decoder = {}, .vocabulary = 3, .start = 3});
                   }),
                   "the start token is 3 of a vocabulary of 3"));
    const auto model = translator(nn::Positions::none);
    CHECK(contains(error_of([&] {
                       model(x, Indices::ones({3, 3}));
                   }),
                   "targets have shape [3, 3], expected [T, 2]"));
    CHECK(contains(error_of([&] { model(x, Indices::full({3, 2}, 5)); }), "index 5"));
}
