// Ends a program on a processor without the instructions that the library was compiled for, with a
// message instead of a fault.

#if defined(__x86_64__)

#include <cstring>
#include <initializer_list>
#include <unistd.h>

namespace {

// As the library is loaded, before constructors of other units; compiled for any processor.
[[gnu::constructor(101), gnu::target("arch=x86-64")]] void check_processor() {
    __builtin_cpu_init();
    const char* missing = nullptr;
#if defined(__AVX2__)
    if (!__builtin_cpu_supports("avx2")) missing = "AVX2";
#endif
#if defined(__FMA__)
    if (!__builtin_cpu_supports("fma")) missing = "FMA";
#endif
#if defined(__AVX512F__)
    if (!__builtin_cpu_supports("avx512f")) missing = "AVX-512";
#endif
    if (missing == nullptr) return;
    for (const char* part :
         {"libunroll was compiled for a processor with ", missing,
          ", which this one does not have; build it here, or with -Dnative=false "
          "-Dmarch=x86-64-v2\n"})
        if (write(STDERR_FILENO, part, std::strlen(part)) < 0) break;
    _exit(1);
}

} // namespace

#endif
