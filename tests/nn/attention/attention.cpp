#include "support.hpp"

#include <unroll/nn/attention/attention.hpp>
#include <unroll/nn/attention/multi_head.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <limits>

using namespace test;

namespace {

using Vector = std::vector<double>;
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

double dot(const Vector& a, const Vector& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
}

// W x + b; b may be empty.
Vector affine(const Tensor<double>& w, const Vector& x, const Vector& b = {}) {
    Vector y(w.shape(0));
    for (std::size_t i = 0; i < y.size(); ++i)
        y[i] = dot(w.select(0, i).to_vector(), x) + (b.empty() ? 0 : b[i]);
    return y;
}

double energy(const Tensor<double>& v, std::initializer_list<Vector> terms) {
    double e = 0;
    for (std::size_t i = 0; i < v.size(); ++i) {
        double inner = 0;
        for (const auto& term : terms) inner += term[i];
        e += v(i) * std::tanh(inner);
    }
    return e;
}

// score(q, m, step of the memory, weights of the previous query)
double formula(const nn::DotScore<double>& score, const Vector& q, const Vector& m, std::size_t,
               const Vector&) {
    return dot(q, m) / (score.options.scaled ? std::sqrt(static_cast<double>(q.size())) : 1.0);
}
double formula(const nn::GeneralScore<double>& score, const Vector& q, const Vector& m, std::size_t,
               const Vector&) {
    return dot(q, affine(score.weight.value(), m));
}
double formula(const nn::ConcatScore<double>& score, const Vector& q, const Vector& m, std::size_t,
               const Vector&) {
    Vector both = q;
    both.insert(both.end(), m.begin(), m.end());
    return energy(score.v.value(), {affine(score.weight.value(), both)});
}
double formula(const nn::AdditiveScore<double>& score, const Vector& q, const Vector& m,
               std::size_t, const Vector&) {
    return energy(score.v.value(),
                  {affine(score.query_weight.value(), q),
                   affine(score.memory_weight.value(), m,
                          score.options.bias ? score.bias.value().to_vector() : Vector())});
}
double formula(const nn::LocationScore<double>& score, const Vector& q, const Vector& m,
               std::size_t s, const Vector& previous) {
    const auto& F = score.filters.value();
    Vector seen(F.shape(0));
    for (std::size_t k = 0; k < seen.size(); ++k)
        for (std::size_t j = 0; j < F.shape(1); ++j) {
            const std::size_t at = s + j, left = (F.shape(1) - 1) / 2;
            if (at >= left && at - left < previous.size()) seen[k] += F(k, j) * previous[at - left];
        }
    return energy(score.content.v.value(), {affine(score.content.query_weight.value(), q),
                                            affine(score.content.memory_weight.value(), m,
                                                   score.content.bias.value().to_vector()),
                                            affine(score.location_weight.value(), seen)});
}

template <class Score>
void compare_with_loops(typename Score::Options options) {
    nn::Attention<Score> attention(options);
    for (auto& entry : parameters(attention)) entry.set(random_tensor(entry.shape(), 5, 0.7));
    const std::size_t T = 3, B = 3, S = 4, M = options.memory;
    const auto memory = random_tensor({S, B, M}, 2), queries = random_tensor({T, B, options.query});
    const std::vector<std::size_t> lengths{4, 0, 2};
    const auto prepared = attention.prepare(memory, nn::length_mask(lengths, S));
    const auto found = attention(queries, prepared);
    REQUIRE(found.context.shape() == Shape{T, B, M});
    REQUIRE(found.weights.shape() == Shape{T, B, S});
    nn::AttentionOutput<double> last;
    std::vector<Vector> previous(B, Vector(S));
    for (std::size_t t = 0; t < T; ++t) {
        last = attention.step(queries.select(0, t), prepared, last.weights);
        CHECK(distance(last.context.value(), found.context.value().select(0, t)) < 1e-14);
        CHECK(distance(last.weights.value(), found.weights.value().select(0, t)) < 1e-14);
        for (std::size_t b = 0; b < B; ++b) {
            const Vector q = queries.select(0, t).select(0, b).to_vector();
            Vector weights(S), context(M);
            double total = 0;
            for (std::size_t s = 0; s < lengths[b]; ++s) {
                const Vector m = memory.select(0, s).select(0, b).to_vector();
                weights[s] = std::exp(formula(attention.score, q, m, s, previous[b]));
                total += weights[s];
            }
            for (std::size_t s = 0; s < S; ++s) {
                if (total > 0) weights[s] /= total;
                for (std::size_t i = 0; i < M; ++i) context[i] += weights[s] * memory(s, b, i);
                CHECK(found.weights.value()(t, b, s) == doctest::Approx(weights[s]).epsilon(1e-12));
            }
            for (std::size_t i = 0; i < M; ++i)
                CHECK(found.context.value()(t, b, i) == doctest::Approx(context[i]).epsilon(1e-12));
            previous[b] = weights;
        }
    }
}

template <class Score>
void check_gradients_of(typename Score::Options options) {
    nn::Attention<Score> attention(options);
    const std::vector<std::size_t> lengths{3, 0, 2};
    const Mask mask = nn::length_mask(lengths, 3);
    for (const int order : {1, 2}) {
        const auto report = gradcheck(
            [&](const std::vector<Variable<double>>& in) {
                const auto found = attention(in[0], attention.prepare(in[1], mask));
                return sum(found.context * found.context) + sum(square(found.weights));
            },
            {random_tensor({2, 3, options.query}), random_tensor({3, 3, options.memory}, 2)},
            parameters(attention), {.order = order});
        CAPTURE(Score::name);
        CAPTURE(order);
        INFO(report.text());
        CHECK(report.passed());
    }
}

// NaN after the end of a sequence, and a sequence of length 0: values and gradients are zeros
// there.
template <class Score>
void check_masked(typename Score::Options options) {
    nn::Attention<Score> attention(options);
    auto x = random_tensor({3, 2, options.memory});
    x.select(1, 0).fill(no_number);
    x.select(0, 2).fill(no_number);
    Tape<double> tape;
    const auto memory = tape.variable(x),
               queries = tape.variable(random_tensor({2, 2, options.query}));
    const std::vector<std::size_t> lengths{0, 2};
    const auto found = attention(queries, attention.prepare(memory, nn::length_mask(lengths, 3)));
    tape.backward(sum(square(found.context)) + sum(square(found.weights)));
    CHECK(found.context.value().select(1, 0) == Tensor<double>::zeros({2, options.memory}));
    CHECK(found.weights.value().select(1, 0) == Tensor<double>::zeros({2, 3}));
    CHECK(tape.gradient(queries).select(1, 0) == Tensor<double>::zeros({2, options.query}));
    CHECK(tape.gradient(memory).select(1, 0) == Tensor<double>::zeros({3, options.memory}));
    CHECK(tape.gradient(memory).select(0, 2) == Tensor<double>::zeros({2, options.memory}));
    CHECK(std::isfinite(tape.gradient(memory)(1, 1, 0)));
    for (auto& entry : parameters(attention))
        for (const double g : entry.gradient().to_vector()) CHECK(std::isfinite(g));

    const auto nothing =
        attention(queries, attention.prepare(Variable(random_tensor({0, 2, options.memory}))));
    CHECK(nothing.context.value() == Tensor<double>::zeros({2, 2, options.memory}));
    CHECK(nothing.weights.shape() == Shape{2, 2, 0});
    const auto none = attention(random_tensor({0, 2, options.query}),
                                attention.prepare(random_tensor({3, 2, options.memory})));
    CHECK(none.context.shape() == Shape{0, 2, options.memory});
    CHECK(none.weights.shape() == Shape{0, 2, 3});
}

Mask mask_of(const SafetensorsFile& file, const std::string& key) {
    const auto numbers = file.get<std::int64_t>(key);
    Mask mask(numbers.shape());
    for (std::size_t i = 0; i < mask.size(); ++i) mask.data()[i] = numbers.data()[i] != 0;
    return mask;
}

template <class T>
void compare_multi_head(const std::string& what, bool bias, double tolerance) {
    CAPTURE(what);
    const auto file = golden("attention");
    const auto get = [&](const std::string& key) {
        return file.get<T>(what + "." + key, Narrowing::allow);
    };
    nn::MultiHeadAttention<T> attention(
        {.width = 6, .heads = 3, .bias = bias, .memory = what == "widths" ? 4u : 0u});
    for (auto entry : parameters(attention)) entry.set(get(entry.path));
    nn::AttentionMask attention_mask;
    if (file.contains(what + ".keys"))
        attention_mask.key_padding_mask = mask_of(file, what + ".keys");
    if (what == "causal")
        attention_mask.is_causal = true;
    else if (file.contains(what + ".pairs"))
        attention_mask.attn_mask = mask_of(file, what + ".pairs");
    const bool own = !file.contains(what + ".k");

    Tape<T> tape;
    const auto q = tape.variable(get("q"));
    const auto k = own ? q : tape.variable(get("k")), v = own ? q : tape.variable(get("v"));
    // In self-attention, masked steps of x are read as 0, also as queries; PyTorch reads them.
    const bool hides = attention_mask.key_padding_mask.storage() != StorageRef();
    const auto found =
        own && !hides ? attention(q, attention_mask) : attention(q, k, v, attention_mask);
    if (own && hides) {
        const auto itself = attention(q, attention_mask);
        const Tensor<T>&context = itself.context.value(), &other = found.context.value();
        const Mask& keys = attention_mask.key_padding_mask;
        for (std::size_t b = 0; b < keys.shape(0); ++b)
            for (std::size_t t = 0; t < keys.shape(1); ++t)
                if (keys(b, t))
                    CHECK(distance(context.select(0, t).select(0, b),
                                   other.select(0, t).select(0, b)) < tolerance);
    }
    CHECK(distance(found.context.value(), get("output")) < tolerance);
    CHECK(distance(found.weights.value(), get("weights")) < tolerance);
    tape.backward(sum(found.context * get("seed.output")) +
                  sum(found.weights * get("seed.weights")));
    CHECK(distance(tape.gradient(q), get("grad.q")) < tolerance);
    if (!own) CHECK(distance(tape.gradient(k), get("grad.k")) < tolerance);
    if (!own) CHECK(distance(tape.gradient(v), get("grad.v")) < tolerance);
    for (auto& entry : parameters(attention)) {
        CAPTURE(entry.path);
        CHECK(distance(entry.gradient(), get("grad." + entry.path)) < tolerance);
    }
}

} // namespace

TEST_CASE("every attention equals its published formula in plain loops") {
    compare_with_loops<nn::DotScore<double>>({.query = 3, .memory = 3});
    compare_with_loops<nn::DotScore<double>>({.query = 3, .memory = 3, .scaled = true});
    compare_with_loops<nn::GeneralScore<double>>({.query = 2, .memory = 3});
    compare_with_loops<nn::ConcatScore<double>>({.query = 2, .memory = 3, .width = 4});
    compare_with_loops<nn::AdditiveScore<double>>({.query = 2, .memory = 3, .width = 4});
    compare_with_loops<nn::AdditiveScore<double>>(
        {.query = 2, .memory = 3, .width = 4, .bias = false});
    for (const std::size_t window : {1, 3, 4, 9})
        compare_with_loops<nn::LocationScore<double>>(
            {.query = 2, .memory = 3, .width = 4, .filters = 2, .window = window});
}

TEST_CASE("every attention passes the gradient check at first and second order") {
    check_gradients_of<nn::DotScore<double>>({.query = 2, .memory = 2, .scaled = true});
    check_gradients_of<nn::GeneralScore<double>>({.query = 2, .memory = 3});
    check_gradients_of<nn::ConcatScore<double>>({.query = 2, .memory = 3, .width = 3});
    check_gradients_of<nn::AdditiveScore<double>>({.query = 2, .memory = 3, .width = 3});
    check_gradients_of<nn::LocationScore<double>>(
        {.query = 2, .memory = 3, .width = 3, .filters = 2, .window = 3});
}

TEST_CASE("masked steps have no influence, and fully masked queries get zeros") {
    check_masked<nn::DotScore<double>>({.query = 2, .memory = 2});
    check_masked<nn::GeneralScore<double>>({.query = 2, .memory = 3});
    check_masked<nn::ConcatScore<double>>({.query = 2, .memory = 3, .width = 3});
    check_masked<nn::AdditiveScore<double>>({.query = 2, .memory = 3, .width = 3});
    check_masked<nn::LocationScore<double>>(
        {.query = 2, .memory = 3, .width = 3, .filters = 2, .window = 3});
}

TEST_CASE("multi-head attention equals PyTorch's") {
    for (const auto& [what, bias] :
         {std::pair("plain", true), std::pair("padded", true), std::pair("masked", false),
          std::pair("self", true), std::pair("causal", true), std::pair("widths", true)}) {
        compare_multi_head<double>(what, bias, 1e-12);
        compare_multi_head<float>(what, bias, 1e-5);
    }
}

TEST_CASE("scaled dot-product attention equals PyTorch's") {
    const auto file = golden("attention");
    const auto get = [&](const std::string& key) { return file.get<double>("scaled_dot." + key); };
    Tape<double> tape;
    const auto q = tape.variable(get("q")), k = tape.variable(get("k")),
               v = tape.variable(get("v"));
    const auto found = nn::scaled_dot_product_attention(q, k, v, mask_of(file, "scaled_dot.pairs"));
    CHECK(distance(found.context.value(), get("output")) < 1e-12);
    CHECK(distance(found.weights.value(), get("weights")) < 1e-12);
    tape.backward(sum(found.context * get("seed.output")));
    CHECK(distance(tape.gradient(q), get("grad.q")) < 1e-12);
    CHECK(distance(tape.gradient(k), get("grad.k")) < 1e-12);
    CHECK(distance(tape.gradient(v), get("grad.v")) < 1e-12);
}

TEST_CASE("multi-head attention passes the gradient check") {
    nn::MultiHeadAttention<double> attention({.width = 4, .heads = 2, .dropout = 0.3});
    const std::vector<std::size_t> lengths{3, 0};
    const Mask keys = nn::length_mask(lengths, 3);
    for (const int order : {1, 2})
        for (const bool own : {false, true}) {
            const auto report = gradcheck(
                [&](const std::vector<Variable<double>>& in) {
                    const auto found =
                        own ? attention(in[0], {.key_padding_mask = keys, .is_causal = true})
                            : attention(in[1], in[0], in[0] * 0.5, {.key_padding_mask = keys});
                    return sum(found.context * found.context) + sum(square(found.weights));
                },
                {random_tensor({3, 2, 4}), random_tensor({2, 2, 4}, 2)}, parameters(attention),
                {.order = order});
            CAPTURE(order);
            CAPTURE(own);
            INFO(report.text());
            CHECK(report.passed());
        }
}

TEST_CASE("a fully masked query") {
    nn::MultiHeadAttention<double> attention({.width = 4, .heads = 2});
    auto memory = random_tensor({3, 2, 4});
    memory.select(1, 1).fill(no_number);
    Tape<double> tape;
    const auto q = tape.variable(random_tensor({2, 2, 4}, 2)), m = tape.variable(memory);
    const std::vector<std::size_t> lengths{3, 0};
    const auto found = attention(q, m, m, {.key_padding_mask = nn::length_mask(lengths, 3)});
    tape.backward(sum(square(found.context)));
    CHECK(found.context.value().select(1, 1) == Tensor<double>::zeros({2, 4}));
    CHECK(tape.gradient(q).select(1, 1) == Tensor<double>::zeros({2, 4}));
    CHECK(tape.gradient(m).select(1, 1) == Tensor<double>::zeros({3, 4}));
    for (auto& entry : parameters(attention))
        for (const double g : entry.gradient().to_vector()) CHECK(std::isfinite(g));

    const auto x = Variable(random_tensor({0, 2, 4}));
    CHECK(attention(q, x, x).context.value() == Tensor<double>::zeros({2, 2, 4}));
    CHECK(attention(x, m, m).context.shape() == Shape{0, 2, 4});
    CHECK(attention(x).weights.shape() == Shape{2, 2, 0, 0});
}

TEST_CASE("prepared keys are reused by queries one by one") {
    nn::MultiHeadAttention<double> attention({.width = 4, .heads = 2});
    const auto x = random_tensor({5, 2, 4});
    const auto whole = attention(x, {.is_causal = true});
    for (std::size_t t = 0; t < 5; ++t) {
        const auto past = x.slice(0, 0, t + 1);
        const auto step =
            attention(x.slice(0, t, t + 1), attention.prepare(past, past), {.is_causal = true});
        CHECK(distance(step.context.value(), whole.context.value().slice(0, t, t + 1)) < 1e-14);
    }
}

TEST_CASE("scaled dot-product attention broadcasts over leading axes") {
    const auto q = random_tensor({2, 3, 4, 5}), k = random_tensor({3, 6, 5}, 2),
               v = random_tensor({3, 6, 2}, 3);
    const auto found = nn::scaled_dot_product_attention<double>(q, k, v, nn::causal_mask(4, 6));
    CHECK(found.context.shape() == Shape{2, 3, 4, 2});
    CHECK(found.weights.value()(1, 2, 0, 3) == 0);
    CHECK(found.weights.value()(1, 2, 0, 2) > 0);
    double total = 0, expected = 0;
    for (std::size_t s = 0; s < 3; ++s) {
        const double e = std::exp(dot(q.select(0, 1).select(0, 2).select(0, 0).to_vector(),
                                      k.select(0, 2).select(0, s).to_vector()) /
                                  std::sqrt(5.0));
        total += e;
        expected += e * v(2, s, 1);
    }
    CHECK(found.context.value()(1, 2, 0, 1) == doctest::Approx(expected / total).epsilon(1e-12));
}

TEST_CASE("masks") {
    const std::vector<std::size_t> lengths{2, 0};
    CHECK(nn::length_mask(lengths, 2) == Mask({2, 2}, {true, true, false, false}));
    CHECK(nn::causal_mask(2, 3) == Mask({2, 3}, {true, true, false, true, true, true}));
    CHECK(nn::all_of(Mask({2, 1}, {true, false}), Mask({2}, {true, false})) ==
          Mask({2, 2}, {true, false, false, false}));
    CHECK(contains(error_of([&] { nn::length_mask(lengths, 1); }),
                   "length_mask: length 2 of sequence 0 is more than the 1 steps"));
    CHECK(contains(error_of([] { nn::causal_mask(4, 3); }), "causal_mask: 4 queries and 3 keys"));
}

TEST_CASE("attention reports shape errors") {
    const nn::AdditiveAttention<double> attention({.query = 2, .memory = 3, .width = 4});
    const auto good = random_tensor({5, 2, 3});
    CHECK(contains(error_of([&] {
                       attention.prepare(random_tensor({5, 2, 4}));
                   }),
                   "AdditiveScore: the memory has shape [5, 2, 4], expected [S, B, 3]"));
    CHECK(contains(error_of([&] {
                       attention.prepare(good, Mask::ones({5, 2}));
                   }),
                   "the mask has shape [5, 2], expected [B, S] = [2, 5]"));
    const auto memory = attention.prepare(good);
    CHECK(contains(error_of([&] {
                       attention(random_tensor({1, 3, 2}), memory);
                   }),
                   "queries have shape [1, 3, 2], expected [T, 2, 2]"));
    const nn::LocationAttention<double> location({.query = 2, .memory = 3, .width = 4});
    CHECK(contains(
        error_of([&] {
            location.step(random_tensor({2, 2}), location.prepare(good), random_tensor({2, 4}));
        }),
        "weights of the previous step have shape [2, 4], expected [2, 5]"));
    CHECK(contains(error_of([] { nn::DotAttention<double>({.query = 2, .memory = 3}); }),
                   "queries of width 2 and a memory of width 3"));
    CHECK(contains(error_of([] { nn::GeneralAttention<double>({.query = 2}); }), "at least 1"));

    const nn::MultiHeadAttention<double> heads({.width = 4, .heads = 2});
    const auto q = random_tensor({2, 3, 4}), k = random_tensor({5, 3, 4});
    CHECK(contains(error_of([] { nn::MultiHeadAttention<double>({.width = 4, .heads = 3}); }),
                   "a width of 4 cannot be divided into 3 equal heads"));
    CHECK(contains(error_of([&] {
                       heads(q, k, random_tensor({4, 3, 4}));
                   }),
                   "5 keys and 4 values"));
    CHECK(contains(error_of([&] {
                       heads(random_tensor({2, 2, 4}), k, k);
                   }),
                   "query has shape [2, 2, 4], expected [steps, 3, 4]"));
    CHECK(contains(error_of([&] {
                       heads(q, k, k, {.key_padding_mask = Mask::ones({3, 2})});
                   }),
                   "the mask has shape [3, 2], expected [B, S] = [3, 5]"));
    CHECK(contains(error_of([&] {
                       heads(q, k, k, {.attn_mask = Mask::ones({5, 2})});
                   }),
                   "the mask [5, 2] does not broadcast to [B, heads, T, S] = [3, 2, 2, 5]"));
    CHECK(contains(error_of([&] { heads(k, q, q, {.is_causal = true}); }), "5 queries and 2 keys"));
    CHECK(contains(error_of([&] {
                       nn::scaled_dot_product_attention<double>(q, k, random_tensor({5, 2, 4}));
                   }),
                   "q [2, 3, 4], k [5, 3, 4], v [5, 2, 4]; expected"));
}
