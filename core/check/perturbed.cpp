#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/autograd/backward/linear_maps.hpp>
#include <unroll/core/check/perturbed.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace unroll {

namespace {

using Mode = GradcheckOptions::Mode;

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

} // namespace

double Perturbed::Subject::scale(std::size_t element) const {
    const double size = std::abs(std::as_const(value).data()[element]);
    return size > 0 && std::isfinite(size) ? size : typical;
}

Perturbed::Perturbed(const GradcheckFunction& f, const std::vector<Tensor<double>>& inputs,
                     const Parameters<double>& parameters, const GradcheckOptions& options,
                     Where where)
    : f_(f), options_(options), random_(options.seed) {
    const Op op("gradcheck", where);
    if (options.order != 1 && options.order != 2)
        fail(op, "order must be 1 or 2, got " + std::to_string(options.order));
    if (!(options.step > 0) || !(options.tolerance > 0) || !(options.smallest > 0))
        fail(op, "step, tolerance and smallest must be positive");
    for (std::size_t i = 0; i < inputs.size(); ++i)
        subjects_.push_back({"input " + std::to_string(i), inputs[i].copy(), {}, {}});
    for (NamedParameter<double> p : parameters)
        if (p.is_trainable())
            subjects_.push_back({p.path, p.change(), p, {}});
        else
            frozen_.emplace_back(p, p.value().copy());
    if (subjects_.empty())
        fail(op, "there is nothing to check: no input and no trainable parameter was "
                 "given");
    for (Subject& s : subjects_) {
        elements_ += s.value.size();
        s.typical = root_mean_square(s.value);
    }
    if (options_.mode == Mode::automatic)
        options_.mode = elements_ <= options.full ? Mode::elements : Mode::directions;
}
Perturbed::~Perturbed() {
    for (auto& [parameter, value] : frozen_)
        if (!(parameter.value() == value)) parameter.set(value);
}

Variable<double> Perturbed::evaluate(Tape<double>& tape, Variables& subjects, bool is_recorded) {
    ++evaluations_;
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

Variable<double> Perturbed::gradient_of(Tape<double>& tape, const Variable<double>& y,
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

void Perturbed::differentiate() {
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

double Perturbed::analytic(const Subject& s, std::size_t output, std::size_t element) {
    return std::as_const(s.analytic).data()[output * s.value.size() + element];
}

void Perturbed::backward(Tape<double>& tape, const Variable<double>& y, const Variables& x) {
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
        const auto once = plain[i].value().to_vector(), twice = gradients[i].value().to_vector(),
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

Tensor<double> Perturbed::value() {
    Variables x;
    Tape<double> tape;
    return evaluate(tape, x, false).value().copy(); // a view shares the perturbed elements
}

Differences::Sample Perturbed::sample(double step, const std::function<void(double)>& move) {
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

Differences Perturbed::element_line(Subject& s, std::size_t k, double scale) {
    const double x = std::as_const(s.value).data()[k];
    const auto move = [&s, k, x](double d) { s.value.data()[k] = x + d; };
    return Differences(power_of_two(options_.step * scale),
                       16 * std::numeric_limits<double>::epsilon() * std::abs(x),
                       [this, move](double step) { return sample(step, move); });
}

Differences Perturbed::element_line(Subject& s, std::size_t k) {
    return element_line(s, k, std::max(s.scale(k), s.typical / 64));
}

Perturbed::Direction Perturbed::direction(std::span<Subject> moved, double& analytic_slope) {
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

void Perturbed::move(std::span<Subject> moved, const Direction& d, double by) {
    for (std::size_t j = 0; j < moved.size(); ++j) {
        double* const to = moved[j].value.data();
        const double *const start = std::as_const(d.starts[j]).data(),
                            *const component = std::as_const(d.components[j]).data();
        for (std::size_t i = 0; i < d.starts[j].size(); ++i) to[i] = start[i] + by * component[i];
    }
}

Differences Perturbed::direction_line(std::span<Subject> moved, const Direction& d) {
    return Differences(power_of_two(options_.step), 1e-14, [this, moved, &d](double step) {
        return sample(step, [&](double by) { move(moved, d, by); });
    });
}

} // namespace unroll
