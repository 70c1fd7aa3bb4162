#include <unroll/core/graph/drawing/drawing.hpp>
#include <unroll/core/graph/drawing/text.hpp>

#include <algorithm>
#include <numeric>

namespace unroll::graph::detail {

bool is_shown(const Item& item, const Options& options) {
    return item.kind == Item::Kind::parameter  ? options.parameters
           : item.kind == Item::Kind::constant ? options.constants
                                               : true;
}

std::size_t weight(const Item& item, const Options& options) {
    if (!is_shown(item, options)) return 0;
    return std::max<std::size_t>(item.formula.terms.size(), 1);
}

namespace {

// The expanded modules and the resulting number of nodes.
struct Choice {
    std::vector<bool> open;
    std::size_t nodes = 0;
    std::size_t closed = 0; // number of modules that did not fit the budget
};

// Expands modules within the budget, outer ones first.
Choice choose(const Model& model, const Options& options) {
    Choice choice;
    choice.open.assign(model.modules.size(), false);
    choice.open[0] = true;
    const auto content = [&](const Module& m) {
        std::size_t n = m.children.size();
        for (const std::uint32_t i : m.items) n += weight(model.items[i], options);
        return n;
    };
    choice.nodes = content(model.modules[0]);
    std::vector<std::uint32_t> order(model.modules.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        return model.modules[a].level < model.modules[b].level;
    });
    for (const std::uint32_t m : order) {
        const Module& module = model.modules[m];
        if (m == 0 || !choice.open[module.parent] || module.level > options.depth) continue;
        const std::size_t more = content(module) - 1;
        if (choice.nodes + more > options.budget) {
            ++choice.closed;
            continue;
        }
        choice.open[m] = true;
        choice.nodes += more;
    }
    return choice;
}

void check(const Options& options, const void* tape) {
    if (options.budget == 0) fail("graph::dot", "budget must be at least 1 node, got 0");
    if (options.color == Color::gradient_norm && options.statistics == nullptr)
        fail("graph::dot", "Color::gradient_norm needs Options::statistics, got none; set it to a "
                           "Statistics<T> of the tape");
    if (options.color == Color::time && options.profile == nullptr)
        fail("graph::dot",
             "Color::time needs Options::profile, got none; set it to a Profile<T> of the tape");
    if (options.statistics != nullptr && !options.statistics->is_of(tape))
        fail("graph::dot", "Options::statistics is of another tape, or of one that was destroyed");
    if (options.profile != nullptr && !options.profile->is_of(tape))
        fail("graph::dot", "Options::profile is of another tape, or of one that was destroyed");
    if (options.annotate && options.statistics == nullptr && options.profile == nullptr)
        fail("graph::dot", "Options::annotate needs Options::statistics or Options::profile");
}

// Options with increasing folding, starting with the requested ones.
std::vector<Options> foldings(const Options& options) {
    std::vector<Options> all{options};
    for (const Fold fold : {Fold::time, Fold::layers}) {
        if (fold < options.fold) continue;
        all.push_back(options);
        all.back().fold = fold;
        all.back().first_steps = all.back().last_steps = 0;
    }
    return all;
}

std::string describe(const Options& requested, const Options& used, const Choice& choice,
                     const std::vector<std::string>& notes) {
    std::vector<std::string> done = notes;
    const bool drawn_apart = requested.first_steps + requested.last_steps > 0;
    if (choice.closed > 0)
        done.insert(done.begin(),
                    format_thousands(choice.closed) +
                        (choice.closed == 1 ? " module is collapsed" : " modules are collapsed"));
    if (used.fold != requested.fold)
        done.insert(done.begin(), used.fold == Fold::time ? "time steps are folded"
                                                          : "time steps and layers are folded");
    else if (drawn_apart && used.first_steps + used.last_steps == 0)
        done.insert(done.begin(), "no step is drawn separately");
    std::string text;
    for (const std::string& part : done) text += (text.empty() ? "" : ", ") + part;
    return text;
}

} // namespace

template <class T>
Drawing picture(const Tape<T>& tape, NodeId of, const Options& options) {
    check(options, &tape);
    Model model;
    Choice choice;
    const Options* used = &options;
    const std::vector<Options> all = foldings(options);
    for (const Options& folding : all) {
        const std::size_t before = model.items.size();
        model = fold(tape, of, folding);
        if (model.items.size() != before) used = &folding;
        choice = choose(model, options);
        if (choice.closed == 0 && choice.nodes <= options.budget) break;
    }
    Drawing drawing = draw(model, 0, choice.open, options);
    const std::string done = describe(options, *used, choice, drawing.notes);
    const bool is_shortened = !drawing.notes.empty();
    drawing.notes.clear();
    if (!done.empty())
        drawing.notes.push_back("To stay within " + format_thousands(options.budget) +
                                " nodes, of " + format_thousands(model.size) + ": " + done + ".");
    if (is_shortened)
        drawing.notes.push_back(
            "A loop is drawn once if each of its iterations runs in a Scope(\"t\", number).");
    return drawing;
}

template <class T>
Model interactive_model(const Tape<T>& tape, NodeId of, const Options& options) {
    check(options, &tape);
    constexpr std::size_t most_modules = 200;
    Model model;
    for (const Options& folding : foldings(options)) {
        model = fold(tape, of, folding);
        if (model.modules.size() <= most_modules) break;
    }
    return model;
}

Drawing module_picture(const Model& model, std::uint32_t module, const Options& options) {
    std::vector<bool> open(model.modules.size(), false);
    open[module] = true;
    return draw(model, module, open, options);
}

template Drawing picture(const Tape<float>&, NodeId, const Options&);
template Drawing picture(const Tape<double>&, NodeId, const Options&);
template Model interactive_model(const Tape<float>&, NodeId, const Options&);
template Model interactive_model(const Tape<double>&, NodeId, const Options&);

} // namespace unroll::graph::detail
