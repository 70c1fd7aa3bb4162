#include <unroll/core/error.hpp>
#include <unroll/core/file.hpp>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace unroll {

namespace {

[[noreturn]] void fail_with_errno(const char* operation, const Path& path) {
    const int reason = errno;
    fail(operation, "'" + path.string() + "': " + std::strerror(reason));
}

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }
    bool close() {
        const int result = ::close(fd_);
        fd_ = -1;
        return result == 0;
    }

private:
    int fd_;
};

} // namespace

std::vector<std::byte> read_file(const Path& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) fail_with_errno("read_file", path);
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) fail_with_errno("read_file", path);
    if (S_ISDIR(info.st_mode)) fail("read_file", "'" + path.string() + "' is a directory");
    std::vector<std::byte> bytes;
    bytes.reserve(static_cast<std::size_t>(info.st_size));
    std::array<std::byte, 1 << 16> part;
    for (;;) {
        const ssize_t n = ::read(file.get(), part.data(), part.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail_with_errno("read_file", path);
        if (n == 0) return bytes;
        bytes.insert(bytes.end(), part.begin(), part.begin() + n);
    }
}

void FileWriter::write(Bytes bytes) {
    while (good_ && !bytes.empty()) {
        const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        good_ = written >= 0;
        if (good_) bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
}

void write_file_atomically(const Path& path, const std::function<void(FileWriter&)>& fill) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    const fs::path target = fs::weakly_canonical(path, ignored);
    const fs::path file = target.empty() ? path : target;
    if (fs::is_directory(file, ignored))
        fail("write_file", "'" + path.string() + "' is a directory");
    std::string temporary = file.string() + ".XXXXXX";
    Descriptor out(::mkostemp(temporary.data(), O_CLOEXEC));
    if (out.get() < 0) fail_with_errno("write_file", path);
    struct Cleaner {
        const std::string& name;
        bool renamed = false;
        ~Cleaner() {
            if (!renamed) ::unlink(name.c_str());
        }
    } cleaner{temporary};
    struct stat old {};
    const mode_t mask = ::umask(0);
    ::umask(mask);
    const mode_t mode = ::stat(file.c_str(), &old) == 0 ? old.st_mode & 07777 : 0666 & ~mask;
    FileWriter writer(out.get());
    fill(writer);
    if (!writer.is_good() || ::fchmod(out.get(), mode) != 0 || ::fsync(out.get()) != 0 ||
        !out.close() || ::rename(temporary.c_str(), file.c_str()) != 0)
        fail_with_errno("write_file", path);
    cleaner.renamed = true;
    const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
    const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() >= 0) ::fsync(directory.get());
}

void write_file_atomically(const Path& path, std::string_view text) {
    write_file_atomically(path, [text](FileWriter& file) { file.write(text); });
}

} // namespace unroll
