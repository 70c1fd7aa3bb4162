#pragma once

#include "coprocess.hpp"
#include "measure.hpp"

#include <unroll/core/kernels/threads.hpp>

#include <cstdlib>

namespace bench {

// Comparison with PyTorch: a script run by the Python that PYTHON names. For a configuration and a
// number of threads, it answers with the seconds per step.
class Torch {
public:
    explicit Torch(const char* script) : script_({python(), script}) {}

    // Empty if PyTorch is not installed.
    std::string ask(const std::string& question) { return script_.ask(question); }
    // A step on one thread and one on all threads; without PyTorch, none and a message.
    std::vector<Run> steps(const std::string& name, const std::string& question) {
        std::vector<Run> runs;
        for (const std::size_t threads : {std::size_t{1}, unroll::threads::count()})
            runs.push_back([this, question = question + " " + std::to_string(threads)] {
                const std::string answer = ask(question);
                return answer.empty() ? 0.0 : std::stod(answer);
            });
        if (runs[0]() > 0) return runs;
        missing(name);
        return {};
    }
    static void missing(const std::string& name) {
        std::printf("%s: PyTorch is not installed (python3-torch), no comparison\n", name.c_str());
    }

private:
    static const char* python() {
        const char* named = std::getenv("PYTHON");
        return named ? named : "python3";
    }

    Coprocess script_;
};

} // namespace bench
