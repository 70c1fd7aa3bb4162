#pragma once

#include <unroll/core/autograd/parameter.hpp>
#include <unroll/core/tensor/random.hpp>

#include <string>
#include <utility>
#include <vector>

namespace unroll::nn {

// The parameters of a module and of its children, by their path. A module is any struct with
//   void members(Members<T>& m) { m("weight", weight)("bias", bias)("cells", cells); }
// that names each parameter and child once; vectors of modules are numbered.
template <class T>
class Members {
public:
    struct Entry {
        std::string path;
        Parameter<T>* parameter;
    };

    Members& operator()(const std::string& name, Parameter<T>& parameter) {
        entries_.push_back({prefix_ + name + suffix_, &parameter});
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

    // A child whose parameters are told apart by what follows their names.
    template <class Module>
    Members& with_suffix(const std::string& suffix, Module& module) {
        const std::string outer = suffix_;
        suffix_ = suffix + outer;
        module.members(*this);
        suffix_ = outer;
        return *this;
    }

    const std::vector<Entry>& entries() const { return entries_; }

private:
    std::string prefix_;
    std::string suffix_;
    std::vector<Entry> entries_;
};

namespace detail {
template <class Module>
concept HasValueType = requires {
    typename Module::value_type;
};

template <class Module>
struct ScalarOf;
template <HasValueType Module>
struct ScalarOf<Module> {
    using type = typename Module::value_type;
};
template <template <class...> class M, class T, class... Rest>
requires(!HasValueType<M<T, Rest...>>) struct ScalarOf<M<T, Rest...>> {
    using type = T;
};
} // namespace detail

// The scalar type of a module: its value_type, or its first template argument.
template <class Module>
using scalar_of = typename detail::ScalarOf<Module>::type;

// Path and parameter of everything in a module, in the order listed.
template <class Module, class T = scalar_of<Module>>
std::vector<typename Members<T>::Entry> named_parameters(Module& module) {
    Members<T> members;
    members("", module);
    return members.entries();
}

// The parameters of several modules, for an optimiser.
template <class First, class... Rest>
std::vector<Parameter<scalar_of<First>>*> parameters(First& first, Rest&... rest) {
    using T = scalar_of<First>;
    Members<T> members;
    (members("", first), ..., members("", rest));
    std::vector<Parameter<T>*> all;
    for (const auto& entry : members.entries()) all.push_back(entry.parameter);
    return all;
}

template <class Module>
std::size_t parameter_count(Module& module) {
    std::size_t count = 0;
    for (const auto& entry : named_parameters(module)) count += entry.parameter->size();
    return count;
}

} // namespace unroll::nn

namespace unroll {
using nn::parameters;
}
