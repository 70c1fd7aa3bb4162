#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace unroll {

// Names the module that this thread runs, for error messages and pictures: during its lifetime
// every recorded operation belongs to `encoder`, or to `encoder.t17` if an index is given. The name
// must outlive the scope. Scopes nest and end in reverse order.
class Scope {
public:
    static constexpr std::int64_t no_index = -1;

    explicit Scope(std::string_view name, std::int64_t index = no_index);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    static const Scope* current();
    static std::string current_path();

    std::string_view name() const { return name_; }
    std::int64_t index() const { return index_; }
    const Scope* parent() const { return parent_; }
    // Number of enclosing scopes.
    std::uint32_t depth() const { return depth_; }
    // Unique among the scopes of all threads.
    std::uint64_t serial() const { return serial_; }

private:
    std::string_view name_;
    std::int64_t index_;
    const Scope* parent_;
    std::uint64_t serial_;
    std::uint32_t depth_;
};

} // namespace unroll
