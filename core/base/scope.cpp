#include <unroll/core/base/scope.hpp>

#include <atomic>

namespace unroll {

namespace {

thread_local constinit const Scope* innermost = nullptr;

// Each thread reserves serial numbers in blocks.
std::uint64_t next_serial() {
    constexpr std::uint64_t block = std::uint64_t{1} << 20;
    static std::atomic<std::uint64_t> blocks{0};
    thread_local constinit std::uint64_t next = 0;
    if (next % block == 0) next = block * blocks.fetch_add(1) + 1;
    return next++;
}

std::string path_of(const Scope* scope) {
    if (scope == nullptr) return {};
    std::string path = path_of(scope->parent());
    if (!path.empty()) path += '.';
    path += scope->name();
    if (scope->index() != Scope::no_index) path += std::to_string(scope->index());
    return path;
}

} // namespace

Scope::Scope(std::string_view name, std::int64_t index)
    : name_(name), index_(index), parent_(innermost), serial_(next_serial()),
      depth_(innermost ? innermost->depth() + 1 : 0) {
    innermost = this;
}

Scope::~Scope() { innermost = parent_; }

const Scope* Scope::current() { return innermost; }

std::string Scope::current_path() { return path_of(innermost); }

} // namespace unroll
