#include <unroll/core/base/error.hpp>
#include <unroll/core/base/scope.hpp>

namespace unroll {

namespace {

std::string compose(const Failure& f) {
    std::string message = f.operation + ": " + f.problem;
    std::string found;
    if (!f.path.empty()) found = "in " + f.path;
    if (f.caller.line() != 0)
        found += (found.empty() ? "called at " : ", called at ") + to_string(f.caller);
    if (f.where.line() != 0 && to_string(f.where) != to_string(f.caller))
        found += (found.empty() ? "at " : "; at ") + to_string(f.where);
    return found.empty() ? message : message + " (" + found + ")";
}

} // namespace

std::string to_string(const Where& where) {
    return std::string(where.file_name()) + ":" + std::to_string(where.line());
}

Error::Error(Failure failure)
    : std::runtime_error(compose(failure)),
      failure_(std::make_shared<const Failure>(std::move(failure))) {}

void fail(const char* operation, std::string_view problem) {
    fail(Op::unplaced(operation), problem);
}

void fail(const Op& op, std::string_view problem) {
    throw Error(Failure{op.name, std::string(problem), Scope::current_path(), op.where,
                        Scope::current_caller(), false});
}

void fail(const Op& op, std::string_view problem, std::string_view path, Where caller) {
    throw Error(Failure{op.name, std::string(problem), std::string(path), op.where, caller, true});
}

} // namespace unroll
