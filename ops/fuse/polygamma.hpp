#pragma once

#include <cmath>
#include <limits>
#include <numbers>

namespace unroll::detail {

// The Hurwitz zeta function, the sum of (x + k)^-s over k = 0, 1, ..., for whole s > 1 and x > 0,
// by Euler-Maclaurin summation (DLMF 25.11.28). For s = 1: -digamma(x).
inline long double hurwitz_zeta(unsigned s, long double x) {
    const auto inverse_power = [s](long double x) {
        long double y = 1;
        for (unsigned n = s; n > 0; n /= 2, x *= x)
            if (n % 2 == 1) y *= x;
        return 1 / y;
    };
    // B_2j / (2j)! for Bernoulli numbers B.
    constexpr long double weights[] = {1.0L / 12,
                                       -1.0L / 720,
                                       1.0L / 30240,
                                       -1.0L / 1209600,
                                       1.0L / 47900160,
                                       -691.0L / 1307674368000,
                                       1.0L / 74724249600,
                                       -3617.0L / 10670622842880000,
                                       43867.0L / 5109094217170944000};
    long double sum = 0;
    for (; x < 20 + s; x += 1) sum += inverse_power(x);
    const long double power = inverse_power(x);
    sum += (s == 1 ? -std::log(x) : power * x / (s - 1)) + power / 2;
    long double term = power * s / x; // s (s + 1) ... (s + 2j - 2) x^(1 - s - 2j)
    for (int j = 1; const long double weight : weights) {
        sum += weight * term;
        term *= (s + 2 * j - 1) * (s + 2 * j) / (x * x);
        ++j;
    }
    return sum;
}

// The p-th derivative of digamma; at 0 its limit from above. NaN unless p is 0, 1, ..., 1100, and
// at the poles x = -1, -2, ...
inline long double polygamma(long double x, long double p) {
    constexpr long double none = std::numeric_limits<long double>::quiet_NaN();
    if (!(p >= 0 && p <= 1100 && std::floor(p) == p) || std::isnan(x)) return none;
    const bool odd = std::fmod(p, 2.0L) == 1;
    if (std::isinf(x)) return x < 0 ? none : p == 0 ? x : 0;
    if (x == 0) return (odd ? 1 : -1) * std::numeric_limits<long double>::infinity();
    if (x < 0 && std::floor(x) == x) return none;
    if (p == 0) {
        if (x > 0) return -hurwitz_zeta(1, x);
        const long double angle = std::numbers::pi_v<long double> * (x - std::round(x));
        return -hurwitz_zeta(1, 1 - x) - std::numbers::pi_v<long double> / std::tan(angle);
    }
    const auto s = static_cast<unsigned>(p) + 1;
    const long double f = x - std::floor(x);
    const long double zeta = // for x < 0, the terms up to x + k = f - 1 are a part of another sum
        x > 0 ? hurwitz_zeta(s, x)
              : hurwitz_zeta(s, f) +
                    (odd ? 1 : -1) * (hurwitz_zeta(s, 1 - f) - hurwitz_zeta(s, 1 - x));
    return (odd ? 1 : -1) * std::tgamma(p + 1) * zeta;
}

} // namespace unroll::detail
