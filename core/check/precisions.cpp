#include <unroll/core/check/precisions.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <ostream>
#include <type_traits>

namespace unroll {

namespace {

// The value of the function, then the gradient of each parameter.
using Results = std::vector<std::vector<double>>;

// Perturbs recorded values, and the gradients received by rules, as rounding to float would.
class RoundingErrors final : public Monitor<double> {
public:
    RoundingErrors(Tape<double>& tape, double ulps, Random random)
        : Monitor<double>(tape), ulps_(ulps), random_(random) {}

    void recorded(NodeId, std::span<const Variable<double>* const> inputs,
                  std::span<const Variable<double>> results) override {
        std::size_t read = 1, written = 1;
        for (const auto* x : inputs) read = std::max(read, x->size());
        for (const auto& r : results) written = std::max(written, r.size());
        for (const auto& r : results) change(r.value(), read != written, read);
    }
    void before_rule(NodeId, std::span<const Variable<double>> gradients) override {
        for (const auto& g : gradients)
            if (g.has_value()) change(g.value(), true, g.size());
    }

private:
    // Errors of sums are relative to their terms, represented by the largest elements, and grow
    // like the logarithm of their number.
    void change(const Tensor<double>& x, bool is_sum, std::size_t terms) {
        double largest = 0;
        if (is_sum)
            for (const double v : x.to_vector())
                if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
        const double unit =
            std::ldexp(1.0, -24) * (is_sum ? ulps_ + std::log2(static_cast<double>(terms)) : ulps_);
        // The storage does not count this as a modification, which a rule that saved x would
        // reject.
        change(const_cast<double*>(x.data()), x, 0, unit, largest);
    }
    void change(double* at, const Tensor<double>& x, std::size_t axis, double unit,
                double largest) {
        if (axis == x.dimension()) {
            *at += unit * std::max(largest, std::abs(*at)) * (2 * random_.uniform() - 1);
            return;
        }
        if (x.strides()[axis] == 0) return; // one element, broadcast
        for (std::size_t i = 0; i < x.shape(axis); ++i)
            change(at + static_cast<std::ptrdiff_t>(i) * x.strides()[axis], x, axis + 1, unit,
                   largest);
    }

    double ulps_;
    Random random_;
};

template <class T>
Results results_of(const Op& op, const std::function<Variable<T>()>& f,
                   const Parameters<T>& parameters, const PrecisionOptions& options,
                   const Random* errors) {
    Tape<T> tape;
    tape.set_random(Random(options.seed));
    const Recording<T> recording(tape);
    std::optional<RoundingErrors> rounding;
    if constexpr (std::is_same_v<T, double>)
        if (errors != nullptr) rounding.emplace(tape, options.ulps, *errors);
    const Variable<T> y = f();
    if (!y.is_recorded()) fail(op, "the function returns a constant, which has no gradients");
    Tensor<T> cotangent(y.shape());
    Random draw = Random(options.seed).split(1);
    T* const to = cotangent.data();
    // Powers of two, which are exact in both precisions.
    for (std::size_t k = 0; k < cotangent.size(); ++k)
        to[k] = std::ldexp(T(1), -int(draw.below(3)));
    const Variable<T> from[] = {y}, seeds[] = {cotangent};
    std::vector<Variable<T>> wrt;
    for (const auto& p : parameters)
        if (p.is_trainable()) wrt.push_back(p);
    const auto gradients = tape.gradients(from, seeds, wrt);
    Results all;
    const auto keep = [&](const Tensor<T>& x) {
        const auto values = x.to_vector();
        all.emplace_back(values.begin(), values.end());
    };
    keep(y.value());
    for (const auto& g : gradients) keep(g.value());
    return all;
}

// Assigns the values of other parameters, and restores the original ones.
class Borrowed {
public:
    Borrowed(const Parameters<double>& to, const Parameters<float>& from) : parameters_(to) {
        for (std::size_t i = 0; i < to.size(); ++i) {
            own_.push_back(to[i].value().copy());
            const auto values = from[i].value().to_vector();
            const std::vector<double> wide(values.begin(), values.end());
            parameters_[i].set(Tensor<double>(to[i].shape(), std::span(wide)));
        }
    }
    ~Borrowed() {
        for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i].set(own_[i]);
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;

private:
    Parameters<double> parameters_;
    std::vector<Tensor<double>> own_;
};

double largest_of(const std::vector<double>& x) {
    double largest = 0;
    for (const double v : x) largest = std::max(largest, std::abs(v));
    return largest;
}

} // namespace

PrecisionReport compare_precisions(const std::function<Variable<float>()>& in_float,
                                   const Parameters<float>& float_parameters,
                                   const std::function<Variable<double>()>& in_double,
                                   const Parameters<double>& double_parameters,
                                   const PrecisionOptions& options, Where where) {
    const Op op("compare_precisions", where);
    const bool is_same =
        std::equal(float_parameters.begin(), float_parameters.end(), double_parameters.begin(),
                   double_parameters.end(), [](const auto& a, const auto& b) {
                       return a.path == b.path && a.shape() == b.shape() &&
                              a.is_trainable() == b.is_trainable();
                   });
    if (!is_same)
        fail(op,
             "the parameters in float and in double differ in number, path, shape or in which are "
             "frozen; pass two models with the same settings");
    const Borrowed borrowed(double_parameters, float_parameters);
    const Results low = results_of<float>(op, in_float, float_parameters, options, nullptr),
                  high = results_of<double>(op, in_double, double_parameters, options, nullptr);
    std::vector<double> scatter(high.size(), 0);
    for (std::size_t sample = 0; sample < options.samples; ++sample) {
        const Random errors = Random(options.seed).split(2 + sample);
        const Results moved =
            results_of<double>(op, in_double, double_parameters, options, &errors);
        for (std::size_t i = 0; i < high.size(); ++i)
            for (std::size_t k = 0; k < high[i].size(); ++k)
                if (const double d = std::abs(moved[i][k] - high[i][k]); std::isfinite(d))
                    scatter[i] = std::max(scatter[i], d);
    }
    std::vector<std::string> names{"value"};
    for (const auto& p : double_parameters)
        if (p.is_trainable()) names.push_back(p.path);
    PrecisionReport report;
    for (std::size_t i = 0; i < high.size(); ++i) {
        if (low[i].size() != high[i].size())
            fail(op, "the functions in float and in double return different shapes");
        const double scale = std::max(largest_of(high[i]), 1e-300);
        PrecisionReport::Entry e{.name = names[i]};
        // The gradient itself is also rounded to float.
        e.tolerance =
            options.margin * std::max(scatter[i] / scale, options.ulps * std::ldexp(1.0, -24));
        e.passed = true;
        for (std::size_t k = 0; k < high[i].size(); ++k) {
            const double error =
                low[i][k] == high[i][k] || (std::isnan(low[i][k]) && std::isnan(high[i][k]))
                    ? 0
                    : std::abs(low[i][k] - high[i][k]) / scale;
            if (k > 0 && error <= e.error) continue;
            e.index = k;
            e.in_float = low[i][k];
            e.in_double = high[i][k];
            e.error = error;
            if (!(error <= e.tolerance)) e.passed = false;
            if (std::isnan(error)) break;
        }
        report.entries.push_back(e);
    }
    return report;
}

bool PrecisionReport::passed() const {
    return std::all_of(entries.begin(), entries.end(), [](const Entry& e) { return e.passed; });
}

std::string PrecisionReport::text() const {
    std::string all;
    for (const Entry& e : entries) {
        char line[320];
        std::snprintf(line, sizeof line,
                      "%-6s %-32s element %zu: float %.9g, double %.9g, error %.1g of %.1g\n",
                      e.passed ? "ok" : "FAILED", e.name.c_str(), e.index, e.in_float, e.in_double,
                      e.error, e.tolerance);
        all += line;
    }
    return all + (passed() ? "float agrees with double\n" : "float DISAGREES with double\n");
}

std::ostream& operator<<(std::ostream& out, const PrecisionReport& report) {
    return out << report.text();
}

} // namespace unroll
