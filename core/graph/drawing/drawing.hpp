#pragma once

#include <unroll/core/graph/drawing/process.hpp>
#include <unroll/core/graph/model.hpp>

// From a model to a picture: draw() creates a Drawing, in which modules are expanded or collapsed;
// to_dot() writes it in the DOT language.
namespace unroll::graph::detail {

struct Box {
    // step: a collapsed module that is one of many in a row.
    enum class Style {
        operation,
        sink,
        failed,
        parameter,
        source,
        constant,
        module,
        step,
        term,
        more
    };
    Style style;
    std::string id;
    std::vector<std::string> lines; // the first is the title
    std::string tooltip;
    std::uint32_t group;      // index into Drawing::groups
    std::size_t count = 1;    // number of repetitions, drawn as "× T"
    double scale = -1;        // its colour value, from 0 to 1; negative: none
    std::uint32_t hue = none; // index of its top-level module, if coloured by module
    std::string color = {};   // of a highlighted value; empty: none
    bool outside = false;     // outside the drawn module
    bool small = false;       // a copy of a shared parameter or constant
};

struct Arrow {
    std::string from, to;
    std::vector<std::string> lines;
    std::string operands = {}; // which of the operands it brings, at its head: "x1"
    std::size_t count = 1;     // of such arrows
    bool carried = false;
    bool against = false;  // directed against the order of the tape
    bool crosses = false;  // from the forward to the backward side
    bool reversed = false; // on the backward side, which is drawn bottom-up
    double scale = -1;
    std::uint32_t hue = none;
    std::string color = {}; // of a highlighted view; empty: none
};

struct Group {
    enum class Style { plain, module, series, formula, side };
    Style style;
    std::uint32_t parent;
    std::string id, title;
    std::size_t depth;
};

struct Drawing {
    std::vector<Group> groups; // groups[0] is the whole picture
    std::vector<Box> boxes;
    std::vector<Arrow> arrows;
    std::vector<std::string> notes;
    std::string measure; // meaning of the colours; empty: no scale
    std::string least, most;
    bool left_to_right = false;
};

// Whether the options include items of this kind.
bool is_shown(const Item& item, const Options& options);
// The number of nodes that an item is drawn as.
std::size_t weight(const Item& item, const Options& options);
// The module `root`, or the whole tape (0). `open`, per module: whether its content is drawn.
Drawing draw(const Model& model, std::uint32_t root, const std::vector<bool>& open,
             const Options& options);

// Chooses the folding and the expanded modules within the budget.
template <class T>
Drawing picture(const Tape<T>& tape, NodeId of, const Options& options);
// The model of an interactive page. Folds repetitions until each module can have its own picture.
template <class T>
Model interactive_model(const Tape<T>& tape, NodeId of, const Options& options);
// One module, with collapsed children and its outside neighbours.
Drawing module_picture(const Model& model, std::uint32_t module, const Options& options);

std::string to_dot(const Drawing& drawing);
// Runs Graphviz's program dot. `format`: "svg" or, for one graph only, "png" or "pdf". Errors name
// the file `path`. A graph that dot does not finish within the limits is tried again with simpler
// settings.
std::vector<std::string> render(const std::string& path, const std::vector<std::string>& dots,
                                const std::string& format, const TimeLimits& limits = {});
// An interactive page, in which modules expand on a click.
std::string page(const std::string& path, const Model& model, const Options& options);

} // namespace unroll::graph::detail
