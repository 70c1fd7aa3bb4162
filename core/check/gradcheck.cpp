#include <unroll/core/check/gradcheck.hpp>
#include <unroll/core/check/locate.hpp>
#include <unroll/core/check/perturbed.hpp>

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

class Check : Perturbed {
public:
    using Perturbed::Perturbed;

    GradcheckReport run() {
        look();
        report_.evaluations = evaluations_;
        return std::move(report_);
    }

private:
    void look() {
        differentiate();
        const Tensor<double> again = value();
        for (std::size_t i = 0; i < again.size(); ++i) {
            const double a = std::as_const(start_).data()[i], b = std::as_const(again).data()[i];
            if (a == b || (std::isnan(a) && std::isnan(b))) continue;
            char text[96];
            std::snprintf(text, sizeof text, "%.17g and then %.17g", a, b);
            report_.indeterminate = text;
            return;
        }
        if (elements_ == 0) return;
        if (options_.mode == Mode::together) {
            check(subjects_, "all together");
        } else {
            for (Subject& s : subjects_)
                if (s.value.size() > 0) check({&s, 1}, s.name);
        }
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
            if (e.relative > options_.tolerance)
                e.reason = is_zero ? "both are 0 up to the rounding of the result"
                                   : "the difference is rounding of the result";
            return true;
        }
        return false;
    }

    // Computes only as many differences as the verdict needs.
    void judge(Entry& e, Differences& line, double scale,
               const std::function<Differences()>& finer) const {
        if (const auto first = line.first(e.output); agrees(e, first, scale)) {
            // One-sided slopes that cancel, as those of |x|.
            if (e.verdict == Verdict::zero && line.is_kink(e.output, first, 0, 0))
                e.verdict = Verdict::kink;
            return;
        }
        if (agrees(e, line.second(e.output), scale)) return;
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
        else if (e.absolute <= options_.tolerance * options_.smallest *
                                   std::max(effects_[e.output] / scale, estimate.largest)) {
            e.verdict = Verdict::passed;
            e.reason = "the difference is within its own error, and negligible next to the largest "
                       "derivative";
        } else
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
        if (e.slope > 1.5 && e.verdict == Verdict::noisy) {
            e.verdict = Verdict::passed;
            e.reason = "the remainder is of second order";
        }
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

    GradcheckReport report_;
};

} // namespace

GradcheckReport check_gradients(const GradcheckFunction& f,
                                const std::vector<Tensor<double>>& inputs,
                                const Parameters<double>& parameters,
                                const GradcheckOptions& options, Where where) {
    return Check(f, inputs, parameters, options, where).run();
}

} // namespace unroll
