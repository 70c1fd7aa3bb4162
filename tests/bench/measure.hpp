#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <initializer_list>
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

// "64x128x16"
inline std::string joined(std::initializer_list<std::size_t> sizes, const char* between) {
    std::string all;
    for (const std::size_t n : sizes) all += (all.empty() ? "" : between) + std::to_string(n);
    return all;
}

// A measurement: runs once and returns the elapsed seconds.
using Run = std::function<double()>;

template <class F>
Run timed(F f) {
    return [f] { return seconds(f); };
}

// Runs candidates alternately, so that all see the same machine state, and returns their median
// times. Each turn starts with a pause, so that idle threads of the previous one go to sleep, and
// an uncounted run. `budget`: seconds per candidate.
inline std::vector<double> in_turn(const std::vector<Run>& runs, int rounds = 9,
                                   double budget = 2) {
    std::vector<std::vector<double>> times(runs.size());
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < runs.size(); ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            runs[i]();
            double spent = 0;
            for (int n = 0; n < 50 && (n == 0 || spent < budget / rounds); ++n) {
                times[i].push_back(runs[i]());
                spent += times[i].back();
            }
        }
    }
    std::vector<double> medians;
    for (const auto& t : times) medians.push_back(median(t));
    return medians;
}

inline void figure(const std::string& name, double value, const char* unit, const char* relation,
                   double target) {
    std::printf("figure: %s %.3g %s %s %g\n", name.c_str(), value, unit, relation, target);
    std::fflush(stdout);
}

} // namespace bench
