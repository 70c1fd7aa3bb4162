#include <unroll/optim/flat.hpp>
#include <unroll/optim/second_order/line_search.hpp>
#include <unroll/optim/second_order/objective.hpp>
#include <unroll/optim/second_order/vectors.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include <fmt/format.h>

namespace unroll::optim {

using namespace vectors;

namespace {

void require_positive(const Op& op, const char* what, double value) {
    if (!(value > 0 && std::isfinite(value)))
        fail(op, std::string("the ") + what + " must be positive and finite, got " +
                     fmt::to_string(value));
}

void require_tolerance(const Op& op, const char* what, double value) {
    if (!(value >= 0)) // infinity accepts everything
        fail(op, std::string(what) + " must be at least 0, got " + fmt::to_string(value));
}

} // namespace

const char* to_string(Stop stop) {
    switch (stop) {
    case Stop::gradient: return "the gradient is within the tolerance";
    case Stop::change: return "the change is within the tolerance";
    case Stop::iterations: return "the limit of iterations was reached";
    case Stop::evaluations: return "the limit of evaluations was reached";
    case Stop::line_search: return "the line search found no lower loss";
    }
    return "";
}

template <class T>
Minimizer<T>::Minimizer(const Op& op, const Parameters<T>& parameters,
                        const MinimizerOptions& options)
    : parameters_(each_once(parameters)), options_(options) {
    require_positive(op, "learning rate", options.learning_rate);
    if (options.max_iterations == 0) fail(op, "max_iterations must be at least 1, got 0");
    require_tolerance(op, "gradient_tolerance", options.gradient_tolerance);
    require_tolerance(op, "change_tolerance", options.change_tolerance);
    require_distinct_paths(op, parameters_);
    for (const auto& p : parameters_) held_.emplace_back(p);
}

template <class T>
Minimization Minimizer<T>::step(const Closure& loss, Where where) {
    const Op op("step", where);
    if (parameters_.empty())
        fail(op, "the minimiser holds no parameters: it was moved from or constructed from an "
                 "empty list");
    Objective<T> objective(op, parameters_, loss);
    const Tensor<T> initial = objective.x;
    const List<Memory> memory = memory_;
    try {
        objective.begin(allows_unlisted_);
        const Minimization result = minimize(objective);
        ++this->steps_;
        return result;
    } catch (...) {
        objective.set(initial);
        for (const auto& p : parameters_) p.clear_gradient();
        memory_ = memory;
        throw;
    }
}

template <class T>
void Minimizer<T>::remember(Tensor<T> step, Tensor<T> change) {
    const double sy = dot(step, change), yy = dot(change, change);
    // Without positive curvature the approximation of the Hessian would not be positive definite.
    if (options_.memory == 0 || !(sy > 1e-10 * std::sqrt(dot(step, step) * yy))) return;
    if (memory_.size() == options_.memory) memory_.erase(memory_.begin());
    memory_.push_back({std::move(step), std::move(change), sy, yy});
}

template <class T>
Minimization Minimizer<T>::minimize(Objective<T>& f) {
    Minimization result{.initial_loss = f.loss};
    const auto iterate = [&]() -> std::optional<Stop> {
        Direction d = direction(f);
        double slope = dot(f.gradient, d.vector);
        if (!(slope < 0 && std::isfinite(slope))) {
            memory_.clear();
            d = {scaled(-1, f.gradient), false};
            slope = dot(f.gradient, d.vector);
        }
        if (slope > -options_.change_tolerance) return Stop::change;
        const double first =
            options_.learning_rate * (d.is_scaled ? 1 : std::min(1.0, 1 / norm_1(f.gradient)));
        const double size = norm_max(d.vector);
        const auto evaluate = [&](double step) {
            auto value = f.at(add_scaled(f.x, step, d.vector));
            const double derivative = dot(value.gradient, d.vector);
            return LinePoint<T>{step, value.loss, derivative, std::move(value.gradient)};
        };
        const LinePoint<T> found = strong_wolfe<T>(evaluate, {0, f.loss, slope, f.gradient}, first,
                                                   options_.change_tolerance / size);
        ++result.iterations;
        if (found.step == 0 || !(found.loss <= f.loss)) {
            f.set(f.x);
            memory_.clear();
            return Stop::line_search;
        }
        remember(scaled(found.step, d.vector), add_scaled(found.gradient, -1, f.gradient));
        const double change = f.loss - found.loss;
        f.x = add_scaled(f.x, found.step, d.vector);
        f.set(f.x);
        f.loss = found.loss;
        f.gradient = found.gradient;
        if (norm_max(f.gradient) <= options_.gradient_tolerance) return Stop::gradient;
        if (found.step * size <= options_.change_tolerance || change < options_.change_tolerance)
            return Stop::change;
        if (result.iterations == options_.max_iterations) return Stop::iterations;
        if (f.evaluations() >= options_.max_evaluations) return Stop::evaluations;
        return std::nullopt;
    };
    std::optional<Stop> stop;
    if (norm_max(f.gradient) <= options_.gradient_tolerance) stop = Stop::gradient;
    while (!stop) stop = iterate();
    result.loss = f.loss;
    result.gradient = norm_max(f.gradient);
    result.evaluations = f.evaluations();
    result.hessian_products = f.hessian_products();
    result.stop = *stop;
    return result;
}

namespace {

constexpr const char *steps_name = ".steps", *changes_name = ".gradient_changes";

} // namespace

template <class T>
typename Minimizer<T>::State Minimizer<T>::state() const {
    State all;
    if (options_.memory == 0) return all;
    for (const auto& p : parameters_)
        for (const char* name : {steps_name, changes_name})
            all[p.path + name] = Tensor<T>({memory_.size(), p.size()});
    for (std::size_t i = 0; i < memory_.size(); ++i) {
        const auto store = [&](const char* name, const Tensor<T>& vector) {
            for_parts(vector, parameters_, [&](const auto& p, const Tensor<T>& part) {
                all[p.path + name].select(0, i).assign(part.reshape({p.size()}));
            });
        };
        store(steps_name, memory_[i].step);
        store(changes_name, memory_[i].change);
    }
    return all;
}

template <class T>
std::string Minimizer<T>::mismatches(const State& state) const {
    std::map<std::string, Shape> own;
    std::size_t count = 0;
    if (options_.memory != 0 && !parameters_.empty()) {
        const auto first = state.find(parameters_[0].path + steps_name);
        if (first != state.end() && first->second.dimension() == 2) count = first->second.shape(0);
        for (const auto& p : parameters_)
            for (const char* name : {steps_name, changes_name})
                own[p.path + name] = Shape{count, p.size()};
    }
    std::string problems = this->compare(own, state);
    if (problems.empty() && count > options_.memory)
        problems = "\n  " + std::to_string(count) + " earlier steps for a memory of " +
                   std::to_string(options_.memory);
    return problems;
}

template <class T>
void Minimizer<T>::assign(const State& state) {
    memory_.clear();
    const std::size_t count =
        state.empty() ? 0 : state.at(parameters_[0].path + steps_name).shape(0);
    const std::size_t n = parameters_to_vector(parameters_).size();
    for (std::size_t i = 0; i < count; ++i) {
        const auto read = [&](const char* name) {
            Tensor<T> vector({n});
            for_parts(vector, parameters_, [&](const auto& p, Tensor<T> part) {
                part.assign(state.at(p.path + name).select(0, i).reshape(p.shape()));
            });
            return vector;
        };
        const Tensor<T> step = read(steps_name), change = read(changes_name);
        memory_.push_back({step, change, dot(step, change), dot(change, change)});
    }
}

template class Minimizer<float>;
template class Minimizer<double>;

} // namespace unroll::optim
