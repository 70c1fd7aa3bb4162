#include <unroll/core/autograd/backward/pass.hpp>
#include <unroll/core/base/error.hpp>
#include <unroll/optim/parameter_list.hpp>

#include <algorithm>
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
void require_listed(const Op& operation, const Parameters<T>& held) {
    const auto& last = LastPass<T>::of_this_thread();
    if (last.unheld.empty()) return;
    if (std::none_of(held.begin(), held.end(),
                     [&](const auto& p) { return p.parameter().pass == last.number; }))
        return; // that pass concerned another optimiser
    std::vector<ParameterRef<T>> unheld;
    for (const auto& p : last.unheld)
        if (p.parameter().optimizers == 0 && p.is_trainable() && p.has_gradient())
            unheld.push_back(p);
    if (unheld.empty()) return;
    fail(operation,
         "parameters that no optimiser holds received gradients and would never be trained: " +
             names_of(unheld) +
             ". List them in members() and construct the optimiser after the last layer was "
             "replaced (a copy of a model has parameters of its own), add them to an optimiser "
             "(add_group), or freeze them with set_trainable(false); allow_unlisted(true) "
             "disables this check");
}

template <class T>
void fail_without_gradient(const Op& operation, const Parameters<T>& parameters) {
    constexpr bool is_double = std::same_as<T, double>;
    using Other = std::conditional_t<is_double, float, double>;
    std::string why;
    std::vector<ParameterRef<T>> shared;
    for (const auto& p : parameters)
        if (p.parameter().optimizers > 1) shared.push_back(p);
    if (Tape<T>::current() == nullptr && Tape<Other>::current() != nullptr)
        why = std::string("The tape is of the wrong type: ") + Tape<T>::how_to_record();
    else if (!shared.empty())
        why = "Another optimiser also holds " + names_of(shared) +
              ", and its step() clears their gradients. Let one optimiser hold each parameter; "
              "add_group() gives some of them other settings";
    else
        why = std::string("Was backward called since the last step, on a loss that depends on "
                          "these parameters, computed while a Tape<") +
              (is_double ? "double" : "float") +
              "> recorded? Are they frozen, or was their layer replaced after they were listed?";
    fail(operation, "no parameter has a gradient. " + why);
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
    template void require_distinct_paths(const Op&, const Parameters<T>&);                         \
    template void require_listed(const Op&, const Parameters<T>&);                                 \
    template void fail_without_gradient(const Op&, const Parameters<T>&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::optim
