#pragma once

#include <unroll/core/autograd/tape.hpp>
#include <unroll/core/check/table.hpp>

#include <chrono>
#include <vector>

namespace unroll {

// Cost of an operation: seconds forward and backward, bytes of its results, and bytes saved for its
// rule, without parameters. Memory saved by several rules counts for each.
struct Cost {
    double forward = 0, backward = 0;
    std::size_t bytes = 0, kept = 0;
};

// All operations of one name, or of one module.
struct ProfileRow {
    std::string name;
    std::size_t count = 0;
    Cost cost;

    double seconds() const { return cost.forward + cost.backward; }
};
// Columns: milliseconds, fraction of total time, bytes.
Table table(const std::vector<ProfileRow>& rows);

// The costs of a tape's operations.
class Costs {
public:
    // Whether it measures this tape, and the tape still exists.
    virtual bool is_of(const void* tape) const = 0;
    // The cost of an operation, by its first node, or of a leaf; null if it was not measured.
    const Cost* cost(NodeId first) const {
        return first < costs_.size() && costs_[first].bytes != unseen ? &costs_[first] : nullptr;
    }

protected:
    ~Costs() = default;
    static constexpr std::size_t unseen = ~std::size_t{0};
    std::vector<Cost> costs_;
};

// Measures the operations of its tape during its lifetime. An operation's time starts at the end of
// the previous one and so includes other work in between. A parameter's time is that of the
// deferred products of its gradient. Restarts when the tape is cleared.
template <class T = float>
class Profile final : public Monitor<T>, public Costs {
public:
    explicit Profile(Tape<T>& tape) : Monitor<T>(tape), last_(Clock::now()) {}

    bool is_of(const void* tape) const override { return this->tape() == tape; }

    // In order of decreasing time. Modules are paths without the indices of time steps, such as
    // "encoder.t", or "(outside)".
    std::vector<ProfileRow> operations() const;
    std::vector<ProfileRow> modules() const;
    // Both as tables.
    std::string text() const;

    void recorded(NodeId first, std::span<const Variable<T>* const> inputs,
                  std::span<const Variable<T>> results) override;
    void before_rule(NodeId first, std::span<const Variable<T>> gradients) override;
    void after_rule(NodeId first) override;
    void leaf(NodeId id, const Tensor<T>& gradient) override;
    void cleared() override;

private:
    using Clock = std::chrono::steady_clock;
    double lap() {
        const auto now = Clock::now();
        const double seconds = std::chrono::duration<double>(now - last_).count();
        last_ = now;
        return seconds;
    }
    template <class Name>
    std::vector<ProfileRow> grouped(const Name& name) const;

    Clock::time_point last_;
    NodeId last_rule_ = 0; // during a pass, which visits nodes in descending order
};

extern template class Profile<float>;
extern template class Profile<double>;

} // namespace unroll
