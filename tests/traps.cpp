// Regression tests for typical faults of libraries of this kind; each case was a fault somewhere.

#include "support.hpp"

#include <unroll/core/kernels/gemm.hpp>
#include <unroll/core/tensor/xtensor.hpp>
#include <unroll/unroll.hpp>

#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <limits>

#include <pthread.h>
#include <sys/time.h>
#include <ucontext.h>

#include <doctest/doctest.h>

using namespace unroll;

TEST_CASE("traps: argmax of one dimension is not argmin") {
    const Tensor<double> x({4}, {1, 9, -3, 2});
    CHECK(argmax(Variable<double>(x)).item() == 1);
    CHECK(argmin(Variable<double>(x)).item() == 2);
}

TEST_CASE("traps: a product of two views at the same address is not a square") {
    const Tensor<double> x = test::random_tensor({3, 3});
    const Tensor<double> a = x.slice(0, 0, 2), b = x.transpose().slice(1, 0, 2); // [2, 3], [3, 2]
    REQUIRE(a.data() == b.data());
    for (const Tensor<double>& right : {b, x.slice(1, 0, 2)}) {
        const Tensor<double> product = matmul<double>(a, right).value();
        for (std::size_t i = 0; i < 2; ++i)
            for (std::size_t j = 0; j < 2; ++j) {
                double expected = 0;
                for (std::size_t k = 0; k < 3; ++k) expected += a(i, k) * right(k, j);
                CHECK(product(i, j) == doctest::Approx(expected));
            }
    }
}

TEST_CASE("traps: assigning a tensor to a view of itself reads the old elements") {
    Tensor<double> x({2, 2}, {1, 2, 3, 4});
    x.assign(x.transpose());
    CHECK(x == Tensor<double>({2, 2}, {1, 3, 2, 4}));
    Tensor<double> y({4}, {1, 2, 3, 4});
    y.assign(y.flip(0));
    CHECK(y == Tensor<double>({4}, {4, 3, 2, 1}));
}

TEST_CASE("traps: nothing is resized or broadcast silently") {
    Tensor<double> x = Tensor<double>::zeros({2, 2});
    CHECK_THROWS_AS(x.assign(Tensor<double>::zeros({2, 2, 2})), Error);
    CHECK_THROWS_AS(x.assign(Tensor<double>::zeros({1, 2})), Error);
    Tape<double> tape;
    const auto v = tape.variable(x);
    const auto w =
        record<double>("careless", {&v}, Tensor<double>::zeros({2, 2}), save_for_backward(),
                       [](const Adjoints<double>& to, const Variable<double>&) {
                           to[0].add(Variable<double>(Tensor<double>::ones({3, 2})));
                       });
    CHECK_THROWS_AS(tape.backward(sum(w)), Error);
}

TEST_CASE("traps: empty axes reduce, flip and join") {
    const Variable<double> x = Tensor<double>::zeros({0, 3});
    CHECK(sum(x, {0}).value() == Tensor<double>::zeros({3}));
    CHECK(flip(x, 0).shape() == Shape{0, 3});
    CHECK(concatenate({x, x}, 0).shape() == Shape{0, 3});
    CHECK_THROWS_AS(amax(x, {0}), Error);
}

TEST_CASE("traps: a fully masked row does not propagate NaN") {
    Tape<double> tape;
    const auto x = tape.variable(test::random_tensor({2, 3}));
    const Mask mask({2, 3}, {true, false, true, false, false, false});
    const auto y = softmax(x, mask);
    tape.backward(sum(y * test::random_tensor({2, 3})));
    const Tensor<double> gradient = tape.gradient(x);
    for (std::size_t j = 0; j < 3; ++j) {
        CHECK(y.value()(1, j) == 0.0);
        CHECK(gradient(1, j) == 0.0);
        CHECK(std::isfinite(gradient(0, j)));
    }
}

TEST_CASE("traps: gradients at extreme values are finite") {
    const double huge = std::numeric_limits<double>::max();
    const Tensor<double> ends({4}, {-huge, -800, 800, huge});
    const auto finite = [&](const auto& f) {
        Tape<double> tape;
        const auto x = tape.variable(ends);
        tape.backward(f(x), Tensor<double>::ones({4}));
        for (const double g : tape.gradient(x).to_vector()) CHECK(std::isfinite(g));
    };
    finite([](const auto& x) { return sigmoid(x); });
    finite([](const auto& x) { return tanh(x); });
    finite([](const auto& x) { return softplus(x); });
    finite([](const auto& x) { return silu(x); });
    finite([](const auto& x) { return gelu(x); });
    finite([](const auto& x) { return elu(x); });
    finite([](const auto& x) { return log_softmax(x); });
}

TEST_CASE("traps: lengths of 0 give no steps and no gradient") {
    const nn::Lstm<double> lstm({.input = 2, .hidden = 3, .bidirectional = true});
    Tape<double> tape;
    const auto x = tape.variable(test::random_tensor({4, 2, 2}));
    const std::vector<std::size_t> lengths{0, 0};
    const auto [output, state] = lstm(x, {}, lengths);
    CHECK(output.value() == Tensor<double>::zeros({4, 2, 6}));
    tape.backward(sum(output) + sum(state[0]));
    CHECK(tape.gradient(x) == Tensor<double>::zeros({4, 2, 2}));
}

TEST_CASE("traps: softmax does not hide NaN") {
    const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
    for (const auto& row : {Tensor<double>({2}, {1, inf}), Tensor<double>({2}, {nan, 1}),
                            Tensor<double>({2}, {nan, -inf})}) {
        CHECK(std::isnan(sum(softmax<double>(row)).item()));
        CHECK(std::isnan(sum(log_softmax<double>(row)).item()));
        if (std::isnan(row(0))) CHECK(std::isnan(logsumexp<double>(row).item()));
    }
    CHECK(softmax<double>(Tensor<double>({2}, {-inf, -inf})).value() == Tensor<double>::zeros({2}));
}

TEST_CASE("traps: without steps or sequences, outputs are empty and gradients 0") {
    const nn::Gru<double> gru({.input = 3, .hidden = 2});
    for (const Shape& shape : {Shape{0, 2, 3}, Shape{4, 0, 3}}) {
        Tape<double> tape;
        const auto x = tape.variable(Tensor<double>::ones(shape));
        const auto [output, state] = gru(x);
        tape.backward(sum(output));
        CHECK(output.shape() == Shape{shape[0], shape[1], 2});
        CHECK(tape.gradient(x) == Tensor<double>::zeros(shape));
    }
}

#if defined(__x86_64__)
namespace {

pthread_t watched;
std::uintptr_t stack_begin, stack_end;
std::atomic<int> signals, elsewhere;

extern "C" void look_at_stack(int, siginfo_t*, void* context) {
    if (!pthread_equal(pthread_self(), watched)) return;
    const auto at = static_cast<std::uintptr_t>(
        static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RSP]);
    ++signals;
    if (at < stack_begin || at > stack_end) ++elsewhere;
}

// Timer signals for its scope, with a handler that inspects the stack of the thread.
class Signals {
public:
    Signals() : memory_(std::size_t{1} << 16) {
        pthread_attr_t attributes;
        void* begin = nullptr;
        std::size_t size = 0;
        watched = pthread_self();
        pthread_getattr_np(watched, &attributes);
        pthread_attr_getstack(&attributes, &begin, &size);
        pthread_attr_destroy(&attributes);
        stack_begin = reinterpret_cast<std::uintptr_t>(begin);
        stack_end = stack_begin + size;
        signals = elsewhere = 0;
        // With its own stack, the handler is safe wherever the thread's stack pointer is.
        const stack_t own{memory_.data(), 0, memory_.size()};
        sigaltstack(&own, nullptr);
        struct sigaction action {};
        action.sa_sigaction = look_at_stack;
        action.sa_flags = SA_ONSTACK | SA_SIGINFO | SA_RESTART;
        sigaction(SIGALRM, &action, &before_);
        every(200);
    }
    ~Signals() {
        every(0);
        sigaction(SIGALRM, &before_, nullptr);
        const stack_t none{nullptr, SS_DISABLE, 0};
        sigaltstack(&none, nullptr);
    }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

private:
    static void every(int microseconds) {
        const itimerval time{{0, microseconds}, {0, microseconds}};
        setitimer(ITIMER_REAL, &time, nullptr);
    }

    std::vector<char> memory_;
    struct sigaction before_;
};

} // namespace

TEST_CASE("traps: a signal during a product finds the thread on its own stack") {
    for (const std::size_t terms :
         {48, 64, 65, 84, 85, 86, 128, 129, 192, 193, 252, 253, 254, 256, 504, 505, 511, 1152}) {
        const std::size_t rows = 48, columns = 64;
        const auto a = test::random_tensor<float>({rows, terms}),
                   b = test::random_tensor<float>({terms, columns});
        Tensor<float> out({rows, columns});
        for (const auto& [transpose_a, transpose_b] :
             {std::pair(false, false), {false, true}, {true, false}, {true, true}}) {
            CAPTURE(terms);
            CAPTURE(transpose_a);
            CAPTURE(transpose_b);
            const Signals clock;
            while (signals < 20)
                for (const std::size_t m : {std::size_t{1}, std::size_t{16}, rows})
                    gemm(transpose_a, transpose_b, m, columns, terms, 1.f, a.data(),
                         transpose_a ? rows : terms, b.data(), transpose_b ? terms : columns, 0.f,
                         out.data(), columns);
            CHECK(elsewhere == 0);
        }
    }
}
#endif
