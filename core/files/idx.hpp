#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unroll/core/base/error.hpp>
#include <vector>

namespace unroll {

// An array of bytes in the idx format of MNIST: two zeros, the type 8, the number of dimensions,
// the extents as big-endian 32-bit integers, the elements.
struct Idx {
    std::vector<std::size_t> shape;
    std::vector<std::uint8_t> bytes; // row-major

    std::size_t size() const { return shape.empty() ? 0 : shape[0]; }
    // Elements per item.
    std::size_t stride() const { return size() == 0 ? 0 : bytes.size() / size(); }
};

// Reads a file, gzipped or not. Throws Error with path and offset for an invalid file, and if it
// does not have `dimensions` dimensions.
Idx read_idx(const std::string& path, std::size_t dimensions, Where where = Where::current());

} // namespace unroll
