// Compares random programs with an independent reference and with differences.
//   random_programs [FIRST_ORDER [SECOND_ORDER [SEED]]]; with SEED the first of each is that one.

#include "program.hpp"

#include <cstdio>
#include <cstdlib>
#include <map>

namespace {

std::size_t run(std::size_t count, bool second, std::uint64_t first_seed,
                std::map<std::string, std::size_t>& used) {
    std::size_t failures = 0;
    for (std::uint64_t seed = first_seed; seed < first_seed + count; ++seed) {
        const auto program = programs::Program::random(seed);
        for (const auto& call : program.calls) ++used[programs::operations()[call.operation].name];
        const std::string problem = program.check(second);
        if (problem.empty()) continue;
        ++failures;
        const auto smallest = program.minimised(second);
        std::printf("seed %llu, %s order: %s%sThe smallest program that also fails: %s%s",
                    static_cast<unsigned long long>(seed), second ? "second" : "first",
                    problem.c_str(), program.text().c_str(), smallest.check(second).c_str(),
                    smallest.text().c_str());
        if (failures == 10) break;
    }
    return failures;
}

} // namespace

int main(int argc, char** argv) {
    const auto number = [&](int i, std::size_t otherwise) {
        return i < argc ? static_cast<std::size_t>(std::strtoull(argv[i], nullptr, 10)) : otherwise;
    };
    const std::size_t first = number(1, 10000), second = number(2, 2000), seed = number(3, 1);
    std::map<std::string, std::size_t> used;
    const std::size_t failures = run(first, false, seed, used) + run(second, true, seed, used);
    std::size_t unused = 0;
    for (const auto& operation : programs::operations())
        if (first > 1000 && used[operation.name] == 0) {
            std::printf("no program has used %s\n", operation.name.c_str());
            ++unused;
        }
    std::printf("%zu programs at first order and %zu at second, of %zu operations: %zu failures\n",
                first, second, programs::operations().size(), failures);
    return failures + unused == 0 ? 0 : 1;
}
