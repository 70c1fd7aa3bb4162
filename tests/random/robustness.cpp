#include "run.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/autograd/record.hpp>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <exception>
#include <latch>
#include <thread>
#include <utility>

namespace programs {

namespace {

using Gradients = std::vector<Tensor<double>>;

// The first element whose bits differ; `got` contains one or more gradients for each leaf.
std::string difference(const Program& p, const std::string& when, const Gradients& got,
                       const Gradients& expected) {
    for (std::size_t i = 0; i < got.size(); ++i) {
        const auto a = got[i].to_vector(), b = expected[i].to_vector();
        for (std::size_t k = 0; k < a.size(); ++k) {
            if (std::bit_cast<std::uint64_t>(a[k]) == std::bit_cast<std::uint64_t>(b[k])) continue;
            char numbers[80];
            std::snprintf(numbers, sizeof numbers, "%.17g, without %.17g", a[k], b[k]);
            return when + ": gradient of " + name(p, i % p.leaves.size()) + ", element " +
                   std::to_string(k) + ", is " + numbers + "\n";
        }
    }
    return {};
}

// ---- exceptions ----

struct Thrown {};

struct Trap {
    bool throws = false;
    std::size_t runs = 0; // of its rule
};

// x; its rule throws while the trap is armed.
unroll::Variable<double> trapped(const unroll::Variable<double>& x, Trap& trap) {
    return unroll::record<double>(
        "trap", {&x}, x.value().copy(), unroll::save_for_backward(),
        [&trap](const unroll::Adjoints<double>& to, const unroll::Variable<double>& gradient) {
            ++trap.runs;
            if (trap.throws) throw Thrown{};
            to[0].add(gradient);
        });
}

struct Passes {
    std::string problem;
    Gradients found;       // by every pass in turn
    bool trap_ran = false; // in backward(), and in gradients(), which skips what no leaf leads to
};

// Passes over a program with a trap at one value, optionally after passes that throw.
Passes run_passes(const Program& p, std::size_t place, bool throwing) {
    Trap trap;
    Run<double> run(p, [&](std::size_t v, const unroll::Variable<double>& x) {
        return v == place ? trapped(x, trap) : x;
    });
    Passes passes;
    const auto throw_in_all = [&] {
        if (!throwing) return;
        trap.throws = true;
        const Gradients held = run.gradients();
        const std::pair<const char*, std::function<void()>> all[] = {
            {"backward", [&] { run.tape.backward(run.loss); }},
            {"gradients", [&] { unroll::gradients(run.loss, run.leaves); }},
            {"gradients with create_graph",
             [&] { unroll::gradients(run.loss, run.leaves, {.create_graph = true}); }},
        };
        for (const auto& [pass, call] : all) {
            if (!passes.problem.empty()) break;
            try {
                call();
                passes.problem = std::string(pass) + " has passed over a rule that throws\n";
            } catch (const Thrown&) {
                passes.problem =
                    difference(p, std::string(pass) + " that threw", run.gradients(), held);
            }
        }
        trap.throws = false;
    };
    const auto keep = [&](const Gradients& found) {
        passes.found.insert(passes.found.end(), found.begin(), found.end());
    };
    throw_in_all();
    run.tape.backward(run.loss, {.retain = true});
    passes.trap_ran = std::exchange(trap.runs, 0) > 0;
    keep(run.gradients());
    throw_in_all();
    for (const auto& g : unroll::gradients(run.loss, run.leaves, {.create_graph = true}))
        passes.found.push_back(g.value());
    passes.trap_ran = passes.trap_ran && trap.runs > 0;
    run.tape.backward(run.loss);
    keep(run.gradients());
    return passes;
}

} // namespace

// Parameters are moved, replaced and destroyed between forward and backward.
std::string check_moves(const Program& p, const Gradients& expected) {
    using unroll::Parameter;
    unroll::Random random(p.seed);
    Run<double> run(p);
    auto& parameters = run.parameters;
    const auto another = [](const Shape& shape) {
        return Parameter<double>("another", Tensor<double>::ones(shape));
    };
    std::vector<Parameter<double>> elsewhere;
    std::vector<unroll::ParameterRef<double>> held(p.leaves.size());
    run.values.clear();
    for (std::size_t i = 0; i < p.leaves.size(); ++i) {
        if (!p.is_parameter[i]) continue;
        run.leaves[i] = {};
        const Shape shape = parameters[i].shape();
        const auto fate = random.below(4);
        if (fate > 0) held[i] = parameters[i];
        if (fate == 1) elsewhere.push_back(std::move(parameters[i]));
        if (fate <= 2) parameters[i] = another(shape);
    }
    for (const auto capacity = parameters.capacity(); parameters.capacity() == capacity;)
        parameters.push_back(another({3}));
    run.tape.backward(run.loss);
    for (const auto& parameter : parameters)
        if (parameter.name() == "another" && parameter.has_gradient())
            return "a parameter that the program does not use received a gradient\n";
    Gradients got;
    for (std::size_t i = 0; i < p.leaves.size(); ++i) {
        const bool died = p.is_parameter[i] && held[i].body() == nullptr;
        got.push_back(died                ? expected[i]
                      : p.is_parameter[i] ? held[i].gradient()
                                          : run.tape.gradient(run.leaves[i]));
    }
    return difference(p, "after parameters moved", got, expected);
}

std::string check_exceptions(const Program& p) {
    unroll::Random random(p.seed);
    const auto place = static_cast<std::size_t>(random.below(p.value_count()));
    const Passes expected = run_passes(p, place, false);
    if (!expected.trap_ran) return {};
    const Passes passes = run_passes(p, place, true);
    const std::string where = " (a rule after " + name(p, place) + " throws)";
    std::string found = passes.problem;
    if (found.empty())
        found = difference(p, "after passes that threw", passes.found, expected.found);
    return found.empty() ? found : where + found;
}

// The same program on two threads concurrently.
std::string check_threads(const Program& p, const Gradients& expected) {
    std::latch both(2);
    const auto run = [&](Gradients& found, std::exception_ptr& error) {
        both.arrive_and_wait();
        try {
            Run<double> run(p);
            run.tape.backward(run.loss);
            found = run.gradients();
        } catch (...) {
            error = std::current_exception();
        }
    };
    Gradients here, there;
    std::exception_ptr error_here, error_there;
    std::thread other([&] { run(there, error_there); });
    run(here, error_here);
    other.join();
    for (const auto& error : {error_here, error_there})
        if (error) std::rethrow_exception(error);
    const std::string found = difference(p, "on this of two threads", here, expected);
    return found.empty() ? difference(p, "on the other thread", there, expected) : found;
}

// A leaf is modified between forward and backward.
std::string check_changes(const Program& p, const Gradients& expected) {
    unroll::Random random(p.seed);
    Run<double> run(p);
    const auto leaf = static_cast<std::size_t>(random.below(p.leaves.size()));
    const Gradients held = run.gradients();
    const double other = random.normal();
    if (p.is_parameter[leaf])
        run.parameters[leaf].change().fill(other);
    else
        run.inputs[leaf].fill(other);
    const std::string when = "after a change of " + name(p, leaf);
    try {
        run.tape.backward(run.loss);
    } catch (const unroll::Error& error) {
        if (std::string(error.what()).find("which was changed") == std::string::npos) throw;
        return difference(p, when + " and an error", run.gradients(), held);
    }
    return difference(p, when, run.gradients(), expected);
}

} // namespace programs
