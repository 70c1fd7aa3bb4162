#include <unroll/core/base/scope.hpp>
#include <unroll/core/files/file.hpp>

#include <algorithm>
#include <memory>
#include <new>

#include <zlib.h>

namespace unroll {

std::vector<std::byte> read_unpacked(const std::string& path, std::uint64_t most, Where where) {
    const Called here(where);
    std::vector<std::byte> packed = read_file(path);
    const auto is_gzip = [&](std::size_t at) {
        return packed.size() - at >= 2 && packed[at] == std::byte{0x1f} &&
               packed[at + 1] == std::byte{0x8b};
    };
    if (!is_gzip(0)) return packed;
    std::vector<std::byte> bytes;
    const auto refuse = [&](const std::string& problem) {
        fail("read_unpacked", "'" + path + "': " + problem + " after " +
                                  std::to_string(bytes.size()) + " decompressed bytes");
    };
    z_stream stream{};
    if (inflateInit2(&stream, 15 + 16) != Z_OK) throw std::bad_alloc();
    const std::unique_ptr<z_stream, int (*)(z_stream*)> ends(&stream, inflateEnd);
    std::vector<std::byte> piece(1 << 20);
    std::size_t at = 0; // in the compressed bytes
    for (;;) {
        const auto given = static_cast<uInt>(std::min(packed.size() - at, piece.size()));
        stream.next_in = reinterpret_cast<Bytef*>(packed.data() + at);
        stream.avail_in = given;
        stream.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream.avail_out = static_cast<uInt>(piece.size());
        const int status = inflate(&stream, Z_NO_FLUSH);
        at += given - stream.avail_in;
        bytes.insert(bytes.end(), piece.begin(), piece.end() - stream.avail_out);
        if (bytes.size() > most)
            refuse("decompresses to more than the limit of " + std::to_string(most) + " bytes,");
        if (status == Z_STREAM_END) {
            if (!is_gzip(at)) break;
            inflateReset(&stream); // a gzip file may have several members
        } else if (status == Z_BUF_ERROR && at == packed.size()) {
            refuse("the gzip file is truncated");
        } else if (status != Z_OK) {
            refuse(std::string("the gzip file is damaged (") + (stream.msg ? stream.msg : "?") +
                   ")");
        }
    }
    for (; at < packed.size(); ++at) // zero padding, as on magnetic tapes
        if (packed[at] != std::byte{0}) refuse("the gzip file has trailing data");
    return bytes;
}

} // namespace unroll
