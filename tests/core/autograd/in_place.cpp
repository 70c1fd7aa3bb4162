// Operations that store their results in memory which others use.

#include "support.hpp"

#include <unroll/core/autograd/record.hpp>
#include <unroll/nn/recurrent/recurrent.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

using namespace test;

namespace {

using V = Variable<double>;

// Stores two results in the row for its output.
struct StoresTwice {
    StoresTwice(std::size_t, std::size_t) {}
    V project(const V& x) const { return x; }
    V step(const V& z, const V& h, const nn::StepContext<double>& context) const {
        const V a = fuse_into(
            context.h, "first", [](auto z, auto h) { return tanh(z + h); }, z, h);
        if (uses_first)
            return fuse_into(
                context.h, "second", [](auto a) { return a * a; }, a);
        return fuse_into(
            context.h, "second", [](auto z) { return z * z; }, z);
    }
    static inline bool uses_first = false;
};

} // namespace

TEST_CASE("in place: add_linear is z + x weight^T, whatever memory its operands share") {
    const auto weight = random_tensor({3, 3}, 2), value = random_tensor({2, 3});
    const auto check = [&](const char* what, const auto& add) {
        CAPTURE(what);
        const auto f = [&](const std::vector<V>& in) { return sum(sin(add(in[0] * 1.0, in[1]))); };
        const auto report = gradcheck(f, {value, weight});
        INFO(report.text());
        CHECK(report.passed());
    };
    check("itself", [](const V& z, const V& w) { return add_linear(z, z, w); });
    check("a view", [](const V& z, const V& w) { return add_linear(z, flip(z, 0), w); });
    check("repeated", [](const V& z, const V& w) {
        return add_linear(broadcast_to(slice(z, 0, 0, 1), {2, 3}), z * 2.0, w);
    });
    check("the weight", [](const V& z, const V& w) {
        const V x = w * 1.0;
        return add_linear(
            x, concatenate({z, z}, 0).shape(0) == 4 ? concatenate({z, slice(z, 0, 0, 1)}, 0) : z,
            x);
    });

    Parameter<double> p("p", value);
    Tape<double> tape;
    tape.backward(sum(add_linear(p, V(value), V(weight))));
    CHECK(p.gradient() == Tensor<double>::ones({2, 3}));
}

TEST_CASE("in place: nothing is overwritten without a record or before an error") {
    const auto weight = random_tensor({3, 3}, 2), value = random_tensor({2, 3});
    Tape<double> tape;
    const V z = tape.variable(value) * 1.0;
    const V earlier = square(z);
    {
        const NoRecording paused;
        add_linear(z, V(value), V(weight));
    }
    CHECK(distance(z.value(), value) == 0);
    {
        Tape<double> other;
        const V x = other.variable(value);
        CHECK(contains(error_of([&] { add_linear(z, x, V(weight)); }), "two tapes"));
    }
    CHECK(distance(z.value(), value) == 0);
    CHECK(contains(error_of([&] {
                       fuse_into(
                           in_place_of(Op("f"), z), "f", [](auto a) { return a * a; }, z);
                   }),
                   "would overwrite an operand"));
    CHECK(distance(z.value(), value) == 0);
    tape.backward(sum(earlier));
}

TEST_CASE("in place: a row of a buffer holds one result") {
    Tape<double> tape;
    const V x = tape.variable(random_tensor({2, 3}));
    const Buffer<double> buffer(x, {2, 3});
    const auto store = [&](std::size_t row) {
        return fuse_into(
            buffer.row(row), "f", [](auto a) { return a * a; }, select(x, 0, row));
    };
    store(0);
    CHECK(contains(error_of([&] { store(0); }), "already holds a result"));
    store(1);
    tape.backward(sum(buffer.rows(0, 2)));
    CHECK(distance(tape.gradient(x), (x * 2.0).value()) < 1e-15);
}

TEST_CASE("in place: a cell stores one h") {
    const nn::Recurrent<StoresTwice> net({.input = 2, .hidden = 2});
    for (const bool first : {false, true}) {
        StoresTwice::uses_first = first;
        Tape<double> tape;
        const V x = tape.variable(random_tensor({3, 1, 2}));
        const std::string error = error_of([&] { net(x); });
        CHECK((contains(error, "already holds a result") ||
               contains(error, "would overwrite an operand")));
    }
}
