#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace unroll {

using Path = std::filesystem::path;
using Bytes = std::span<const std::byte>;

// All bytes of a file. Throws Error naming the path and the reason.
std::vector<std::byte> read_file(const Path& path);

// Takes the bytes of a file that is being written.
class FileWriter {
public:
    explicit FileWriter(int descriptor) : descriptor_(descriptor) {}
    void write(Bytes bytes);
    void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
    bool is_good() const { return good_; }

private:
    int descriptor_;
    bool good_ = true;
};

// Replaces a file as a whole: what `fill` writes goes to a temporary file beside it, is flushed to
// disk and takes its name, so that a crash leaves the old file or the new one. A symbolic link
// stays, and its target is replaced. Throws Error naming the path and the reason; the old file is
// then untouched.
void write_file_atomically(const Path& path, const std::function<void(FileWriter&)>& fill);
void write_file_atomically(const Path& path, std::string_view text);

} // namespace unroll
