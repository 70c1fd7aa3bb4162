#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/graph/graph.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>
#include <unroll/optim/clip.hpp>
#include <unroll/optim/optimizer.hpp>

#include <memory>
#include <optional>
#include <thread>

using namespace test;

namespace {

using V = Variable<double>;

struct Net {
    using value_type = double;
    nn::Linear<double> in{{.input = 3, .output = 4}};
    nn::Linear<double> out{{.input = 4, .output = 2}};

    V operator()(const V& x) const { return out(tanh(in(x))); }
    void members(nn::Members<double>& m) { m("in", in)("out", out); }
};

V loss_of(const Net& net) { return mean(square(net(random_tensor({5, 3})))); }

// Steps once and says whether every parameter has changed.
template <class Optimizer>
bool trains(Optimizer& optimizer, Net& net) {
    std::vector<Tensor<double>> before;
    for (const auto& p : parameters(net)) before.push_back(p.value().copy());
    Tape<double> tape;
    tape.backward(loss_of(net));
    optimizer.step();
    std::size_t i = 0;
    bool all = true;
    for (const auto& p : parameters(net)) all = all && !(p.value() == before[i++]);
    return all;
}

Net made_with_optimizer(std::unique_ptr<optim::Sgd<double>>& sgd) {
    Net net;
    sgd = std::make_unique<optim::Sgd<double>>(parameters(net));
    return net;
}

} // namespace

TEST_CASE("lifetimes: an optimiser follows a module that moves") {
    std::unique_ptr<optim::Sgd<double>> sgd;
    SUBCASE("returned from a function") {
        Net net = made_with_optimizer(sgd);
        CHECK(trains(*sgd, net));
    }
    SUBCASE("moved into a vector that grows") {
        std::vector<Net> nets;
        nets.push_back(made_with_optimizer(sgd));
        for (int i = 0; i < 9; ++i) nets.emplace_back();
        CHECK(trains(*sgd, nets[0]));
    }
    SUBCASE("into a unique_ptr, and out again") {
        auto net = std::make_unique<Net>(made_with_optimizer(sgd));
        Net back = std::move(*net);
        net.reset();
        CHECK(trains(*sgd, back));
    }
    SUBCASE("swapped with another") {
        Net a = made_with_optimizer(sgd), b;
        std::swap(a, b);
        CHECK(trains(*sgd, b));
    }
}

TEST_CASE("lifetimes: the optimiser outlives the module, and the tape both") {
    std::optional<Net> net(std::in_place);
    optim::Adam<double> adam(parameters(*net));
    Tape<double> tape;
    const V loss = loss_of(*net);
    const auto held = parameters(*net);
    net.reset();
    tape.backward(loss);
    for (const auto& p : held) CHECK(p.has_gradient());
    const Tensor<double> before = held[0].value().copy();
    adam.step();
    CHECK_FALSE(held[0].value() == before);
}

TEST_CASE("lifetimes: backward differentiates what was recorded, whatever happened to the layer") {
    nn::Linear<double> layer({.input = 3, .output = 2});
    const auto x = random_tensor({4, 3});
    const auto old = parameters(layer);
    Tape<double> tape;
    const V loss = sum(square(layer(x)));
    std::optional<nn::Linear<double>> copy;
    SUBCASE("replaced by a smaller one") { layer = nn::Linear<double>({.input = 4, .output = 1}); }
    SUBCASE("replaced by a larger one") { layer = nn::Linear<double>({.input = 40, .output = 60}); }
    SUBCASE("replaced by one of the same size") {
        layer = nn::Linear<double>({.input = 3, .output = 2});
    }
    SUBCASE("moved from") { copy = std::move(layer); }
    tape.backward(loss);
    const V expected = matmul(transpose(2.0 * (matmul(V(x), transpose(old[0])) + old[1])), V(x));
    CHECK(distance(old[0].gradient(), expected.value()) < 1e-12);
    if (layer.weight.body() != nullptr && layer.weight.body() != old[0].body())
        CHECK_FALSE(layer.weight.has_gradient());
}

TEST_CASE("lifetimes: a layer is destroyed before backward") {
    for (int round = 0; round < 3; ++round) {
        Tape<double> tape;
        auto lstm = std::make_unique<nn::Lstm<double>>(
            nn::RecurrentOptions<nn::LstmCell<double>>{.input = 2, .hidden = 3});
        const auto held = parameters(*lstm);
        const V loss = sum((*lstm)(random_tensor({4, 2, 2})).output);
        lstm.reset();
        tape.backward(loss);
        CHECK(held[0].has_gradient());
    }
}

TEST_CASE("lifetimes: a new parameter at the address of a destroyed one is a different parameter") {
    Tape<double> tape;
    const auto x = tape.variable(Tensor<double>::ones({2}));
    alignas(Parameter<double>) std::byte memory[sizeof(Parameter<double>)];
    V total(0.0);
    std::vector<ParameterRef<double>> held;
    for (int i = 0; i < 3; ++i) {
        auto* p = new (memory) Parameter<double>("p", Tensor<double>::full({2}, i + 1.0));
        held.push_back(*p);
        total = total + sum(x * *p) * (i + 1.0);
        p->~Parameter();
    }
    tape.backward(total);
    for (int i = 0; i < 3; ++i)
        CHECK(held[static_cast<std::size_t>(i)].gradient() == Tensor<double>::full({2}, i + 1.0));
    CHECK(tape.gradient(x) == Tensor<double>::full({2}, 1.0 + 4.0 + 9.0));
}

TEST_CASE("lifetimes: a copy is a different parameter, and copying back keeps the identity") {
    Net net, best = net;
    CHECK(net.in.weight.value() == best.in.weight.value());
    CHECK(net.in.weight.body() != best.in.weight.body());
    optim::Sgd<double> sgd(parameters(net), {});
    CHECK(trains(sgd, net));
    CHECK_FALSE(net.in.weight.value() == best.in.weight.value());
    const auto* identity = net.in.weight.body();
    net = best;
    CHECK(net.in.weight.body() == identity);
    CHECK(net.in.weight.value() == best.in.weight.value());
    CHECK(trains(sgd, net));
    CHECK_FALSE(net.in.weight.value() == best.in.weight.value());
}

TEST_CASE("lifetimes: parameters listed twice count once") {
    nn::Linear<double> layer({.input = 2, .output = 1, .bias = false});
    const auto twice = parameters(layer, layer);
    CHECK(twice.size() == 1);
    layer.weight.gradient_buffer().assign(Tensor<double>({1, 2}, {3, 4}));
    layer.weight.mark_gradient();
    CHECK(optim::clip_norm(twice, 1e9) == 5);
}

TEST_CASE("lifetimes: names are copied") {
    Tape<double> tape;
    V y;
    {
        std::string name = "a name that is long enough to be on the heap";
        const auto x = tape.variable(Tensor<double>::ones({2}), name);
        y = tanh(x);
        std::string state = "the name of a state, also on the heap, as it is long";
        tape.name(y, state);
        std::string op = "an operation that has a name of its own and is long";
        y = record<double>(Op(op.c_str()), {&y}, y.value().copy(), save_for_backward(),
                           [](const Adjoints<double>& to, const V& g) { to[0].add(g); });
        std::string scope = "a scope with a long name that ends before the tape does";
        const Scope in(scope);
        y = sum(y);
        for (std::string* s : {&name, &state, &op, &scope}) std::fill(s->begin(), s->end(), '?');
    }
    const std::string dot = graph::dot(tape);
    CHECK(contains(dot, "a name that is long enough"));
    CHECK(contains(dot, "an operation that has a name"));
    CHECK(contains(dot, "a scope with a long name"));
    CHECK_FALSE(contains(dot, "????"));
}

TEST_CASE("lifetimes: tapes nest, and operations follow their variables") {
    Parameter<double> w("w", Tensor<double>::scalar(3));
    Tape<double> outer;
    const auto x = outer.variable(Tensor<double>::scalar(2));
    V inner_gradient;
    {
        Tape<double> inner;
        CHECK(Tape<double>::current() == &inner);
        const auto y = inner.variable(Tensor<double>::scalar(5));
        inner.backward(y * w);
        CHECK(inner.gradient(y).item() == 3);
        CHECK(contains(error_of([&] { x + y; }), "two tapes"));
        outer.backward(x * w); // x is on the outer tape, which is not the innermost
        CHECK(outer.gradient(x).item() == 3);
    }
    CHECK(Tape<double>::current() == &outer);
    CHECK(w.gradient().item() == 7);
}

TEST_CASE("lifetimes: tapes end in any order, on any thread") {
    auto a = std::make_unique<Tape<double>>(), b = std::make_unique<Tape<double>>();
    auto c = std::make_unique<Tape<double>>();
    b.reset();
    CHECK(Tape<double>::current() == c.get());
    c.reset();
    CHECK(Tape<double>::current() == a.get());
    std::thread([&] {
        CHECK(Tape<double>::current() == nullptr);
        a.reset();
    }).join();
    CHECK(Tape<double>::current() == nullptr);
    CHECK_FALSE((Parameter<double>("w", Tensor<double>::ones({1})) * 2.0).is_recorded());
}

TEST_CASE("lifetimes: without a tape the same calls only compute") {
    Net net;
    const V y = net(random_tensor({5, 3}));
    CHECK_FALSE(y.is_recorded());
    Tape<double> tape;
    const V z = net(random_tensor({5, 3}));
    CHECK(z.is_recorded());
    CHECK(y.value() == z.value());
    CHECK(contains(error_of([&] { y + z; }), "while no tape was recording"));
    CHECK(contains(error_of([&] { tape.backward(sum(y)); }), "while no tape was recording"));
    CHECK((stop_gradient(y) + z).is_recorded());
}

TEST_CASE("lifetimes: two tapes in turn share the open scope") {
    const Scope scope("train");
    Tape<double> a, b;
    const auto x = a.variable(Tensor<double>::ones({1})), y = b.variable(Tensor<double>::ones({1}));
    for (int i = 0; i < 100; ++i) {
        const Scope inner("step", i);
        tanh(x), tanh(y), tanh(x);
    }
    CHECK(a.scopes().size() == 2 + 100);
    CHECK(b.scopes().size() == 2 + 100);
    for (int i = 0; i < 100; ++i) tanh(x), tanh(y);
    CHECK(a.scopes().size() == 2 + 100);
}

TEST_CASE("lifetimes: with one tape per step, warm steps allocate nothing") {
    Net net;
    optim::Sgd<double> sgd(parameters(net), {});
    const auto x = random_tensor({5, 3});
    const auto step = [&] {
        Tape<double> tape;
        tape.backward(mean(square(net(x))));
        sgd.step();
    };
    for (int i = 0; i < 3; ++i) step();
    const auto before = memory_use();
    for (int i = 0; i < 100; ++i) step();
#if !defined(__SANITIZE_ADDRESS__) // which has no cache of blocks
    CHECK(memory_use().system_allocations == before.system_allocations);
#endif
    CHECK(memory_use().bytes_in_use == before.bytes_in_use);
}

TEST_CASE("variables are small") {
    CHECK(sizeof(Variable<double>) <= 48);
    CHECK(sizeof(Parameter<double>) <= 48);
}
