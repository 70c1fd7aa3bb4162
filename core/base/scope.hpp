#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace unroll {

// Names what is being run on this thread, for error messages and pictures: while it lives, every
// operation recorded belongs to `encoder`, or to `encoder.t17` where an index is given.
// The name must outlive the scope. Scopes nest and end in reverse order.
class Scope {
public:
    static constexpr std::int64_t no_index = -1;

    explicit Scope(std::string_view name, std::int64_t index = no_index);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    static Scope* current();
    static std::string current_path();

    std::string_view name() const { return name_; }
    std::int64_t index() const { return index_; }
    Scope* parent() const { return parent_; }

    // A tape's number for this scope, remembered so that it is looked up once.
    struct Mark {
        std::uint64_t generation = 0;
        std::uint32_t id = 0;
    } mark;

private:
    std::string_view name_;
    std::int64_t index_;
    Scope* parent_;
};

} // namespace unroll
