#include <unroll/core/base/error.hpp>
#include <unroll/optim/parameter_list.hpp>

#include <set>
#include <unordered_set>

namespace unroll::optim {

template <class T>
Parameters<T> each_once(const Parameters<T>& parameters) {
    Parameters<T> all;
    std::unordered_set<const Value<T>*> seen;
    for (const auto& p : parameters)
        if (seen.insert(&p.parameter()).second) all.push_back(p);
    return all;
}

template <class T>
void require_distinct_paths(const Op& operation, const Parameters<T>& parameters) {
    std::unordered_set<std::string> seen;
    for (const auto& p : parameters)
        if (!seen.insert(p.path).second)
            fail(operation, "two parameters have the path '" + p.path +
                                "'. parameters(a, b) prefixes paths with the index of the module; "
                                "rename() distinguishes parameters that are listed individually");
}

template <class T>
std::string names_of(const std::vector<ParameterRef<T>>& parameters) {
    std::multiset<std::string> sorted;
    for (const auto& p : parameters) sorted.insert("'" + p.name() + "' " + to_string(p.shape()));
    std::string text;
    for (const std::string& name : sorted) text += (text.empty() ? "" : ", ") + name;
    return text;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template std::string names_of(const std::vector<ParameterRef<T>>&);                            \
    template Parameters<T> each_once(const Parameters<T>&);                                        \
    template void require_distinct_paths(const Op&, const Parameters<T>&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::optim
