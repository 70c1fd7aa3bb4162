#include <unroll/core/base/error.hpp>
#include <unroll/core/check/difference.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace unroll {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double epsilon = std::numeric_limits<double>::epsilon();

} // namespace

double Differences::step(int rung) const { return std::ldexp(start_, 2 * rung); }

const Differences::Sample* Differences::sample(int rung) {
    const auto known = samples_.find(rung);
    if (known != samples_.end()) return known->second.up.empty() ? nullptr : &known->second;
    Sample& made = samples_[rung];
    if (rung < 0 && step(rung) < least_) return nullptr;
    try {
        made = sampler_(step(rung));
    } catch (const Error&) {
        if (rung == 0) throw;
        return nullptr; // an operation that throws outside its domain
    }
    return &made;
}

bool Differences::slope(int rung, std::size_t output, double& value, bool& is_one_sided) {
    const Sample* s = sample(rung);
    if (s == nullptr) return false;
    const double h = step(rung), up = s->up[output] / h, down = -s->down[output] / h;
    is_one_sided = std::isfinite(up) != std::isfinite(down);
    value = is_one_sided ? (std::isfinite(up) ? up : down) : up / 2 + down / 2;
    return std::isfinite(value);
}

double Differences::rounding(int rung, std::size_t output) {
    const Sample* s = sample(rung);
    return s == nullptr ? infinity : epsilon * s->size[output] / step(rung);
}

Differences::Estimate Differences::first(std::size_t output) {
    Estimate e{.value = std::numeric_limits<double>::quiet_NaN(), .error = infinity};
    if (slope(0, output, e.value, e.is_one_sided)) {
        e.step = step(0);
        e.rounding = rounding(0, output);
    }
    return e;
}

Differences::Estimate Differences::second(std::size_t output) {
    Estimate e = first(output);
    double wider = 0;
    bool is_one_sided = false;
    if (!std::isfinite(e.value) || e.is_one_sided || !slope(1, output, wider, is_one_sided) ||
        is_one_sided)
        return e;
    const double extrapolated = e.value + (e.value - wider) / 15;
    e.error = std::max(std::abs(extrapolated - e.value), e.rounding);
    e.value = extrapolated;
    return e;
}

Differences::Estimate Differences::best(std::size_t output, double accuracy) {
    struct Rung {
        int number;
        double slope, extrapolated;
        bool is_one_sided;
        double error;
    };
    std::vector<Rung> rungs; // from the largest step to the smallest
    double least = infinity;
    int after = 0; // rungs since the best one
    bool is_flat = false, has_central = false, has_changed = false;
    double flat = 0; // the largest step at which nothing changes
    for (int k = highest; k >= lowest; --k) {
        // Large steps may agree because the function is linear beyond a kink, or constant outside
        // its domain, so the search ends early only at very small steps.
        if (k < -12 && least < infinity && (after > 3 || least <= accuracy)) break;
        Rung r{k, 0, 0, false, infinity};
        if (!slope(k, output, r.slope, r.is_one_sided)) continue;
        // Steps below the resolution of the function (such as one in float) contain no information
        // about its slope.
        if (has_changed && r.slope == 0 && sample(k)->size[output] == 0) {
            is_flat = true;
            flat = std::max(flat, step(k));
            continue;
        }
        has_changed = has_changed || sample(k)->size[output] > 0;
        r.extrapolated = r.slope;
        if (!rungs.empty() && rungs.back().number == k + 1 &&
            rungs.back().is_one_sided == r.is_one_sided) {
            const Rung& wider = rungs.back();
            const double change = r.slope - wider.slope;
            r.extrapolated = r.slope + change / (r.is_one_sided ? 3 : 15);
            // The last term ignores estimates that have no neighbour with a larger step.
            r.error = std::max(
                {std::abs(change), rounding(k, output),
                 std::isfinite(wider.error) ? std::abs(r.extrapolated - wider.extrapolated) : 0.0});
        }
        rungs.push_back(r);
        has_central = has_central || (!r.is_one_sided && r.error < infinity);
        ++after;
        if (r.error < least) least = r.error, after = 0;
    }
    if (has_central)
        for (Rung& r : rungs)
            if (r.is_one_sided) r.error = infinity;
    // Noise in the function's value scatters the slopes at smaller steps; at this step it is less.
    for (std::size_t i = 0; i < rungs.size(); ++i) {
        const double found = rungs[i].extrapolated, h = step(rungs[i].number);
        for (std::size_t k = i + 1; k < rungs.size(); ++k)
            rungs[i].error = std::max(rungs[i].error, std::abs(rungs[k].slope - found) *
                                                          (step(rungs[k].number) / h));
        if (flat < h) rungs[i].error = std::max(rungs[i].error, std::abs(found) * (flat / h));
    }
    least = infinity;
    double largest = 0;
    for (const Rung& r : rungs) {
        least = std::min(least, r.error);
        if (r.number >= 0) largest = std::max(largest, std::abs(r.slope));
    }
    if (!(least < infinity)) return first(output);

    const double enough = std::max(2 * least, accuracy);
    const auto is_good = [&](const Rung& r) { return r.error <= enough; };
    std::size_t smallest = rungs.size() - 1;
    while (!is_good(rungs[smallest])) --smallest;
    std::size_t chosen = smallest; // the least error among the adjacent good rungs
    for (std::size_t i = smallest; i-- > 0 && is_good(rungs[i]);)
        if (rungs[i].error < rungs[chosen].error) chosen = i;
    const bool is_first_good = std::any_of(
        rungs.begin(), rungs.end(), [&](const Rung& r) { return r.number >= 0 && is_good(r); });
    const Rung& r = rungs[chosen];
    return {.value = r.extrapolated,
            .error = r.error,
            .step = step(r.number),
            .rounding = rounding(r.number, output),
            .largest = largest,
            .rung = rungs[smallest].number,
            .is_reduced = !is_first_good,
            .is_flat = is_flat,
            .is_one_sided = r.is_one_sided};
}

bool Differences::is_kink(std::size_t output, const Estimate& at, double slope, double slack) {
    double low = infinity, high = -infinity, last = 0;
    for (int k = at.rung; k < at.rung + 3; ++k) {
        const Sample* s = sample(k);
        if (s == nullptr) return false;
        const double up = s->up[output] / step(k), down = -s->down[output] / step(k);
        const double gap = std::abs(up - down);
        // The error of a smooth function increases with the step, noise decreases with it.
        if (!(gap > std::max(slack, 8 * rounding(k, output)))) return false;
        if (k > at.rung && !(gap < 2 * last && gap > last / 2)) return false;
        last = gap;
        low = std::min({low, up, down});
        high = std::max({high, up, down});
    }
    return slope >= low - slack && slope <= high + slack;
}

} // namespace unroll
