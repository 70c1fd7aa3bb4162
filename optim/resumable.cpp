#include <unroll/optim/resumable.hpp>

namespace unroll::optim {

template <class T>
void Resumable<T>::restore(const State& state, std::uint64_t steps, Where where) {
    const std::string problems = mismatches(state);
    if (!problems.empty())
        fail(Op("restore", where), "the state does not match the parameters:" + problems);
    assign(state);
    steps_ = steps;
}

template <class T>
std::string Resumable<T>::compare(const std::map<std::string, Shape>& expected,
                                  const State& state) {
    std::string problems;
    for (const auto& [name, shape] : expected) {
        const auto found = state.find(name);
        if (found == state.end())
            problems += "\n  missing: " + name + " " + to_string(shape);
        else if (found->second.shape() != shape)
            problems += "\n  misshaped: " + name + " is " + to_string(found->second.shape()) +
                        ", expected " + to_string(shape);
    }
    for (const auto& [name, tensor] : state)
        if (!expected.contains(name))
            problems += "\n  unexpected: " + name + " " + to_string(tensor.shape());
    return problems;
}

template class Resumable<float>;
template class Resumable<double>;

} // namespace unroll::optim
