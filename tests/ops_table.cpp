#include "support.hpp"

#include <unroll/ops/convolution.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/pooling.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>

#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <regex>
#include <set>

using namespace test;

namespace {

using V = Variable<double>;
using Many = std::vector<V>;
constexpr double inf = std::numeric_limits<double>::infinity();

// One operation: what it does to samples, an independent reference on the first of them where one
// number tells it, and a call that must fail with the words given.
struct Spec {
    std::string name;
    std::function<V(const Many&)> f;
    std::vector<std::vector<Shape>> samples;
    std::function<double(double)> scalar = nullptr; // pointwise reference
    std::function<void()> wrong = nullptr;
    std::string message = "";
    bool positive = false; // sample from where it is defined
    bool loss = false;     // a scalar, 0 on empty samples
};

V fixed(const Shape& shape) { return V(random_tensor(shape, 9)); }
const std::vector<std::vector<Shape>> any{{{3, 5}}, {{}}, {{2, 3, 4}}, {{0, 3}}, {{17}}};
const std::vector<std::vector<Shape>> pairs{{{3, 5}, {3, 5}}, {{3, 5}, {5}},       {{3, 1}, {1, 4}},
                                            {{2, 3}, {}},     {{2, 1, 3}, {4, 1}}, {{0, 3}, {3}}};

std::vector<Spec> unary() {
    const auto one = [](const char* name, auto f, double (*reference)(double),
                        bool positive = false) {
        return Spec{name,    [f](const Many& x) { return f(x[0]); }, any, reference, nullptr, "",
                    positive};
    };
    const auto sigma = [](double x) { return 1 / (1 + std::exp(-x)); };
    return {
        one(
            "exp", [](const V& x) { return exp(x); }, std::exp),
        one(
            "log", [](const V& x) { return log(x); }, std::log, true),
        one(
            "log1p", [](const V& x) { return log1p(x); }, std::log1p, true),
        one(
            "expm1", [](const V& x) { return expm1(x); }, std::expm1),
        one(
            "sqrt", [](const V& x) { return sqrt(x); }, std::sqrt, true),
        one(
            "square", [](const V& x) { return square(x); }, [](double x) { return x * x; }),
        one(
            "reciprocal", [](const V& x) { return reciprocal(x); }, [](double x) { return 1 / x; },
            true),
        one(
            "sin", [](const V& x) { return sin(x); }, std::sin),
        one(
            "cos", [](const V& x) { return cos(x); }, std::cos),
        one(
            "erf", [](const V& x) { return erf(x); }, std::erf),
        one(
            "abs", [](const V& x) { return abs(x); }, std::fabs),
        one(
            "sign", [](const V& x) { return sign(x); },
            [](double x) { return x > 0   ? 1.0
                                  : x < 0 ? -1.0
                                          : 0.0; }),
        one(
            "tanh", [](const V& x) { return tanh(x); }, std::tanh),
        one(
            "sigmoid", [](const V& x) { return sigmoid(x); }, sigma),
        one(
            "relu", [](const V& x) { return relu(x); }, [](double x) { return x > 0 ? x : 0; }),
        one(
            "leaky_relu", [](const V& x) { return leaky_relu(x, 0.1); },
            [](double x) { return x > 0 ? x : 0.1 * x; }),
        one(
            "elu", [](const V& x) { return elu(x, 1.5); },
            [](double x) { return x > 0 ? x : 1.5 * std::expm1(x); }),
        one(
            "gelu", [](const V& x) { return gelu(x); },
            [](double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }),
        one(
            "silu", [](const V& x) { return silu(x); },
            [](double x) { return x / (1 + std::exp(-x)); }),
        one(
            "softplus", [](const V& x) { return softplus(x); },
            [](double x) { return std::log1p(std::exp(x)); }),
        {"clip", [](const Many& x) { return clip(x[0], -0.5, 0.7); }, any,
         [](double x) { return std::clamp(x, -0.5, 0.7); }, [] { clip(fixed({2}), 1, 0); },
         "clip: the range is empty"},
    };
}

std::vector<Spec> binary() {
    const auto two = [](const char* name, auto f, bool positive = false) {
        return Spec{name,
                    [f](const Many& x) { return f(x[0], x[1]); },
                    pairs,
                    nullptr,
                    [f] { f(fixed({2, 3}), fixed({4})); },
                    "[2, 3] and [4] do not broadcast",
                    positive};
    };
    return {
        two("operator+", [](const V& a, const V& b) { return a + b; }),
        two("operator-", [](const V& a, const V& b) { return a - b; }),
        two("operator*", [](const V& a, const V& b) { return a * b; }),
        two(
            "operator/", [](const V& a, const V& b) { return a / b; }, true),
        two(
            "pow", [](const V& a, const V& b) { return pow(a, b); }, true),
        two("minimum", [](const V& a, const V& b) { return minimum(a, b); }),
        two("maximum", [](const V& a, const V& b) { return maximum(a, b); }),
        two("where",
            [](const V& a, const V& b) {
                return where(Mask({}, {true}), a * 2, b * 3) + where(Mask({}, {false}), a, b);
            }),
    };
}

std::vector<Spec> shapes() {
    const std::vector<std::vector<Shape>> cube{{{2, 3, 4}}, {{2, 0, 4}}};
    return {
        {"reshape",
         [](const Many& x) {
             return reshape(x[0], {-1, 6}) * reshape(x[0], {-1, 6});
         },
         {{{3, 4}}},
         nullptr,
         [] {
             reshape(fixed({3, 5}), {2, -1});
         },
         "reshape: -1 cannot be found for 15 elements"},
        {"flatten", [](const Many& x) { return flatten(transpose(x[0])); }, any},
        {"slice",
         [](const Many& x) { return slice(x[0], 1, 1, 3) * slice(x[0], -2, 1, 3); },
         {{{2, 3, 4}}},
         nullptr,
         [] { slice(fixed({3}), 0, 2, 4); },
         "slice: range 2:4 on axis 0 of shape [3]"},
        {"select", [](const Many& x) { return select(x[0], -1, 1) * select(x[0], 2, 3); }, cube,
         nullptr, [] { select(fixed({3}), 0, 3); }, "index 3 is out of range"},
        {"block", [](const Many& x) { return block(x[0], 0, 2) * block(x[0], 1, 2); }, cube,
         nullptr, [] { block(fixed({3}), 0, 2); }, "block 0 of 2 on the last axis of [3]"},
        {"split",
         [](const Many& x) { return split(x[0], 2, 2)[1] * split(x[0], 4, 2)[0]; },
         {{{2, 3, 4}}},
         nullptr,
         [] { split(fixed({3}), 2); },
         "no 2 equal parts"},
        {"unstack", [](const Many& x) { return unstack(x[0])[1] * unstack(x[0])[0]; }, cube,
         nullptr, [] { unstack(fixed({}), 0); }, "axis 0 is out of range"},
        {"transpose",
         [](const Many& x) {
             return transpose(x[0], {2, 0, 1}) + transpose(transpose(x[0])).value().size() * 1.0;
         },
         cube, nullptr,
         [] {
             transpose(fixed({2, 3}), {0, 0});
         },
         "no permutation of the axes of [2, 3]"},
        {"swapaxes", [](const Many& x) { return exp(swapaxes(x[0], 0, -1)); }, cube},
        {"flip", [](const Many& x) { return flip(x[0], 1) * x[0]; }, cube},
        {"expand_dims",
         [](const Many& x) { return expand_dims(x[0], 1) * expand_dims(x[0], 0); },
         {{{3, 3}}}},
        {"squeeze",
         [](const Many& x) { return squeeze(x[0], 1); },
         {{{3, 1, 2}}},
         nullptr,
         [] {
             squeeze(fixed({2, 3}), 1);
         },
         "is not of extent 1"},
        {"broadcast_to",
         [](const Many& x) {
             return broadcast_to(x[0], {4, 3, 2}) * fixed({4, 3, 2});
         },
         {{{3, 1}}, {{}}},
         nullptr,
         [] { broadcast_to(fixed({3}), {4}); },
         "[3] does not broadcast to [4]"},
        {"concatenate",
         [](const Many& x) {
             return concatenate({x[0], x[1], x[0]}, 1);
         },
         {{{2, 3}, {2, 1}}, {{2, 3}, {2, 0}}},
         nullptr,
         [] {
             concatenate({fixed({2, 3}), fixed({3, 3})}, 1);
         },
         "do not fit along axis 1"},
        {"stack",
         [](const Many& x) {
             return stack({x[0], x[1], x[0]}, -1);
         },
         {{{2, 3}, {2, 3}}, {{0}, {0}}},
         nullptr,
         [] {
             stack({fixed({2}), fixed({3})});
         },
         "pieces of shapes [2] and [3]"},
        {"pad", [](const Many& x) { return square(pad(x[0], 1, 2, 1, 0.5)); }, {{{2, 3}}}},
        {"take",
         [](const Many& x) {
             return take(x[0], Indices({2, 2}, {1, 0, 1, 2}));
         },
         {{{3, 2}}, {{3}}},
         nullptr,
         [] {
             take(fixed({3, 2}), Indices({1}, {3}));
         },
         "index 3 at position 0 is outside [0, 3)"},
        {"scatter_add",
         [](const Many& x) {
             return scatter_add(x[0], Indices({3}, {1, 0, 1}), 4);
         },
         {{{3, 2}}},
         nullptr,
         [] { scatter_add(fixed({2}), Indices({1}, {0}), 2); },
         "expected [n, ...] and [n]"},
        {"pick",
         [](const Many& x) {
             return pick(x[0], Indices({3}, {1, 0, 1}));
         },
         {{{3, 2}}},
         nullptr,
         [] {
             pick(fixed({2, 3}), Indices({2}, {0, 3}));
         },
         "index 3 at position 1"},
        {"masked_fill",
         [](const Many& x) {
             return square(masked_fill(x[0], Mask({3}, {true, false, true}), 2));
         },
         {{{2, 3}}}},
        {"masked_select",
         [](const Many& x) {
             return masked_select(x[0], Mask({2, 2}, {true, false, true, true}));
         },
         {{{2, 2}}},
         nullptr,
         [] {
             masked_select(fixed({2}), Mask({3}, {true, true, true}));
         },
         "differ in shape"},
    };
}

std::vector<Spec> sums() {
    const auto reduction = [](const char* name, auto all, auto some, bool empty) {
        std::vector<std::vector<Shape>> samples{{{3, 5}}, {{2, 3, 4}}};
        if (empty) samples.push_back({{0, 3}});
        return Spec{name,
                    [=](const Many& x) {
                        return some(x[0], false) +
                               reshape(some(x[0], true), some(x[0], false).shape()) * all(x[0]);
                    },
                    samples,
                    nullptr,
                    [=] { some(fixed({}), false); },
                    "is out of range"};
    };
    std::vector<Spec> all{
        reduction(
            "sum", [](const V& x) { return sum(x); },
            [](const V& x, bool k) {
                return sum(x, {0, -1}, k);
            },
            true),
        reduction(
            "mean", [](const V& x) { return mean(x); },
            [](const V& x, bool k) { return mean(x, {-1}, k); }, false),
        reduction(
            "variance", [](const V& x) { return variance(x); },
            [](const V& x, bool k) { return variance(x, {0}, 1, k); }, false),
        reduction(
            "norm_l2", [](const V& x) { return norm_l2(x); },
            [](const V& x, bool k) { return norm_l2(x, {1}, k); }, false),
        reduction(
            "amax", [](const V& x) { return amax(x); },
            [](const V& x, bool k) { return amax(x, {0}, k); }, false),
        reduction(
            "amin", [](const V& x) { return amin(x); },
            [](const V& x, bool k) { return amin(x, {-1}, k); }, false),
        reduction(
            "logsumexp", [](const V& x) { return logsumexp(x); },
            [](const V& x, bool k) { return logsumexp(x, {0}, k); }, false),
        {"softmax",
         [](const Many& x) { return softmax(x[0]) * softmax(x[0], 0); },
         {{{3, 5}}, {{2, 3, 4}}, {{1}}, {{0, 3}}, {{3, 0}}},
         nullptr,
         [] {
             softmax(fixed({2, 3}), Mask({4}, {true, true, true, true}));
         },
         "the mask [4] does not broadcast to [2, 3]"},
        {"log_softmax",
         [](const Many& x) { return log_softmax(x[0]) * log_softmax(x[0], 0); },
         {{{3, 5}}, {{2, 3, 4}}, {{1}}},
         nullptr,
         [] { log_softmax(fixed({2}), 1); },
         "axis 1 is out of range"},
        {"matmul",
         [](const Many& x) { return matmul(x[0], x[1]); },
         {{{2, 3}, {3, 4}},
          {{3}, {3}},
          {{2, 3}, {3}},
          {{3}, {3, 2}},
          {{5, 2, 3}, {3, 4}},
          {{5, 2, 3}, {5, 3, 4}},
          {{2, 1, 2, 3}, {5, 3, 2}},
          {{2, 0}, {0, 3}},
          {{0, 3}, {3, 2}}},
         nullptr,
         [] {
             matmul(fixed({2, 3}), fixed({4, 5}));
         },
         "matmul: inner extents differ: [2, 3] and [4, 5]"},
        {"dot", [](const Many& x) { return dot(x[0], x[1]); }, {{{3}, {3}}}},
        {"scaled_matmul",
         [](const Many& x) { return scaled_matmul(x[0], x[1], -0.7); },
         {{{2, 3}, {3, 4}}, {{2, 1, 2, 3}, {5, 3, 2}}, {{2, 0}, {0, 3}}, {{0, 3}, {3, 2}}},
         nullptr,
         [] {
             scaled_matmul(fixed({2, 3}), fixed({3}), 2);
         },
         "scaled_matmul: [2, 3] and [3]; expected"},
        {"linear",
         [](const Many& x) { return linear(x[0], x[1], x[2]) + linear(x[0], x[1]); },
         {{{2, 3}, {4, 3}, {4}},
          {{3}, {4, 3}, {4}},
          {{2, 5, 3}, {4, 3}, {4}},
          {{0, 3}, {4, 3}, {4}}},
         nullptr,
         [] {
             linear(fixed({2, 3}), fixed({4, 2}), fixed({4}));
         },
         "x [2, 3], weight [4, 2], bias [4]"},
        {"add_linear",
         [](const Many& x) { return tanh(add_linear(x[0] * 2, x[1], x[2])); },
         {{{2, 4}, {2, 3}, {4, 3}}},
         nullptr,
         [] {
             add_linear(fixed({2, 4}), fixed({2, 3}), fixed({3, 4}));
         },
         "expected [B, out], [B, in], [out, in]"},
        {"layer_norm",
         [](const Many& x) { return layer_norm(x[0], x[1], x[2]); },
         {{{3, 5}, {5}, {5}}, {{2, 3, 4}, {4}, {4}}},
         nullptr,
         [] {
             layer_norm(fixed({2, 3}), fixed({2}), fixed({3}));
         },
         "expected [..., n], [n], [n]"},
        {"batch_norm",
         [](const Many& x) {
             return batch_norm(x[0], x[1], x[2]).y +
                    batch_norm(x[0], x[1], square(x[2]), x[2], x[1], 0.1);
         },
         {{{3, 2, 5}, {2}, {2}}, {{4, 3}, {3}, {3}}, {{2, 3, 2, 2}, {3}, {3}}},
         nullptr,
         [] {
             batch_norm(fixed({2, 3}), fixed({2}), fixed({3}));
         },
         "expected [batch, channels, ...] and [channels] for each"},
        {"convolution",
         [](const Many& x) {
             return convolution(x[0], x[1], x[2], {.stride = 2, .padding = {1, 2}, .groups = 2}) +
                    convolution(x[0], x[1], {.stride = 2, .padding = {1, 2}, .groups = 2});
         },
         {{{2, 4, 5, 4}, {6, 2, 3, 2}, {6}},
          {{3, 2, 7}, {2, 1, 3}, {2}},
          {{0, 4, 5, 4}, {6, 2, 3, 2}, {6}}},
         nullptr,
         [] {
             convolution(fixed({2, 3, 4}), fixed({2, 2, 3}));
         },
         "expected [batch, in, (height,) width]"},
        {"max_pool",
         [](const Many& x) {
             return max_pool(x[0], {{3, 2}, HeightWidth(2, 1), 1});
         },
         {{{2, 3, 5, 4}}, {{2, 3, 5}}, {{0, 3, 5}}},
         nullptr,
         [] { max_pool(fixed({2}), {2}); },
         "max_pool: x [2]"},
        {"average_pool",
         [](const Many& x) {
             return average_pool(x[0], {{3, 2}, HeightWidth(2, 1), 1});
         },
         {{{2, 3, 5, 4}}, {{2, 3, 5}}, {{0, 3, 5}}},
         nullptr,
         [] { average_pool(fixed({2}), {2}); },
         "average_pool: x [2]"},
        {"dropout",
         [](const Many& x) { return dropout(x[0], 0.4); },
         {{{3, 5}}, {{0}}},
         nullptr,
         [] { dropout(fixed({2}), -1); },
         "must be in [0, 1]"},
        {"cross_entropy",
         [](const Many& x) {
             return cross_entropy(x[0], Indices({3}, {1, -100, 4}), {.smoothing = 0.1});
         },
         {{{3, 5}}},
         nullptr,
         [] {
             cross_entropy(fixed({2, 3}), Indices({2}, {0, 3}));
         },
         "target 3 at position 1 is outside [0, 3)"},
        {"binary_cross_entropy",
         [](const Many& x) { return binary_cross_entropy(x[0], sigmoid(x[1])); },
         {{{3, 5}, {3, 5}}, {{0}, {0}}},
         nullptr,
         [] { binary_cross_entropy(fixed({2}), fixed({3})); },
         "shapes differ: [2] and [3]"},
        {"mean_squared_error",
         [](const Many& x) { return mean_squared_error(x[0], x[1]); },
         {{{3, 5}, {3, 5}}, {{0}, {0}}},
         nullptr,
         [] { mean_squared_error(fixed({2}), fixed({3})); },
         "shapes differ"},
        {"huber",
         [](const Many& x) { return huber(x[0], x[1], 0.5); },
         {{{3, 5}, {3, 5}}},
         nullptr,
         [] { huber(fixed({2}), fixed({2}), 0); },
         "delta must be positive"},
    };
    return all;
}

std::vector<Spec> table() {
    std::vector<Spec> all;
    for (auto part : {unary(), binary(), shapes(), sums()})
        for (auto& spec : part) all.push_back(std::move(spec));
    return all;
}

std::vector<Tensor<double>> sample(const Spec& spec, const std::vector<Shape>& shapes) {
    std::vector<Tensor<double>> inputs;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        Tensor<double> x = random_tensor(shapes[i], 100 + i);
        if (spec.positive)
            for (std::size_t k = 0; k < x.size(); ++k) x.data()[k] = 0.5 + std::abs(x.data()[k]);
        inputs.push_back(x);
    }
    return inputs;
}

} // namespace

TEST_CASE("every operation: gradients on all samples") {
    for (const Spec& spec : table())
        for (const auto& shapes : spec.samples) {
            CAPTURE(spec.name);
            CAPTURE(to_string(shapes[0]));
            const auto report = gradcheck([&](Tape<double>&, const Many& x) { return spec.f(x); },
                                          sample(spec, shapes));
            INFO(report.text());
            CHECK(report.passed());
        }
}

TEST_CASE("every operation: second derivatives on all samples") {
    for (const Spec& spec : table())
        for (const auto& shapes : spec.samples) {
            CAPTURE(spec.name);
            CAPTURE(to_string(shapes[0]));
            const auto report = gradcheck([&](Tape<double>&, const Many& x) { return spec.f(x); },
                                          sample(spec, shapes), {}, {.order = 2});
            INFO(report.text());
            CHECK(report.passed());
        }
}

TEST_CASE("every operation: nothing is recorded for constants, and float agrees with double") {
    for (const Spec& spec : table()) {
        CAPTURE(spec.name);
        Many constants;
        for (const auto& x : sample(spec, spec.samples[0])) constants.emplace_back(x);
        CHECK_FALSE(spec.f(constants).is_recorded());
    }
}

TEST_CASE("pointwise operations against the standard library") {
    for (const Spec& spec : table()) {
        if (!spec.scalar) continue;
        CAPTURE(spec.name);
        const auto x = sample(spec, {{1000}})[0];
        const auto y = spec.f({V(x)}).value();
        for (std::size_t i = 0; i < x.size(); ++i)
            CHECK(y(i) == doctest::Approx(spec.scalar(x(i))).epsilon(1e-13));
    }
}

TEST_CASE("every operation: the error it throws") {
    for (const Spec& spec : table()) {
        if (!spec.wrong) continue;
        CAPTURE(spec.name);
        const std::string error = error_of(spec.wrong);
        INFO(error);
        CHECK(contains(error, spec.message));
    }
}

TEST_CASE("the table is complete") {
    std::set<std::string> known;
    for (const Spec& spec : table()) known.insert(spec.name);
    const std::regex declaration(
        "^(?:Variable<T>|std::vector<Variable<T>>) (operator[-+*/]|\\w+)\\(");
    const std::filesystem::path folder = std::filesystem::path(UNROLL_GOLDEN_FOLDER) / "../../ops";
    std::size_t found = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".hpp" || entry.path().filename() == "expression.hpp")
            continue;
        std::ifstream in(entry.path());
        for (std::string line; std::getline(in, line);) {
            std::smatch match;
            if (!std::regex_search(line, match, declaration)) continue;
            ++found;
            CAPTURE(match[1].str());
            CHECK(known.contains(match[1].str()));
        }
    }
    CHECK(found > 50);
}

TEST_CASE("functions equal PyTorch's") {
    const auto file = golden("functions");
    const auto compare = [&](const std::string& name, const std::function<V(const Many&)>& f) {
        CAPTURE(name);
        Tape<double> tape;
        Many x;
        for (int i = 0; file.contains(name + ".x" + std::to_string(i)); ++i)
            x.push_back(tape.variable(file.get<double>(name + ".x" + std::to_string(i))));
        const V y = f(x);
        CHECK(distance(y.value(), file.get<double>(name + ".y")) < 1e-12);
        tape.backward(y, file.get<double>(name + ".seed"));
        for (std::size_t i = 0; i < x.size(); ++i)
            CHECK(distance(tape.gradient(x[i]),
                           file.get<double>(name + ".grad" + std::to_string(i))) < 1e-12);
    };
    const auto target = file.get<std::int64_t>("cross_entropy.target");
    compare("cross_entropy", [&](const Many& x) { return cross_entropy(x[0], target); });
    compare("smoothed",
            [&](const Many& x) { return cross_entropy(x[0], target, {.smoothing = 0.1}); });
    compare("binary_cross_entropy", [&](const Many& x) {
        return binary_cross_entropy(x[0], file.get<double>("binary_cross_entropy.y_true"));
    });
    compare("huber", [](const Many& x) { return huber(x[0], x[1], 0.7); });
    compare("mean_squared_error", [](const Many& x) { return mean_squared_error(x[0], x[1]); });
    compare("layer_norm", [](const Many& x) { return layer_norm(x[0], x[1], x[2]); });
    compare("softmax", [](const Many& x) { return softmax(x[0]); });
    compare("softmax0", [](const Many& x) { return softmax(x[0], 0); });
    compare("log_softmax", [](const Many& x) { return log_softmax(x[0]); });
    compare("logsumexp", [](const Many& x) { return logsumexp(x[0], {1}); });
    compare("gelu", [](const Many& x) { return gelu(x[0]); });
    compare("silu", [](const Many& x) { return silu(x[0]); });
    compare("elu", [](const Many& x) { return elu(x[0]); });
    compare("softplus", [](const Many& x) { return softplus(x[0]); });
    compare("sigmoid", [](const Many& x) { return sigmoid(x[0]); });
    compare("tanh", [](const Many& x) { return tanh(x[0]); });
    compare("relu", [](const Many& x) { return relu(x[0]); });
    compare("leaky_relu", [](const Many& x) { return leaky_relu(x[0]); });
}

TEST_CASE("values at the edges") {
    const auto at = [](auto f, double x) {
        Tape<double> tape;
        const auto v = tape.variable(Tensor<double>::scalar(x));
        const auto y = f(v);
        tape.backward(y);
        return std::pair(y.item(), tape.gradient(v).item());
    };
    using P = std::pair<double, double>;
    CHECK(at([](const V& x) { return sigmoid(x); }, inf) == P(1, 0));
    CHECK(at([](const V& x) { return sigmoid(x); }, -inf) == P(0, 0));
    CHECK(at([](const V& x) { return tanh(x); }, -inf) == P(-1, 0));
    CHECK(at([](const V& x) { return relu(x); }, 0) == P(0, 0));
    CHECK(at([](const V& x) { return abs(x); }, 0) == P(0, 0));
    CHECK(at([](const V& x) { return softplus(x); }, 1e300) == P(1e300, 1));
    CHECK(at([](const V& x) { return gelu(x); }, -inf).first == 0);
    CHECK(at([](const V& x) { return silu(x); }, -inf).first == 0);
    CHECK(at([](const V& x) { return exp(x); }, 1000).first == inf);
    CHECK(at([](const V& x) { return log(x); }, 0).first == -inf);
    CHECK(std::isnan(at([](const V& x) { return log(x); }, -1).first));
    CHECK(at([](const V& x) { return pow(x, 3.0); }, -2) == P(-8, 12));
    CHECK(at([](const V& x) { return pow(x, 0.0); }, 0) == P(1, 0));
    CHECK(at([](const V& x) { return norm_l2(reshape(x, Shape{1})); }, 0) == P(0, 0));
    CHECK(at([](const V& x) { return clip(x, 0, 1); }, 1) == P(1, 1));
    CHECK(at([](const V& x) { return where(x > 0.0, log(x), x * 0); }, -1) == P(0, 0));
    CHECK(at([](const V& x) { return logsumexp(reshape(x, Shape{1})); }, -inf) == P(-inf, 0));
    CHECK(at([](const V& x) { return logsumexp(reshape(x, Shape{1})); }, inf) == P(inf, 1));
    CHECK(std::isnan(mean(V(Tensor<double>(Shape{0}))).item()));
    CHECK(sum(V(Tensor<double>(Shape{0}))).item() == 0);
    CHECK(contains(error_of([] { amax(V(Tensor<double>(Shape{0}))); }),
                   "no elements to choose from"));
}

TEST_CASE("masked softmax: a row in which nothing takes part gives zeros and no gradient") {
    Tape<double> tape;
    const auto x = tape.variable(random_tensor({2, 3}));
    const Mask mask({2, 3}, {true, false, true, false, false, false});
    const auto y = softmax(x, mask);
    CHECK(y.value()(0, 1) == 0);
    CHECK(y.value()(0, 0) + y.value()(0, 2) == doctest::Approx(1));
    CHECK(y.value().select(0, 1) == Tensor<double>::zeros({3}));
    const auto z = log_softmax(x, mask);
    tape.backward(sum(y * fixed({2, 3})) + sum(where(mask, z, 0)));
    CHECK(tape.gradient(x)(0, 1) == 0);
    CHECK(tape.gradient(x).select(0, 1) == Tensor<double>::zeros({3}));
    CHECK(softmax(V(Tensor<double>({2}, {1e300, -1e300}))).value() == Tensor<double>({2}, {1, 0}));
    CHECK(softmax(V(Tensor<double>({2}, {-inf, -inf}))).value() == Tensor<double>({2}, {0, 0}));
}

TEST_CASE("what has no gradient") {
    const V x(Tensor<double>({2, 3}, {1, 5, 2, 7, 7, 0}));
    CHECK(argmax(x) == Indices({2}, {1, 0}));
    CHECK(argmin(x) == Indices({2}, {0, 2}));
    CHECK(argmax(x, 0) == Indices({3}, {1, 1, 0}));
    CHECK(argmax(V(Tensor<double>({3}, {1, 5, 2}))) == Indices({}, {1}));
    const auto best = topk(x, 2);
    CHECK(best.indices == Indices({2, 2}, {1, 2, 0, 1}));
    CHECK(best.values == Tensor<double>({2, 2}, {5, 2, 7, 7}));
    CHECK(contains(error_of([&] { topk(x, 4); }), "4 elements wanted of 3"));
    CHECK(contains(error_of([] { argmax(V(Tensor<double>(Shape{2, 0}))); }), "the axis is empty"));
    CHECK(one_hot<double>(Indices({2}, {2, 0}), 3) == Tensor<double>({2, 3}, {0, 0, 1, 1, 0, 0}));
    CHECK(contains(error_of([] { one_hot<double>(Indices({1}, {3}), 3); }), "index 3"));
    CHECK((x > 4.0) == Mask({2, 3}, {false, true, false, true, true, false}));
    CHECK((x <= 2.0) == Mask({2, 3}, {true, false, true, false, false, true}));
    CHECK(equal(x, 7.0) == Mask({2, 3}, {false, false, false, true, true, false}));
    const V extreme(Tensor<double>({4}, {-inf, 0, inf, std::nan("")}));
    CHECK((extreme < inf) == Mask({4}, {true, true, false, false}));
    CHECK((extreme > -inf) == Mask({4}, {false, true, true, false}));
    CHECK((extreme <= -inf) == Mask({4}, {true, false, false, false}));
    CHECK(equal(extreme, inf) == Mask({4}, {false, false, true, false}));
}
