#pragma once

#include <unroll/core/autograd/accumulator.hpp>
#include <unroll/core/autograd/tape.hpp>

#include <optional>
#include <span>
#include <vector>

namespace unroll {

// One backward pass over a tape: from `from` towards the leaves, in the reverse order of recording.
// It owns everything that the pass changes until finish(): a pass that throws leaves tape, rules
// and gradients as they were.
template <class T>
class BackwardPass {
public:
    // By node.
    static constexpr unsigned char on_path = 1; // y depends on it
    static constexpr unsigned char needed = 2;  // somebody asked for what flows through it
    static constexpr unsigned char target = 4;  // its gradient is asked for

    // Restricted to what leads to `wrt`, if given; else all leaves and retained values are targets.
    BackwardPass(Tape<T>& tape, Accumulator<T>& to, Where where,
                 std::optional<std::span<const NodeId>> wrt = {});
    ~BackwardPass() { memory_.clear(); }
    BackwardPass(const BackwardPass&) = delete;
    BackwardPass& operator=(const BackwardPass&) = delete;

    // Begins with tape.m_->pass.starts. Throws Error if a rule on the path was used up, or keeps a
    // value that has changed.
    void sweep();

    // The gradients of the targets that received one, in the order of the pass.
    const auto& found() const { return memory_.found; }

    // Adds what was found to the gradients of leaves, parameters and retained values.
    void add_to_leaves();
    // Frees what the rules of the path keep.
    void use_up();

private:
    void restrict_to(std::span<const NodeId> wrt);
    void check(NodeId id) const;
    void run_rule(NodeId id);
    unsigned char& flags(NodeId id) { return tape_.m_->flags[id]; }

    Tape<T>& tape_;
    Accumulator<T>& to_;
    PassMemory<T>& memory_;
    Where where_;
    bool restricted_;
};

// What an optimiser looks for after a backward pass: the pass, and the parameters that it gave a
// gradient and that no optimiser holds.
template <class T>
struct LastPass {
    std::uint64_t number = 0;
    std::vector<ParameterRef<T>> unheld;

    static LastPass& of_this_thread();
    // Begins the next pass of this thread.
    static LastPass& begin();
    // The pass added to this parameter's gradient.
    void add(const ParameterRef<T>& parameter);
};

extern template class BackwardPass<float>;
extern template class BackwardPass<double>;

} // namespace unroll
