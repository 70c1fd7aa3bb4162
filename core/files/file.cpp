#include <unroll/core/base/scope.hpp>
#include <unroll/core/files/file.hpp>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
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

// The permissions of the existing file, which the new one inherits; 0 if there is none.
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

fs::path directory_of(const fs::path& target) {
    return target.has_parent_path() ? target.parent_path() : fs::path(".");
}

bool is_unlinked(int number) {
    struct stat status;
    return ::fstat(number, &status) != 0 || status.st_nlink == 0;
}

// Not mkstemp: its files are private, and the default permissions (umask) of the process cannot be
// read without changing them for other threads. The file is locked during the lifetime of its
// process.
int create_beside(const fs::path& directory, fs::path& name) {
    static std::atomic<unsigned> count{0};
    for (;;) {
        name = directory / (".unroll-" + std::to_string(::getpid()) + "-" +
                            std::to_string(count.fetch_add(1)) + ".tmp");
        const int number = retried(
            [&] { return ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); });
        if (number == -1 && errno == EEXIST) continue;
        if (number == -1) return number;
        retried([&] { return ::flock(number, LOCK_EX); });
        // Another process may have removed it before it was locked.
        if (!is_unlinked(number)) return number;
        ::close(number);
    }
}

// Removes temporary files that are not locked: their writers have been killed.
void remove_leftovers(const fs::path& directory) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory, error)) {
        const std::string name = entry.path().filename();
        if (!name.starts_with(".unroll-") || !name.ends_with(".tmp")) continue;
        const Descriptor file(
            ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
        if (file.number() != -1 && ::flock(file.number(), LOCK_EX | LOCK_NB) == 0)
            ::unlink(entry.path().c_str());
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

std::vector<std::byte> read_file(const std::string& path, Where where) {
    const Called here(where);
    // Without O_NONBLOCK, opening a pipe would wait for its writer.
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

void write_file_atomically(const std::string& path, const std::function<void(FileWriter&)>& content,
                           Where where) {
    const Called here(where);
    const fs::path target = behind_links(path);
    if (!target.has_filename()) refuse(writing, path, "the path does not name a file");
    const mode_t permissions = check_old(path, target);
    const fs::path directory = directory_of(target);

    fs::path temporary;
    Descriptor file(create_beside(directory, temporary));
    if (file.number() == -1) refuse(writing, path, errno);
    Leftover leftover{temporary};
    const Descriptor locked(::dup(file.number())); // until the file is renamed
    FileWriter writer(file.number(), path);
    content(writer);
    if (permissions != 0 && ::fchmod(file.number(), permissions) != 0) refuse(writing, path, errno);
    if (::fsync(file.number()) != 0 || file.close() != 0) refuse(writing, path, errno);
    if (::rename(temporary.c_str(), target.c_str()) != 0) refuse(writing, path, errno);
    leftover.is_there = false;
    flush_directory(path, directory);
}

void require_writable(const std::string& path, std::uint64_t bytes, Where where) {
    const Called here(where);
    const fs::path target = behind_links(path);
    if (!target.has_filename()) refuse(writing, path, "the path does not name a file");
    check_old(path, target);
    const fs::path directory = directory_of(target);
    fs::path temporary;
    const Descriptor file(create_beside(directory, temporary));
    if (file.number() == -1) {
        const int error = errno;
        if (error == ENOENT)
            refuse(writing, path, "there is no folder '" + directory.string() + "'; create it");
        refuse(writing, path, error);
    }
    const Leftover leftover{temporary};
    if (bytes == 0) return;
    const int error = ::posix_fallocate(file.number(), 0, static_cast<off_t>(bytes));
    if (error != 0 && error != EINVAL && error != EOPNOTSUPP)
        refuse(writing, path,
               std::to_string(bytes) + " bytes cannot be reserved: " + std::strerror(error));
}

OutputLock::OutputLock(const std::string& path, std::uint64_t bytes, Where where) {
    const Called here(where);
    require_writable(path, bytes);
    const fs::path target = behind_links(path), directory = directory_of(target);
    lock_file_ = directory / (".unroll-" + target.filename().string() + ".lock");
    for (;;) {
        descriptor_ =
            retried([&] { return ::open(lock_file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666); });
        if (descriptor_ == -1) refuse(writing, path, errno);
        if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
            const int error = errno;
            ::close(descriptor_);
            if (error == EWOULDBLOCK)
                refuse(writing, path,
                       "another process is writing it; wait for it, or choose another output");
            refuse(writing, path, error);
        }
        // The previous process may have removed the file that was opened here.
        if (!is_unlinked(descriptor_)) break;
        ::close(descriptor_);
    }
    remove_leftovers(directory);
}

OutputLock::~OutputLock() {
    ::unlink(lock_file_.c_str());
    ::close(descriptor_);
}

void write_file_atomically(const std::string& path, Bytes bytes, Where where) {
    write_file_atomically(
        path, [bytes](FileWriter& file) { file.write(bytes); }, where);
}

void write_file_atomically(const std::string& path, std::string_view text, Where where) {
    write_file_atomically(path, std::as_bytes(std::span(text)), where);
}

} // namespace unroll
