#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/autograd/backward/linear_maps.hpp>
#include <unroll/core/check/gradcheck.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ostream>

#include <nlohmann/json.hpp>

namespace unroll {

namespace {

using Mode = GradcheckOptions::Mode;
using Verdict = GradcheckReport::Verdict;

// What is perturbed: an input, or a parameter's value.
struct Subject {
    std::string name;
    Tensor<double> value;
    ParameterRef<double> parameter; // refers to none for an input
    Tensor<double> analytic;        // [outputs looked at, elements]
};

class Check {
public:
    Check(const GradcheckFunction& f, const std::vector<Tensor<double>>& inputs,
          const Parameters<double>& parameters, const GradcheckOptions& options)
        : f_(f), options_(options), random_(options.seed) {
        if (options.order != 1 && options.order != 2)
            fail("gradcheck", "order must be 1 or 2, got " + std::to_string(options.order));
        if (!(options.step > 0) || !(options.tolerance > 0) || !(options.smallest > 0))
            fail("gradcheck", "step, tolerance and smallest must be positive");
        for (std::size_t i = 0; i < inputs.size(); ++i)
            subjects_.push_back({"input " + std::to_string(i), inputs[i].copy(), {}, {}});
        for (NamedParameter<double> p : parameters)
            if (p.is_trainable()) subjects_.push_back({p.path, p.change(), p, {}});
        for (const Subject& s : subjects_) elements_ += s.value.size();
        if (options_.mode == Mode::automatic)
            options_.mode = elements_ <= options.full ? Mode::elements : Mode::directions;
    }

    GradcheckReport run() {
        GradcheckReport report;
        differentiate();
        const auto once = values(), again = values();
        for (std::size_t i = 0; i < once.size(); ++i)
            if (once[i] != again[i] && !(std::isnan(once[i]) && std::isnan(again[i]))) {
                char text[96];
                std::snprintf(text, sizeof text, "%.17g and then %.17g", once[i], again[i]);
                report.indeterminate = text;
                return report;
            }
        if (elements_ == 0) return report;
        if (options_.mode == Mode::together) {
            report.entries.push_back(along(subjects_, "all together"));
            return report;
        }
        for (Subject& s : subjects_) {
            if (s.value.size() == 0) continue;
            report.entries.push_back(options_.mode == Mode::directions ? along({&s, 1}, s.name)
                                                                       : every_element(s));
        }
        return report;
    }

private:
    using Variables = std::vector<Variable<double>>;

    // The function, or its gradient, on a tape that the caller made.
    Variable<double> evaluate(Tape<double>& tape, Variables& subjects) {
        const Recording<double> recording(tape); // also within a NoRecording
        tape.set_random(Random(options_.seed));
        subjects.clear();
        Variables inputs;
        for (const Subject& s : subjects_) {
            const bool is_input = !s.parameter.is_parameter();
            subjects.push_back(is_input ? tape.variable(s.value) : Variable<double>(s.parameter));
            if (is_input) inputs.push_back(subjects.back());
        }
        const Variable<double> y = f_(inputs);
        return options_.order == 1 ? y : gradient_of(tape, y, subjects);
    }

    // The gradient of y under a separate cotangent, as one recorded vector.
    Variable<double> gradient_of(Tape<double>& tape, const Variable<double>& y,
                                 const Variables& subjects) const {
        Tensor<double> seed(y.shape());
        Random(options_.seed).split(1).fill_uniform(seed.data(), seed.size(), 0.5, 1.5);
        const Variable<double> from[] = {y}, seeds[] = {seed};
        const auto all = tape.gradients(from, seeds, subjects, {.create_graph = true});
        std::vector<Part<double>> parts;
        std::size_t at = 0;
        for (const auto& g : all) {
            parts.push_back({{at, g.shape(), row_major(g.shape())}, g});
            at += g.size();
        }
        return assemble(Op::unplaced("gradient"), std::span<const Part<double>>(parts),
                        Region::whole({elements_}));
    }

    void differentiate() {
        Tape<double> tape;
        Variables x;
        const Variable<double> y = evaluate(tape, x);
        cotangent_ = Tensor<double>(y.shape());
        random_.fill_uniform(cotangent_.data(), cotangent_.size(), 0.5, 1.5);
        const std::size_t outputs = options_.mode == Mode::jacobian ? y.size() : 1;
        for (Subject& s : subjects_) s.analytic = Tensor<double>::zeros({outputs, s.value.size()});
        if (!y.is_recorded()) return;
        if (options_.mode != Mode::jacobian) return backward(tape, y, x);
        for (std::size_t i = 0; i < x.size(); ++i)
            subjects_[i].analytic = jacobian(y, x[i]).reshape(subjects_[i].analytic.shape());
    }

    // Gradients under the cotangent. They start from nonzero values, which are subtracted
    // afterwards, so that a rule that overwrites instead of accumulating is detected.
    void backward(Tape<double>& tape, const Variable<double>& y, const Variables& x) {
        Variables from = {y}, seeds = {cotangent_};
        for (const Variable<double>& v : x) {
            Tensor<double> before(v.shape());
            random_.fill_uniform(before.data(), before.size(), -1.0, 1.0);
            from.push_back(v);
            seeds.emplace_back(before);
        }
        const auto gradients = tape.gradients(from, seeds, x);
        for (std::size_t i = 0; i < x.size(); ++i) {
            const Tensor<double>&gradient = gradients[i].value(), &before = seeds[i + 1].value();
            for (std::size_t k = 0; k < gradient.size(); ++k)
                subjects_[i].analytic.data()[k] = gradient.data()[k] - before.data()[k];
        }
    }

    // The checked quantities: all elements of the result, or their sum under the cotangent.
    std::vector<double> values() {
        Variables x;
        Tape<double> tape;
        const Tensor<double> y = evaluate(tape, x).value().contiguous();
        if (options_.mode == Mode::jacobian) return y.to_vector();
        double sum = 0;
        for (std::size_t k = 0; k < y.size(); ++k) sum += cotangent_.data()[k] * y.data()[k];
        return {sum};
    }

    // What values() gives where `move(d)` shifts the subjects by -2, -1, 0, 1 and 2 steps.
    using Stencil = std::array<std::vector<double>, 5>;
    template <class Move>
    Stencil stencil(double step, const Move& move) {
        Stencil at;
        try {
            for (int k = -2; k <= 2; ++k) {
                move(k * step);
                at[static_cast<std::size_t>(k + 2)] = values();
            }
        } catch (...) {
            move(0);
            throw;
        }
        move(0);
        return at;
    }

    GradcheckReport::Entry compare(const std::string& name, std::size_t index, std::size_t output,
                                   bool is_direction, double analytic, const Stencil& at,
                                   double step) const {
        const auto y = [&](std::size_t k) { return at[k][output]; };
        const double numeric = (8 * (y(3) - y(1)) - (y(4) - y(0))) / (12 * step);
        const double absolute = std::abs(analytic - numeric);
        const double scale = std::max({std::abs(analytic), std::abs(numeric), options_.smallest});
        const double relative = absolute / scale;
        Verdict verdict = Verdict::failed;
        if (analytic == 0 && numeric == 0) {
            verdict = Verdict::zero;
        } else if (relative <= options_.tolerance) {
            verdict = Verdict::passed;
        } else {
            // The slopes of a smooth function change gradually; at a corner one of them jumps.
            std::array<double, 4> slopes;
            for (std::size_t k = 0; k < 4; ++k) slopes[k] = (y(k + 1) - y(k)) / step;
            const double leap = std::abs(slopes[3] - 3 * slopes[2] + 3 * slopes[1] - slopes[0]);
            const auto [low, high] = std::minmax_element(slopes.begin(), slopes.end());
            const double slack = options_.tolerance * scale;
            if (leap > slack && analytic >= *low - slack && analytic <= *high + slack)
                verdict = Verdict::kink;
        }
        return {name, index, output, is_direction, analytic, numeric, absolute, relative, verdict};
    }

    // Order: failed, kink, passed, zero; within one verdict by error.
    static void keep_worst(GradcheckReport::Entry& worst, GradcheckReport::Entry entry,
                           bool is_first) {
        const bool worse = entry.verdict != worst.verdict ? entry.verdict > worst.verdict
                                                          : !(entry.relative <= worst.relative);
        if (is_first || worse) worst = std::move(entry);
    }

    GradcheckReport::Entry every_element(Subject& s) {
        GradcheckReport::Entry worst{};
        for (std::size_t k = 0; k < s.value.size(); ++k) {
            const double x = s.value.data()[k];
            const double step = options_.step * std::max(1.0, std::abs(x));
            const Stencil at = stencil(step, [&](double d) { s.value.data()[k] = x + d; });
            for (std::size_t out = 0; out < at[0].size(); ++out)
                keep_worst(worst, compare(s.name, k, out, false, s.analytic(out, k), at, step),
                           k == 0 && out == 0);
        }
        return worst;
    }

    GradcheckReport::Entry along(std::span<Subject> moved, const std::string& name) {
        GradcheckReport::Entry worst{};
        for (std::size_t k = 0; k < options_.directions; ++k) {
            std::vector<Tensor<double>> starts, directions;
            double norm = 0, analytic = 0;
            for (const Subject& s : moved) {
                starts.push_back(s.value.copy());
                Tensor<double> direction(s.value.shape());
                random_.fill_normal(direction.data(), direction.size(), 0.0, 1.0);
                for (std::size_t i = 0; i < direction.size(); ++i) {
                    norm += direction.data()[i] * direction.data()[i];
                    analytic += direction.data()[i] * s.analytic.data()[i];
                }
                directions.push_back(direction);
            }
            norm = std::sqrt(norm);
            const Stencil at = stencil(options_.step, [&](double d) {
                for (std::size_t j = 0; j < moved.size(); ++j)
                    for (std::size_t i = 0; i < starts[j].size(); ++i)
                        moved[j].value.data()[i] =
                            starts[j].data()[i] + d / norm * directions[j].data()[i];
            });
            keep_worst(worst, compare(name, k, 0, true, analytic / norm, at, options_.step),
                       k == 0);
        }
        return worst;
    }

    const GradcheckFunction& f_;
    GradcheckOptions options_;
    Random random_;
    std::vector<Subject> subjects_;
    std::size_t elements_ = 0;
    Tensor<double> cotangent_;
};

const char* name_of(Verdict verdict) {
    switch (verdict) {
    case Verdict::zero: return "zero";
    case Verdict::passed: return "ok";
    case Verdict::kink: return "kink";
    case Verdict::failed: break;
    }
    return "FAILED";
}

} // namespace

GradcheckReport check_gradients(const GradcheckFunction& f,
                                const std::vector<Tensor<double>>& inputs,
                                const Parameters<double>& parameters,
                                const GradcheckOptions& options) {
    return Check(f, inputs, parameters, options).run();
}

bool GradcheckReport::passed() const {
    return indeterminate.empty() && !zero_everywhere() &&
           std::all_of(entries.begin(), entries.end(),
                       [](const Entry& e) { return e.verdict != Verdict::failed; });
}

bool GradcheckReport::zero_everywhere() const {
    return !entries.empty() && std::all_of(entries.begin(), entries.end(), [](const Entry& e) {
        return e.verdict == Verdict::zero;
    });
}

std::string GradcheckReport::text() const {
    if (!indeterminate.empty())
        return "gradient check FAILED: with the same inputs the function gives " + indeterminate +
               "\n";
    std::string all;
    for (const Entry& e : entries) {
        char line[320];
        std::snprintf(line, sizeof line,
                      "%-6s %-32s %s %zu: analytic %.9g, numeric %.9g, absolute error %.2g, "
                      "relative %.2g\n",
                      name_of(e.verdict), e.name.c_str(), e.is_direction ? "direction" : "element",
                      e.index, e.analytic, e.numeric, e.absolute, e.relative);
        all += line;
    }
    if (zero_everywhere())
        return all +
               "gradient check FAILED: every derivative is zero, so nothing was checked; does "
               "the result depend on the inputs and parameters?\n";
    return all + (passed() ? "gradient check passed\n" : "gradient check FAILED\n");
}

std::string GradcheckReport::json() const {
    nlohmann::ordered_json all;
    all["passed"] = passed();
    if (!indeterminate.empty()) all["indeterminate"] = indeterminate;
    all["entries"] = nlohmann::ordered_json::array();
    for (const Entry& e : entries)
        all["entries"].push_back({{"name", e.name},
                                  {e.is_direction ? "direction" : "element", e.index},
                                  {"output", e.output},
                                  {"analytic", e.analytic},
                                  {"numeric", e.numeric},
                                  {"absolute_error", e.absolute},
                                  {"relative_error", e.relative},
                                  {"verdict", name_of(e.verdict)}});
    // Names may hold invalid UTF-8.
    return all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::ostream& operator<<(std::ostream& out, const GradcheckReport& report) {
    return out << report.text();
}

} // namespace unroll
