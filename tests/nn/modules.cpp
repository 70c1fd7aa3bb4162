#include "support.hpp"

#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

using namespace test;

namespace {

// A user-defined module: only a list of members.
template <class T>
struct Net {
    nn::Linear<T> first{{.input = 3, .output = 4}};
    std::vector<nn::LayerNorm<T>> norms{nn::LayerNorm<T>(4), nn::LayerNorm<T>(4)};
    Parameter<T> scale{"scale", Tensor<T>::ones({4})};

    Variable<T> operator()(const Variable<T>& x) const {
        return norms[1](tanh(norms[0](first(x)))) * scale;
    }
    void members(nn::Members<T>& m) { m("first", first)("norms", norms)("scale", scale); }
};

// Its scalar type is deduced from members().
struct Plain {
    nn::Linear<double> first{{.input = 3, .output = 4}};
    void members(nn::Members<double>& m) { m("first", first); }
};
template <class Cell>
struct AroundCells {
    nn::Linear<float> first{{.input = 3, .output = 4}};
    void members(nn::Members<float>& m) { m("first", first); }
};

} // namespace

TEST_CASE("a module needs no value_type") {
    Plain plain;
    AroundCells<Plain> around;
    const Parameters<double> in_double = parameters(plain);
    const Parameters<float> in_float = parameters(around);
    CHECK(in_double[0].path == "first.weight");
    CHECK(in_float[1].path == "first.bias");
}

TEST_CASE("a module lists its parameters by path") {
    Net<double> net;
    std::string paths;
    for (auto entry : parameters(net)) paths += entry.path + " ";
    CHECK(paths == "first.weight first.bias norms.0.weight norms.0.bias norms.1.weight "
                   "norms.1.bias scale ");
    CHECK(nn::parameter_count(net) == 16 + 8 + 8 + 4);
    CHECK(gradcheck([&](const auto& in) { return net(in[0]); }, {random_tensor({2, 3})},
                    parameters(net)));
    Net<double> copy = net;
    copy.scale.change().fill(7);
    CHECK(net.scale.value()(0) == 1);
}

TEST_CASE("recurrent parameters have PyTorch's names and shapes") {
    nn::Gru<float> gru({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true});
    const auto all = parameters(gru);
    CHECK(all.size() == 16);
    CHECK(all[0].path == "weight_ih_l0");
    CHECK(all[5].path == "weight_hh_l0_reverse");
    CHECK(all[8].path == "weight_ih_l1");
    CHECK(all[8].shape() == Shape{12, 8});
}

TEST_CASE("Sequential") {
    nn::Sequential net(
        nn::Linear<double>({.input = 3, .output = 4}), [](const auto& x) { return relu(x); },
        nn::Linear<double>({.input = 4, .output = 1, .bias = false}));
    CHECK(nn::parameter_count(net) == 20);
    CHECK(parameters(net)[2].path == "2.weight");
    CHECK(net(Variable<double>(random_tensor({5, 3}))).shape() == Shape{5, 1});
}

TEST_CASE("Embedding") {
    nn::Embedding<double> embed({.vocabulary = 5, .width = 2, .padding = 0});
    Tape<double> tape;
    const Indices x({2, 3}, {1, 0, 1, 4, 0, 1});
    const auto rows = embed(x);
    CHECK(rows.shape() == Shape{2, 3, 2});
    CHECK(rows.value()(0, 1, 0) == 0);
    tape.backward(sum(rows));
    CHECK(embed.weight.gradient() == Tensor<double>({5, 2}, {0, 0, 3, 3, 0, 0, 0, 0, 1, 1}));
    CHECK(contains(error_of([&] {
                       embed(Indices({2}, {1, 5}));
                   }),
                   "index 5 at position 1 is outside [0, 5)"));
    CHECK(contains(error_of([&] { embed(Indices({1}, {-1})); }), "index -1 at position 0"));
    CHECK(embed(Indices(Shape{0})).shape() == Shape{0, 2});
    const nn::Embedding<double> loaded(random_tensor({3, 4}));
    CHECK(loaded.options.vocabulary == 3);
}

TEST_CASE("dropout") {
    Tape<double> tape;
    const auto x = tape.variable(Tensor<double>::ones({10000}));
    const nn::Dropout<double> drop(0.25);
    const auto y = drop(x);
    double kept = 0;
    for (const double v : y.value().to_vector()) {
        CHECK((v == 0 || v == doctest::Approx(4.0 / 3)));
        kept += v != 0;
    }
    CHECK(kept / 10000 == doctest::Approx(0.75).epsilon(0.03));
    tape.backward(sum(y));
    CHECK(tape.gradient(x) == y.value());
    tape.set_evaluating(true);
    CHECK(drop(x).value().data() == x.value().data());
    tape.set_evaluating(false);
    CHECK(nn::Dropout<double>(1)(x).value() == Tensor<double>::zeros({10000}));
    CHECK(contains(error_of([&] { nn::Dropout<double>(1.5)(x); }), "must be in [0, 1]"));
}

TEST_CASE("initial values") {
    const Random random(1);
    const auto q = nn::orthogonal<double>({6, 4}, random);
    const auto eye = matmul(Variable<double>(q.transpose()), Variable<double>(q)).value();
    for (std::size_t i = 0; i < 4; ++i)
        for (std::size_t j = 0; j < 4; ++j)
            CHECK(eye(i, j) == doctest::Approx(i == j ? 1 : 0).epsilon(1e-12));
    const auto blocks = nn::orthogonal<double>({8, 4}, random, 4).slice(0, 4, 8);
    CHECK(sum(Variable<double>(blocks) * Variable<double>(blocks)).item() == doctest::Approx(4));
    for (const double v : nn::xavier<double>({10, 20}, random).to_vector())
        CHECK(std::abs(v) <= std::sqrt(6.0 / 30));
    CHECK(variance(Variable<double>(nn::he<double>({200, 50}, random))).item() ==
          doctest::Approx(2.0 / 50).epsilon(0.05));
    nn::LstmCell<double> cell(2, 3, {.forget_bias = 1});
    CHECK(cell.bias_ih.value()(4) > 0.4);
    CHECK(contains(error_of([&] { nn::orthogonal<double>({3}, random); }), "expected a matrix"));
    nn::seed(4);
    const nn::Linear<double> a({.input = 2, .output = 2});
    nn::seed(4);
    const nn::Linear<double> b({.input = 2, .output = 2});
    CHECK(a.weight.value() == b.weight.value());
}
