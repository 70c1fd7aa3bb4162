#include <unroll/core/graph/drawing/copies.hpp>
#include <unroll/core/graph/drawing/hues.hpp>
#include <unroll/core/graph/drawing/text.hpp>
#include <unroll/core/graph/formula_text.hpp>
#include <unroll/core/graph/operands.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

namespace unroll::graph::detail {

namespace {

class Drawer {
public:
    Drawer(const Model& model, const Options& options, std::uint32_t root,
           const std::vector<bool>& open)
        : model_(model), options_(options), root_(root), visibility_(model, root, open, options),
          copies_(model, options, visibility_), hues_(hues_of(model)),
          item_hues_(hues_of_items(model, hues_)), ids_(visibility_.ids()) {
        drawing_.left_to_right = options.left_to_right;
        draw_groups();
        draw_boxes();
        using Fan = Visibility::Fan;
        for (std::size_t l = 0; l < model.links.size(); ++l)
            if (visibility_.fan(l) != Fan::dropped)
                draw(model.links[l], visibility_.fan(l) == Fan::drawn);
        finish();
    }

    Drawing take() { return std::move(drawing_); }

private:
    static constexpr std::size_t most_lines = 3;

    void draw_groups() {
        const auto& modules = model_.modules;
        drawing_.groups.push_back({Group::Style::plain, none, "unroll", "", 0});
        group_of_.assign(modules.size(), 0);
        std::uint32_t forward = 0;
        if (visibility_.has_backward()) {
            forward = 1;
            drawing_.groups.push_back({Group::Style::side, 0, "cluster_forward", "forward", 1});
            group_of_[0] = forward;
        }
        for (std::uint32_t m = 1; m < modules.size(); ++m) {
            if (m == root_ || !visibility_.is_open(m)) continue;
            if (visibility_.left_out() > 0 && visibility_.all_left_out(m)) continue;
            const bool side = visibility_.side(m) == m;
            const std::uint32_t parent =
                modules[m].parent == root_ ? (side ? 0 : forward) : group_of_[modules[m].parent];
            group_of_[m] = static_cast<std::uint32_t>(drawing_.groups.size());
            std::string title = title_of(modules[m]);
            if (modules[m].folded) title += "    × " + format_thousands(modules[m].count);
            drawing_.groups.push_back({side ? Group::Style::side
                                       : modules[m].folded || modules[m].name == "t"
                                           ? Group::Style::series
                                           : Group::Style::module,
                                       parent, "cluster_m" + std::to_string(m), title,
                                       drawing_.groups[parent].depth + 1});
        }
    }

    void draw_boxes() {
        for (std::uint32_t i = 0; i < model_.items.size(); ++i) {
            const std::uint32_t home = visibility_.home(i);
            if (home == none || visibility_.is_hidden(i) || visibility_.is_left_out(i)) continue;
            if (visibility_.is_opened(i))
                open_formula(i);
            else if (copies_.of(i).empty())
                box(i, ids_[i], group_of_[home]);
            else
                for (const Copies::Copy& copy : copies_.of(i))
                    box(i, copy.id, group_beside(copy.module));
        }
        for (std::uint32_t m = 0; m < model_.modules.size(); ++m)
            if (visibility_.closed(m) == m &&
                !(visibility_.left_out() > 0 && visibility_.all_left_out(m)))
                box_of_module(m);
        if (visibility_.left_out() > 0)
            drawing_.boxes.push_back({Box::Style::more,
                                      "more",
                                      {format_thousands(visibility_.left_out()) + " more nodes"},
                                      "omitted to stay within the budget",
                                      group_of_[0]});
    }

    // The group of a module or, if that is collapsed or a step, the enclosing one.
    std::uint32_t group_beside(std::uint32_t module) const {
        const std::uint32_t closed = visibility_.closed(module);
        if (closed != none) module = model_.modules[closed].parent;
        while (module != 0 && module != root_ && model_.modules[module].name == "t")
            module = model_.modules[module].parent;
        return group_of_[module];
    }

    // Lines below the title and the shapes of a node.
    void annotate(const Measure& m, std::vector<std::string>& lines) const {
        if (!options_.annotate) return;
        std::string norms;
        if (m.value_norm >= 0) norms = "|x| " + format_with_unit(m.value_norm);
        if (m.gradient_norm >= 0)
            norms += (norms.empty() ? "" : "  ") + ("|∂x| " + format_with_unit(m.gradient_norm));
        if (!norms.empty()) lines.push_back(norms);
        if (m.forward + m.backward > 0)
            lines.push_back(format_with_unit(m.forward, "s") + " forward, " +
                            format_with_unit(m.backward, "s") + " backward");
        if (m.kept > 0)
            lines.push_back("keeps " + format_with_unit(m.kept, "B"));
        else if (m.results > 0)
            lines.push_back(format_with_unit(m.results, "B"));
    }

    bool knows_kept() const { return options_.profile != nullptr || !model_.is_used_up; }

    double metric(const Measure& m) const {
        switch (options_.color) {
        case Color::gradient_norm: return m.gradient_norm;
        case Color::time: return m.forward + m.backward;
        case Color::memory: return knows_kept() ? m.kept : m.results;
        default: return -1;
        }
    }

    // Stores a value for finish(), which maps all values to one scale.
    void measure(double value, double& scale) {
        scale = value;
        if (!(value >= 0) || std::isinf(value)) return;
        most_ = std::max(most_, value);
        if (value > 0) least_ = std::min(least_, value);
    }

    static Box::Style style_of(const Item& item) {
        if (!item.failure.empty()) return Box::Style::failed;
        switch (item.kind) {
        case Item::Kind::parameter: return Box::Style::parameter;
        case Item::Kind::source: return Box::Style::source;
        case Item::Kind::constant: return Box::Style::constant;
        case Item::Kind::operation: break;
        }
        return item.is_sink ? Box::Style::sink : Box::Style::operation;
    }

    void box(std::uint32_t i, const std::string& id, std::uint32_t group) {
        const Item& item = model_.items[i];
        Box box{};
        box.style = style_of(item);
        box.id = id;
        box.group = group;
        box.small = !copies_.of(i).empty();
        std::string name = box.small ? item.name : name_in(model_, item);
        name = call_text(item, name);
        if (!item.result.empty()) name = item.result + " = " + name;
        box.lines.push_back(name);
        if (!box.small || item.kind == Item::Kind::constant) list(item.shapes, box.lines);
        if (!item.part.empty()) box.lines.push_back("coloured: " + item.part);
        for (const std::string& line : wrapped(item.failure))
            if (!line.empty()) box.lines.push_back(line);
        annotate(item.measure, box.lines);
        box.color = item.color;
        box.tooltip = item.name;
        if (const std::string call = call_text(item, item.name); call != item.name)
            box.tooltip += ": " + call;
        if (box.small)
            for (const std::string& shape : item.shapes) box.tooltip += " " + shape;
        box.tooltip += "\n" + item.origin;
        if (!item.failure.empty()) box.tooltip += "\n" + item.failure;
        if (item.count > 1) box.tooltip += "\n× " + format_thousands(item.count);
        if (options_.color == Color::module) box.hue = item_hues_[i];
        measure(metric(item.measure), box.scale);
        drawing_.boxes.push_back(std::move(box));
    }

    void box_of_module(std::uint32_t m) {
        const Module& module = model_.modules[m];
        Box box{};
        // Steps are small boxes, since many of them are drawn in a row.
        const bool is_step = module.name == "t" && !module.folded;
        box.style = is_step ? Box::Style::step : Box::Style::module;
        box.id = "m" + std::to_string(m);
        box.group = group_of_[module.parent];
        box.count = module.count;
        box.lines.push_back(title_of(module) +
                            (module.folded ? "   × " + format_thousands(module.count) : ""));
        if (module.parameters > 0 && !is_step)
            box.lines.push_back(format_thousands(module.parameters) + " parameters");
        std::set<std::string> in, out;
        for (const Link& l : model_.links) {
            const bool leaves = ids_[l.from] == box.id, enters = ids_[l.to] == box.id;
            const bool is_input =
                model_.items[l.from].kind == Item::Kind::constant && !visibility_.is_hidden(l.from);
            if (leaves != enters && (!model_.items[l.from].is_operand() || is_input))
                (leaves ? out : in).insert(l.whole);
        }
        for (std::uint32_t i = 0; i < model_.items.size(); ++i)
            if (ids_[i] == box.id && model_.items[i].is_sink && !model_.items[i].is_operand())
                out.insert(model_.items[i].shapes.begin(), model_.items[i].shapes.end());
        if (!is_step && (!in.empty() || !out.empty()))
            box.lines.push_back(some(in) + " → " + some(out));
        if (!is_step) annotate(module.measure, box.lines);
        for (std::uint32_t i = 0; i < model_.items.size(); ++i)
            if (ids_[i] == box.id && !model_.items[i].color.empty())
                box.color = model_.items[i].color;
        box.tooltip = model_.path(m);
        if (options_.color == Color::module) box.hue = hues_[m];
        measure(metric(module.measure), box.scale);
        drawing_.boxes.push_back(std::move(box));
    }

    static std::string sign(const Formula::Term& term) {
        using Kind = Formula::Kind;
        switch (term.kind) {
        case Kind::sum: return "+";
        case Kind::difference: return "−";
        case Kind::product: return "×";
        case Kind::quotient: return "÷";
        case Kind::negative: return "−";
        case Kind::power: return term.text.empty() ? "^" : term.text;
        default: return term.text;
        }
    }

    // Whether the arguments of a term must not be exchanged.
    static bool has_order(const Formula::Term& term) {
        using Kind = Formula::Kind;
        constexpr std::array<std::string_view, 3> symmetric{"=", "∧", "∨"};
        return term.arguments.size() > 1 && term.kind != Kind::sum && term.kind != Kind::product &&
               std::ranges::find(symmetric, term.text) == symmetric.end();
    }

    void open_formula(std::uint32_t i) {
        const Item& item = model_.items[i];
        const auto group = static_cast<std::uint32_t>(drawing_.groups.size());
        const std::uint32_t parent = group_of_[item.module];
        const std::string id = "n" + std::to_string(i);
        drawing_.groups.push_back({Group::Style::formula, parent, "cluster_" + id,
                                   item.name + "\n" + text(item.formula),
                                   drawing_.groups[parent].depth + 1});
        std::vector<std::string>& inputs = inputs_[i];
        std::vector<std::string>& outputs = outputs_[i];
        for (std::size_t t = 0; t < item.formula.terms.size(); ++t) {
            const Formula::Term& term = item.formula.terms[t];
            Box box{};
            box.style = Box::Style::term;
            box.id = id + "_" + std::to_string(t);
            box.group = group;
            box.lines.push_back(sign(term));
            box.tooltip = item.name;
            if (options_.color == Color::module) box.hue = item_hues_[i];
            // The operands come first.
            if (term.kind == Formula::Kind::input || t < item.inputs) inputs.push_back(box.id);
            for (std::size_t k = 0; k < term.arguments.size(); ++k)
                drawing_.arrows.push_back({id + "_" + std::to_string(term.arguments[k]),
                                           box.id,
                                           {},
                                           has_order(term) ? std::to_string(k + 1) : ""});
            drawing_.boxes.push_back(std::move(box));
        }
        for (const auto& output : item.formula.outputs) {
            outputs.push_back(id + "_" + std::to_string(output.term));
            if (!output.name.empty())
                drawing_.boxes[drawing_.boxes.size() - item.formula.terms.size() + output.term]
                    .lines.push_back(output.name);
        }
    }

    // The end of an arrow: a term if the formula is expanded, otherwise the box of the item.
    std::string end(std::uint32_t i, std::size_t number,
                    const std::map<std::uint32_t, std::vector<std::string>>& terms) const {
        const auto open = terms.find(i);
        if (open == terms.end() || open->second.empty()) return ids_[i];
        return open->second[std::min(number, open->second.size() - 1)];
    }

    void draw(const Link& link, bool for_all) {
        const Item &from = model_.items[link.from], &to = model_.items[link.to];
        const bool leaves = visibility_.is_outside(to.module),
                   enters = visibility_.is_outside(from.module);
        if (leaves && enters) return;
        if (from.is_operand() && visibility_.is_hidden(link.from)) return;
        if (enters) add_outside_node(link.from);
        if (leaves) add_outside_node(link.to);
        Arrow arrow{};
        const std::string copy = copies_.next_to(link.from, ids_[link.to]);
        arrow.from = copy.empty() ? end(link.from, link.output, outputs_) : copy;
        arrow.to = end(link.to, link.input, inputs_);
        if (arrow.from == arrow.to) {
            const std::uint32_t closed = visibility_.closed(to.module);
            if (!link.carried || arrow.to == "more" || (closed != none && closed != link.series))
                return;
        }
        arrow.carried = link.carried;
        arrow.against = link.carried && link.from >= link.to;
        const std::uint32_t a = visibility_.side(from.module), b = visibility_.side(to.module);
        arrow.crosses = a != b && copy.empty();
        arrow.reversed = a == b && a != 0;
        arrow.color = link.color;
        if (arrow.to == "n" + std::to_string(link.to)) show_operands(arrow, link);
        label(arrow, link, for_all);
    }

    // Uses of one value by one operation are so many arrows, unless a text says so.
    void show_operands(Arrow& arrow, const Link& link) const {
        constexpr std::size_t most = 3;
        const Item& to = model_.items[link.to];
        if (!to.names_operands) {
            if (link.views.empty() && link.parallel <= most) arrow.count = link.parallel;
            return;
        }
        for (const std::uint32_t operand : link.operands)
            arrow.operands += (arrow.operands.empty() ? "" : ", ") + operand_name(to, operand);
        if (link.operands.size() > most && to.operands.empty())
            arrow.operands = operand_name(to, link.operands.front()) + " … " +
                             operand_name(to, link.operands.back());
        if (arrow.operands == link.state) arrow.operands.clear(); // its label
    }

    bool is_step(const std::string& id) const {
        if (id[0] != 'm' || id == "more") return false;
        const Module& module = model_.modules[std::stoul(id.substr(1))];
        return module.name == "t" && !module.folded;
    }

    void label(Arrow& arrow, const Link& link, bool for_all) {
        const Item& from = model_.items[link.from];
        const bool is_short = is_step(arrow.from) && is_step(arrow.to);
        std::string line = link.state;
        if (!link.carried) {
            line = for_all ? link.all_views : link.views;
            const bool is_into_operation = arrow.to == "n" + std::to_string(link.to);
            if (link.parallel > 1 && arrow.count == 1 &&
                (!line.empty() || (is_into_operation && arrow.operands.empty())))
                line = std::to_string(link.parallel) + " ×" + (line.empty() ? "" : " " + line);
        }
        // The shape of the whole buffer is shown in the box.
        if (options_.edge_shapes && !line.empty() && !link.carried && link.shape != "[]")
            line += " " + link.shape;
        if (for_all) line += (line.empty() ? "" : ", ") + std::string("for all");
        // Each operand of an operation has its own arrow.
        std::string own;
        if (arrow.to == "n" + std::to_string(link.to) && !link.carried) {
            own = link.views;
            for (const std::uint32_t operand : link.operands) own += fmt::format(" {}", operand);
        }
        const auto [found, fresh] = arrow_of_.emplace(
            std::make_tuple(arrow.from, arrow.to, arrow.carried, own), drawing_.arrows.size());
        if (fresh) {
            if (options_.color == Color::module) arrow.hue = item_hues_[link.from];
            drawing_.arrows.push_back(arrow);
        }
        Arrow& drawn = drawing_.arrows[found->second];
        if (!fresh && !arrow.operands.empty() && drawn.operands != arrow.operands)
            drawn.operands += (drawn.operands.empty() ? "" : ", ") + arrow.operands;
        if (drawn.color.empty()) drawn.color = arrow.color;
        if (options_.color == Color::gradient_norm)
            drawn.scale = std::max(drawn.scale, link.gradient_norm);
        else
            drawn.scale = std::max(drawn.scale, metric(from.measure));
        measure(drawn.scale, drawn.scale);
        drawn.against = drawn.against && arrow.against;
        auto& lines = drawn.lines;
        if (is_short || arrow.crosses || line.empty() ||
            std::find(lines.begin(), lines.end(), line) != lines.end())
            return;
        if (lines.size() < most_lines)
            lines.push_back(line);
        else
            lines.back() = "…";
    }

    // A neighbour outside the drawn module.
    void add_outside_node(std::uint32_t i) {
        if (!ids_[i].empty()) return;
        constexpr std::size_t most = 40;
        const Item& item = model_.items[i];
        ids_[i] = outside_nodes_ < most ? "n" + std::to_string(i) : "elsewhere";
        if (outside_nodes_++ > most) return;
        Box box{};
        box.style = item.kind == Item::Kind::parameter  ? Box::Style::parameter
                    : item.kind == Item::Kind::constant ? Box::Style::constant
                                                        : Box::Style::operation;
        box.id = ids_[i];
        box.outside = true;
        box.lines = {outside_nodes_ > most ? std::string("elsewhere") : item.name};
        if (outside_nodes_ <= most && item.module != 0)
            box.lines.push_back(model_.path(item.module));
        box.tooltip = item.origin;
        drawing_.boxes.push_back(std::move(box));
    }

    void finish() {
        const std::size_t most = 4 * std::max<std::size_t>(options_.budget, 100);
        if (drawing_.arrows.size() > most) {
            drawing_.notes.push_back(format_thousands(drawing_.arrows.size() - most) +
                                     " edges are omitted");
            drawing_.arrows.resize(most);
        }
        if (visibility_.left_out() > 0)
            drawing_.notes.push_back(format_thousands(visibility_.left_out()) +
                                     " nodes are omitted");
        const bool norms = options_.color == Color::gradient_norm;
        // At least six decades, so that small differences appear small.
        least_ = norms ? std::clamp(least_, most_ * 1e-12, most_ * 1e-6) : 0;
        const auto rescale = [&](double& value) {
            if (!(value >= 0) || most_ <= 0 || std::isinf(value))
                value = -1;
            else if (!norms)
                value /= most_;
            else
                value = value <= least_ || most_ <= least_
                            ? (value >= most_ ? 1.0 : 0.0)
                            : std::log(value / least_) / std::log(most_ / least_);
        };
        for (Box& box : drawing_.boxes) rescale(box.scale);
        for (Arrow& arrow : drawing_.arrows) rescale(arrow.scale);
        if (most_ <= 0) return;
        const bool kept = knows_kept();
        drawing_.measure = norms                           ? "gradient norm, log scale"
                           : options_.color == Color::time ? "time, forward and backward"
                           : kept                          ? "bytes saved for backward"
                                                           : "bytes of results";
        const char* unit = norms ? "" : options_.color == Color::time ? "s" : "B";
        drawing_.least = format_with_unit(least_, unit);
        drawing_.most = format_with_unit(most_, unit);
    }

    const Model& model_;
    const Options& options_;
    const std::uint32_t root_;
    const Visibility visibility_;
    const Copies copies_;
    Drawing drawing_;
    const std::vector<std::uint32_t> hues_, item_hues_; // per module, per item
    std::vector<std::uint32_t> group_of_;               // per module
    std::vector<std::string> ids_;                      // per item: the box that represents it
    std::size_t outside_nodes_ = 0;
    std::map<std::uint32_t, std::vector<std::string>> inputs_, outputs_; // of expanded formulas
    std::map<std::tuple<std::string, std::string, bool, std::string>, std::size_t> arrow_of_;
    double least_ = 1e300, most_ = 0;
};

} // namespace

Drawing draw(const Model& model, std::uint32_t root, const std::vector<bool>& open,
             const Options& options) {
    return Drawer(model, options, root, open).take();
}

} // namespace unroll::graph::detail
