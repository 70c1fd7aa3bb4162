#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unroll/core/base/error.hpp>
#include <vector>

namespace unroll {

// Images of MNIST, or of a data set in its format, with a class from 0 to 9 each.
struct Mnist {
    static constexpr std::size_t side = 28, classes = 10;
    std::vector<std::uint8_t> pixels; // [n, side, side]
    std::vector<std::int64_t> labels;

    std::size_t size() const { return labels.size(); }
    const std::uint8_t* image(std::size_t i) const { return &pixels[i * side * side]; }
};

// Reads FOLDER/PREFIX-images-idx3-ubyte and FOLDER/PREFIX-labels-idx1-ubyte, or the same names with
// .gz; the prefixes of MNIST are "train" and "t10k". Throws Error with the path for malformed
// files, for images of another size, and for a label above 9.
Mnist read_mnist(const std::string& folder, const std::string& prefix,
                 Where where = Where::current());

} // namespace unroll
