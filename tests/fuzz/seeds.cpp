// usage: seeds [FOLDER]
//
// Reads every seed FOLDER/READER/NAME. Its reader must accept a name that begins with "good-" and
// refuse one that begins with "bad-". Without a folder, lists the readers.

#include "readers.hpp"

#include <cstdio>

namespace {

namespace fs = std::filesystem;

// What is wrong with a seed; "" if nothing is.
std::string problem_of(const fuzz::Reader& reader, const fs::path& seed) {
    const std::string name = seed.filename();
    if (!name.starts_with("good-") && !name.starts_with("bad-"))
        return "its name begins neither with good- nor with bad-";
    try {
        const bool good = fuzz::reads(reader, fuzz::text_of(seed));
        if (good != name.starts_with("good-")) return good ? "it was read" : "it was refused";
    } catch (const std::exception& error) {
        return error.what();
    }
    return "";
}

} // namespace

int main(int argc, char** argv) {
    int seeds = 0, problems = 0;
    for (const auto& [name, reader] : fuzz::readers()) {
        if (argc < 2) {
            std::printf("%s\n", name.c_str());
            continue;
        }
        int own = 0;
        for (const auto& seed : fs::directory_iterator(argv[1] + ("/" + name))) {
            const std::string problem = problem_of(reader, seed);
            if (!problem.empty()) std::printf("%s: %s\n", seed.path().c_str(), problem.c_str());
            problems += !problem.empty();
            ++own;
        }
        if (own == 0) std::printf("%s has no seeds\n", name.c_str());
        problems += own == 0;
        seeds += own;
    }
    if (argc > 1) std::printf("%d seeds, %d problems\n", seeds, problems);
    return problems > 0;
}
