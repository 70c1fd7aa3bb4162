#pragma once

#include <unroll/core/graph/drawing/visibility.hpp>

#include <map>

namespace unroll::graph::detail {

// Parameters and constants that several modules use. Each is drawn as a small copy next to every
// user instead of once with lines across the picture, as far as the budget allows.
class Copies {
public:
    struct Copy {
        std::uint32_t module; // of the user
        std::string id;       // of the copy
    };

    Copies(const Model& model, const Options& options, const Visibility& visibility);

    // Empty if the item is drawn once.
    std::span<const Copy> of(std::uint32_t item) const;
    // The copy of an item for one user, given by the id of its box; empty: none.
    std::string next_to(std::uint32_t item, const std::string& user) const;

private:
    std::map<std::uint32_t, std::vector<Copy>> copies_;                   // per item
    std::map<std::pair<std::uint32_t, std::string>, std::string> beside_; // per item and user
};

} // namespace unroll::graph::detail
