#include "core/files/files.hpp"

#include <unroll/core/files/idx.hpp>
#include <unroll/core/files/mnist.hpp>

using namespace test;

namespace {

std::string idx(const std::vector<std::size_t>& shape, const std::string& elements) {
    std::string bytes{'\0', '\0', '\x08', static_cast<char>(shape.size())};
    for (const std::size_t extent : shape)
        for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(extent >> shift & 255);
    return bytes + elements;
}

} // namespace

TEST_CASE("read_idx: shape and bytes") {
    const Folder folder;
    put(folder / "x", idx({2, 3}, "abcdef"));
    const Idx read = read_idx(folder / "x", 2);
    CHECK(read.shape == std::vector<std::size_t>{2, 3});
    CHECK(std::string(read.bytes.begin(), read.bytes.end()) == "abcdef");
    CHECK(read.size() == 2);
    CHECK(read.stride() == 3);
    put(folder / "none", idx({0, 3}, ""));
    CHECK(read_idx(folder / "none", 2).stride() == 0);
}

TEST_CASE("read_idx: errors with path and offset") {
    const Folder folder;
    const auto refused = [&](const std::string& bytes) {
        put(folder / "x", bytes);
        const std::string message = refusal([&] { read_idx(folder / "x", 2); });
        CHECK(says(message, (folder / "x").string()));
        return message;
    };
    CHECK(says(refused("no array"), "not an idx file"));
    CHECK(says(refused(idx({2, 3}, "").substr(0, 11)), "not an idx file"));
    CHECK(says(refused(idx({6}, "abcdefgh")), "1 dimensions"));
    CHECK(says(refused(idx({2, 3}, "abcde")), "5 elements"));
    CHECK(says(refused(idx({2, 3}, "abcdefg")), "7 elements"));
    // The product of the extents overflows.
    CHECK(says(refused(idx({0xFFFFFFFF, 0xFFFFFFFF}, "abc")), "3 elements"));
    CHECK(says(refusal([&] { read_idx(folder / "y", 1); }), "No such file"));
}

TEST_CASE("read_mnist: images with labels") {
    const Folder folder;
    const std::string path = (folder / "").string(), pixels(2 * 28 * 28, 'p');
    const auto refused = [&] { return refusal([&] { read_mnist(path, "train"); }); };
    CHECK(says(refused(), "train-images-idx3-ubyte.gz"));
    put(folder / "train-images-idx3-ubyte", idx({2, 28, 28}, pixels));
    put(folder / "train-labels-idx1-ubyte.gz", idx({2}, "\x07\x09")); // by content, not by name
    const Mnist digits = read_mnist(path, "train");
    CHECK(digits.size() == 2);
    CHECK(digits.labels == std::vector<std::int64_t>{7, 9});
    CHECK(digits.image(1)[783] == 'p');
    put(folder / "train-labels-idx1-ubyte", idx({2}, "\x07\x0a"));
    CHECK(says(refused(), "label 1"));
    put(folder / "train-labels-idx1-ubyte", idx({1}, "\x07"));
    CHECK(says(refused(), "2 images"));
    put(folder / "train-images-idx3-ubyte", idx({2, 14, 56}, pixels));
    CHECK(says(refused(), "14 by 56"));
}
