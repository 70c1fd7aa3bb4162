#include <unroll/core/gradcheck.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ostream>

namespace unroll {

namespace {

// What is perturbed: an input, or a parameter's value.
struct Subject {
    std::string name;
    Tensor<double> value;
    Parameter<double>* parameter;
    Tensor<double> gradient;
};

class Check {
public:
    Check(const GradcheckFunction& f, const std::vector<Tensor<double>>& inputs,
          const std::vector<Parameter<double>*>& parameters, const GradcheckOptions& options)
        : f_(f), options_(options), random_(options.seed) {
        for (std::size_t i = 0; i < inputs.size(); ++i)
            subjects_.push_back({"input " + std::to_string(i), inputs[i].copy(), nullptr, {}});
        for (Parameter<double>* p : parameters)
            subjects_.push_back({p->name(), p->change(), p, {}});
    }

    GradcheckReport run() {
        differentiate();
        GradcheckReport report;
        std::size_t elements = 0;
        for (const Subject& s : subjects_) elements += s.value.size();
        for (Subject& s : subjects_) {
            if (s.value.size() == 0) continue;
            report.entries.push_back(elements <= options_.full ? every_element(s) : along(s));
        }
        return report;
    }

private:
    Variable<double> evaluate(Tape<double>& tape, std::vector<Variable<double>>& variables) {
        tape.clear();
        tape.set_random(Random(options_.seed));
        variables.clear();
        for (const Subject& s : subjects_)
            if (s.parameter == nullptr) variables.push_back(tape.variable(s.value));
        return f_(tape, variables);
    }

    // Gradients under a random cotangent, added to values that were there before and are then
    // taken off again.
    void differentiate() {
        Tape<double> tape;
        std::vector<Variable<double>> variables;
        Variable<double> y = evaluate(tape, variables);
        cotangent_ = Tensor<double>(y.shape());
        random_.fill_uniform(cotangent_.data(), cotangent_.size(), 0.5, 1.5);
        std::vector<Tensor<double>> before;
        std::size_t input = 0;
        for (Subject& s : subjects_) {
            Tensor<double> dirt(s.value.shape());
            random_.fill_uniform(dirt.data(), dirt.size(), -1.0, 1.0);
            before.push_back(dirt);
            if (s.parameter != nullptr) {
                s.parameter->gradient_buffer().assign(dirt);
                s.parameter->mark_gradient();
            } else {
                const NodeId id = variables[input++].node();
                Adjoint<double>(&tape, id, *tape.node(id).region).add(Variable<double>(dirt));
            }
        }
        tape.backward(y, cotangent_);
        input = 0;
        for (std::size_t i = 0; i < subjects_.size(); ++i) {
            Subject& s = subjects_[i];
            s.gradient =
                s.parameter ? s.parameter->gradient().copy() : tape.gradient(variables[input++]);
            if (s.parameter != nullptr) s.parameter->clear_gradient();
            for (std::size_t k = 0; k < s.gradient.size(); ++k)
                s.gradient.data()[k] -= before[i].data()[k];
        }
    }

    double value() {
        std::vector<Variable<double>> variables;
        tape_.set_recording(true);
        const Tensor<double> y = evaluate(tape_, variables).value().contiguous();
        double sum = 0;
        for (std::size_t k = 0; k < y.size(); ++k) sum += cotangent_.data()[k] * y.data()[k];
        return sum;
    }

    // The derivative of value() when `move(d)` shifts the subject by d.
    template <class Move>
    double difference(double step, const Move& move) {
        const auto at = [&](double d) {
            move(d);
            return value();
        };
        const double near = at(step) - at(-step), far = at(2 * step) - at(-2 * step);
        move(0);
        return (8 * near - far) / (12 * step);
    }

    GradcheckReport::Entry compare(const Subject& s, std::size_t index, bool is_direction,
                                   double analytic, double numeric) const {
        const double absolute = std::abs(analytic - numeric);
        const double scale = std::max({std::abs(analytic), std::abs(numeric), options_.smallest});
        const double relative = absolute / scale;
        return {s.name,  index,    is_direction, analytic,
                numeric, absolute, relative,     relative <= options_.tolerance};
    }

    static bool worse(const GradcheckReport::Entry& a, const GradcheckReport::Entry& b) {
        return !(a.relative <= b.relative);
    }

    GradcheckReport::Entry every_element(Subject& s) {
        GradcheckReport::Entry worst{};
        for (std::size_t k = 0; k < s.value.size(); ++k) {
            const double x = s.value.data()[k];
            const double numeric = difference(options_.step * std::max(1.0, std::abs(x)),
                                              [&](double d) { s.value.data()[k] = x + d; });
            const auto entry = compare(s, k, false, s.gradient.data()[k], numeric);
            if (k == 0 || worse(entry, worst)) worst = entry;
        }
        return worst;
    }

    GradcheckReport::Entry along(Subject& s) {
        GradcheckReport::Entry worst{};
        const Tensor<double> start = s.value.copy();
        Tensor<double> direction(start.shape());
        for (std::size_t k = 0; k < options_.directions; ++k) {
            random_.fill_normal(direction.data(), direction.size(), 0.0, 1.0);
            double norm = 0, analytic = 0;
            for (std::size_t i = 0; i < direction.size(); ++i)
                norm += direction.data()[i] * direction.data()[i];
            for (std::size_t i = 0; i < direction.size(); ++i) {
                direction.data()[i] /= std::sqrt(norm);
                analytic += direction.data()[i] * s.gradient.data()[i];
            }
            const double numeric = difference(options_.step, [&](double d) {
                for (std::size_t i = 0; i < direction.size(); ++i)
                    s.value.data()[i] = start.data()[i] + d * direction.data()[i];
            });
            const auto entry = compare(s, k, true, analytic, numeric);
            if (k == 0 || worse(entry, worst)) worst = entry;
        }
        return worst;
    }

    const GradcheckFunction& f_;
    GradcheckOptions options_;
    Random random_;
    std::vector<Subject> subjects_;
    Tensor<double> cotangent_;
    Tape<double> tape_;
};

} // namespace

GradcheckReport check_gradients(const GradcheckFunction& f,
                                const std::vector<Tensor<double>>& inputs,
                                const std::vector<Parameter<double>*>& parameters,
                                const GradcheckOptions& options) {
    return Check(f, inputs, parameters, options).run();
}

bool GradcheckReport::passed() const {
    return std::all_of(entries.begin(), entries.end(), [](const Entry& e) { return e.passed; });
}

std::string GradcheckReport::text() const {
    std::string all;
    for (const Entry& e : entries) {
        char line[256];
        std::snprintf(line, sizeof line,
                      "%-6s %-32s %s %zu: analytic %.9g, numeric %.9g, absolute error %.2g, "
                      "relative %.2g\n",
                      e.passed ? "ok" : "FAILED", e.name.c_str(),
                      e.is_direction ? "direction" : "element", e.index, e.analytic, e.numeric,
                      e.absolute, e.relative);
        all += line;
    }
    return all + (passed() ? "gradient check passed\n" : "gradient check FAILED\n");
}

std::ostream& operator<<(std::ostream& out, const GradcheckReport& report) {
    return out << report.text();
}

} // namespace unroll
