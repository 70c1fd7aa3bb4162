#include <unroll/core/base/scope.hpp>

namespace unroll {

namespace {

thread_local Scope* innermost = nullptr;

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
    : name_(name), index_(index), parent_(innermost) {
    innermost = this;
}

Scope::~Scope() { innermost = parent_; }

Scope* Scope::current() { return innermost; }

std::string Scope::current_path() { return path_of(innermost); }

} // namespace unroll
