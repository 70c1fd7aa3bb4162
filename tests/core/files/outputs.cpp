#include "core/files/files.hpp"

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

#include <zlib.h>

using namespace test;

namespace {

// The exit status of f in its own process.
int in_child(const std::function<int()>& f) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(f());
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string gzipped(const std::string& text) {
    std::string packed(text.size() + 100, '\0');
    z_stream stream{};
    REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

std::string unpacked(const Path& path) {
    const auto bytes = read_unpacked(path);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

} // namespace

TEST_CASE("OutputLock: one process per output, until it ends") {
    const Folder folder;
    const Path path = folder / "a";
    {
        const OutputLock lock(path);
        CHECK(says(refusal([&] { OutputLock second(path); }), "another process"));
        CHECK(in_child([&] { return refusal([&] { OutputLock second(path); }).empty(); }) == 0);
        const OutputLock other(folder / "b");
        write_file_atomically(path, "held");
    }
    CHECK(folder.files() == 1); // no lock is left
    // A killed process releases its lock, and its temporary file is removed.
    const int killed = in_child([&] {
        const OutputLock lock(path);
        write_file_atomically(path, [](FileWriter& file) {
            file.write("half");
            ::raise(SIGKILL);
        });
        return 0;
    });
    CHECK(killed == -SIGKILL);
    CHECK(folder.files() == 3);
    // The temporary file of a running process is kept.
    write_file_atomically(folder / "c", [&](FileWriter& file) {
        const OutputLock lock(path);
        CHECK(folder.files() == 3);
        file.write("whole");
    });
    CHECK(text_of(folder / "c") == "whole");
    CHECK(text_of(path) == "held");
    CHECK(folder.files() == 2);
}

TEST_CASE("require_writable: rejects outputs that cannot be written") {
    const Folder folder;
    put(folder / "a", "old");
    require_writable(folder / "a", 1000);
    CHECK(text_of(folder / "a") == "old");
    CHECK(folder.files() == 1);
    CHECK(says(refusal([&] { require_writable(folder / "no/a"); }), "create it"));
    CHECK(says(refusal([&] { require_writable("/dev/full"); }), "not a regular file"));
    CHECK(says(refusal([&] { require_writable(folder / "."); }), "Is a directory"));
    CHECK(refusal([&] { require_writable(folder / "a", std::uint64_t{1} << 60); }) != "");
    CHECK(folder.files() == 1);
}

TEST_CASE("read_unpacked: gzip by content, complete or an error") {
    const Folder folder;
    const Path path = folder / "a.txt";
    const std::string text(3'000'000, 'x'), packed = gzipped(text);
    put(path, "plain");
    CHECK(unpacked(path) == "plain");
    put(path, packed);
    CHECK(unpacked(path) == text);
    put(path, packed + gzipped("more") + std::string(5, '\0'));
    CHECK(unpacked(path) == text + "more");
    CHECK(says(refusal([&] { read_unpacked(path, 1000); }), "limit of 1000"));
    put(path, packed + "tail");
    CHECK(says(refusal([&] { read_unpacked(path); }), "trailing data"));
    for (const std::size_t kept : {packed.size() - 1, packed.size() - 8, packed.size() / 2,
                                   std::size_t{12}, std::size_t{2}}) {
        put(path, packed.substr(0, kept));
        CHECK(says(refusal([&] { read_unpacked(path); }), "truncated"));
    }
    std::string wrong = packed;
    wrong[packed.size() - 6] ^= 1; // a bit of the checksum
    put(path, wrong);
    CHECK(says(refusal([&] { read_unpacked(path); }), "damaged"));
}
