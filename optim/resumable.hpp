#pragma once

#include <unroll/core/autograd/parameter.hpp>
#include <unroll/core/base/error.hpp>

#include <cstdint>
#include <map>
#include <string>

namespace unroll::optim {

// What a checkpoint saves besides weights, to resume a run: tensors by name, and a count of steps.
template <class T = float>
class Resumable {
public:
    using State = std::map<std::string, Tensor<T>>;

    virtual ~Resumable() = default;

    virtual const Parameters<T>& parameters() const = 0;
    // Number of steps that changed something.
    std::uint64_t steps() const { return steps_; }
    // By path: "decoder.out.weight.momentum". The tensors are copies.
    virtual State state() const = 0;
    // Throws Error, changing nothing, with a list of all entries that are missing, unexpected or
    // invalid.
    void restore(const State& state, std::uint64_t steps, Where where = Where::current());
    // That list, one line for each entry; empty if the state is valid.
    virtual std::string mismatches(const State& state) const = 0;

protected:
    // Replaces the state by a valid one.
    virtual void assign(const State& state) = 0;
    // Compares names and shapes.
    static std::string compare(const std::map<std::string, Shape>& expected, const State& state);

    std::uint64_t steps_ = 0;
};

extern template class Resumable<float>;
extern template class Resumable<double>;

} // namespace unroll::optim
