#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace unroll::graph::detail {

// The exit status and the output of a program.
struct ProgramResult {
    enum class End { not_found, exited, killed, timed_out };
    End end;
    int code = 0;       // exit status or signal
    std::string output; // standard output
    std::string errors; // standard error, at most its first 2000 bytes
};

// The main limit is processor time, so that the load of the machine has no effect.
struct TimeLimits {
    std::chrono::seconds processor{20};
    std::chrono::milliseconds wall = std::chrono::minutes(10);
};

// Runs arguments[0], which is searched in PATH, with `input` as its standard input, and waits for
// it, at most until it has reached a limit. It starts with default signal handlers and an empty
// signal mask, except that interrupts which the caller handles, ignores or blocks are blocked, so
// that Ctrl-C ends both processes or neither. Can be called from any thread. Throws Error if the
// system lacks resources.
ProgramResult run_program(const std::vector<std::string>& arguments, const std::string& input,
                          const TimeLimits& limits);

} // namespace unroll::graph::detail
