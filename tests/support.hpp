#pragma once

#include <unroll/core/check/gradcheck.hpp>
#include <unroll/core/files/safetensors.hpp>
#include <unroll/core/tensor/random.hpp>

#include <golden.hpp>

#include <cmath>
#include <string>

#include <doctest/doctest.h>

namespace test {

using namespace unroll;

template <class T = double>
Tensor<T> random_tensor(const Shape& shape, std::uint64_t seed = 1, T deviation = 1) {
    Tensor<T> x(shape);
    Random(seed).fill_normal(x.data(), x.size(), T(0), deviation);
    return x;
}

// The largest difference, relative to the largest value if that exceeds 1.
template <class T>
double distance(const Tensor<T>& a, const Tensor<T>& b) {
    REQUIRE(to_string(a.shape()) == to_string(b.shape()));
    const auto x = a.to_vector(), y = b.to_vector();
    double worst = 0, scale = 1;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double d = std::abs(static_cast<double>(x[i]) - static_cast<double>(y[i]));
        worst = x[i] == y[i] ? worst : (d <= worst ? worst : d);
        scale = std::max(scale, std::abs(static_cast<double>(y[i])));
    }
    return worst / scale;
}

// The message of the Error that f throws, or "" if it throws none.
template <class F>
std::string error_of(const F& f) {
    try {
        f();
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

inline SafetensorsFile golden(const std::string& name) {
    return SafetensorsFile::read(std::string(golden_folder) + "/" + name + ".safetensors");
}

} // namespace test
