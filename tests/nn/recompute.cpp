#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/autograd/record.hpp>
#include <unroll/core/base/evaluating.hpp>
#include <unroll/core/check/checking.hpp>
#include <unroll/core/check/gradcheck.hpp>
#include <unroll/core/check/profile.hpp>
#include <unroll/core/check/statistics.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/convolution.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recompute.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>
#include <unroll/optim/optimizer.hpp>
#include <unroll/optim/parallel.hpp>

#include <cstring>
#include <functional>

using namespace test;

namespace {

using V = Variable<double>;
using Many = std::vector<V>;

template <class T>
bool same_bits(const Tensor<T>& a, const Tensor<T>& b) {
    const Tensor<T> x = a.contiguous(), y = b.contiguous();
    return x.shape() == y.shape() &&
           (x.size() == 0 || std::memcmp(std::as_const(x).data(), std::as_const(y).data(),
                                         x.size() * sizeof(T)) == 0);
}

struct Net {
    nn::Linear<double> first{{.input = 3, .output = 40}}, second{{.input = 40, .output = 3}};

    V operator()(const V& x) const { return tanh(second(dropout(tanh(first(x)), 0.3))); }
    void members(nn::Members<double>& m) { m("first", first)("second", second); }
};

// Everything that a program may read afterwards, with f as it is or in a checkpoint.
struct Outcome {
    std::vector<Tensor<double>> all;
    std::size_t kept = 0;

    bool operator==(const Outcome& other) const {
        bool is_same = all.size() == other.all.size();
        for (std::size_t i = 0; is_same && i < all.size(); ++i)
            is_same = same_bits(all[i], other.all[i]);
        return is_same;
    }
};
// The loss of a function that receives x, and the gradients of x and of the parameters.
template <class F>
Outcome outcome(const F& loss, const Tensor<double>& start,
                const Parameters<double>& parameters = {}, bool second_order = false) {
    for (const auto& p : parameters) p.clear_gradient();
    Outcome found;
    Tape<double> tape;
    tape.set_random(Random(3));
    const V x = tape.variable(start);
    V y = loss(x);
    if (second_order) y = y + sum(square(gradients(y, {x}, {.create_graph = true})[0]));
    found.kept = tape.kept_bytes();
    tape.backward(y);
    found.all = {y.value(), tape.gradient(x),
                 Tensor<double>::scalar(static_cast<double>(tape.random().state().position))};
    for (const auto& p : parameters) found.all.push_back(p.gradient().copy());
    return found;
}

const Tensor<double> start = random_tensor({16, 3});

// A function of x for which plain(x) and checkpointed(x) must be the same.
template <class F>
void check_same(const F& f, const Tensor<double>& start,
                const Parameters<double>& parameters = {}) {
    for (const bool second_order : {false, true}) {
        CAPTURE(second_order);
        const auto plain = outcome(
            [&](const V& x) {
                return f(
                    x, [](const auto& g) -> const auto& { return g; });
            },
            start, parameters, second_order);
        const auto again =
            outcome([&](const V& x) { return f(x, [](const auto& g) { return checkpoint(g); }); },
                    start, parameters, second_order);
        if (!second_order) CHECK(plain == again);
        REQUIRE(plain.all.size() == again.all.size());
        for (std::size_t i = 0; i < plain.all.size(); ++i)
            CHECK(distance(plain.all[i], again.all[i]) < 1e-12);
    }
}

struct Parts {
    V one;
    std::array<V, 2> two;
    std::vector<V> more;
    int number;
};

} // namespace

TEST_CASE("checkpoint: values, gradients and second derivatives are the same bits") {
    Net net;
    const auto all = parameters(net);
    SUBCASE("of the argument and of parameters") {
        check_same([&](const V& x, auto with) { return sum(square(with(net)(x))); }, start, all);
        check_same(
            [&](const V& x, auto with) {
                return sum(square(with([&](const V& x) { return net(x) * x; })(sin(x))));
            },
            start, all);
    }
    SUBCASE("of captured variables, used inside and outside") {
        check_same(
            [&](const V& x, auto with) {
                const V before = tanh(x), part = slice(before, 1, 0, 1);
                const auto f = [&, before, part](const V& y) {
                    return net(y) * before + part * transpose(transpose(x));
                };
                const V y = with(f)(before * 2.0);
                return sum(y * y) + sum(before * part) + sum(net(x));
            },
            start, all);
    }
    SUBCASE("of an operation on two views of one variable from outside") {
        check_same(
            [&](const V& x, auto with) {
                const V flat = reshape(x, {48});
                return sum(with([flat](const V& y) {
                           return reshape(flat, {16, 3}) * y;
                       })(x)) +
                       sum(with([flat](const V& y) { return flat * reshape(y, {48}); })(x));
            },
            start);
        const Parameter<double> w("w", random_tensor({4}));
        check_same(
            [&](const V& x, auto with) {
                const V view = reshape(w, {4, 1});
                return sum(
                    with([&w, view](const V& x) { return reshape(view, {4}) * w * sum(x); })(x));
            },
            start);
    }
    SUBCASE("nested, and one after another") {
        check_same(
            [&](const V& x, auto with) {
                const auto inner = [&](const V& y) { return net(y) + x; };
                const auto outer = [&x, with, inner](const V& y) {
                    return sin(with(inner)(with(inner)(y) * x));
                };
                return sum(with(outer)(with(outer)(x)));
            },
            start, all);
    }
    SUBCASE("of variables that f overwrites, up to rounding") {
        const auto z = random_tensor({4, 16, 3});
        const Parameter<double> w("w", random_tensor({3, 3}));
        const auto loss = [&](const V& x, auto with) {
            const V projected = z * sum(x);
            const auto f = [&w, projected](const V& h) {
                V next = h;
                for (std::size_t t = 0; t < 4; ++t)
                    next = tanh(add_linear(select(projected, 0, t), next, w));
                return next;
            };
            return sum(square(with(f)(x)));
        };
        Outcome found[2];
        for (const int i : {0, 1}) {
            w.clear_gradient();
            found[i] = outcome(
                [&](const V& x) {
                    return i == 0 ? loss(x, [](const auto& g) { return g; })
                                  : loss(x, [](const auto& g) { return checkpoint(g); });
                },
                start);
            found[i].all.push_back(w.gradient().copy());
        }
        for (std::size_t i = 0; i < found[0].all.size(); ++i)
            CHECK(distance(found[0].all[i], found[1].all[i]) < 1e-14);
    }
}

TEST_CASE("checkpoint: gradients of both orders agree with differences") {
    Net net;
    for (const int order : {1, 2}) {
        const auto report = gradcheck(
            [&](const auto& in) {
                const V y = checkpoint([&](const V& a, const V& b) { return net(a) * sin(b); })(
                    in[0], in[1]);
                return sum(square(y)) + sum(checkpoint(net)(y));
            },
            {random_tensor({2, 3}, 1), random_tensor({2, 3}, 2)}, parameters(net),
            {.order = order});
        CAPTURE(order);
        INFO(report.text());
        CHECK(report.passed());
    }
    const Parameter<double> w("w", random_tensor({3}));
    const auto curvature = [&](const auto& with) {
        Tape<double> tape;
        const V x = tape.variable(random_tensor({3}, 4));
        return hessian(sum(with([&](const V& y) { return exp(w * sin(y)); })(x * x)), x);
    };
    CHECK(same_bits(curvature([](const auto& f) { return f; }),
                    curvature([](const auto& f) { return checkpoint(f); })));
}

TEST_CASE("checkpoint: the tape keeps arguments and results alone") {
    Net net;
    const auto large = random_tensor({500, 3});
    const auto run = [&](const auto& f) {
        return outcome([&](const V& x) { return sum(f(f(f(x)))); }, large, parameters(net));
    };
    const Outcome plain = run(net), again = run(checkpoint(net));
    CHECK(plain == again);
    CHECK(again.kept < plain.kept / 8);

    Tape<double> tape;
    const V x = tape.variable(start);
    const std::size_t before = tape.size();
    const V y = checkpoint(net, "block")(x);
    CHECK(tape.size() == before + 4 + 1); // parameters, and the operation
    CHECK(std::string(tape.node(y.node()).op.name) == "block");
    CHECK(std::string(tape.node(checkpoint(net)(x).node()).op.name) == "checkpoint");
    CHECK(tape.kept_bytes() == x.size() * sizeof(double));
    tape.backward(sum(y));
}

TEST_CASE("checkpoint: what f may take and return") {
    Tape<double> tape;
    const V x = tape.variable(random_tensor({3})), y = tape.variable(random_tensor({3}, 2));
    const Parameter<double> w("w", random_tensor({3}, 3));
    const V constant(Tensor<double>::ones({3}));
    SUBCASE("several") {
        const auto f = [](const V& a, const V& b) { return std::pair(a * b, a + b); };
        const auto [product, total] = checkpoint(f)(x, y);
        tape.backward(sum(product * total));
        const Tensor<double> a = x.value(), b = y.value();
        for (std::size_t i = 0; i < 3; ++i)
            CHECK(tape.gradient(x)(i) == doctest::Approx(2 * a(i) * b(i) + b(i) * b(i)));
    }
    SUBCASE("a struct of an array, a vector and a number") {
        const auto f = [](const std::array<V, 2>& in, double by) {
            return Parts{in[0] * by, {sin(in[0]), V()}, {in[1] * in[0], in[1]}, 7};
        };
        const Parts p = checkpoint(f)(std::array{x, y}, 2.0);
        CHECK(p.number == 7);
        CHECK_FALSE(p.two[1].has_value());
        CHECK(p.more.size() == 2);
        CHECK(p.more[1].node() == y.node()); // returned as it was received
        tape.backward(sum(p.one) + sum(p.two[0]) + sum(p.more[0] * p.more[1]));
        for (std::size_t i = 0; i < 3; ++i)
            CHECK(tape.gradient(x)(i) ==
                  doctest::Approx(2 + std::cos(x.value()(i)) + y.value()(i) * y.value()(i)));
    }
    SUBCASE("one result that is not used, and one argument that f does not read") {
        const auto f = [](const V& a, const V&) { return std::tuple(a * a, sin(a)); };
        tape.backward(sum(std::get<0>(checkpoint(f)(x, y))));
        for (std::size_t i = 0; i < 3; ++i)
            CHECK(tape.gradient(x)(i) == doctest::Approx(2 * x.value()(i)));
        CHECK(tape.gradient(y) == Tensor<double>::zeros({3}));
    }
    SUBCASE("a parameter as an argument, and a module") {
        nn::Linear<double> layer({.input = 3, .output = 2});
        const auto f = [](const nn::Linear<double>& layer, const V& a, const V& w) {
            return layer(expand_dims(a * w, 0));
        };
        tape.backward(sum(checkpoint(f)(layer, x, w)));
        CHECK(w.has_gradient());
        CHECK(layer.weight.has_gradient());
    }
    SUBCASE("views of an argument and of another result") {
        const auto f = [](const V& a) {
            const V b = sin(a);
            return std::array{slice(a, 0, 0, 2), b, slice(b, 0, 1, 3)};
        };
        const auto all = checkpoint(f)(x);
        tape.backward(sum(square(all[0])) + sum(all[1]) + sum(square(all[2])));
        Tape<double> other;
        const V z = other.variable(x.value());
        const auto plain = f(z);
        other.backward(sum(square(plain[0])) + sum(plain[1]) + sum(square(plain[2])));
        CHECK(distance(tape.gradient(x), other.gradient(z)) < 1e-15);
    }
    SUBCASE("constants: nothing is recorded") {
        const std::size_t before = tape.size();
        const V z = checkpoint([](const V& a) { return a * 2.0; })(constant);
        CHECK(z.value() == Tensor<double>::full({3}, 2));
        CHECK_FALSE(z.is_recorded());
        CHECK(tape.size() == before);
        CHECK_FALSE(checkpoint([&](const V&) { return constant; })(x).is_recorded());
    }
    SUBCASE("empty tensors") {
        const V none = tape.variable(Tensor<double>({0, 3}));
        const V z = checkpoint([](const V& a) { return sin(a); })(none);
        CHECK(z.shape() == Shape{0, 3});
        tape.backward(sum(z) + sum(x));
    }
    SUBCASE("values that are not recorded in f have no gradient, as without a checkpoint") {
        const auto f = [](const V& a) {
            const NoRecording off;
            return std::pair(a * 3.0, stop_gradient(a));
        };
        const auto [tripled, stopped] = checkpoint(f)(x);
        CHECK_FALSE(tripled.is_recorded());
        tape.backward(sum(tripled * x) + sum(stopped * x));
        for (std::size_t i = 0; i < 3; ++i)
            CHECK(tape.gradient(x)(i) == doctest::Approx(4 * x.value()(i)));
    }
    SUBCASE("a tape of its own") {
        const auto f = [](const V& a) {
            Tape<double> inner;
            const V b = inner.variable(a.value());
            inner.backward(sum(b * b * b));
            return a * inner.gradient(b);
        };
        tape.backward(sum(checkpoint(f)(x)));
        for (std::size_t i = 0; i < 3; ++i)
            CHECK(tape.gradient(x)(i) == doctest::Approx(3 * x.value()(i) * x.value()(i)));
    }
    SUBCASE("without recording it only calls f") {
        const NoRecording off;
        int calls = 0;
        const auto f = [&](const V& a) { return ++calls, a * w; };
        CHECK_FALSE(checkpoint(f)(x).is_recorded());
        CHECK(calls == 1);
    }
}

TEST_CASE("checkpoint: without a tape it only calls f") {
    Net net;
    const V y = checkpoint(net)(start);
    CHECK(same_bits(y.value(), net(start).value()));
    Tape<double> tape;
    CHECK(contains(error_of([&] { tape.backward(sum(y)); }), "while no tape was recording"));
}

TEST_CASE("checkpoint: in float") {
    nn::Linear<float> layer({.input = 3, .output = 3});
    const auto run = [&](bool again) {
        Tape<float> tape;
        layer.weight.clear_gradient();
        const Variable<float> x = tape.variable(random_tensor<float>({5, 3}));
        const auto f = [&](const Variable<float>& x) { return tanh(layer(tanh(layer(x)))); };
        tape.backward(sum(again ? checkpoint(f)(x) : f(x)));
        return std::pair(tape.gradient(x), layer.weight.gradient().copy());
    };
    const auto plain = run(false), again = run(true);
    CHECK(same_bits(plain.first, again.first));
    CHECK(same_bits(plain.second, again.second));
}

TEST_CASE("checkpoint: random numbers and evaluation") {
    Net net;
    SUBCASE("the thread's generator goes on after the backward pass as without a checkpoint") {
        const auto run = [&](const auto& f) {
            thread_random() = Random(11);
            Tape<double> tape;
            const V y = f(tape.variable(start)) * thread_random().uniform();
            tape.backward(sum(y));
            return std::pair(y.value(), thread_random().state());
        };
        const auto plain = run(net), again = run(checkpoint(net));
        CHECK(same_bits(plain.first, again.first));
        CHECK(plain.second == again.second);
    }
    SUBCASE("an Evaluating of the first run is in force at the second") {
        const auto run = [&](const auto& f) {
            return outcome(
                [&](const V& x) {
                    const Evaluating on;
                    return sum(f(x));
                },
                start, parameters(net));
        };
        CHECK(run(net) == run(checkpoint(net)));
    }
    SUBCASE("as is a tape that evaluates") {
        const auto run = [&](const auto& f) {
            Tape<double> tape;
            const V x = tape.variable(start);
            tape.set_evaluating(true);
            const V y = sum(f(x));
            tape.set_evaluating(false);
            tape.backward(y);
            return tape.gradient(x);
        };
        CHECK(same_bits(run(net), run(checkpoint(net))));
    }
    SUBCASE("running statistics count a batch once") {
        nn::BatchNorm<double> norm({.channels = 3});
        Tape<double> tape;
        const V y = checkpoint(norm)(tape.variable(random_tensor({5, 3, 2, 2})));
        const auto mean = norm.running_mean.value().copy();
        tape.backward(sum(square(y)));
        CHECK(same_bits(norm.running_mean.value(), mean));
    }
    SUBCASE("shards") {
        const auto run = [&](bool again) {
            nn::seed(4);
            Net own;
            optim::Adam<double> adam(parameters(own));
            optim::DataParallel<double> shards(4, adam.parameters(), Random(5));
            for (int step = 0; step < 3; ++step) {
                shards.backward([&](std::size_t s) {
                    const V x = start.slice(0, 4 * s, 4 * s + 4);
                    return mean(square(again ? checkpoint(own)(x) : own(x)));
                });
                adam.step();
            }
            return own.first.weight.value().copy();
        };
        CHECK(same_bits(run(false), run(true)));
    }
}

TEST_CASE("checkpoint: layers compute the same both times") {
    nn::Lstm<double> lstm({.input = 6, .hidden = 5, .layers = 2, .dropout = 0.2, .zoneout = 0.1});
    nn::LayerNorm<double> norm(6);
    nn::Convolution<double> convolution({.input = 3, .output = 4, .kernel = 3, .axes = 1});
    const Indices labels({7}, {0, 1, 2, 3, 4, 5, 0});
    const std::vector<std::function<V(const V&)>> all = {
        [&](const V& x) { return lstm(x).output; },
        [&](const V& x) {
            return lstm(x, {}, std::vector<std::size_t>{7, 2, 0}).state[1];
        },
        [&](const V& x) { return norm(x); },
        [&](const V& x) { return convolution(x); },
        [&](const V& x) { return softmax(x); },
        [&](const V& x) { return cross_entropy(select(x, 1, 0), labels); },
        [&](const V& x) { return maximum(x, mean(x, {-1}, true)); },
        [&](const V& x) { return matmul(x, transpose(select(x, 0, 0))); },
        [&](const V& x) {
            return concatenate({x, sin(x)}, 0);
        },
    };
    const auto input = random_tensor({7, 3, 6});
    for (std::size_t i = 0; i < all.size(); ++i) {
        CAPTURE(i);
        check_same([&](const V& x, auto with) { return sum(sin(with(all[i])(x) * 2.0)); }, input,
                   parameters(lstm, norm, convolution));
    }
}

TEST_CASE("checkpoint: monitors see one operation") {
    Net net;
    Tape<double> tape;
    Checking<double> checking(tape);
    Statistics<double> statistics(tape);
    Profile<double> profile(tape);
    const V x = tape.variable(start);
    tape.backward(sum(checkpoint(net)(x)));
    CHECK(contains(profile.text(), "checkpoint"));
    CHECK(contains(error_of([&] { checkpoint([](const V& a) { return log(a - a); })(x) * 2.0; }),
                   "checkpoint"));
}

TEST_CASE("checkpoint: a second backward pass with retain") {
    Net net;
    Tape<double> tape;
    const V x = tape.variable(start), y = sum(checkpoint(net)(x));
    tape.backward(y, {.retain = true});
    const Tensor<double> once = tape.gradient(x);
    tape.backward(y);
    CHECK(distance(tape.gradient(x), (V(once) * 2.0).value()) < 1e-15);
    CHECK(contains(error_of([&] { tape.backward(y); }), "used up by an earlier backward pass"));
}

TEST_CASE("checkpoint: errors") {
    Tape<double> tape;
    Tensor<double> values = random_tensor({3});
    const V x = tape.variable(values, "the input");
    Parameter<double> w("w", random_tensor({3}, 2));
    const auto f = [&](const V& a) { return a * w; };
    const auto fails = [&](const V& y) {
        const std::string error = error_of([&] { tape.backward(sum(y)); });
        CHECK_FALSE(w.has_gradient());
        CHECK(tape.gradient(x) == Tensor<double>::zeros({3}));
        return error;
    };
    SUBCASE("a parameter was changed") {
        const V y = checkpoint(f)(x);
        w.change().fill(2);
        CHECK(contains(fails(y), "checkpoint: backward"));
        CHECK(contains(fails(y), "needs the parameter 'w' of shape [3], which was changed"));
    }
    SUBCASE("an argument was changed") {
        const V y = checkpoint(f)(x);
        values.fill(2);
        CHECK(contains(fails(y), "needs the value of 'the input' of shape [3]"));
    }
    SUBCASE("a parameter was frozen") {
        const V y = checkpoint(f)(x);
        w.set_trainable(false);
        CHECK(contains(fails(y), "the parameter 'w' was frozen after it was recorded"));
    }
    SUBCASE("a tensor that f reads was changed") {
        Tensor<double> captured = random_tensor({3}, 4);
        const V y = checkpoint([&](const V& a) { return a * captured; })(x);
        captured.fill(1);
        CHECK(contains(fails(y), "result 0 of shape [3] is another one in the backward pass"));
    }
    SUBCASE("one element of a result differs, or the sign of all") {
        const V large = tape.variable(random_tensor({37, 3}));
        for (std::size_t element = 0; element < large.size(); ++element) {
            int calls = 0;
            const V y = checkpoint([&](const V& a) {
                Tensor<double> factor = Tensor<double>::ones({37, 3});
                if (++calls == 2) factor.data()[element] = 1 + 1e-15;
                return a * factor;
            })(large);
            CHECK(contains(fails(y), "is another one in the backward pass"));
        }
        double sign = 1;
        const V y = checkpoint([&](const V& a) { return a * sign; })(large);
        sign = -1;
        CHECK(contains(fails(y), "is another one in the backward pass"));
    }
    SUBCASE("f draws from a generator of its own") {
        Random own(1);
        const auto noisy = [&](const V& a) { return a * own.uniform(); };
        CHECK(contains(fails(checkpoint(noisy)(x)), "draws from a generator of its own"));
        const V y = sum(checkpoint(noisy)(x));
        CHECK(contains(error_of([&] { gradients(y, {x}, {.create_graph = true}); }),
                       "is another one in the backward pass"));
    }
    SUBCASE("f returns another number of values") {
        int calls = 0;
        const V y = checkpoint([&](const V& a) { return Many(++calls, a * 2.0); })(x)[0];
        CHECK(contains(fails(y), "returned 1 values the first time, and 2 in the backward pass"));
    }
    SUBCASE("f reads another variable or parameter") {
        const Parameter<double> other("other", w.value().copy());
        for (const bool second_order : {false, true}) {
            int calls = 0;
            const auto g = [&](const V& a) { return a * (++calls == 1 ? w : other); };
            const V y = sum(checkpoint(g)(x));
            const std::string error = error_of(
                [&] { gradients(y, {x}, {.create_graph = second_order, .retain = true}); });
            CHECK(contains(error, second_order ? "reads a variable or parameter"
                                               : "now reads the parameter 'other' of shape [3]"));
        }
    }
    SUBCASE("a value is taken out of f other than as a result") {
        V taken;
        const V y = checkpoint([&](const V& a) {
            taken = a * 2.0;
            return taken * w;
        })(x);
        CHECK(contains(error_of([&] { taken* x; }), "must be one of its results"));
        CHECK(contains(error_of([&] { tape.backward(sum(taken)); }), "within a checkpoint"));
        tape.backward(sum(y));
        CHECK(contains(error_of([&] { taken* x; }), "its tape was cleared or destroyed"));
    }
    SUBCASE("a value is stored in a buffer from outside") {
        const Buffer<double> buffer(x, {2, 3});
        const auto store = [&](std::size_t row, const V& a) {
            Tensor<double> memory = buffer.row(row).take({3});
            memory.assign(a.value());
            return record<double>(
                "store", {&a}, std::move(memory), save_for_backward(),
                [](const Adjoints<double>& to, const V& g) { to[0].add(g); }, buffer.row(row));
        };
        const V stored = store(0, x);
        checkpoint([&](const V& a) { return sum(store(1, a * 2.0)); })(x);
        CHECK(contains(error_of([&] { buffer.rows(0, 2); }), "within a checkpoint"));
    }
    SUBCASE("f takes gradients") {
        const auto g = [&](const V& a) { return gradients(sum(a * a), {a})[0]; };
        CHECK(contains(error_of([&] { checkpoint(g)(x); }), "within a checkpoint"));
    }
    SUBCASE("f retains a value") {
        const auto g = [&](const V& a) {
            const V b = a * w;
            tape.retain(b);
            return b;
        };
        CHECK(contains(error_of([&] { checkpoint(g)(x); }), "retain: a constant has no gradient"));
    }
    SUBCASE("f returns a variable that it created") {
        const auto g = [&](const V& a) {
            return std::pair(a * w, Tape<double>::current()->variable(values));
        };
        CHECK(contains(error_of([&] { checkpoint(g)(x); }), "that it created"));
    }
    SUBCASE("f throws, the first time or the second") {
        int calls = 0;
        const auto g = [&](const V& a) {
            if (++calls == 2) fail("g", "the second call");
            return a * w;
        };
        const std::size_t before = tape.size();
        CHECK(contains(
            error_of([&] { checkpoint([](const V& a) -> V { return reshape(a, {5}); })(x); }),
            "reshape"));
        CHECK(tape.size() == before);
        CHECK(Tape<double>::current() == &tape);
        const V y = sum(checkpoint(g)(x) * 2.0);
        const auto state = thread_random().state();
        CHECK(contains(error_of([&] { tape.backward(y); }), "g: the second call"));
        CHECK(thread_random().state() == state);
        tape.backward(y); // the third call
        CHECK(distance(tape.gradient(x), (V(w.value()) * 2.0).value()) == 0);
    }
    SUBCASE("the backward pass is in evaluation mode") {
        const V y = checkpoint(f)(x);
        const Evaluating on;
        CHECK(contains(fails(y), "call backward outside of that scope"));
    }
    SUBCASE("a value of another tape") {
        const auto other = idle_tape<double>();
        const V z = other->variable(values);
        CHECK(contains(error_of([&] { checkpoint([&](const V& a) { return a + z; })(x); }),
                       "two tapes"));
    }
}

TEST_CASE("checkpoint: values of a NoRecording are constants, as without a checkpoint") {
    nn::Linear<double> online({.input = 3, .output = 3}), target({.input = 3, .output = 3});
    const Tensor<double> x = random_tensor({4, 3}, 1);
    // Computed before, or within f.
    for (const bool within : {false, true}) {
        CAPTURE(within);
        std::vector<Tensor<double>> plain, recomputed;
        for (auto* found : {&plain, &recomputed}) {
            Tape<double> tape;
            const V v = tape.variable(x);
            const auto constant = [&](const V& a) {
                const NoRecording<double> paused;
                return target(a);
            };
            const V before = constant(v);
            const auto f = [&](const V& a) {
                return square(online(a) - (within ? constant(a) : before)) * sum(a);
            };
            const V y = found == &plain ? f(v) : checkpoint(f)(v);
            tape.backward(mean(y) + 0.1 * sum(square(v)));
            CHECK(!target.weight.has_gradient());
            *found = {online.weight.gradient().copy(), online.bias.gradient().copy(),
                      tape.gradient(v)};
            for (auto p : parameters(online)) p.clear_gradient();
        }
        for (std::size_t i = 0; i < plain.size(); ++i)
            CHECK(distance(plain[i], recomputed[i]) == 0);
    }
}
