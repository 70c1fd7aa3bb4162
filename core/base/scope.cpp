#include <unroll/core/base/numbers.hpp>
#include <unroll/core/base/scope.hpp>

namespace unroll {

namespace {

thread_local constinit const Scope* innermost = nullptr;
thread_local constinit Where called;

std::string path_of(const Scope* scope) {
    if (scope == nullptr) return {};
    std::string path = path_of(scope->parent());
    if (!path.empty()) path += '.';
    path += scope->name();
    if (scope->index() != Scope::no_index) path += std::to_string(scope->index());
    return path;
}

} // namespace

bool is_path_within(std::string_view path, std::string_view part) {
    return path.ends_with(part) && (path.size() == part.size() || part.empty() ||
                                    path[path.size() - part.size() - 1] == '.');
}

// Written only if different: another thread may be reading the same path.
void ModuleName::set_path(std::string_view path) {
    if (!is_path_within(path_, path)) path_ = path;
}

void ModuleName::refuse_moved(Where caller) const {
    fail(Op(std::string(type_).c_str(), caller),
         "the module was moved from; use the module that it was moved to");
}

Scope::Scope(std::string_view name, std::int64_t index)
    : name_(name), index_(index), parent_(innermost),
      module_(innermost ? innermost->module_ : std::string_view()),
      caller_(innermost ? innermost->caller_ : Where()), serial_(next_number()),
      depth_(innermost ? innermost->depth() + 1 : 0) {
    innermost = this;
}

Scope::Scope(const ModuleName& module, Where caller) : Scope(module.type()) {
    opener_ = &module;
    module.require_not_moved(caller);
    if (caller_.line() == 0) caller_ = caller;
    if (module.path().empty()) return;
    std::string_view path = module.path();
    const std::string_view around = module_;
    module_ = path;
    if (path == around) return;
    if (path.size() > around.size() && path.starts_with(around) && path[around.size()] == '.')
        path.remove_prefix(around.size() + 1);
    // A number at the end is the index of a module in a list.
    const std::size_t end = path.find_last_not_of("0123456789") + 1;
    const bool is_listed =
        end < path.size() && (end == 0 || path[end - 1] == '.') && path.size() - end < 10;
    if (!is_listed) {
        name_ = path;
        return;
    }
    std::int64_t number = 0;
    for (const char digit : path.substr(end)) number = 10 * number + (digit - '0');
    // If the enclosing scope has the number, as "layer" 3, the class name is enough.
    if (parent_ != nullptr && parent_->index_ == number && parent_->name_ != "t") return;
    if (end > 0) name_ = path.substr(0, end);
    index_ = number;
}

Scope::~Scope() { innermost = parent_; }

const Scope* Scope::current() { return innermost; }

std::string Scope::current_path() { return path_of(innermost); }

Where Scope::current_caller() {
    return innermost != nullptr && innermost->caller_.line() != 0 ? innermost->caller_ : called;
}

Called::Called(Where where) : outer_(called) {
    if (called.line() == 0) called = where;
}

Called::~Called() { called = outer_; }

} // namespace unroll
