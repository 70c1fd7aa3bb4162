#include "program.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/check/gradcheck.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <cmath>
#include <cstdio>
#include <optional>

namespace programs {

using reference::Pair;

bool Values::pick(std::vector<std::size_t>& chosen,
                  const std::function<bool(const Shape&)>& wanted) {
    std::vector<std::size_t> fitting;
    for (std::size_t i = 0; i < values.size(); ++i)
        if (wanted(values[i].shape())) fitting.push_back(i);
    if (fitting.empty()) return false;
    // What was made last is taken more often, so that programs grow deep.
    const std::size_t from = below(2) == 0 ? fitting.size() / 2 : 0;
    chosen.push_back(fitting[from + below(fitting.size() - from)]);
    return true;
}

namespace {

constexpr double largest = 15;

bool is_tame(const Tensor<double>& x) {
    for (const double v : x.to_vector())
        if (!(std::abs(v) < largest)) return false;
    return x.dimension() <= 4 && x.size() <= 200;
}

template <class X, class F>
std::vector<X> run_calls(const Program& p, std::vector<X> values, const F& run) {
    for (const Call& call : p.calls) {
        std::vector<X> operands;
        for (const std::size_t o : call.operands) operands.push_back(values[o]);
        for (X& result : run(operations()[call.operation], operands, call))
            values.push_back(std::move(result));
    }
    return values;
}

Many run_calls(const Program& p, Many leaves) {
    return run_calls(p, std::move(leaves),
                     [](const Operation& o, const Many& x, const Call& c) { return o.run(x, c); });
}

// Numbers of the values that nothing uses: the loss is made of them.
std::vector<std::size_t> ends(const Program& p) {
    std::vector<bool> used(p.value_count(), false);
    for (const Call& call : p.calls)
        for (const std::size_t o : call.operands) used[o] = true;
    std::vector<std::size_t> all;
    for (std::size_t v = p.calls.empty() ? 0 : p.leaves.size(); v < used.size(); ++v)
        if (!used[v]) all.push_back(v);
    return all;
}

double weight(std::size_t end, std::size_t element) {
    return 0.5 +
           std::fmod(0.37 * static_cast<double>(element + 1) + 0.61 * static_cast<double>(end),
                     1.0);
}

V loss_of(const Program& p, const Many& values) {
    V loss(0.0);
    for (const std::size_t end : ends(p)) {
        Tensor<double> weights(values[end].shape());
        for (std::size_t k = 0; k < weights.size(); ++k) weights.data()[k] = weight(end, k);
        loss = loss + sum(values[end] * weights);
    }
    return loss;
}

// The reference: values, the loss, and its gradient by every leaf.
template <class N>
struct Answer {
    Arrays<N> values;
    std::vector<std::vector<N>> gradients;
};

template <class N>
Answer<N> answer(const Program& p, const std::vector<Tensor<double>>* directions) {
    reference::Tape<N> tape;
    Arrays<N> leaves;
    for (std::size_t i = 0; i < p.leaves.size(); ++i) {
        leaves.emplace_back(p.leaves[i].shape());
        for (std::size_t k = 0; k < leaves[i].x.size(); ++k) {
            N v(p.leaves[i].data()[k]);
            if constexpr (std::is_same_v<N, Pair>) v.d = (*directions)[i].data()[k];
            leaves[i].x[k] = reference::Scalar<N>(tape, v);
        }
    }
    Answer<N> a;
    a.values =
        run_calls(p, std::move(leaves), [](const Operation& o, const Arrays<N>& x, const Call& c) {
            if constexpr (std::is_same_v<N, Pair>)
                return o.directed(x, c);
            else
                return o.reference(x, c);
        });
    reference::Scalar<N> loss(tape, N(0));
    for (const std::size_t end : ends(p))
        for (std::size_t k = 0; k < a.values[end].x.size(); ++k)
            loss = loss + a.values[end].x[k] * weight(end, k);
    tape.backward(loss.id);
    for (std::size_t i = 0; i < p.leaves.size(); ++i) {
        a.gradients.emplace_back();
        for (const auto& x : a.values[i].x)
            a.gradients[i].push_back(tape.nodes[static_cast<std::size_t>(x.id)].gradient);
    }
    return a;
}

// The first place where two lists of numbers differ; empty where none does.
template <class F, class G>
std::string difference(const std::string& what, std::size_t n, const F& got, const G& expected) {
    double scale = 1;
    for (std::size_t k = 0; k < n; ++k) scale = std::max(scale, std::abs(expected(k)));
    for (std::size_t k = 0; k < n; ++k) {
        if (std::abs(got(k) - expected(k)) <= 1e-9 * scale) continue;
        char text[160];
        std::snprintf(text, sizeof text, "%s, element %zu: %.12g, the reference has %.12g\n",
                      what.c_str(), k, got(k), expected(k));
        return text;
    }
    return {};
}

std::string name(const Program& p, std::size_t value) {
    return (value >= p.leaves.size() ? "v"
            : p.is_parameter[value]  ? "w"
                                     : "x") +
           std::to_string(value);
}

std::string check_first(const Program& p) {
    const auto expected = answer<double>(p, nullptr);
    std::vector<unroll::Parameter<double>> parameters;
    parameters.reserve(p.leaves.size());
    unroll::Tape<double> tape;
    Many leaves;
    for (std::size_t i = 0; i < p.leaves.size(); ++i) {
        parameters.emplace_back(name(p, i), p.leaves[i].copy());
        leaves.push_back(p.is_parameter[i] ? unroll::Variable<double>(parameters[i])
                                           : tape.variable(p.leaves[i]));
    }
    const Many values = run_calls(p, leaves);
    for (std::size_t v = 0; v < values.size(); ++v) {
        const Tensor<double> got = values[v].value().contiguous();
        if (got.shape() != expected.values[v].shape)
            return name(p, v) + " has shape " + unroll::to_string(got.shape()) +
                   ", the reference " + unroll::to_string(expected.values[v].shape) + "\n";
        const auto found = difference(
            "value of " + name(p, v), got.size(), [&](std::size_t k) { return got.data()[k]; },
            [&](std::size_t k) { return expected.values[v].x[k].number(); });
        if (!found.empty()) return found;
    }
    const auto compare = [&](const std::string& what, std::size_t i, const Tensor<double>& x) {
        const Tensor<double> got = x.contiguous();
        return difference(
            what + " of " + name(p, i), got.size(), [&](std::size_t k) { return got.data()[k]; },
            [&](std::size_t k) { return expected.gradients[i][k]; });
    };
    const V loss = loss_of(p, values);
    const Many with_variables = unroll::gradients(loss, leaves, {.retain = true});
    tape.backward(loss);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        std::string found = compare("gradient", i, tape.gradient(leaves[i]));
        if (found.empty()) found = compare("gradient as a variable", i, with_variables[i].value());
        if (!found.empty()) return found;
    }
    return {};
}

std::string check_second(const Program& p) {
    std::vector<Tensor<double>> directions;
    for (std::size_t i = 0; i < p.leaves.size(); ++i) {
        directions.emplace_back(p.leaves[i].shape());
        unroll::Random(i + 1).fill_normal(directions[i].data(), directions[i].size(), 0.0, 1.0);
    }
    const auto expected = answer<Pair>(p, &directions);
    unroll::Tape<double> tape;
    Many leaves;
    for (const auto& leaf : p.leaves) leaves.push_back(tape.variable(leaf));
    const auto got =
        unroll::hessian_vector_product(loss_of(p, run_calls(p, leaves)), leaves, directions);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        const Tensor<double> product = got[i].contiguous();
        const auto found = difference(
            "Hessian times direction for " + name(p, i), product.size(),
            [&](std::size_t k) { return product.data()[k]; },
            [&](std::size_t k) { return expected.gradients[i][k].d; });
        if (!found.empty()) return found;
    }
    return {};
}

std::string check_differences(const Program& p, int order) {
    // Differences see through what stops a gradient.
    for (const Call& call : p.calls)
        if (operations()[call.operation].name == "stop_gradient") return {};
    unroll::GradcheckOptions options{.mode = unroll::GradcheckOptions::Mode::together,
                                     .order = order,
                                     .tolerance = 1e-5,
                                     .smallest = 1e-2,
                                     .directions = 1};
    const auto report = unroll::gradcheck(
        [&](const Many& x) { return loss_of(p, run_calls(p, x)); }, p.leaves, {}, options);
    return report || report.zero_everywhere() ? "" : report.text();
}

// The program without one call: dropped where nothing uses its results, else with leaves of their
// values in their place.
std::optional<Program> without(const Program& p, std::size_t dropped) {
    Many leaves;
    for (const auto& leaf : p.leaves) leaves.emplace_back(leaf);
    const Many values = run_calls(p, leaves);
    const auto unused = ends(p);
    bool drop = true;
    for (const std::size_t r : p.calls[dropped].results)
        drop = drop && std::find(unused.begin(), unused.end(), r) != unused.end();
    Program q = p;
    q.calls.clear();
    std::vector<std::size_t> moved(p.value_count());
    for (std::size_t i = 0; i < p.leaves.size(); ++i) moved[i] = i;
    if (!drop)
        for (const std::size_t r : p.calls[dropped].results) {
            moved[r] = q.leaves.size();
            q.leaves.push_back(values[r].value().copy());
            q.is_parameter.push_back(false);
        }
    std::size_t next = q.leaves.size();
    for (std::size_t i = 0; i < p.calls.size(); ++i) {
        if (i == dropped) continue;
        Call call = p.calls[i];
        for (auto& o : call.operands) o = moved[o];
        for (auto& r : call.results) {
            moved[r] = next++;
            r = moved[r];
        }
        q.calls.push_back(call);
    }
    if (q.calls.empty()) return std::nullopt;
    return q;
}

} // namespace

std::size_t Program::value_count() const {
    std::size_t n = leaves.size();
    for (const Call& call : calls) n += call.results.size();
    return n;
}

Program Program::random(std::uint64_t seed) {
    Program p;
    p.seed = seed;
    Values v;
    v.random = unroll::Random(seed);
    for (std::size_t n = 3 + v.below(4); n > 0; --n) {
        Shape shape;
        for (std::size_t rank = v.below(4); rank > 0; --rank)
            shape.push_back(v.below(25) == 0 ? 0 : 1 + v.below(4));
        Tensor<double> leaf(shape);
        for (std::size_t k = 0; k < leaf.size(); ++k) leaf.data()[k] = v.random.normal();
        p.leaves.push_back(leaf);
        p.is_parameter.push_back(v.below(2) == 0);
        v.values.push_back(leaf);
    }
    const std::size_t wanted = 1 + v.below(10);
    for (int tries = 0; p.calls.size() < wanted && tries < 300; ++tries) {
        Call call;
        call.operation = v.below(operations().size());
        const Operation& operation = operations()[call.operation];
        if (!operation.choose(v, call)) continue;
        std::vector<Tensor<double>> numbers;
        Many operands;
        for (const std::size_t o : call.operands) {
            numbers.push_back(v.values[o]);
            operands.emplace_back(v.values[o]);
        }
        if (operation.near_corner && operation.near_corner(numbers, call)) continue;
        const Many results = operation.run(operands, call);
        bool tame = true;
        for (const V& r : results) tame = tame && is_tame(r.value());
        if (!tame) continue;
        for (const V& r : results) {
            call.results.push_back(v.values.size());
            v.values.push_back(r.value().copy());
        }
        p.calls.push_back(call);
    }
    return p;
}

std::string Program::check(bool second) const {
    try {
        std::string found = check_first(*this);
        if (found.empty() && second) found = check_second(*this);
        if (found.empty()) found = check_differences(*this, second ? 2 : 1);
        return found;
    } catch (const unroll::Error& error) {
        return std::string(error.what()) + "\n";
    }
}

Program Program::minimised(bool second) const {
    Program smallest = *this;
    for (bool smaller = true; smaller;) {
        smaller = false;
        for (std::size_t i = smallest.calls.size(); i-- > 0 && !smaller;) {
            const auto q = without(smallest, i);
            if (!q || q->check(second).empty()) continue;
            smallest = *q;
            smaller = true;
        }
    }
    return smallest;
}

std::string Program::text() const {
    std::string all;
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        bool used = false;
        for (const Call& call : calls)
            for (const std::size_t o : call.operands) used = used || o == i;
        if (!used) continue;
        all += "  " + name(*this, i) + " = " + (is_parameter[i] ? "parameter " : "variable ") +
               unroll::to_string(leaves[i].shape()) + "\n";
    }
    for (const Call& call : calls) {
        std::string line = "  ";
        for (const std::size_t r : call.results)
            line += (line.size() > 2 ? ", " : "") + name(*this, r);
        line += " = " + operations()[call.operation].name + "(";
        for (std::size_t k = 0; k < call.operands.size(); ++k)
            line += (k > 0 ? ", " : "") + name(*this, call.operands[k]);
        for (const std::int64_t n : call.numbers) line += ", " + std::to_string(n);
        all += line + ")" + (call.shape.empty() ? "" : " " + unroll::to_string(call.shape)) + "\n";
    }
    return all;
}

} // namespace programs
