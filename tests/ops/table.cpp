#include "ops/table.hpp"

#include <unroll/ops/index.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <regex>
#include <set>

using namespace test;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

std::vector<Spec> table() {
    std::vector<Spec> all;
    for (auto part : {pointwise_specs(), shape_specs(), sum_specs(), order_specs(), linalg_specs(),
                      loss_specs(), layer_specs()})
        for (auto& spec : part) all.push_back(std::move(spec));
    return all;
}

std::vector<Tensor<double>> sample(const Spec& spec, const std::vector<Shape>& shapes) {
    std::vector<Tensor<double>> inputs;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        Tensor<double> x = random_tensor(shapes[i], 100 + i);
        for (std::size_t k = 0; k < x.size(); ++k) {
            double& value = x.data()[k];
            if (spec.low == -inf) continue;
            value = spec.high == inf ? std::max(spec.low, 0.0) + 0.5 + std::abs(value)
                                     : std::midpoint(spec.low, spec.high) +
                                           0.4 * (spec.high - spec.low) * std::tanh(value);
        }
        inputs.push_back(x);
    }
    return inputs;
}

} // namespace

namespace {

// A verdict of zero is accepted for flat operations, and if there is nothing to differentiate.
void check_derivatives(const Spec& spec, const std::vector<Tensor<double>>& inputs,
                       const std::function<V(const Many&)>& f, int order) {
    CAPTURE(spec.name);
    CAPTURE(to_string(inputs[0].shape()));
    const auto report = gradcheck(f, inputs, {}, {.order = order});
    INFO(report.text());
    const bool is_empty =
        f(Many(inputs.begin(), inputs.end())).size() == 0 ||
        std::all_of(inputs.begin(), inputs.end(), [](const auto& x) { return x.size() == 0; });
    if (spec.flat && !is_empty)
        CHECK(report.zero_everywhere());
    else
        CHECK((report.passed() || (is_empty && report.zero_everywhere())));
}

} // namespace

TEST_CASE("every operation: gradients on all samples") {
    for (const Spec& spec : table())
        for (const auto& shapes : spec.samples)
            check_derivatives(spec, sample(spec, shapes), spec.f, 1);
}

// The sine makes the second derivative of linear operations nonzero.
TEST_CASE("every operation: second derivatives on all samples") {
    for (const Spec& spec : table())
        for (const auto& shapes : spec.samples)
            check_derivatives(
                spec, sample(spec, shapes), [&](const Many& x) { return sin(spec.f(x) + 1.0); }, 2);
}

// A rule must not depend on whether the other inputs need gradients.
TEST_CASE("every operation: derivatives with respect to one input, the others constant") {
    for (const Spec& spec : table())
        for (const auto& shapes : spec.samples) {
            const auto inputs = sample(spec, shapes);
            for (std::size_t i = 0; inputs.size() > 1 && i < inputs.size(); ++i) {
                CAPTURE(i);
                const auto f = [&](const Many& x) {
                    Many all(inputs.begin(), inputs.end());
                    all[i] = x[0];
                    return sin(spec.f(all) + 1.0);
                };
                check_derivatives(spec, {inputs[i]}, f, 2);
            }
        }
}

TEST_CASE("every operation: nothing is recorded for constants") {
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

TEST_CASE("every operation: an operand without a value is named as such") {
    for (const Spec& spec : table()) {
        const auto inputs = sample(spec, spec.samples[0]);
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            CAPTURE(spec.name);
            CAPTURE(i);
            Many x(inputs.begin(), inputs.end());
            x[i] = V();
            const std::string error = error_of([&] { spec.f(x); });
            INFO(error);
            CHECK(contains(error, "no value"));
            CHECK(!contains(error, "../ops"));
        }
    }
}

TEST_CASE("the table is complete") {
    std::set<std::string> known;
    for (const Spec& spec : table()) known.insert(spec.name);
    const std::regex declaration(
        "^(?:Variable<T>|std::vector<Variable<T>>|LinearScan<T>) (operator[-+*/]|\\w+)\\(");
    const std::filesystem::path folder = std::filesystem::path(test::golden_folder) / "../../ops";
    std::size_t found = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        // xt.hpp has different names for the same operations, operand.hpp and fuse/ none.
        const auto name = entry.path().filename();
        if (name.extension() != ".hpp" || name == "xt.hpp" || name == "operand.hpp" ||
            entry.path().parent_path().filename() == "fuse")
            continue;
        std::ifstream in(entry.path());
        bool is_internal = false;
        for (std::string line; std::getline(in, line);) {
            std::smatch match;
            if (line.starts_with("namespace detail")) is_internal = true;
            if (line.starts_with("} // namespace detail")) is_internal = false;
            if (is_internal || !std::regex_search(line, match, declaration)) continue;
            ++found;
            CAPTURE(match[1].str());
            CHECK(known.contains(match[1].str()));
        }
    }
    CHECK(found > 70);
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

TEST_CASE("values at special points") {
    const auto at = [](auto f, double x) {
        Tape<double> tape;
        const auto v = tape.variable(Tensor<double>::scalar(x));
        const auto y = f(v);
        tape.backward(y, {.allow_non_finite = true});
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
    CHECK(contains(error_of([] { amax(V(Tensor<double>(Shape{0}))); }), "there are no elements"));
}

TEST_CASE("masked softmax: a fully masked row gives zeros and no gradient") {
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

TEST_CASE("gather and scatter along an axis, as PyTorch") {
    const V x(Tensor<double>({2, 3}, {1, 2, 3, 4, 5, 6}));
    CHECK(gather(x, 1, Indices({2, 2}, {0, 0, 2, 1})).value() ==
          Tensor<double>({2, 2}, {1, 1, 6, 5}));
    CHECK(gather(x, 0, Indices({3, 2}, {0, 1, 1, 0, 0, 0})).value() ==
          Tensor<double>({3, 2}, {1, 5, 4, 2, 1, 2}));
    CHECK(gather(transpose(x), -1, Indices({1, 2}, {1, 0})).value() ==
          Tensor<double>({1, 2}, {4, 1}));
    const Tensor<double> zeros = Tensor<double>::zeros({3, 5});
    CHECK(scatter_add(zeros, 0, Indices({1, 5}, {0, 1, 2, 0, 0}), Tensor<double>::ones({2, 5}))
              .value() == Tensor<double>({3, 5}, {1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0}));
    CHECK(scatter_add(x, 1, Indices({1, 3}, {2, 2, 0}), x).value() ==
          Tensor<double>({2, 3}, {4, 2, 6, 4, 5, 6}));
    // Of two values for one element the last counts, and only that has a gradient.
    Tape<double> tape;
    const V base = tape.variable(x.value()), values = tape.variable(x.value());
    const V y = scatter(base, 1, Indices({2, 3}, {2, 2, 0, 1, 0, 0}), values);
    CHECK(y.value() == Tensor<double>({2, 3}, {3, 2, 2, 6, 4, 6}));
    tape.backward(sum(y * x));
    CHECK(tape.gradient(base) == Tensor<double>({2, 3}, {0, 2, 0, 0, 0, 6}));
    CHECK(tape.gradient(values) == Tensor<double>({2, 3}, {0, 3, 1, 5, 0, 4}));

    SUBCASE("nothing to do") {
        const V empty(Tensor<double>::zeros({0, 3}));
        CHECK(gather(x, 0, Indices({0, 3}, {})).shape() == Shape{0, 3});
        CHECK(gather(empty, 1, Indices({0, 7}, {})).shape() == Shape{0, 7});
        CHECK(scatter_add(x, 0, Indices({0, 3}, {}), empty).value() == x.value());
        CHECK(scatter(x, 0, Indices({0, 3}, {}), empty).value() == x.value());
        CHECK(scatter_add(empty, 1, Indices({0, 7}, {}), Tensor<double>::ones({0, 7})).shape() ==
              Shape{0, 3});
    }
    SUBCASE("what does not fit") {
        const Indices one({1, 1}, {0}), row({1}, {0});
        CHECK(contains(error_of([&] { gather(x, 0, row); }),
                       "gather: x [2, 3] and indices [1]; expected as many axes"));
        CHECK(contains(error_of([&] { gather(x, 1, Indices::zeros({3, 1})); }), "none but axis 1"));
        CHECK(contains(error_of([&] { gather(x, 0, Indices({1, 1}, {-1})); }), "index -1"));
        CHECK(contains(error_of([&] { gather(V(1.0), 0, row); }), "gather: axis 0"));
        CHECK(contains(error_of([&] { gather(Tensor<double>(Shape{0}), 0, row); }), "[0, 0)"));
        CHECK(contains(error_of([&] {
                           scatter(x, 1, Indices::zeros({3, 1}), zeros);
                       }),
                       "nor than x on any but axis 1"));
        CHECK(contains(error_of([&] {
                           scatter_add(x, 1, Indices({1, 1}, {3}), zeros);
                       }),
                       "index 3 at position 0 is outside [0, 3)"));
    }
    CHECK(gather(Tensor<float>({1, 2}, {1, 2}), 1, Indices({1, 1}, {1})).item() == 2);
}

TEST_CASE("operations without a gradient") {
    const V x(Tensor<double>({2, 3}, {1, 5, 2, 7, 7, 0}));
    CHECK(argmax(x) == Indices({2}, {1, 0}));
    CHECK(argmin(x) == Indices({2}, {0, 2}));
    CHECK(argmax(x, 0) == Indices({3}, {1, 1, 0}));
    CHECK(argmax(V(Tensor<double>({3}, {1, 5, 2}))) == Indices({}, {1}));
    const auto best = topk(x, 2);
    CHECK(best.indices == Indices({2, 2}, {1, 2, 0, 1}));
    CHECK(best.values == Tensor<double>({2, 2}, {5, 2, 7, 7}));
    CHECK(contains(error_of([&] { topk(x, 4); }), "4 elements requested of 3"));
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
