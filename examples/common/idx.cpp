#include "idx.hpp"

#include <unroll/core/base/error.hpp>

#include <cerrno>
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <zlib.h>

namespace example {

using unroll::fail;

namespace {

std::vector<std::uint8_t> unpacked(const std::string& path) {
    const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
    if (!file)
        fail("read_idx", fmt::format("'{}' cannot be opened: {}", path, std::strerror(errno)));
    std::vector<std::uint8_t> bytes;
    constexpr std::size_t piece = 1 << 20;
    for (;;) {
        const std::size_t before = bytes.size();
        bytes.resize(before + piece);
        const int got = gzread(file.get(), bytes.data() + before, piece);
        bytes.resize(before + static_cast<std::size_t>(std::max(got, 0)));
        // For a truncated file zlib first returns what there is, then reports an error.
        int code = Z_OK;
        const char* const problem = gzerror(file.get(), &code);
        if (got < 0 || code == Z_BUF_ERROR)
            fail("read_idx",
                 fmt::format("'{}' breaks off or is damaged after {} unpacked bytes: {}", path,
                             bytes.size(), code == Z_ERRNO ? std::strerror(errno) : problem));
        if (got == 0) return bytes;
    }
}

} // namespace

Idx read_idx(const std::string& path, std::size_t dimensions) {
    std::vector<std::uint8_t> bytes = unpacked(path);
    const std::size_t header = 4 + 4 * dimensions;
    if (bytes.size() < header || bytes[0] != 0 || bytes[1] != 0 || bytes[2] != 8)
        fail("read_idx",
             fmt::format("'{}' is no idx file of bytes: it does not begin with 0, 0, 8", path));
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
                                     "and announces another number",
                                     path, bytes.size() - header, header));
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(header));
    idx.bytes = std::move(bytes);
    return idx;
}

} // namespace example
