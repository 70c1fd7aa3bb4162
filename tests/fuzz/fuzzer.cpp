// libFuzzer's entry points. UNROLL_READER names the reader.

#include "readers.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

const fuzz::Reader* chosen = nullptr;

} // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

// Of a safetensors file, usually mutates only the header, and writes its new length in front of
// it: a header whose length changes otherwise is not even parsed.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
    std::uint64_t length = 0;
    constexpr std::size_t begin = sizeof(length);
    if (size > begin) std::memcpy(&length, data, begin);
    if (size <= begin || length > size - begin || data[begin] != '{' || seed % 4 == 0)
        return LLVMFuzzerMutate(data, size, most);
    const std::vector<std::uint8_t> rest(data + begin + length, data + size);
    length = LLVMFuzzerMutate(data + begin, length, most - begin - rest.size());
    std::memcpy(data, &length, begin);
    std::copy(rest.begin(), rest.end(), data + begin + length);
    return begin + length + rest.size();
}

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
