#pragma once

#include <unroll/core/graph/drawing/drawing.hpp>

namespace unroll::graph::detail {

// Which parts of a model a picture shows: which modules are collapsed, which box represents each
// item, and which items are omitted.
class Visibility {
public:
    static constexpr std::uint32_t outside = none - 1;
    // A fan connects one node to every step of a long series. Only one of its edges is drawn: the
    // first into the series, the last out of it.
    enum class Fan { none, dropped, drawn };

    Visibility(const Model& model, std::uint32_t root, const std::vector<bool>& open,
               const Options& options);

    // `none` if the module is expanded, `outside` if it is not in the picture, otherwise the
    // collapsed module that represents it.
    std::uint32_t closed(std::uint32_t module) const { return closed_[module]; }
    bool is_outside(std::uint32_t module) const { return closed_[module] == outside; }
    bool is_open(std::uint32_t module) const { return closed_[module] == none; }
    // Whether a backward pass is drawn next to the forward graph. If so, the backward scope that a
    // module is in; 0: none.
    bool has_backward() const { return has_backward_; }
    std::uint32_t side(std::uint32_t module) const {
        return has_backward_ ? model_.backward_pass(module) : 0;
    }

    // Per item: the box that represents it; empty outside.
    const std::vector<std::string>& ids() const { return ids_; }
    // The expanded module in which the item has its box; none if another box represents it.
    std::uint32_t home(std::uint32_t item) const { return homes_[item]; }
    bool is_hidden(std::uint32_t item) const { return hidden_[item]; }
    // True if the item's formula is drawn.
    bool is_opened(std::uint32_t item) const;
    Fan fan(std::size_t link) const { return fans_[link]; }

    std::size_t left_out() const { return left_out_; }
    bool is_left_out(std::uint32_t item) const { return left_out_ > 0 && left_out_items_[item]; }
    bool all_left_out(std::uint32_t module) const;

private:
    void close_modules(const std::vector<bool>& open);
    void shorten();
    void choose_box(std::uint32_t item);
    void place_operands();
    std::size_t count_boxes() const;
    std::uint32_t member_apart(std::uint32_t module, std::uint32_t other) const;
    void find_fans();

    const Model& model_;
    const Options& options_;
    const std::uint32_t root_;
    bool has_backward_ = false;
    std::vector<std::uint32_t> closed_; // per module
    std::vector<std::string> ids_;      // per item
    std::vector<std::uint32_t> homes_;  // per item
    std::vector<bool> hidden_, left_out_items_;
    std::vector<Fan> fans_; // per link
    std::size_t left_out_ = 0;
    bool closed_formulas_ = false;
};

} // namespace unroll::graph::detail
