#include "run.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/check/gradcheck.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace programs {

using reference::Pair;

namespace {

// The reference: values, the loss, and its gradient with respect to every leaf.
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

// The first difference between two lists of numbers; empty if there is none.
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

std::string check_first(const Program& p, bool robust) {
    const auto expected = answer<double>(p, nullptr);
    Run<double> run(p);
    for (std::size_t v = 0; v < run.values.size(); ++v) {
        const Tensor<double> got = run.values[v].value().contiguous();
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
    const auto with_variables = unroll::gradients(run.loss, run.leaves, {.retain = true});
    run.tape.backward(run.loss);
    const auto gradients = run.gradients();
    for (std::size_t i = 0; i < gradients.size(); ++i) {
        std::string found = compare("gradient", i, gradients[i]);
        if (found.empty()) found = compare("gradient as a variable", i, with_variables[i].value());
        if (!found.empty()) return found;
    }
    if (!robust) return {};
    std::string found = check_float(p, run);
    if (found.empty()) found = check_moves(p, gradients);
    if (found.empty()) found = check_exceptions(p);
    if (found.empty()) found = check_threads(p, gradients);
    if (found.empty()) found = check_changes(p, gradients);
    return found;
}

std::string check_second(const Program& p) {
    std::vector<Tensor<double>> directions;
    for (std::size_t i = 0; i < p.leaves.size(); ++i) {
        directions.emplace_back(p.leaves[i].shape());
        unroll::Random(i + 1).fill_normal(directions[i].data(), directions[i].size(), 0.0, 1.0);
    }
    const auto expected = answer<Pair>(p, &directions);
    unroll::Tape<double> tape;
    Many<double> leaves;
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
    // Differences do not respect stop_gradient.
    for (const Call& call : p.calls)
        if (operations()[call.operation].name == "stop_gradient") return {};
    unroll::GradcheckOptions options{.mode = unroll::GradcheckOptions::Mode::together,
                                     .order = order,
                                     .tolerance = 1e-5,
                                     .smallest = 1e-2,
                                     .directions = 1};
    const auto report = unroll::gradcheck(
        [&](const Many<double>& x) { return loss_of(p, run_calls(p, x)); }, p.leaves, {}, options);
    // A result that is constant up to rounding, such as the sum of a softmax, or nearly so: its
    // differences are too noisy, and the reference has confirmed its gradient.
    const auto is_rounding = [](const auto& e) {
        const bool noisy = e.verdict == unroll::GradcheckReport::Verdict::noisy;
        return std::max(std::abs(e.analytic), std::abs(e.numeric)) < (noisy ? 1e-7 : 1e-11) ||
               e.verdict == unroll::GradcheckReport::Verdict::passed;
    };
    return report || report.zero_everywhere() ||
                   std::all_of(report.entries.begin(), report.entries.end(), is_rounding)
               ? ""
               : report.text();
}

} // namespace

std::string Program::check(bool second) const {
    try {
        std::string found = check_first(*this, !second);
        if (found.empty() && second) found = check_second(*this);
        if (found.empty()) found = check_differences(*this, second ? 2 : 1);
        return found;
    } catch (const unroll::Error& error) {
        return std::string(error.what()) + "\n";
    }
}

} // namespace programs
