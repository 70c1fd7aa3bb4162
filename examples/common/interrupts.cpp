#include "interrupts.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <thread>

#include <pthread.h>
#include <unistd.h>

namespace example {

namespace {

constexpr std::array<int, 3> interrupts{SIGINT, SIGTERM, SIGHUP};
std::atomic<bool> finishes{false}, is_interrupted{false};

// The interrupts that are not ignored. An ignored signal must remain unblocked, because a blocked
// one would stay pending.
sigset_t taken() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : interrupts) {
        struct sigaction action {};
        sigaction(signal, nullptr, &action);
        if (action.sa_handler != SIG_IGN) sigaddset(&set, signal);
    }
    return set;
}

// Libraries such as OpenBLAS start threads when they are loaded, before main(), which inherit the
// signal mask. The signals are therefore blocked before any library is initialised. SIGPIPE is also
// blocked: writing to a closed pipe is then an error of the write. Child processes must be started
// with an empty mask, as unroll::graph does.
void block(int, char**, char**) {
    sigset_t set = taken();
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}
[[gnu::used, gnu::section(".preinit_array")]] void (*const block_first)(int, char**,
                                                                        char**) = block;

[[noreturn]] void die_of(int signal) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    std::raise(signal);
    _exit(128 + signal); // the signal has a handler that returns
}

[[noreturn]] void wait_for_interrupts() {
    const sigset_t set = taken();
    for (;;) {
        int signal = 0;
        if (sigwait(&set, &signal) != 0) continue;
        if (!finishes) die_of(signal);
        if (is_interrupted.exchange(true) && signal != SIGHUP) _exit(130);
    }
}

} // namespace

void take_interrupts() { std::thread(wait_for_interrupts).detach(); }
void finish_on_interrupt() { finishes = true; }
bool interrupted() { return is_interrupted; }
void interrupt() { is_interrupted = true; }

} // namespace example
