// libFuzzer's entry points. UNROLL_READER names the reader.

#include "readers.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

const fuzz::Reader* chosen = nullptr;

} // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    const char* const name = std::getenv("UNROLL_READER");
    const auto found = fuzz::readers().find(name ? name : "");
    if (found == fuzz::readers().end()) {
        std::fprintf(stderr, "UNROLL_READER must be one of:");
        for (const auto& [reader, about] : fuzz::readers())
            std::fprintf(stderr, " %s", reader.c_str());
        std::fprintf(stderr, "\n");
        std::exit(2);
    }
    chosen = &found->second;
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::reads(*chosen, {reinterpret_cast<const char*>(data), size});
    return 0;
}
