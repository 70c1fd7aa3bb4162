#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
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

// Runs two things in turn, so that both see the same machine, and returns their median times. A
// turn begins with a pause, in which the other's idle threads go to sleep, and a run that is not
// counted.
template <class A, class B>
std::pair<double, double> in_turn(const A& a, const B& b, int rounds = 9, double budget = 4) {
    std::vector<double> first, second;
    const double share = budget / (2 * rounds);
    const auto turn = [&](const auto& run, std::vector<double>& times) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        run();
        double spent = 0;
        for (int i = 0; i < 50 && (i == 0 || spent < share); ++i) {
            times.push_back(seconds(run));
            spent += times.back();
        }
    };
    for (int round = 0; round < rounds; ++round) {
        turn(a, first);
        turn(b, second);
    }
    return {median(first), median(second)};
}

inline void figure(const std::string& name, double value, const char* unit, const char* relation,
                   double target) {
    std::printf("figure: %s %.3g %s %s %g\n", name.c_str(), value, unit, relation, target);
    std::fflush(stdout);
}

} // namespace bench
