#include <unroll/core/base/error.hpp>
#include <unroll/core/base/scope.hpp>

namespace unroll {

namespace {

std::string compose(std::string_view operation, std::string_view problem, std::string_view path,
                    std::string_view place) {
    std::string message{operation};
    message.append(": ").append(problem);
    if (!path.empty() || !place.empty()) {
        message.append(" (");
        if (!path.empty()) message.append("in ").append(path);
        if (!path.empty() && !place.empty()) message.append("; ");
        if (!place.empty()) message.append("at ").append(place);
        message.append(")");
    }
    return message;
}

} // namespace

std::string to_string(const Where& where) {
    return std::string(where.file_name()) + ":" + std::to_string(where.line());
}

void fail(const char* operation, std::string_view problem) {
    throw Error(compose(operation, problem, Scope::current_path(), ""));
}

void fail(const Op& op, std::string_view problem) { fail(op, problem, Scope::current_path()); }

void fail(const Op& op, std::string_view problem, std::string_view path) {
    throw Error(compose(op.name, problem, path,
                        op.where.line() != 0 ? to_string(op.where) : std::string()));
}

} // namespace unroll
