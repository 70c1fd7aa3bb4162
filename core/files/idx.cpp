#include <unroll/core/base/scope.hpp>
#include <unroll/core/files/file.hpp>
#include <unroll/core/files/idx.hpp>

#include <fmt/format.h>

namespace unroll {

Idx read_idx(const std::string& path, std::size_t dimensions, Where where) {
    const Called here(where);
    const auto file = read_unpacked(path);
    const auto* const begin = reinterpret_cast<const std::uint8_t*>(file.data());
    const std::span<const std::uint8_t> bytes(begin, file.size());
    const std::size_t header = 4 + 4 * dimensions;
    if (bytes.size() < header || bytes[0] != 0 || bytes[1] != 0 || bytes[2] != 8)
        fail("read_idx",
             fmt::format("'{}' is not an idx file of bytes: it does not begin with 0, 0, 8", path));
    if (bytes[3] != dimensions)
        fail("read_idx", fmt::format("'{}' has {} dimensions according to byte 3, expected {}",
                                     path, bytes[3], dimensions));
    Idx idx;
    std::size_t count = 1;
    for (std::size_t i = 4; i < header; i += 4) {
        std::size_t extent = 0;
        for (std::size_t j = i; j < i + 4; ++j) extent = extent << 8 | bytes[j];
        idx.shape.push_back(extent);
        count = extent != 0 && count > bytes.size() / extent ? bytes.size() + 1 : count * extent;
    }
    if (bytes.size() - header != count)
        fail("read_idx", fmt::format("'{}' has {} elements after its header, which ends at byte {} "
                                     "and specifies a different number",
                                     path, bytes.size() - header, header));
    idx.bytes.assign(bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end());
    return idx;
}

} // namespace unroll
