#include <unroll/core/base/error.hpp>
#include <unroll/core/graph/drawing/process.hpp>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace unroll::graph::detail {

namespace {

using Clock = std::chrono::steady_clock;

// Throws if a system call failed with the error number `error`.
void require(int error, const char* what) {
    if (error != 0) fail("graph::write", std::string(what) + ": " + std::strerror(error));
}

class Descriptor {
public:
    // Takes ownership. Avoids the descriptors of the standard streams, which are free if the
    // program has closed these.
    Descriptor(int fd, const char* what) : fd_(fd) {
        require(fd < 0 ? errno : 0, what);
        if (fd > STDERR_FILENO) return;
        fd_ = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        const int error = fd_ < 0 ? errno : 0;
        ::close(fd);
        require(error, what);
    }
    Descriptor(const Descriptor&) = delete;
    ~Descriptor() { close(); }
    int get() const { return fd_; }
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

private:
    int fd_;
};

// A file in memory, which unlike a pipe never blocks and raises no SIGPIPE.
int memory_file() { return ::memfd_create("unroll", MFD_CLOEXEC); }

void write_all(const Descriptor& to, const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        const ssize_t n = ::write(to.get(), text.data() + at, text.size() - at);
        if (n < 0 && errno == EINTR) continue;
        require(n < 0 ? errno : 0, "writing the graph to memory");
        at += static_cast<std::size_t>(n);
    }
    ::lseek(to.get(), 0, SEEK_SET);
}

std::string read_start(const Descriptor& from) {
    char text[2000];
    const ssize_t n = ::pread(from.get(), text, sizeof text, 0);
    return {text, static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
}

// The interrupts that this process handles, ignores or blocks.
sigset_t handled_interrupts() {
    sigset_t blocked, handled;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    sigemptyset(&handled);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
        struct sigaction action {};
        ::sigaction(signal, nullptr, &action);
        if (sigismember(&blocked, signal) == 1 || action.sa_handler != SIG_DFL)
            sigaddset(&handled, signal);
    }
    return handled;
}

// A child process. Killed and reaped when this object goes out of scope.
class Child {
public:
    // `error` receives 0, or the reason why the program did not start.
    Child(const std::vector<std::string>& arguments, const Descriptor& in, const Descriptor& out,
          const Descriptor& err, int& error) {
        posix_spawn_file_actions_t files;
        ::posix_spawn_file_actions_init(&files);
        ::posix_spawn_file_actions_adddup2(&files, in.get(), STDIN_FILENO);
        ::posix_spawn_file_actions_adddup2(&files, out.get(), STDOUT_FILENO);
        ::posix_spawn_file_actions_adddup2(&files, err.get(), STDERR_FILENO);
        posix_spawnattr_t attributes;
        ::posix_spawnattr_init(&attributes);
        const sigset_t mask = handled_interrupts();
        sigset_t all;
        sigfillset(&all);
        ::posix_spawnattr_setsigmask(&attributes, &mask);
        ::posix_spawnattr_setsigdefault(&attributes, &all);
        ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        std::vector<char*> argv;
        for (const std::string& argument : arguments)
            argv.push_back(const_cast<char*>(argument.c_str()));
        argv.push_back(nullptr);
        error = ::posix_spawnp(&id_, argv[0], &files, &attributes, argv.data(), environ);
        if (error != 0) id_ = -1;
        ::posix_spawnattr_destroy(&attributes);
        ::posix_spawn_file_actions_destroy(&files);
    }
    Child(const Child&) = delete;
    ~Child() { kill(); }

    // Also ends a child whose parent was killed.
    void limit_processor_time(std::chrono::seconds time) const {
        rlimit old{};
        if (::prlimit(id_, RLIMIT_CPU, nullptr, &old) != 0) return;
        const rlimit bounded{std::min(old.rlim_cur, static_cast<rlim_t>(time.count())),
                             old.rlim_max};
        ::prlimit(id_, RLIMIT_CPU, &bounded, nullptr);
    }

    // Waits until `end`. Returns false if the child is still running.
    bool wait(Clock::time_point end) {
        while (!reap(WNOHANG)) {
            if (Clock::now() >= end) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return true;
    }
    void kill() {
        if (id_ < 0) return;
        ::kill(id_, SIGKILL);
        reap(0);
    }

    bool was_killed() const { return WIFSIGNALED(status_); }
    int code() const { return was_killed() ? WTERMSIG(status_) : WEXITSTATUS(status_); }

private:
    bool reap(int flags) {
        pid_t reaped;
        do reaped = ::waitpid(id_, &status_, flags);
        while (reaped < 0 && errno == EINTR);
        if (reaped == 0) return false;
        // ECHILD: the program ignores SIGCHLD, and the system has reaped the child.
        if (reaped < 0) status_ = 0;
        id_ = -1;
        return true;
    }

    pid_t id_ = -1;
    int status_ = 0;
};

// Reads until the other end is closed. Returns false if it was still open at `end`.
bool read_all(const Descriptor& from, std::string& text, Clock::time_point end) {
    char part[65536];
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
        pollfd wait{from.get(), POLLIN, 0};
        const int ready = ::poll(&wait, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
        if (ready == 0) return false;
        const ssize_t n = ready > 0 ? ::read(from.get(), part, sizeof part) : -1;
        if (n < 0 && errno == EINTR) continue;
        require(n < 0 ? errno : 0, "reading a program's output");
        if (n == 0) return true;
        text.append(part, static_cast<std::size_t>(n));
    }
}

} // namespace

ProgramResult run_program(const std::vector<std::string>& arguments, const std::string& input,
                          const TimeLimits& limits) {
    const Descriptor in(memory_file(), "creating a file in memory"),
        err(memory_file(), "creating a file in memory");
    write_all(in, input);
    int ends[2];
    require(::pipe2(ends, O_CLOEXEC) != 0 ? errno : 0, "creating a pipe");
    Descriptor out(ends[0], "creating a pipe"), to_out(ends[1], "creating a pipe");
    int error = 0;
    Child child(arguments, in, to_out, err, error);
    to_out.close();
    using End = ProgramResult::End;
    // The error of the last folder in PATH.
    if (error == ENOENT || error == ENOTDIR || error == EACCES) return {End::not_found, 0, {}, {}};
    require(error, ("starting '" + arguments[0] + "'").c_str());
    child.limit_processor_time(limits.processor);
    ProgramResult result{};
    const auto end = Clock::now() + limits.wall;
    const bool in_time = read_all(out, result.output, end) && child.wait(end);
    child.kill();
    result.errors = read_start(err);
    result.code = child.code();
    const bool is_out_of_time = child.was_killed() && child.code() == SIGXCPU;
    result.end = !in_time || is_out_of_time ? End::timed_out
                 : child.was_killed()       ? End::killed
                                            : End::exited;
    return result;
}

} // namespace unroll::graph::detail
