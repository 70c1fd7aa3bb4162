#pragma once

#include <unroll/core/autograd/parameter.hpp>
#include <unroll/core/base/error.hpp>
#include <unroll/core/base/list.hpp>
#include <unroll/core/base/scope.hpp>
#include <unroll/core/tensor/random.hpp>

#include <concepts>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace unroll::nn {

template <class T = float>
class Members;

namespace detail {
template <class M>
concept HasValueType = requires {
    typename M::value_type;
};
template <class M, class T>
concept ListsMembers = requires(M& module, Members<T>& m) {
    module.members(m);
};

// The type Options of a cell, score or attention.
struct NoOptions {};
template <class C>
struct OptionsOf {
    using type = NoOptions;
};
template <class C>
requires requires { typename C::Options; }
struct OptionsOf<C> {
    using type = typename C::Options;
};

template <class M>
concept IsVector = HasValueType<M> &&
    std::derived_from<M, std::vector<typename std::remove_const_t<M>::value_type>>;

template <class M, class T>
concept NoParameter = !std::derived_from<M, Parameter<T>>;

// Whether M can be named in members() as a child; if not, a static_assert has said why.
template <class M, class T>
consteval bool can_be_member() {
    constexpr bool is_listed = ListsMembers<M, T>;
    constexpr bool is_const = std::is_const_v<M> && !is_listed;
    constexpr bool is_of_other_type = [] {
        if constexpr (is_const || is_listed)
            return false;
        else
            return ListsMembers<M, float> || ListsMembers<M, double> ||
                   std::derived_from<M, Variable<float>> || std::derived_from<M, Variable<double>>;
    }();
    static_assert(!is_const, "modules and parameters that are named in members() or passed to "
                             "parameters() must not be const, and members() must not be a const "
                             "function: they are listed to be changed");
    static_assert(!is_of_other_type, "a member must be a Parameter<T> or a module of Parameter<T>, "
                                     "with the T of the Members<T>");
    static_assert(is_listed || is_const || is_of_other_type,
                  "a module needs a public member function that names its parameters and children: "
                  "void members(nn::Members<T>& m) { m(\"weight\", weight)(\"child\", child); }");
    return is_listed;
}
} // namespace detail

// Collects the parameters of a module and of its children with their paths. A module is any struct
// with
//   void members(Members<T>& m) { m("weight", weight)("bias", bias)("cells", cells); }
// that names each parameter and child; vectors of modules are numbered. A parameter that is listed
// more than once counts once, with its first path. Parameters receive their paths as names, as does
// a module with a ModuleName that lists it first, m(module_name)("weight", weight), and opens a
// Scope with it when called.
template <class T>
class Members {
public:
    Members& operator()(const std::string& name, Parameter<T>& parameter) {
        if (parameter.body() != nullptr && seen_.insert(parameter.body()).second) {
            all_.emplace_back(prefix_ + name + suffix_, parameter);
            parameter.set_path(all_.back().path);
        }
        return *this;
    }
    Members& operator()(ModuleName& module) {
        module.set_path(std::string_view(prefix_).substr(0, prefix_.size() - !prefix_.empty()));
        return *this;
    }
    template <detail::NoParameter<T> M>
    Members& operator()(const std::string& name, M& module) {
        if constexpr (detail::IsVector<M>) {
            for (std::size_t i = 0; i < module.size(); ++i)
                (*this)((name.empty() ? "" : name + ".") + std::to_string(i), module[i]);
        } else if constexpr (detail::can_be_member<M, T>()) {
            const std::string outer = prefix_;
            if (!name.empty()) prefix_ += name + ".";
            module.members(*this);
            prefix_ = outer;
        }
        return *this;
    }

    // A child whose parameters have a suffix in common.
    template <class M>
    Members& with_suffix(const std::string& suffix, M& module) {
        const std::string outer = suffix_;
        suffix_ = suffix + outer;
        module.members(*this);
        suffix_ = outer;
        return *this;
    }

    const Parameters<T>& all() const { return all_; }

private:
    std::string prefix_;
    std::string suffix_;
    Parameters<T> all_;
    std::unordered_set<const Value<T>*> seen_;
};

namespace detail {
template <class M>
struct ScalarOf {
    static constexpr bool in_float = ListsMembers<M, float>;
    static constexpr bool in_double = ListsMembers<M, double>;
    static_assert(!(in_float && in_double),
                  "members() of this module takes any type; add `using value_type = T;`");
    using type = std::conditional_t<in_double && !in_float, double, float>;
};
template <HasValueType M>
struct ScalarOf<M> {
    using type = typename M::value_type;
};
} // namespace detail

// The scalar type of a module: its value_type, or that of the parameter of members().
template <class M>
using scalar_of = typename detail::ScalarOf<M>::type;

// void members(Members<T>& m)
template <class M>
concept Module = detail::ListsMembers<M, scalar_of<M>>;

// The parameters of modules, each once, with their paths, in the order listed. For several modules,
// paths start with the index of the module: "0.weight", "1.weight". The path of a single parameter
// is its name.
template <class First, class... Rest>
Parameters<scalar_of<First>> parameters(First& first, Rest&... rest) {
    using T = scalar_of<First>;
    Members<T> members;
    std::size_t number = 0;
    const auto add = [&]<class M>(M& module) {
        if constexpr (std::derived_from<M, Parameter<T>>)
            members(module.name(), module);
        else
            members(sizeof...(Rest) == 0 ? "" : std::to_string(number), module);
        ++number;
    };
    add(first);
    (add(rest), ...);
    return members.all();
}

namespace detail {

// M(options...), and the line that constructs it for modules that take it.
template <class M, class... Options>
M construct(Where where, const Options&... options) {
    if constexpr (std::is_constructible_v<M, const Options&..., Where>)
        return M(options..., where);
    else
        return M(options...);
}

} // namespace detail

// The number of elements of all parameters.
template <class... M>
std::size_t parameter_count(M&... modules) {
    std::size_t count = 0;
    for (const auto& p : parameters(modules...)) count += p.size();
    return count;
}

} // namespace unroll::nn

namespace unroll {
using nn::parameters;
}
