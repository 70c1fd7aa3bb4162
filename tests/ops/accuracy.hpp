#pragma once

#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <golden.hpp>

namespace test {

// Largest error in ulp of value, first and second derivative, for float and double.
inline const std::map<std::string, std::array<double, 3>> bounds{
    {"exp", {2, 2, 2}},          {"expm1", {2, 2, 2}},       {"log", {2, 1, 3}},
    {"log1p", {2, 2, 3}},        {"sqrt", {0.5, 2, 5}},      {"square", {0.5, 0, 0}},
    {"reciprocal", {0.5, 3, 5}}, {"sin", {2, 2, 2}},         {"cos", {2, 2, 2}},
    {"erf", {3, 3, 5}},          {"erfc", {5, 3, 5}},        {"tanh", {4, 4, 6}},
    {"sigmoid", {3, 5, 6}},      {"log_sigmoid", {3, 3, 5}}, {"elu", {3, 2, 2}},
    {"silu", {5, 6, 8}},         {"softplus", {3, 3, 5}},    {"normal_pdf", {3, 5, 6}},
    {"normal_cdf", {6, 3, 5}},   {"gelu", {6, 6, 6}},        {"tan", {1, 3, 4}},
    {"asin", {1, 3, 5}},         {"acos", {1, 3, 5}},        {"atan", {1, 3, 5}},
    {"sinh", {2, 2, 2}},         {"cosh", {2, 2, 2}},        {"asinh", {2, 4, 8}},
    {"acosh", {2, 4, 8}},        {"atanh", {2, 3, 5}},       {"exp2", {1, 2, 3}},
    {"log2", {1, 2, 3}},         {"log10", {2, 2, 3}},       {"rsqrt", {2, 4, 5}},
    {"floor", {0, 0, 0}},        {"ceil", {0, 0, 0}},        {"trunc", {0, 0, 0}},
    {"round", {0, 0, 0}},        {"selu", {4, 4, 4}},        {"hardtanh", {0, 0, 0}},
    {"mish", {6, 6, 8}},         {"lgamma", {8, 2, 1}},      {"digamma", {1, 1, 1}},
    {"polygamma", {1, 1, 1}}};

struct Row {
    std::string x;
    std::array<std::string, 3> exact, scale;
};

inline std::map<std::string, std::vector<Row>> golden_rows() {
    std::ifstream in(std::string(golden_folder) + "/functions.txt");
    std::map<std::string, std::vector<Row>> rows;
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string name;
        Row row;
        words >> name >> row.x;
        for (auto& word : row.exact) words >> word;
        for (auto& word : row.scale) words >> word;
        if (words.fail()) throw std::runtime_error("functions.txt: " + line);
        rows[name].push_back(row);
    }
    return rows;
}

// In ulp of `scale`; denormal values count as 0, and overflowing values are not compared.
template <class T>
double error_in_ulp(T got, const std::string& exact_digits, const std::string& scale_digits) {
    using Limits = std::numeric_limits<T>;
    const long double exact = std::strtold(exact_digits.c_str(), nullptr);
    const long double scale =
        scale_digits == "=" ? std::abs(exact) : std::strtold(scale_digits.c_str(), nullptr);
    if (std::abs(exact) > 0.99L * Limits::max())
        return std::abs(got) > 0.98L * Limits::max() ? 0 : 1e99;
    if (std::isnan(got)) return 1e99;
    if (std::abs(exact) < 2.0L * Limits::min() && std::abs(got) < 2 * Limits::min()) return 0;
    const long double ulp = std::ldexp(1.0L, std::ilogb(scale) + 1 - Limits::digits);
    return static_cast<double>(std::abs(static_cast<long double>(got) - exact) / ulp);
}

} // namespace test
