#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unroll {

using Bytes = std::span<const std::byte>;

// Reads a regular file. Throws Error with the path and the system's error message.
std::vector<std::byte> read_file(const std::string& path);

// Writes the content of a file. Throws Error if a write fails.
class FileWriter {
public:
    FileWriter(int descriptor, const std::string& path) : descriptor_(descriptor), path_(path) {}
    void write(Bytes bytes);
    void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

private:
    int descriptor_;
    const std::string& path_;
};

// Creates or replaces a file atomically: writes a temporary file in the same directory, flushes it
// to disk and renames it. At any time the path refers to the complete old or the complete new file;
// of two concurrent writers the later wins. If the path is a symbolic link, its target is replaced.
// Permissions of an existing file are kept. The temporary file, .unroll-*.tmp, remains only if the
// process is killed. Throws Error with the path and the reason.
void write_file_atomically(const std::string& path,
                           const std::function<void(FileWriter&)>& content);
void write_file_atomically(const std::string& path, Bytes bytes);
void write_file_atomically(const std::string& path, std::string_view text);

} // namespace unroll
