#pragma once

// Shared by the tests of files.

#include <unroll/core/base/error.hpp>
#include <unroll/core/files/file.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include <doctest/doctest.h>

namespace test {

using namespace unroll;

namespace fs = std::filesystem;
using Path = fs::path;

// A temporary directory of this test case.
class Folder {
public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "unroll-test-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    Path operator/(const std::string& name) const { return path_ / name; }
    std::size_t files() const {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
    }

private:
    Path path_;
};

inline void put(const Path& path, const std::string& bytes) {
    // Some file systems wait for the disk when a file is overwritten, but not for a new file.
    fs::remove(path);
    std::ofstream file(path, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string text_of(const Path& path) {
    const auto bytes = read_file(path);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

inline Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// The message of the Error that f throws; "" if it throws none. Other exceptions propagate.
template <class F>
std::string refusal(F f) {
    try {
        f();
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

inline bool says(const std::string& message, const std::string& part) {
    INFO(message);
    CHECK(message.find(part) != message.npos);
    return true;
}

template <class N>
std::string raw(std::initializer_list<N> numbers, bool swapped = false) {
    std::string bytes;
    for (const N n : numbers) {
        std::string one(reinterpret_cast<const char*>(&n), sizeof(N));
        if (swapped) one = std::string(one.rbegin(), one.rend());
        bytes += one;
    }
    return bytes;
}

// Every truncation and every single-bit change of a valid file is read or rejected.
inline void damage(const std::string& good, const std::function<void(const Path&)>& read) {
    const Folder folder;
    const Path path = folder / "x";
    std::size_t accepted = 0;
    const auto attempt = [&](const std::string& bytes) {
        put(path, bytes);
        try {
            read(path);
            ++accepted;
        } catch (const Error& error) {
            CHECK(std::string(error.what()).find(path.string()) != std::string::npos);
        }
    };
    for (std::size_t n = 0; n < good.size(); ++n) attempt(good.substr(0, n));
    CHECK(accepted == 0);
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        std::string bytes = good;
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
        attempt(bytes);
    }
    attempt(good);
    CHECK(accepted > 0);
}

} // namespace test
