#include "core/files/files.hpp"

#include <csignal>
#include <cstring>
#include <limits>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace test;

TEST_CASE("read_file: bytes, or an error with path and reason") {
    const Folder folder;
    put(folder / "a", std::string("x\0y", 3));
    CHECK(text_of(folder / "a") == std::string("x\0y", 3));
    put(folder / "empty", "");
    CHECK(read_file(folder / "empty").empty());
    const std::string missing = refusal([&] { read_file(folder / "b"); });
    CHECK(says(missing, (folder / "b").string()));
    CHECK(says(missing, "No such file"));
    CHECK(says(refusal([&] { read_file(folder / "."); }), "Is a directory"));
    CHECK(says(refusal([&] { read_file(folder / "a" / "b"); }), "Not a directory"));
    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    CHECK(says(refusal([&] { read_file(folder / "pipe"); }), "not a regular file"));
    CHECK(says(refusal([&] { read_file("/dev/zero"); }), "not a regular file"));
    CHECK(says(refusal([&] { read_file(""); }), "No such file"));
}

TEST_CASE("write_file_atomically: the new file is complete") {
    const Folder folder;
    const Path path = folder / "a";
    write_file_atomically(path, bytes_of("first"));
    CHECK(text_of(path) == "first");
    write_file_atomically(path, [](FileWriter& file) {
        file.write("sec");
        file.write(bytes_of("ond"));
    });
    CHECK(text_of(path) == "second");
    write_file_atomically(path, Bytes());
    CHECK(text_of(path).empty());
    CHECK(folder.files() == 1);

    SUBCASE("permissions are kept") {
        fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
        write_file_atomically(path, bytes_of("private"));
        CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
    }
    SUBCASE("a symbolic link is kept, and its target is replaced") {
        fs::create_directory(folder / "deep");
        fs::create_symlink("deep/real", folder / "link");
        fs::create_symlink("link", folder / "link to link");
        write_file_atomically(folder / "link to link", bytes_of("through"));
        CHECK(fs::is_symlink(folder / "link to link"));
        CHECK(fs::is_symlink(folder / "link"));
        CHECK(text_of(folder / "deep/real") == "through");
        fs::create_symlink("loop", folder / "loop");
        CHECK(says(refusal([&] { write_file_atomically(folder / "loop", Bytes()); }), "loop"));
    }
    SUBCASE("a relative path") {
        const Path before = fs::current_path();
        fs::current_path(folder / "");
        write_file_atomically("b", bytes_of("here"));
        fs::current_path(before);
        CHECK(text_of(folder / "b") == "here");
    }
}

TEST_CASE("write_file_atomically: after any failure, the old file is complete") {
    const Folder folder;
    const Path path = folder / "a";
    write_file_atomically(path, bytes_of("old"));

    SUBCASE("the writer throws") {
        CHECK_THROWS_AS(write_file_atomically(path,
                                              [](FileWriter& file) {
                                                  file.write("half");
                                                  throw std::runtime_error("stop");
                                              }),
                        std::runtime_error);
        CHECK(folder.files() == 1);
    }
    SUBCASE("the process is killed") {
        const pid_t child = ::fork();
        if (child == 0) {
            write_file_atomically(path, [](FileWriter& file) {
                file.write("half");
                ::_exit(0);
            });
            ::_exit(1);
        }
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
    SUBCASE("the disk is full") {
        const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
        rlimit small = before;
        small.rlim_cur = 1000;
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
        const std::string message =
            refusal([&] { write_file_atomically(path, bytes_of(std::string(100'000, 'x'))); });
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
        std::signal(SIGXFSZ, ignored);
        CHECK(says(message, path.string()));
        CHECK(says(message, "File too large"));
        CHECK(folder.files() == 1);
    }
    SUBCASE("the directory does not exist, or is not a directory") {
        CHECK(says(refusal([&] { write_file_atomically(folder / "no/b", Bytes()); }),
                   "No such file"));
        CHECK(says(refusal([&] { write_file_atomically(folder / "a/b", Bytes()); }),
                   "Not a directory"));
        CHECK(says(refusal([&] { write_file_atomically(folder / "no" / "", Bytes()); }),
                   "does not name a file"));
        CHECK(says(refusal([&] { write_file_atomically("", Bytes()); }), "does not name a file"));
    }
    SUBCASE("the path is a directory or a device") {
        fs::create_directory(folder / "d");
        CHECK(
            says(refusal([&] { write_file_atomically(folder / "d", Bytes()); }), "Is a directory"));
        CHECK(says(refusal([&] { write_file_atomically("/dev/null", Bytes()); }),
                   "not a regular file"));
    }
    SUBCASE("the directory or the file is not writable") {
        if (::geteuid() != 0) {
            fs::permissions(path, fs::perms::owner_read);
            CHECK(says(refusal([&] { write_file_atomically(path, Bytes()); }), "denied"));
            fs::permissions(folder / "", fs::perms::owner_read | fs::perms::owner_exec);
            CHECK(says(refusal([&] { write_file_atomically(folder / "b", Bytes()); }), "denied"));
            fs::permissions(folder / "", fs::perms::owner_all);
        } else {
            CHECK(refusal([&] { write_file_atomically("/proc/unroll-test", Bytes()); }) != "");
        }
    }
    CHECK(text_of(path) == "old");
}
