#pragma once

#include <unroll/core/autograd/accumulator.hpp>
#include <unroll/core/autograd/tape.hpp>

#include <optional>
#include <span>
#include <vector>

namespace unroll {

template <class T>
class Recorded;

// One backward pass over a tape: from `from` towards the leaves, in the reverse order of recording.
// Nothing outside the pass changes until it has finished: a pass that throws leaves tape, rules and
// gradients unchanged.
template <class T>
class BackwardPass {
public:
    // Flags of a node.
    static constexpr unsigned char on_path = 1; // y depends on it
    static constexpr unsigned char needed = 2;  // a requested gradient depends on it
    static constexpr unsigned char target = 4;  // its gradient is requested

    // Restricted to the paths to `wrt`, if given; otherwise all leaves and retained values are
    // targets.
    BackwardPass(Tape<T>& tape, Accumulator<T>& to, const Op& op,
                 std::optional<std::span<const NodeId>> wrt = {});
    // Continues a recorded pass at the nodes from `begin`, which one of its rules has recorded.
    BackwardPass(Recorded<T>& to, const Op& op, NodeId begin);
    ~BackwardPass();
    BackwardPass(const BackwardPass&) = delete;
    BackwardPass& operator=(const BackwardPass&) = delete;

    // Sets where it begins, if not find_starts: at values of this tape that have a gradient.
    void start(std::span<const Variable<T>> y, std::span<const Variable<T>> gradients);

    // Begins with tape.m_->pass.starts. Throws Error if a rule on the path was freed, or saved a
    // value that has changed since.
    void sweep();

    // The gradients of the targets that received one, in the order of the pass.
    const auto& found() const { return memory_.found; }

    // Adds the results to the gradients of leaves, parameters and retained values.
    void add_to_leaves();
    // Frees the tensors that the rules on the path saved.
    void use_up();

private:
    // Flags the nodes from begin_ that depend on a needed one.
    void mark_needed();
    void check(NodeId id) const;
    void run_rule(NodeId id);
    // Long tapes do not fit into the cache.
    void prefetch_before(NodeId id) const;
    unsigned char& flags(NodeId id) { return tape_.m_->flags[id]; }

    Tape<T>& tape_;
    Accumulator<T>& to_;
    PassMemory<T>& memory_;
    Op op_;
    bool restricted_;
    NodeId begin_ = 0;
    bool continues_ = false;
    std::vector<Variable<T>> outer_incoming_; // of the rule that continues the pass
};

// For Optimizer::step(): the last backward pass of this thread, and the parameters that received a
// gradient in it and that no optimiser holds.
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
