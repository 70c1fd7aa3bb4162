#pragma once

#include <unroll/core/tape.hpp>

#include <chrono>
#include <vector>

namespace unroll {

// What an operation cost: seconds forward and backward, and bytes of its results.
struct Cost {
    double forward = 0, backward = 0;
    std::size_t bytes = 0;
};

// What the operations of a tape cost.
class Costs {
public:
    // Of an operation by its first node; null where it was not seen.
    const Cost* cost(NodeId first) const {
        return first < costs_.size() && costs_[first].bytes != unseen ? &costs_[first] : nullptr;
    }

protected:
    static constexpr std::size_t unseen = ~std::size_t{0};
    std::vector<Cost> costs_;
};

// While it lives, measures the operations of its tape. An operation's forward time runs from the
// record of the one before, so that what a program does between two operations counts to the
// second. Begins anew when the tape is cleared.
template <class T>
class Profile final : public Monitor<T>, public Costs {
public:
    explicit Profile(Tape<T>& tape) : Monitor<T>(tape), last_(Clock::now()) {}

    void recorded(NodeId first, std::span<const Variable<T>* const> inputs,
                  std::span<const Variable<T>> results) override;
    void before_rule(NodeId first, std::span<const Variable<T>> gradients) override;
    void after_rule(NodeId first) override;
    void cleared() override;

private:
    using Clock = std::chrono::steady_clock;
    double lap() {
        const auto now = Clock::now();
        const double seconds = std::chrono::duration<double>(now - last_).count();
        last_ = now;
        return seconds;
    }

    Clock::time_point last_;
};

extern template class Profile<float>;
extern template class Profile<double>;

} // namespace unroll
