#include "run.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace programs {

bool Values::pick(std::vector<std::size_t>& chosen,
                  const std::function<bool(const Shape&)>& wanted) {
    std::vector<std::size_t> fitting;
    for (std::size_t i = 0; i < values.size(); ++i)
        if (wanted(values[i].shape())) fitting.push_back(i);
    if (fitting.empty()) return false;
    // Recent values are chosen more often, which makes programs deep.
    const std::size_t from = below(2) == 0 ? fitting.size() / 2 : 0;
    chosen.push_back(fitting[from + below(fitting.size() - from)]);
    return true;
}

namespace {

constexpr double largest = 15;

// The values of leaves are representable in float, so that a run in float starts with the same
// values.
double rounded(double x) { return static_cast<float>(x); }

bool is_tame(const Tensor<double>& x) {
    for (const double v : x.to_vector())
        if (!(std::abs(v) < largest)) return false;
    return x.dimension() <= 4 && x.size() <= 200;
}

// The program without one call: removed if its results are unused, otherwise replaced by leaves
// with their values.
std::optional<Program> without(const Program& p, std::size_t dropped) {
    Many<double> leaves;
    for (const auto& leaf : p.leaves) leaves.emplace_back(leaf);
    const auto values = run_calls(p, leaves);
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
            for (std::size_t k = 0; k < q.leaves.back().size(); ++k)
                q.leaves.back().data()[k] = rounded(q.leaves.back().data()[k]);
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

std::string name(const Program& p, std::size_t value) {
    return (value >= p.leaves.size() ? "v"
            : p.is_parameter[value]  ? "w"
                                     : "x") +
           std::to_string(value);
}

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
        for (std::size_t k = 0; k < leaf.size(); ++k) leaf.data()[k] = rounded(v.random.normal());
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
        Many<double> operands;
        for (const std::size_t o : call.operands) {
            numbers.push_back(v.values[o]);
            operands.emplace_back(v.values[o]);
        }
        if (operation.near_corner && operation.near_corner(numbers, call)) continue;
        const auto results = operation.run(operands, call);
        bool tame = true;
        for (const auto& r : results) tame = tame && is_tame(r.value());
        if (!tame) continue;
        for (const auto& r : results) {
            call.results.push_back(v.values.size());
            v.values.push_back(r.value().copy());
        }
        p.calls.push_back(call);
    }
    return p;
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
