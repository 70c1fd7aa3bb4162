#pragma once

#include <unroll/core/autograd/tape.hpp>
#include <unroll/core/check/table.hpp>

#include <chrono>
#include <vector>

namespace unroll {

// What an operation cost: seconds forward and backward, the bytes of its results, and those that
// its rule keeps, parameters left out. What several rules keep counts to each.
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
// With milliseconds, the share of all time, and bytes.
Table table(const std::vector<ProfileRow>& rows);

// What the operations of a tape cost.
class Costs {
public:
    // Of an operation by its first node, or of a leaf; null where it was not seen.
    const Cost* cost(NodeId first) const {
        return first < costs_.size() && costs_[first].bytes != unseen ? &costs_[first] : nullptr;
    }

protected:
    static constexpr std::size_t unseen = ~std::size_t{0};
    std::vector<Cost> costs_;
};

// While it lives, measures the operations of its tape. An operation's time runs from the end of the
// one before, so that what a program does between two counts to the second; a parameter's is that
// of the products which are left to its gradient. Begins anew when the tape is cleared.
template <class T>
class Profile final : public Monitor<T>, public Costs {
public:
    explicit Profile(Tape<T>& tape) : Monitor<T>(tape), last_(Clock::now()) {}

    // The costliest first. Modules are paths without the numbers of time steps, as "encoder.t",
    // or "(outside)".
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
    NodeId last_rule_ = 0; // of this pass; a pass goes down
};

extern template class Profile<float>;
extern template class Profile<double>;

} // namespace unroll
