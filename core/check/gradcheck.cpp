#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/autograd/backward/linear_maps.hpp>
#include <unroll/core/check/difference.hpp>
#include <unroll/core/check/gradcheck.hpp>
#include <unroll/core/check/locate.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <numeric>

namespace unroll {

namespace {

using Mode = GradcheckOptions::Mode;
using Verdict = GradcheckReport::Verdict;
using Entry = GradcheckReport::Entry;

// What is perturbed: an input, or a parameter's value.
struct Subject {
    std::string name;
    Tensor<double> value;
    ParameterRef<double> parameter; // empty for an input
    Tensor<double> analytic;        // [observed outputs, elements]
    double typical = 1;             // root mean square of the elements; 1 if all are 0

    // The scale of a relative change of an element.
    double scale(std::size_t element) const {
        const double size = std::abs(std::as_const(value).data()[element]);
        return size > 0 && std::isfinite(size) ? size : typical;
    }
};

double root_mean_square(const Tensor<double>& x) {
    const auto all = x.to_vector();
    double largest = 0, sum = 0;
    for (const double v : all)
        if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
    if (largest == 0) return 1;
    for (const double v : all)
        if (std::isfinite(v)) sum += (v / largest) * (v / largest);
    return largest * std::sqrt(sum / static_cast<double>(all.size()));
}

// The largest power of two not above x, so that position + step is exact.
double power_of_two(double x) { return std::ldexp(1.0, std::ilogb(x)); }

// Per subject.
struct Direction {
    std::vector<Tensor<double>> starts, components;
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
            if (p.is_trainable())
                subjects_.push_back({p.path, p.change(), p, {}});
            else
                frozen_.emplace_back(p, p.value().copy());
        if (subjects_.empty())
            fail("gradcheck", "there is nothing to check: no input and no trainable parameter was "
                              "given");
        for (Subject& s : subjects_) {
            elements_ += s.value.size();
            s.typical = root_mean_square(s.value);
        }
        if (options_.mode == Mode::automatic)
            options_.mode = elements_ <= options.full ? Mode::elements : Mode::directions;
    }
    ~Check() {
        for (auto& [parameter, value] : frozen_)
            if (!(parameter.value() == value)) parameter.set(value);
    }

    GradcheckReport run() {
        differentiate();
        const Tensor<double> again = value();
        for (std::size_t i = 0; i < again.size(); ++i) {
            const double a = std::as_const(start_).data()[i], b = std::as_const(again).data()[i];
            if (a == b || (std::isnan(a) && std::isnan(b))) continue;
            char text[96];
            std::snprintf(text, sizeof text, "%.17g and then %.17g", a, b);
            report_.indeterminate = text;
            return std::move(report_);
        }
        if (elements_ == 0) return std::move(report_);
        if (options_.mode == Mode::together) {
            check(subjects_, "all together");
        } else {
            for (Subject& s : subjects_)
                if (s.value.size() > 0) check({&s, 1}, s.name);
        }
        return std::move(report_);
    }

private:
    using Variables = std::vector<Variable<double>>;

    // The function, or its gradient, on a tape of the caller. Differences are those of the ordinary
    // gradient, so that a recorded one that is wrong is detected, too.
    Variable<double> evaluate(Tape<double>& tape, Variables& subjects, bool is_recorded = true) {
        ++report_.evaluations;
        const Recording<double> recording(tape); // also within a NoRecording scope
        tape.set_random(Random(options_.seed));
        subjects.clear();
        Variables inputs;
        for (const Subject& s : subjects_) {
            const bool is_input = !s.parameter.is_parameter();
            subjects.push_back(is_input ? tape.variable(s.value) : Variable<double>(s.parameter));
            if (is_input) inputs.push_back(subjects.back());
        }
        const Variable<double> y = f_(inputs);
        return options_.order == 1 ? y : gradient_of(tape, y, subjects, is_recorded);
    }

    // The gradient of y under a separate cotangent, as one vector.
    Variable<double> gradient_of(Tape<double>& tape, const Variable<double>& y,
                                 const Variables& subjects, bool is_recorded) const {
        Tensor<double> seed(y.shape());
        Random(options_.seed).split(1).fill_uniform(seed.data(), seed.size(), 0.5, 1.5);
        const Variable<double> from[] = {y}, seeds[] = {seed};
        const auto all = tape.gradients(from, seeds, subjects, {.create_graph = is_recorded});
        std::vector<Part<double>> parts;
        std::size_t at = 0;
        for (const auto& g : all) {
            parts.push_back({{at, LayoutRef(g.shape())}, g});
            at += g.size();
        }
        return assemble(Op::unplaced("gradient"), std::span<const Part<double>>(parts),
                        StridedView::whole({elements_}));
    }

    void differentiate() {
        Tape<double> tape;
        Variables x;
        const Variable<double> y = evaluate(tape, x);
        start_ = options_.order == 1 ? y.value().copy() : value();
        cotangent_ = Tensor<double>(y.shape());
        random_.fill_uniform(cotangent_.data(), cotangent_.size(), 0.5, 1.5);
        outputs_ = options_.mode == Mode::jacobian ? y.size() : 1;
        for (Subject& s : subjects_) s.analytic = Tensor<double>::zeros({outputs_, s.value.size()});
        if (y.is_recorded() && options_.mode == Mode::jacobian) {
            for (std::size_t i = 0; i < x.size(); ++i)
                subjects_[i].analytic = jacobian(y, x[i]).reshape(subjects_[i].analytic.shape());
        } else if (y.is_recorded()) {
            backward(tape, y, x);
        }
        sizes_.assign(outputs_, 0);
        for (std::size_t k = 0; k < start_.size(); ++k) {
            const bool is_sum = options_.mode != Mode::jacobian;
            const double weight = is_sum ? std::as_const(cotangent_).data()[k] : 1;
            const double size = std::abs(weight * std::as_const(start_).data()[k]);
            if (std::isfinite(size)) sizes_[is_sum ? 0 : k] += size;
        }
        // The largest effect of changing an element by its own magnitude.
        effects_.assign(outputs_, 0);
        for (const Subject& s : subjects_)
            for (std::size_t out = 0; out < outputs_; ++out)
                for (std::size_t k = 0; k < s.value.size(); ++k) {
                    const double effect = std::abs(analytic(s, out, k)) * s.scale(k);
                    if (std::isfinite(effect)) effects_[out] = std::max(effects_[out], effect);
                }
    }

    static double analytic(const Subject& s, std::size_t output, std::size_t element) {
        return std::as_const(s.analytic).data()[output * s.value.size() + element];
    }

    // Gradients under the cotangent. They start from nonzero values, which are subtracted
    // afterwards, so that a rule that overwrites instead of accumulating is detected.
    void backward(Tape<double>& tape, const Variable<double>& y, const Variables& x) {
        Variables from = {y}, seeds = {cotangent_};
        const auto plain = tape.gradients(from, seeds, x, {.retain = true});
        for (std::size_t i = 0; i < x.size(); ++i) {
            // Scaled like the gradient, to limit cancellation in the subtraction.
            const double size = root_mean_square(plain[i].value());
            Tensor<double> before(x[i].shape());
            random_.fill_uniform(before.data(), before.size(), -size, size);
            from.push_back(x[i]);
            seeds.emplace_back(before);
        }
        const auto gradients = tape.gradients(from, seeds, x);
        for (std::size_t i = 0; i < x.size(); ++i) {
            const auto once = plain[i].value().to_vector(),
                       twice = gradients[i].value().to_vector(),
                       before = seeds[i + 1].value().to_vector();
            double* const to = subjects_[i].analytic.data();
            for (std::size_t k = 0; k < once.size(); ++k) {
                // Equal up to rounding: the values without the rounding of the subtraction.
                const double rest = twice[k] - before[k];
                const double slack = 1e-12 * (std::abs(once[k]) + std::abs(before[k]));
                to[k] = std::abs(rest - once[k]) <= slack ? once[k] : rest;
            }
        }
    }

    Tensor<double> value() {
        Variables x;
        Tape<double> tape;
        return evaluate(tape, x, false).value().copy(); // a view shares the perturbed elements
    }

    // The observed outputs: all elements of the result, or their sum under the cotangent.
    template <class Move>
    Differences::Sample sample(double step, const Move& move) {
        Tensor<double> up, down;
        try {
            move(step);
            up = value();
            move(-step);
            down = value();
        } catch (...) {
            move(0);
            throw;
        }
        move(0);
        Differences::Sample s{std::vector<double>(outputs_), std::vector<double>(outputs_),
                              std::vector<double>(outputs_)};
        if (up.shape() != start_.shape() || down.shape() != start_.shape())
            fail("gradcheck", "the shape of the result changes with the values of the inputs");
        const bool is_sum = options_.mode != Mode::jacobian;
        for (std::size_t k = 0; k < start_.size(); ++k) {
            const double y = std::as_const(start_).data()[k], above = std::as_const(up).data()[k],
                         below = std::as_const(down).data()[k];
            if (above == y && below == y) continue; // also an infinity that does not change
            const double weight = is_sum ? std::as_const(cotangent_).data()[k] : 1;
            const std::size_t out = is_sum ? 0 : k;
            s.up[out] += weight * (above - y);
            s.down[out] += weight * (below - y);
            s.size[out] += std::abs(weight * y);
        }
        return s;
    }

    Differences element_line(Subject& s, std::size_t k, double scale) {
        const double x = std::as_const(s.value).data()[k];
        const auto move = [&s, k, x](double d) { s.value.data()[k] = x + d; };
        return Differences(power_of_two(options_.step * scale),
                           16 * std::numeric_limits<double>::epsilon() * std::abs(x),
                           [this, move](double step) { return sample(step, move); });
    }

    // Small elements are perturbed by the typical scale of the others, to limit rounding errors.
    Differences element_line(Subject& s, std::size_t k) {
        return element_line(s, k, std::max(s.scale(k), s.typical / 64));
    }

    // A random direction, in which every element changes relative to its size.
    Direction direction(std::span<Subject> moved, double& analytic_slope) {
        Direction d;
        std::size_t count = 0;
        for (const Subject& s : moved) count += s.value.size();
        analytic_slope = 0;
        for (const Subject& s : moved) {
            d.starts.push_back(s.value.copy());
            Tensor<double> component(s.value.shape());
            double* const to = component.data();
            random_.fill_normal(to, component.size(), 0.0, 1.0 / std::sqrt(double(count)));
            for (std::size_t i = 0; i < component.size(); ++i) {
                to[i] *= s.scale(i);
                analytic_slope += to[i] * analytic(s, 0, i);
            }
            d.components.push_back(component);
        }
        return d;
    }

    static void move(std::span<Subject> moved, const Direction& d, double by) {
        for (std::size_t j = 0; j < moved.size(); ++j) {
            double* const to = moved[j].value.data();
            const double *const start = std::as_const(d.starts[j]).data(),
                                *const component = std::as_const(d.components[j]).data();
            for (std::size_t i = 0; i < d.starts[j].size(); ++i)
                to[i] = start[i] + by * component[i];
        }
    }

    Differences direction_line(std::span<Subject> moved, const Direction& d) {
        return Differences(power_of_two(options_.step), 1e-14, [this, moved, &d](double step) {
            return sample(step, [&](double by) { move(moved, d, by); });
        });
    }

    // Stores the estimate in the entry and returns whether they agree. `scale`: the scale of a
    // relative change.
    bool agrees(Entry& e, const Differences::Estimate& numeric, double scale) const {
        e.numeric = numeric.value;
        e.uncertainty = numeric.error;
        e.step = numeric.step;
        e.is_one_sided = numeric.is_one_sided;
        e.absolute = std::abs(e.analytic - e.numeric);
        const double size = std::max(std::abs(e.analytic), std::abs(e.numeric));
        e.relative = size > 0 ? e.absolute / size : e.absolute;
        if (e.analytic == 0 && e.numeric == 0) {
            e.verdict = Verdict::zero;
            return true;
        }
        const double largest = effects_[e.output] / scale;
        // A derivative is zero if a change by `scale` has less effect than the rounding of the
        // result.
        constexpr double epsilon = std::numeric_limits<double>::epsilon();
        const double unit = epsilon * sizes_[e.output];
        const bool is_zero =
            std::abs(e.analytic) * scale <= 100 * unit &&
            std::abs(e.numeric) * std::max(numeric.step, 1e-4 * scale) <= 100 * unit;
        const bool is_rounding =
            numeric.value == 0 ? e.absolute <= 1000 * epsilon * largest
                               : e.absolute <= 100 * numeric.rounding &&
                                     e.absolute <= options_.tolerance * options_.smallest * largest;
        if (e.relative <= options_.tolerance || is_rounding || is_zero) {
            e.verdict = Verdict::passed;
            return true;
        }
        return false;
    }

    // Computes only as many differences as the verdict needs.
    void judge(Entry& e, Differences& line, double scale,
               const std::function<Differences()>& finer) const {
        if (agrees(e, line.first(e.output), scale) || agrees(e, line.second(e.output), scale))
            return;
        const double accuracy =
            0.03 * options_.tolerance * (std::isfinite(e.analytic) ? std::abs(e.analytic) : 0.0);
        const auto estimate = line.best(e.output, accuracy);
        if (estimate.is_flat && e.analytic == 0) {
            agrees(e, {.error = 0, .step = estimate.step}, scale);
            return;
        }
        Entry fine = e;
        e.is_step_reduced = estimate.is_reduced;
        if (agrees(e, estimate, scale)) return;
        if (finer) { // the first step may have been far too large for this element
            Differences finer_line = finer();
            const auto other = finer_line.best(e.output, accuracy);
            fine.is_step_reduced = true;
            if (agrees(fine, other, scale)) {
                e = std::move(fine);
                return;
            }
            if (other.error < estimate.error) {
                e = std::move(fine);
                return decide(e, finer_line, other, scale);
            }
        }
        decide(e, line, estimate, scale);
    }

    void decide(Entry& e, Differences& line, const Differences::Estimate& estimate,
                double scale) const {
        const double size = std::max(std::abs(e.analytic), std::abs(e.numeric));
        if (!std::isfinite(e.analytic) || !std::isfinite(e.numeric))
            e.verdict = Verdict::failed;
        else if (line.is_kink(e.output, estimate, e.analytic, options_.tolerance * size))
            e.verdict = Verdict::kink;
        else if (e.absolute > 3 * e.uncertainty)
            e.verdict = Verdict::failed;
        else if (e.absolute <= options_.tolerance * options_.smallest * effects_[e.output] / scale)
            e.verdict = Verdict::passed;
        else
            e.verdict = Verdict::noisy;
    }

    // The worst element or direction so far, and how to reproduce it.
    struct Worst {
        Entry entry;
        std::unique_ptr<Differences> line;
        std::function<void(double)> move; // moves by a step
        double scale = 1;
        bool is_first = true;
    };

    // Order: failures, noise, kinks, passed, zeros; among equals, the larger error first.
    static bool is_worse(const Entry& e, const Worst& worst) {
        if (worst.is_first) return true;
        return e.verdict != worst.entry.verdict ? e.verdict > worst.entry.verdict
                                                : !(e.relative <= worst.entry.relative);
    }

    void check_element(Worst& worst, Subject& s, std::size_t k) {
        auto line = std::make_unique<Differences>(element_line(s, k));
        const double scale = s.scale(k), x = std::as_const(s.value).data()[k];
        std::function<Differences()> finer;
        if (scale < s.typical / 64) finer = [&] { return element_line(s, k, scale); };
        bool keeps = false;
        for (std::size_t out = 0; out < outputs_; ++out) {
            Entry e{.name = s.name, .index = k, .output = out, .analytic = analytic(s, out, k)};
            judge(e, *line, scale, finer);
            if (!is_worse(e, worst)) continue;
            worst.entry = std::move(e);
            worst.scale = scale;
            worst.is_first = false;
            worst.move = [&s, k, x](double d) { s.value.data()[k] = x + d; };
            keeps = true;
        }
        if (keeps) worst.line = std::move(line);
    }

    void look_along(Worst& worst, std::span<Subject> moved, const std::string& name,
                    std::size_t k) {
        Entry e{.name = name, .index = k, .is_direction = true};
        const auto d = std::make_shared<Direction>(direction(moved, e.analytic));
        auto line = std::make_unique<Differences>(direction_line(moved, *d));
        if (options_.mode == Mode::taylor)
            approach(e, moved, *d, *line);
        else
            judge(e, *line, 1, {});
        if (!is_worse(e, worst)) return;
        worst.entry = std::move(e);
        worst.scale = 1;
        worst.is_first = false;
        worst.line = options_.mode == Mode::taylor ? nullptr : std::move(line);
        worst.move = [moved, d](double by) { move(moved, *d, by); }; // the lambda refers to d
    }

    // Largest, smallest, zero and random elements of all perturbed tensors.
    void look_at_some(Worst& worst, std::span<Subject> moved) {
        struct Position {
            Subject* subject;
            std::size_t element;
        };
        Position largest{nullptr, 0}, least{nullptr, 0};
        double high = 0, low = std::numeric_limits<double>::infinity();
        std::vector<Position> zeros, picked;
        std::size_t count = 0, zero_count = 0;
        for (Subject& s : moved) {
            count += s.value.size();
            for (std::size_t k = 0; k < s.value.size(); ++k) {
                const double size = std::abs(std::as_const(s.value).data()[k]);
                if (size > high) high = size, largest = {&s, k};
                if (size > 0 && size < low) low = size, least = {&s, k};
                // Two of all zeros, evenly (reservoir sampling).
                if (size != 0) continue;
                if (zeros.size() < 2)
                    zeros.push_back({&s, k});
                else if (const auto at = random_.below(zero_count + 1); at < 2)
                    zeros[at] = {&s, k};
                ++zero_count;
            }
        }
        const auto pick = [&](const Position& position) {
            const auto is_same = [&](const Position& p) {
                return p.subject == position.subject && p.element == position.element;
            };
            if (position.subject != nullptr && picked.size() < options_.elements &&
                std::none_of(picked.begin(), picked.end(), is_same))
                picked.push_back(position);
        };
        pick(largest);
        pick(least);
        for (const Position& zero : zeros) pick(zero);
        for (std::size_t tries = 0;
             picked.size() < std::min(options_.elements, count) && tries < 64; ++tries) {
            std::size_t at = random_.below(count), j = 0;
            while (at >= moved[j].value.size()) at -= moved[j++].value.size();
            pick({&moved[j], at});
        }
        for (const Position& position : picked)
            check_element(worst, *position.subject, position.element);
    }

    void check(std::span<Subject> moved, const std::string& name) {
        if (options_.mode == Mode::transpose) {
            report_.entries.push_back(transposed(moved, name));
            return;
        }
        Worst worst;
        if (options_.mode == Mode::elements || options_.mode == Mode::jacobian) {
            for (std::size_t k = 0; k < moved[0].value.size(); ++k)
                check_element(worst, moved[0], k);
        } else {
            for (std::size_t k = 0; k < options_.directions; ++k) look_along(worst, moved, name, k);
            if (options_.mode != Mode::taylor) look_at_some(worst, moved);
        }
        if (worst.is_first) return;
        // The error of the reported number.
        if (worst.line && worst.entry.verdict == Verdict::passed &&
            !std::isfinite(worst.entry.uncertainty)) {
            Entry e = worst.entry;
            if (agrees(e, worst.line->second(e.output), worst.scale)) worst.entry = e;
        }
        if (options_.locate && worst.entry.verdict == Verdict::failed && report_.located.empty())
            report_.located = find(worst);
        report_.entries.push_back(worst.entry);
    }

    std::string find(const Worst& worst) {
        const double step = worst.entry.step > 0 ? worst.entry.step : options_.step;
        Tensor<double> cotangent = cotangent_;
        if (options_.mode == Mode::jacobian) {
            cotangent = Tensor<double>::zeros(cotangent_.shape());
            cotangent.data()[worst.entry.output] = 1;
        }
        const auto run = [this](Tape<double>& tape, Variables& x) { return evaluate(tape, x); };
        return locate_wrong_rule(run, cotangent, worst.move, step, options_.tolerance);
    }

    // The remainder of the first-order Taylor polynomial along a direction: of second order if the
    // gradient is right, of first order if it is wrong.
    void approach(Entry& e, std::span<Subject> moved, const Direction& d, Differences& line) {
        GradcheckReport::Remainder r{e.name + ", direction " + std::to_string(e.index), {}, {}, 0};
        std::vector<std::pair<double, double>> points; // logarithms, above the rounding
        bool is_exact = true;
        for (int k = 3; k <= 22; ++k) {
            const double h = std::ldexp(1.0, -k);
            Differences::Sample s;
            try {
                s = sample(h, [&](double by) { move(moved, d, by); });
            } catch (const Error&) {
                continue; // outside the domain
            }
            const double rest = std::abs(s.up[0] - h * e.analytic);
            if (!std::isfinite(rest)) continue;
            r.steps.push_back(h);
            r.remainders.push_back(rest);
            const double rounding =
                std::numeric_limits<double>::epsilon() * (s.size[0] + std::abs(h * e.analytic));
            if (rest > 64 * rounding) points.emplace_back(std::log(h), std::log(rest));
            is_exact = is_exact && rest <= 64 * rounding;
        }
        e.slope = slope_of(points);
        if (is_exact && !r.steps.empty()) e.slope = std::numeric_limits<double>::infinity();
        r.slope = e.slope;
        report_.remainders.push_back(std::move(r));
        judge(e, line, 1, {});
        // Differences distinguish a wrong gradient from a kink; if they are too noisy, the slope
        // decides.
        if (e.slope > 1.5 && e.verdict == Verdict::noisy) e.verdict = Verdict::passed;
    }

    // The slope of a line through the four points at the smallest steps.
    static double slope_of(const std::vector<std::pair<double, double>>& points) {
        const std::size_t n = std::min<std::size_t>(points.size(), 4);
        if (n < 2) return std::numeric_limits<double>::quiet_NaN();
        double x = 0, y = 0, xx = 0, xy = 0;
        for (std::size_t i = points.size() - n; i < points.size(); ++i) {
            const auto& [a, b] = points[i];
            x += a, y += b, xx += a * a, xy += a * b;
        }
        const double count = static_cast<double>(n);
        return (count * xy - x * y) / (count * xx - x * x);
    }

    // <J^T u, v> from the in-place pass, and <u, J v> from differentiating the recorded pass with
    // respect to u.
    Entry transposed(std::span<Subject> moved, const std::string& name) {
        Entry e{.name = name, .is_direction = true};
        const Direction d = direction(moved, e.analytic);
        double scale = 0;
        for (std::size_t i = 0; i < moved[0].value.size(); ++i)
            scale += std::abs(std::as_const(d.components[0]).data()[i] * analytic(moved[0], 0, i));
        Tape<double> tape;
        Variables x;
        const Variable<double> y = evaluate(tape, x);
        const auto at = static_cast<std::size_t>(moved.data() - subjects_.data());
        const Variable<double> from[] = {y}, by[] = {x[at]};
        const Variable<double> u[] = {tape.variable(cotangent_)}, v[] = {d.components[0]};
        if (y.is_recorded()) {
            const auto g = tape.gradients(from, u, by, {.create_graph = true});
            const auto jv = tape.gradients(g, v, u)[0].value().to_vector();
            const auto weights = cotangent_.to_vector();
            e.numeric = std::inner_product(jv.begin(), jv.end(), weights.begin(), 0.0);
        }
        e.absolute = std::abs(e.analytic - e.numeric);
        e.relative = scale > 0 ? e.absolute / scale : e.absolute;
        e.verdict = e.analytic == 0 && e.numeric == 0 ? Verdict::zero
                    : e.relative <= 1e-12             ? Verdict::passed
                                                      : Verdict::failed;
        return e;
    }

    const GradcheckFunction& f_;
    GradcheckOptions options_;
    Random random_;
    std::vector<Subject> subjects_;
    // With their values: running means, which the function changes, are restored.
    std::vector<std::pair<ParameterRef<double>, Tensor<double>>> frozen_;
    std::size_t elements_ = 0, outputs_ = 1;
    Tensor<double> cotangent_, start_;
    std::vector<double> sizes_;   // per output: sum of magnitudes of the terms
    std::vector<double> effects_; // per output
    GradcheckReport report_;
};

} // namespace

GradcheckReport check_gradients(const GradcheckFunction& f,
                                const std::vector<Tensor<double>>& inputs,
                                const Parameters<double>& parameters,
                                const GradcheckOptions& options) {
    return Check(f, inputs, parameters, options).run();
}

} // namespace unroll
