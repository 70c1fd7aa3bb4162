#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace unroll {

using Where = std::source_location;

// An operation's name, and the source line of the call. Functions take it as a last argument `Op op
// = "name"`, which captures the caller's line. The name must outlive every tape.
struct Op {
    constexpr Op(const char* name, Where where = Where::current()) : name(name), where(where) {}
    // Without a source line.
    static constexpr Op unplaced(const char* name) { return Op(name, Where()); }

    const char* name;
    Where where;
};

// "model.cpp:12"
std::string to_string(const Where& where);

// The one exception of the library. The message reads
//   "matmul: inner extents differ: [2, 3] and [4, 5] (in lstm.layer1.t17; at model.cpp:12)".
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// Throws Error with the operation, the problem, the current module path and the caller's line.
[[noreturn]] void fail(const Op& op, std::string_view problem);
[[noreturn]] void fail(const char* operation, std::string_view problem);
// The same for an operation recorded earlier, with the path at that time.
[[noreturn]] void fail(const Op& op, std::string_view problem, std::string_view path);

} // namespace unroll
