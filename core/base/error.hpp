#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
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
    // Otherwise 0 would be a null name, and sum(x, 0) the sum of all elements.
    template <std::integral I>
    constexpr Op(I, Where = Where::current()) {
        static_assert(sizeof(I) == 0,
                      "the name of an operation is expected; axes go in braces, as in "
                      "sum(x, {0})");
    }
    Op(std::nullptr_t, Where = Where::current()) = delete;
    // Without a source line.
    static constexpr Op unplaced(const char* name) { return Op(name, Where()); }

    const char* name;
    Where where;
};

// "model.cpp:12"
std::string to_string(const Where& where);

// The parts of an Error's message.
struct Failure {
    std::string operation, problem;
    std::string path; // path of the running module
    Where where;      // the line that called the operation; line 0: unknown
    Where caller;     // the line that called the outermost module or function; line 0: unknown
    bool is_recorded; // the operation is recorded on a tape
};

// The one exception of the library. The message reads
//   "linear: x [2, 3], weight [2, 4] (in decoder.out, called at train.cpp:12; at layers.cpp:27)".
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
    explicit Error(Failure failure);

    // Null if the message has no parts.
    const Failure* failure() const { return failure_.get(); }

private:
    std::shared_ptr<const Failure> failure_;
};

// Throws Error with the operation, the problem, the current module path and the caller's line.
[[noreturn]] void fail(const Op& op, std::string_view problem);
[[noreturn]] void fail(const char* operation, std::string_view problem);
// The same for an operation that was recorded earlier, with its module path.
[[noreturn]] void fail(const Op& op, std::string_view problem, std::string_view path,
                       Where caller = Where());

} // namespace unroll
