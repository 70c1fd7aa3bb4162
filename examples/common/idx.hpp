#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace example {

// Numbers of one byte in the idx format of MNIST's files: two zeros, the type 8, the number of
// extents, the extents as 32 bits with the highest byte first, the numbers.
struct Idx {
    std::vector<std::size_t> shape;
    std::vector<std::uint8_t> bytes; // row-major

    std::size_t size() const { return shape.empty() ? 0 : shape[0]; }
    // Elements of one of size().
    std::size_t stride() const { return size() == 0 ? 0 : bytes.size() / size(); }
};

// Reads a file with as many extents, compressed by gzip or not. Throws unroll::Error with its path
// and the byte at which it is not what it should be.
Idx read_idx(const std::string& path, std::size_t extents);

} // namespace example
