#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

namespace bench {

template <class F>
double seconds(const F& f) {
    const auto start = std::chrono::steady_clock::now();
    f();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// Runs two things in turn, so that both see the same machine, and returns their median times.
template <class A, class B>
std::pair<double, double> in_turn(const A& a, const B& b, int least = 9, double budget = 3) {
    a(), b();
    std::vector<double> first, second;
    for (double spent = 0; static_cast<int>(first.size()) < least || (spent < budget && first.size() < 200);) {
        first.push_back(seconds(a));
        second.push_back(seconds(b));
        spent += first.back() + second.back();
    }
    return {median(first), median(second)};
}

inline void figure(const std::string& name, double value, const char* unit, const char* relation,
                   double target) {
    std::printf("figure: %s %.3g %s %s %g\n", name.c_str(), value, unit, relation, target);
    std::fflush(stdout);
}

} // namespace bench
