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

// Collects the parameters of a module and of its children with their paths. A module is any struct
// with
//   void members(Members<T>& m) { m("weight", weight)("bias", bias)("cells", cells); }
// that names each parameter and child; vectors of modules are numbered. A parameter that is listed
// more than once counts once, with its first path. Parameters receive their paths as names, as does
// a module with a ModuleName that lists it first, m(module_name)("weight", weight), and opens a
// Scope with it when called.
template <class T = float>
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
    template <class Module>
    requires requires(Module& module, Members& m) { module.members(m); }
    Members& operator()(const std::string& name, Module& module) {
        const std::string outer = prefix_;
        if (!name.empty()) prefix_ += name + ".";
        module.members(*this);
        prefix_ = outer;
        return *this;
    }
    template <class Module>
    Members& operator()(const std::string& name, std::vector<Module>& modules) {
        for (std::size_t i = 0; i < modules.size(); ++i)
            (*this)((name.empty() ? "" : name + ".") + std::to_string(i), modules[i]);
        return *this;
    }

    // A child whose parameters have a suffix in common.
    template <class Module>
    Members& with_suffix(const std::string& suffix, Module& module) {
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
template <class Module>
concept HasValueType = requires {
    typename Module::value_type;
};
template <class Module, class T>
concept ListsMembers = requires(Module& module, Members<T>& m) {
    module.members(m);
};

template <class Module>
struct ScalarOf {
    static constexpr bool in_float = ListsMembers<Module, float>;
    static constexpr bool in_double = ListsMembers<Module, double>;
    static_assert(in_float || in_double,
                  "a module needs a public member function that names its parameters and children: "
                  "void members(nn::Members<T>& m) { m(\"weight\", weight)(\"child\", child); }");
    static_assert(!(in_float && in_double),
                  "members() of this module takes any type; add `using value_type = T;`");
    using type = std::conditional_t<in_float, float, double>;
};
template <HasValueType Module>
struct ScalarOf<Module> {
    using type = typename Module::value_type;
};
} // namespace detail

// The scalar type of a module: its value_type, or that of the parameter of members().
template <class Module>
using scalar_of = typename detail::ScalarOf<Module>::type;

// The parameters of modules, each once, with their paths, in the order listed. For several modules,
// paths start with the index of the module: "0.weight", "1.weight". The path of a single parameter
// is its name.
template <class First, class... Rest>
Parameters<scalar_of<First>> parameters(First& first, Rest&... rest) {
    using T = scalar_of<First>;
    Members<T> members;
    std::size_t number = 0;
    const auto add = [&]<class Module>(Module& module) {
        if constexpr (std::derived_from<Module, Parameter<T>>)
            members(module.name(), module);
        else
            members(sizeof...(Rest) == 0 ? "" : std::to_string(number), module);
        ++number;
    };
    add(first);
    (add(rest), ...);
    return members.all();
}

// Throws Error for a module that was moved from.
template <class Module>
void require_not_moved(const char* module, const List<Module>& layers) {
    if (layers.empty())
        fail(module, "the module was moved from; use the module that it was moved to");
}

// The number of elements of all parameters.
template <class... Module>
std::size_t parameter_count(Module&... modules) {
    std::size_t count = 0;
    for (const auto& p : parameters(modules...)) count += p.size();
    return count;
}

} // namespace unroll::nn

namespace unroll {
using nn::parameters;
}
