#include "support.hpp"

#include <unroll/nn/layers/layers.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>
#include <unroll/optim/optimizer.hpp>

#include <thread>

using namespace test;

TEST_CASE("backward from a scalar and with a seed") {
    Tape<double> tape;
    const auto x = tape.variable(Tensor<double>({2}, {3, 4}));
    const auto y = x * x;
    tape.backward(y, Tensor<double>({2}, {1, 10}));
    CHECK(tape.gradient(x) == Tensor<double>({2}, {6, 80}));
    CHECK(contains(error_of([&] { tape.backward(x * 2.0); }), "a seed of that shape is needed"));
    CHECK(contains(error_of([&] { tape.backward(x * 2.0, Tensor<double>::ones({3})); }),
                   "the seed has shape [3], the value [2]"));
}

TEST_CASE("gradients add up over several backwards") {
    Tape<double> tape;
    const auto x = tape.variable(Tensor<double>::scalar(3));
    const auto y = x * x;
    tape.backward(y, {.retain = true});
    tape.backward(y);
    CHECK(tape.gradient(x).item() == 12);
    CHECK(contains(error_of([&] { tape.backward(y); }), "used up by an earlier backward"));
    CHECK(tape.gradient(x).item() == 12);

    Parameter<double> w("w", Tensor<double>::scalar(2));
    for (int i = 0; i < 3; ++i) {
        tape.clear();
        tape.backward((Variable<double>(w)) * 5.0);
    }
    CHECK(w.gradient().item() == 15);
}

TEST_CASE("intermediate gradients on request") {
    Tape<double> tape;
    const auto x = tape.variable(Tensor<double>({2, 2}, {1, 2, 3, 4}));
    const auto y = x * 2.0;
    const auto row = select(y, 0, 1);
    tape.retain(y);
    tape.retain(row);
    const auto loss = sum(row * row) + sum(y);
    CHECK(contains(error_of([&] { tape.gradient(loss); }), "call retain() before backward"));
    tape.backward(loss);
    CHECK(tape.gradient(row) == Tensor<double>({2}, {12, 16}));
    CHECK(tape.gradient(y) == Tensor<double>({2, 2}, {1, 1, 13, 17}));
    CHECK(tape.gradient(x) == Tensor<double>({2, 2}, {2, 2, 26, 34}));
}

TEST_CASE("what is not recorded") {
    Tape<double> tape;
    const auto x = tape.variable(Tensor<double>::scalar(3));
    const std::size_t nodes = tape.size();
    SUBCASE("constants") {
        const Variable<double> a(2.0), b(5.0);
        CHECK((a * b).item() == 10);
        CHECK_FALSE((a * b).is_recorded());
    }
    SUBCASE("while recording is off") {
        const NoRecording<double> off;
        CHECK_FALSE((x * x).is_recorded());
    }
    SUBCASE("what does not depend on a variable") {
        CHECK_FALSE((Variable(Tensor<double>::scalar(2)) * 3.0).is_recorded());
    }
    SUBCASE("a stopped gradient") {
        const auto y = stop_gradient(x) * x;
        tape.backward(y);
        CHECK(tape.gradient(x).item() == 3);
        return;
    }
    SUBCASE("a frozen parameter") {
        Parameter<double> w("w", Tensor<double>::scalar(2));
        w.set_trainable(false);
        tape.backward(x * w);
        CHECK_FALSE(w.has_gradient());
        CHECK(tape.gradient(x).item() == 2);
        return;
    }
    CHECK(tape.size() == nodes);
}

TEST_CASE("misuse is reported") {
    Tape<double> tape, other;
    const auto x = tape.variable(Tensor<double>::ones({2}));
    CHECK(contains(error_of([&] { x + other.variable(Tensor<double>::ones({2})); }),
                   "add: the operands are on two tapes"));
    CHECK(contains(error_of([&] { other.backward(sum(x)); }), "was recorded on another tape"));
    tape.backward(Variable<double>(1.0)); // a constant: nothing is added
    CHECK(tape.gradient(x) == Tensor<double>::zeros({2}));
    CHECK(contains(error_of([&] { tape.retain(Variable(Tensor<double>::ones({1}))); }),
                   "a constant has no gradient"));
    tape.clear();
    CHECK(contains(error_of([&] { x* x; }), "before its tape was cleared"));
    Variable<double> orphan;
    {
        Tape<double> gone;
        orphan = gone.variable(Tensor<double>::ones({2}));
    }
    CHECK(contains(error_of([&] { orphan* orphan; }), "cleared or destroyed"));
}

TEST_CASE("a parameter changed between forward and backward is an error that changes nothing") {
    Parameter<double> w("weight", Tensor<double>::ones({2, 2}));
    Tape<double> tape;
    const auto x = tape.variable(Tensor<double>::ones({2, 2}));
    const auto y = sum(matmul(x, w));
    w.change().fill(5);
    CHECK(contains(error_of([&] { tape.backward(y); }),
                   "the parameter 'weight' of shape [2, 2], which was changed"));
    CHECK_FALSE(w.has_gradient());
}

TEST_CASE("messages carry the module path and the caller's line") {
    const Scope encoder("encoder");
    const Scope layer("layer", 1);
    const Scope step("t", 17);
    const std::string error = error_of([] {
        matmul(Variable<double>(Tensor<double>::ones({2, 3})),
               Variable<double>(Tensor<double>::ones({4, 5})));
    });
    CHECK(contains(error, "matmul: inner extents differ: [2, 3] and [4, 5]"));
    CHECK(contains(error, "in encoder.layer1.t17"));
    CHECK(contains(error, "tape.cpp:"));
}

TEST_CASE("operators know the line that they are on") {
    const Variable<double> a(Tensor<double>::ones({2})), b(Tensor<double>::ones({3}));
    const auto line = [](const std::string& message) {
        return contains(message, "tape.cpp:") ? std::stoi(message.substr(message.rfind(':') + 1))
                                              : 0;
    };
    const int here = __LINE__;
    CHECK(line(error_of([&] { a + b; })) == here + 1);
    CHECK(line(error_of([&] { Tensor<double>::ones({2}) * b; })) == here + 2);
    CHECK(line(error_of([&] { a < b; })) == here + 3);
    Tape<double> one, other;
    const auto x = one.variable(Tensor<double>::ones({2}));
    auto y = other.variable(Tensor<double>::ones({2}));
    CHECK(line(error_of([&] { y -= x; })) == here + 7);
    one.clear();
    CHECK(line(error_of([&] { 2 / x; })) == here + 9);
}

TEST_CASE("fan-out, views and overlapping views") {
    const auto x = random_tensor({6});
    CHECK(gradcheck([](const auto& x) { return x * x * x + x; }, x));
    CHECK(gradcheck([](const auto& x) { return slice(x, 0, 0, 4) * slice(x, 0, 2, 6); }, x));
    CHECK(gradcheck(
        [](const auto& x) {
            return fuse(
                "f", [](auto a, auto b, auto c) { return a * b + sin(c); }, slice(x, 0, 0, 3),
                slice(x, 0, 1, 4), flip(slice(x, 0, 0, 3), 0));
        },
        x));
    CHECK(gradcheck(
        [](const auto& x) {
            return fuse(
                "f", [](auto a, auto b) { return a * b; }, x, x);
        },
        x));
    CHECK(gradcheck([](const auto& x) { return broadcast_to(select(x, 0, 2), {4, 3}) * 2.0; }, x));
}

TEST_CASE("values written in place") {
    Tape<double> tape;
    const auto x = tape.variable(random_tensor({2, 3}));
    const auto w = tape.variable(random_tensor({3, 3}));
    const auto z = x * 2.0;
    const auto plain = z.value().copy();
    const auto sum_of = add_linear(z, x, w);
    CHECK(sum_of.value().data() == z.value().data());
    CHECK(contains(error_of([&] { tanh(z); }), "overwritten by an operation in place"));
    CHECK(contains(error_of([&] { select(z, 0, 1); }), "overwritten by an operation in place"));
    tape.backward(sum(sum_of));
    CHECK(tape.gradient(x)(0, 0) != 0);

    tape.clear();
    const auto a = tape.variable(random_tensor({2, 3}));
    const auto b = a * 2.0;
    const auto kept = tanh(b);
    const auto over = add_linear(b, a, random_tensor({3, 3}));
    CHECK(contains(error_of([&] { tape.backward(sum(kept) + sum(over)); }), "which was changed"));
    CHECK(
        contains(error_of([&] {
                     add_linear(a, Variable<double>(random_tensor({2, 3})), random_tensor({3, 3}));
                 }),
                 "only the result of an operation"));
}

namespace {

// A user's own operation, in plain loops.
Variable<double> cube(const Variable<double>& x, double factor = 3, bool overwrite = false) {
    Tensor<double> y = x.value().copy();
    for (std::size_t i = 0; i < y.size(); ++i) y.data()[i] *= y.data()[i] * y.data()[i];
    return record<double>("cube", {&x}, y, save_for_backward(x),
                          [factor, overwrite](const Adjoints<double>& to, const Variable<double>& g,
                                              const Variable<double>& x) {
                              Tensor<double> share = x.value().copy();
                              for (std::size_t i = 0; i < share.size(); ++i)
                                  share.data()[i] *= factor * share.data()[i] * g.value().data()[i];
                              if (!overwrite) return to[0].add(Variable<double>(share));
                              const Adjoint<double> place = to[0];
                              const OutputOperand<double> sink = place.open();
                              for (std::size_t i = 0; i < share.size(); ++i)
                                  sink.data[i] = share.data()[i];
                          });
}

// Uses its input twice, but passes back the share of one use.
Variable<double> forgetful(const Variable<double>& x) {
    return fuse(
        "sum", [](auto a, auto b) { return a * b; }, x, stop_gradient(x));
}

} // namespace

TEST_CASE("the gradient check passes right rules and catches planted faults") {
    const auto x = random_tensor({5});
    CHECK(gradcheck([](const auto& x) { return cube(x); }, x).passed());
    const auto factor = gradcheck([](const auto& x) { return cube(x, 2); }, x);
    CHECK_FALSE(factor.passed());
    CHECK(contains(factor.text(), "FAILED input 0"));
    CHECK_FALSE(gradcheck([](const auto& x) { return cube(x, 3, true); }, x).passed());
    CHECK_FALSE(gradcheck([](const auto& x) { return forgetful(x); }, x).passed());
    // The same at sizes that are checked along directions.
    const auto large = random_tensor({2000});
    CHECK(gradcheck([](const auto& x) { return cube(x); }, large).passed());
    CHECK_FALSE(gradcheck([](const auto& x) { return cube(x, 2.9); }, large).passed());
}

TEST_CASE("a million nodes are recorded, differentiated and destroyed") {
    Tape<float> tape;
    const auto x = tape.variable(Tensor<float>::ones({2}));
    Variable<float> y = x;
    for (int i = 0; i < 1000000; ++i)
        y = fuse(
            "step", [](auto v) { return v + 1; }, y);
    tape.backward(sum(y));
    CHECK(tape.gradient(x) == Tensor<float>::ones({2}));
    CHECK(tape.size() > 1000000);
}

TEST_CASE("threads: concurrent tapes share parameters that both read") {
    Parameter<double> w("w", random_tensor({3, 3}));
    std::array<Tensor<double>, 2> found;
    const auto run = [&](std::size_t i) {
        for (int k = 0; k < 50; ++k) {
            Tape<double> tape;
            tape.keep_gradients_apart(true);
            const auto x = tape.variable(Tensor<double>::ones({2, 3}));
            tape.backward(sum(tanh(linear(x, w))));
            found[i] = tape.parameter_gradients()[0].gradient.copy();
        }
    };
    std::thread first(run, 0), second(run, 1);
    first.join();
    second.join();
    CHECK(found[0] == found[1]);
    CHECK_FALSE(w.has_gradient());
}

TEST_CASE("weight gradients of many steps equal those of one product") {
    Tape<double> tape;
    Parameter<double> w("w", random_tensor({4, 3}));
    const auto x = tape.variable(random_tensor({10, 2, 3}));
    for (const bool split : {false, true}) {
        w.clear_gradient();
        if (split) {
            Variable<double> loss = sum(linear(select(x, 0, 0), w));
            for (std::size_t t = 1; t < 10; ++t) loss = loss + sum(linear(select(x, 0, t), w));
            tape.backward(loss);
        } else {
            tape.backward(sum(linear(x, w)));
        }
        static Tensor<double> before;
        if (split) CHECK(distance(w.gradient(), before) < 1e-12);
        before = w.gradient().copy();
    }
}

TEST_CASE("values that no rule saves are freed early") {
    const auto before = memory_use().bytes_in_use;
    Tape<float> tape;
    const auto x = tape.variable(Tensor<float>::ones({1000}));
    Variable<float> y = x;
    for (int i = 0; i < 100; ++i) y = reshape(y, Shape{1000});
    for (int i = 0; i < 100; ++i)
        y = linear(reshape(y, {1, 1000}), Variable<float>(Tensor<float>::ones({1, 1000})),
                   Variable<float>(0.f)) *
            Variable<float>(Tensor<float>::ones({1000}));
    tape.backward(sum(y), {.allow_non_finite = true}); // it overflows
    y = Variable<float>();
    tape.clear();
    CHECK(memory_use().bytes_in_use <= before + 2 * 1024 * 1024);
}

TEST_CASE("products with the transpose of a vector, which has the strides of the vector") {
    for (const Shape& shape : {Shape{3, 1}, Shape{1, 3}}) {
        Tape<double> tape;
        const auto w = tape.variable(random_tensor(shape, 2));
        const auto x = random_tensor({4, shape[1]}, 3);
        const auto seed = random_tensor({4, shape[0]}, 4);
        tape.backward(matmul(Variable<double>(x), transpose(w)), seed);
        for (std::size_t i = 0; i < shape[0]; ++i)
            for (std::size_t j = 0; j < shape[1]; ++j) {
                double sum = 0;
                for (std::size_t b = 0; b < 4; ++b) sum += seed(b, i) * x(b, j);
                CHECK(tape.gradient(w)(i, j) == doctest::Approx(sum).epsilon(1e-14));
            }
    }
}

TEST_CASE("results are stored in several rows of several buffers, with their gradients") {
    const Indices turned({2}, {1, 0}), both({2}, {1, 1});
    const auto f = [&](const std::vector<Variable<double>>& x) {
        const Buffer<double> cubes(x[0], {4, 2}), squares(x[0], {4, 2}), moved(x[0], {4, 2});
        for (const std::size_t begin : {2, 0}) {
            const std::array<OutputSlot<double>, 2> places{cubes.part(begin, begin + 2),
                                                           squares.part(begin, begin + 2)};
            fuse_into(
                places, "powers", [](auto v) { return outputs(v * v * v, v * v); },
                slice(x[0], 0, begin, begin + 2));
        }
        take(cubes.rows(1, 3), turned, "take", moved.part(0, 2));
        scatter_add(squares.rows(1, 3), both, 2, "scatter_add", moved.part(2, 4));
        return moved.rows(0, 4) * squares.rows(0, 4);
    };
    const Tensor<double> x({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
    Tape<double> tape;
    const auto y = f({tape.variable(x)});
    const Tensor<double> expected({4, 2},
                                  {125 * 1, 216 * 4, 27 * 9, 64 * 16, 0, 0, 34 * 49, 52 * 64});
    CHECK(distance(y.value(), expected) == 0);
    for (const int order : {1, 2}) {
        const auto report = gradcheck(f, {x}, {}, {.order = order});
        CHECK_MESSAGE(report, report.text());
    }
    const Buffer<double> small(y, {4, 3});
    CHECK(contains(error_of([&] {
                       fuse_into(
                           small.part(0, 2), "copy", [](auto v) { return v; }, y);
                   }),
                   "does not match its output slot"));
}

TEST_CASE("threads: recording while another thread records on the tape is an error") {
    Tape<float> tape;
    const auto x = tape.variable(Tensor<float>::ones({2}));
    std::string error;
    // Copied while its operation is being recorded.
    struct Other {
        const Variable<float>& x;
        std::string& error;
        explicit Other(const Variable<float>& x, std::string& error) : x(x), error(error) {}
        Other(const Other& o) : x(o.x), error(o.error) {
            std::thread([this] { error += error_of([&] { exp(x); }); }).join();
        }
        void operator()(const Adjoints<float>& to, const Variable<float>& g) const { to[0].add(g); }
    };
    const auto y =
        record<float>("same", {&x}, x.value().copy(), save_for_backward(), Other(x, error));
    CHECK(contains(error, "exp: another thread is recording on this tape; create a tape in each"));
    // In turn, they may.
    std::thread([&] { error = error_of([&] { sum(exp(y)); }); }).join();
    CHECK(error == "");
    tape.backward(sum(y));
    CHECK(tape.gradient(x) == Tensor<float>::ones({2}));
}
