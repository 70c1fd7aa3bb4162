#include <unroll/core/base/error.hpp>
#include <unroll/core/files/file.hpp>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace unroll {

namespace {

namespace fs = std::filesystem;

constexpr const char* reading = "read_file";
constexpr const char* writing = "write_file_atomically";

[[noreturn]] void refuse(const char* operation, const std::string& path,
                         const std::string& reason) {
    fail(operation, "'" + path + "': " + reason);
}

[[noreturn]] void refuse(const char* operation, const std::string& path, int error) {
    refuse(operation, path, std::string(std::strerror(error)));
}

template <class Call>
auto retried(Call call) {
    auto result = call();
    while (result == -1 && errno == EINTR) result = call();
    return result;
}

class Descriptor {
public:
    explicit Descriptor(int number) : number_(number) {}
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    int number() const { return number_; }
    // Some file systems report write errors only on close.
    int close() { return ::close(std::exchange(number_, -1)); }

private:
    int number_;
};

struct Leftover {
    fs::path path;
    bool is_there = true;
    ~Leftover() {
        if (is_there) ::unlink(path.c_str());
    }
};

fs::path behind_links(const std::string& path) {
    constexpr int most = 40;
    fs::path at = path;
    std::error_code error;
    for (int i = 0; i < most; ++i) {
        if (!fs::is_symlink(at, error)) return at;
        const fs::path next = fs::read_symlink(at, error);
        if (error) refuse(writing, path, error.message());
        at = next.is_absolute() ? next : at.parent_path() / next;
    }
    refuse(writing, path, ELOOP);
}

// The permissions of the existing file, which the new one receives; 0 if there is none.
mode_t check_old(const std::string& path, const fs::path& target) {
    struct stat old;
    if (::stat(target.c_str(), &old) != 0) {
        if (errno == ENOENT) return 0;
        refuse(writing, path, errno);
    }
    if (S_ISDIR(old.st_mode)) refuse(writing, path, EISDIR);
    if (!S_ISREG(old.st_mode)) refuse(writing, path, "it is not a regular file");
    if (::access(target.c_str(), W_OK) != 0) refuse(writing, path, errno);
    return old.st_mode & 07777;
}

// Not mkstemp: its files are private, and the umask cannot be read without changing it for other
// threads.
int create_beside(const fs::path& directory, fs::path& name) {
    static std::atomic<unsigned> count{0};
    for (;;) {
        name = directory / (".unroll-" + std::to_string(::getpid()) + "-" +
                            std::to_string(count.fetch_add(1)) + ".tmp");
        const int number = retried(
            [&] { return ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); });
        if (number != -1 || errno != EEXIST) return number;
    }
}

void flush_directory(const std::string& path, const fs::path& directory) {
    const Descriptor opened(
        retried([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    // Some directories are writable but not readable, and some file systems cannot flush
    // directories.
    if (opened.number() == -1) return;
    if (::fsync(opened.number()) != 0 && errno != EINVAL && errno != ENOTSUP)
        refuse(writing, path,
               std::string("it was written, but its directory could not be flushed: ") +
                   std::strerror(errno));
}

} // namespace

std::vector<std::byte> read_file(const std::string& path) {
    // Without O_NONBLOCK a pipe would wait here for its writer.
    const Descriptor file(
        retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }));
    if (file.number() == -1) refuse(reading, path, errno);
    struct stat status;
    if (::fstat(file.number(), &status) != 0) refuse(reading, path, errno);
    if (S_ISDIR(status.st_mode)) refuse(reading, path, EISDIR);
    if (!S_ISREG(status.st_mode)) refuse(reading, path, "it is not a regular file");

    std::vector<std::byte> bytes;
    try {
        bytes.resize(static_cast<std::size_t>(status.st_size));
    } catch (const std::exception&) {
        refuse(reading, path, std::to_string(status.st_size) + " bytes do not fit into memory");
    }
    for (std::size_t at = 0; at < bytes.size();) {
        const auto got =
            retried([&] { return ::read(file.number(), bytes.data() + at, bytes.size() - at); });
        if (got == -1) refuse(reading, path, errno);
        if (got == 0) refuse(reading, path, "the file was truncated while it was read");
        at += static_cast<std::size_t>(got);
    }
    return bytes;
}

void FileWriter::write(Bytes bytes) {
    while (!bytes.empty()) {
        const auto put = retried([&] { return ::write(descriptor_, bytes.data(), bytes.size()); });
        if (put == -1) refuse(writing, path_, errno);
        bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
}

void write_file_atomically(const std::string& path,
                           const std::function<void(FileWriter&)>& content) {
    const fs::path target = behind_links(path);
    if (!target.has_filename()) refuse(writing, path, "it does not name a file");
    const mode_t permissions = check_old(path, target);
    const fs::path directory = target.has_parent_path() ? target.parent_path() : fs::path(".");

    fs::path temporary;
    Descriptor file(create_beside(directory, temporary));
    if (file.number() == -1) refuse(writing, path, errno);
    Leftover leftover{temporary};
    FileWriter writer(file.number(), path);
    content(writer);
    if (permissions != 0 && ::fchmod(file.number(), permissions) != 0) refuse(writing, path, errno);
    if (::fsync(file.number()) != 0 || file.close() != 0) refuse(writing, path, errno);
    if (::rename(temporary.c_str(), target.c_str()) != 0) refuse(writing, path, errno);
    leftover.is_there = false;
    flush_directory(path, directory);
}

void write_file_atomically(const std::string& path, Bytes bytes) {
    write_file_atomically(path, [bytes](FileWriter& file) { file.write(bytes); });
}

void write_file_atomically(const std::string& path, std::string_view text) {
    write_file_atomically(path, std::as_bytes(std::span(text)));
}

} // namespace unroll
