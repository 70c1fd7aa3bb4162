#pragma once

#include <unroll/core/base/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace unroll {

// The class of a module, and its path in the model, "decoder.out", once parameters(model) has given
// it one. A move keeps the path, and opening a scope of the module that was moved from is an error.
// A copy is a different module, without a path; assignment keeps the path of the target.
class ModuleName {
public:
    // The type must have static lifetime: a literal.
    explicit ModuleName(std::string_view type) : type_(type) {}
    ModuleName(const ModuleName& other)
        : type_(other.type_), is_moved_from_(other.is_moved_from_) {}
    ModuleName(ModuleName&& other) noexcept
        : type_(other.type_), path_(std::move(other.path_)),
          is_moved_from_(std::exchange(other.is_moved_from_, true)) {}
    ModuleName& operator=(const ModuleName& other) {
        type_ = other.type_;
        is_moved_from_ = other.is_moved_from_;
        return *this;
    }
    ModuleName& operator=(ModuleName&& other) noexcept {
        if (this == &other) return *this;
        type_ = other.type_;
        is_moved_from_ = std::exchange(other.is_moved_from_, true);
        if (path_.empty()) path_ = std::move(other.path_);
        return *this;
    }

    std::string_view type() const { return type_; }
    const std::string& path() const { return path_; }
    // Throws Error for a module that was moved from.
    void require_not_moved(Where caller) const {
        if (is_moved_from_) [[unlikely]]
            refuse_moved(caller);
    }
    // The path in the largest model is kept: "out" does not replace "decoder.out".
    void set_path(std::string_view path);

private:
    [[noreturn]] void refuse_moved(Where caller) const;

    std::string_view type_;
    std::string path_;
    bool is_moved_from_ = false;
};

// Whether `path` is `part`, or ends with it as "decoder.out" ends with "out".
bool is_path_within(std::string_view path, std::string_view part);

// Names the running part of a model on this thread, for error messages and graph drawings: during
// its lifetime, every recorded operation belongs to `encoder`, or to `encoder.t17` if an index is
// given. The name must outlive the scope. Scopes nest and end in reverse order. The scope of a
// module is named by its path within the enclosing module, or by its class, and stores the line
// that called it; it throws Error for a module that was moved from.
class Scope {
public:
    static constexpr std::int64_t no_index = -1;

    [[nodiscard]] explicit Scope(std::string_view name, std::int64_t index = no_index);
    [[nodiscard]] Scope(const ModuleName& module, Where caller);
    // Continues an earlier scope of the module in the same enclosing scope.
    [[nodiscard]] Scope(const ModuleName& module, Where caller, std::uint64_t serial)
        : Scope(module, caller) {
        serial_ = serial;
    }
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    static const Scope* current();
    static std::string current_path();
    // The line that called the outermost module, or else that of a Called; line 0: there is none.
    static Where current_caller();

    std::string_view name() const { return name_; }
    std::int64_t index() const { return index_; }
    const Scope* parent() const { return parent_; }
    Where caller() const { return caller_; }
    // The module that opened it; null if none did. Distinguishes modules, even without paths.
    const ModuleName* module() const { return opener_; }
    // The number of enclosing scopes.
    std::uint32_t depth() const { return depth_; }
    // Its next_number().
    std::uint64_t serial() const { return serial_; }

private:
    std::string_view name_;
    std::int64_t index_;
    const Scope* parent_;
    std::string_view module_; // path of the innermost module
    const ModuleName* opener_ = nullptr;
    Where caller_;
    std::uint64_t serial_;
    std::uint32_t depth_;
};

// The line that called a function, for the messages of everything that it calls on this thread
// outside modules. The outermost one counts.
class Called {
public:
    [[nodiscard]] explicit Called(Where where);
    ~Called();
    Called(const Called&) = delete;
    Called& operator=(const Called&) = delete;

private:
    Where outer_;
};

} // namespace unroll
