#pragma once

#include <unroll/core/base/error.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unroll {

using Bytes = std::span<const std::byte>;

// Reads a regular file. Throws Error with the path and the system's error message.
std::vector<std::byte> read_file(const std::string& path, Where where = Where::current());

// The bytes of a file, decompressed if it has a gzip header, whatever its name. Throws Error with
// the path for a damaged or truncated file, and if it decompresses to more than `most` bytes.
std::vector<std::byte> read_unpacked(const std::string& path,
                                     std::uint64_t most = std::uint64_t{1} << 30,
                                     Where where = Where::current());

// Receives the bytes of a file that is being written. Throws Error if they cannot be stored.
class FileWriter {
public:
    FileWriter(int descriptor, const std::string& path) : descriptor_(descriptor), path_(path) {}
    void write(Bytes bytes);
    void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

private:
    int descriptor_;
    const std::string& path_;
};

// Replaces or creates a file atomically: the bytes are written to a temporary file in the same
// directory, which is flushed to disk and renamed. At any time the path refers to the complete old
// or the complete new file; of two concurrent writers the later one wins. If the path is a symbolic
// link, its target is replaced. Permissions of an existing file are kept. Only if the process is
// killed, the temporary file .unroll-*.tmp remains; the next OutputLock in that directory removes
// it. Throws Error with the path and the reason.
void write_file_atomically(const std::string& path, const std::function<void(FileWriter&)>& content,
                           Where where = Where::current());
void write_file_atomically(const std::string& path, Bytes bytes, Where where = Where::current());
void write_file_atomically(const std::string& path, std::string_view text,
                           Where where = Where::current());

// Throws Error unless write_file_atomically(path) would succeed now, with `bytes` of free space.
// Changes nothing.
void require_writable(const std::string& path, std::uint64_t bytes = 0,
                      Where where = Where::current());

// Reserves an output for one process: a second lock of the same path throws Error. The kernel
// releases it when the process ends in any way. Throws as require_writable does.
class OutputLock {
public:
    explicit OutputLock(const std::string& path, std::uint64_t bytes = 0,
                        Where where = Where::current());
    ~OutputLock();
    OutputLock(const OutputLock&) = delete;
    OutputLock& operator=(const OutputLock&) = delete;

private:
    std::string lock_file_;
    int descriptor_ = -1;
};

} // namespace unroll
