#include <unroll/optim/second_order/line_search.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace unroll::optim {

namespace {

constexpr double sufficient_decrease = 1e-4, curvature = 0.9;
constexpr int most_trials = 25;

// The minimum of the cubic through two points with their slopes, in [low, high]; the middle if the
// cubic has none or a value is not finite.
template <class T>
double cubic_minimum(const LinePoint<T>& a, const LinePoint<T>& b, double low, double high) {
    if (a.step > b.step) return cubic_minimum(b, a, low, high);
    const double d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.step - b.step);
    const double square = d1 * d1 - a.slope * b.slope;
    if (!(square >= 0 && std::isfinite(square))) return (low + high) / 2;
    const double d2 = std::sqrt(square);
    const double at =
        b.step - (b.step - a.step) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2));
    return std::isfinite(at) ? std::clamp(at, low, high) : (low + high) / 2;
}

} // namespace

template <class T>
LinePoint<T> strong_wolfe(const std::function<LinePoint<T>(double step)>& evaluate,
                          const LinePoint<T>& start, double first_step, double least_width) {
    const auto is_too_high = [&](const LinePoint<T>& p) {
        return p.loss > start.loss + sufficient_decrease * p.step * start.slope;
    };
    const auto is_flat = [&](const LinePoint<T>& p) {
        return std::abs(p.slope) <= -curvature * start.slope;
    };

    // Extends the step until a minimum lies between two points.
    LinePoint<T> previous = start, now = evaluate(first_step);
    int trials = 0;
    for (; trials < most_trials; ++trials) {
        if (is_too_high(now) || (trials > 1 && now.loss >= previous.loss)) break;
        if (is_flat(now)) return now;
        if (now.slope >= 0) break;
        const double next = cubic_minimum(
            previous, now, now.step + 0.01 * (now.step - previous.step), 10 * now.step);
        previous = std::exchange(now, evaluate(next));
    }
    if (trials == most_trials) previous = start;

    // Narrows the bracket; `low` has the lower loss.
    LinePoint<T> low = std::move(previous), high = std::move(now);
    if (high.loss < low.loss) std::swap(low, high);
    bool is_slow = false;
    while (trials < most_trials && std::abs(high.step - low.step) >= least_width) {
        const double left = std::min(low.step, high.step), right = std::max(low.step, high.step);
        double step = cubic_minimum(low, high, left, right);
        // Twice in a row near an end, or at an end: a tenth of the bracket away from it.
        const double margin = 0.1 * (right - left);
        if (std::min(right - step, step - left) < margin) {
            if (is_slow || step >= right || step <= left) {
                step = right - step < step - left ? right - margin : left + margin;
                is_slow = false;
            } else {
                is_slow = true;
            }
        } else {
            is_slow = false;
        }
        LinePoint<T> trial = evaluate(step);
        ++trials;
        if (is_too_high(trial) || trial.loss >= low.loss) {
            high = std::move(trial);
            if (high.loss < low.loss) std::swap(low, high);
            continue;
        }
        if (is_flat(trial)) return trial;
        if (trial.slope * (high.step - low.step) >= 0) high = std::move(low);
        low = std::move(trial);
    }
    return low;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template LinePoint<T> strong_wolfe(const std::function<LinePoint<T>(double)>&,                 \
                                       const LinePoint<T>&, double, double);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::optim
