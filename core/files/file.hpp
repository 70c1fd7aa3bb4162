#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unroll {

using Bytes = std::span<const std::byte>;

// All bytes of a regular file. Throws Error with the path and the system's reason.
std::vector<std::byte> read_file(const std::string& path);

// Takes the bytes of a file that is being written. Throws Error when they cannot be kept.
class FileWriter {
public:
    FileWriter(int descriptor, const std::string& path) : descriptor_(descriptor), path_(path) {}
    void write(Bytes bytes);
    void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

private:
    int descriptor_;
    const std::string& path_;
};

// Replaces a file, or makes it, as one step: the bytes go to a temporary file in the same
// directory, which is flushed to the disk and renamed. Whatever happens, the path leads to the old
// file or to the new one, whole; of two writers at once the later one wins. Where the path is a
// symbolic link, the file behind it is replaced. Permissions of an existing file are kept. Only the
// death of the process leaves the temporary file, .unroll-*.tmp, behind. Throws Error with the path
// and the reason.
void write_file_atomically(const std::string& path,
                           const std::function<void(FileWriter&)>& content);
void write_file_atomically(const std::string& path, Bytes bytes);
void write_file_atomically(const std::string& path, std::string_view text);

} // namespace unroll
