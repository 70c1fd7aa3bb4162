#pragma once

#include <unroll/core/graph/graph.hpp>
#include <unroll/core/graph/process.hpp>

#include <string>
#include <vector>

// From a tape to a picture: fold() creates a Model, in which repetitions are folded; draw() creates
// a Drawing, in which modules are expanded or collapsed; to_dot() writes it in the DOT language.
namespace unroll::graph::detail {

inline constexpr std::uint32_t none = ~std::uint32_t{0};

// The quantities shown by colours and annotations. For several operations: sums, and the largest
// norms.
struct Measure {
    double value_norm = -1, gradient_norm = -1; // negative: unknown
    double forward = 0, backward = 0;           // seconds
    double kept = 0, results = 0;               // bytes

    void add(const Measure& other);
};

// An operation, parameter, source or constant, and all equal ones that are folded into it. A source
// is a leaf of the tape; a constant is an operand that was not recorded.
struct Item {
    enum class Kind { operation, parameter, source, constant };
    Kind kind;
    NodeId node; // the first of the nodes that it represents or, for a constant, that use it
    std::uint32_t module;
    std::string name;
    std::string origin;                // the path of its module, and the user's line
    std::string result;                // name of its result, set by Tape::name
    std::vector<std::string> literals; // by operand; empty for an operand with an arrow
    std::vector<std::string> shapes;   // of its results
    std::size_t elements = 0;          // of a parameter, summed over the nodes
    std::size_t count = 0;             // number of nodes that it represents
    bool is_sink = true;   // nothing uses its results, and they are not a module's by-product
    bool is_named = false; // a constant, by Tape::name
    std::string color;     // of a highlighted value; empty: none
    std::string failure;   // the error message; empty: no error
    Measure measure;
    Formula formula; // empty: drawn collapsed

    // Whether it is drawn next to its users.
    bool is_operand() const { return kind == Kind::parameter || kind == Kind::constant; }
};

// A tensor that is an output of one item and an input of another.
struct Link {
    std::uint32_t from, to;
    std::uint32_t output = 0;    // number of the output, if the item has several
    std::uint32_t input = 0;     // number of the input, if the item is drawn expanded
    bool carried = false;        // from one step of a series to another
    std::uint32_t series = none; // the module that represents these steps, if there is one
    std::string views;           // applied in between, outermost last
    std::string shape;           // at the input
    std::string whole;           // shape at the output; if steps write rows of a buffer, its shape
    std::string state;           // name of a carried tensor
    std::size_t parallel = 1;    // number of such tensors between the same two nodes
    double gradient_norm = -1;   // the largest
};

// A scope, and all scopes that are folded into it. Module 0 is the whole tape.
struct Module {
    std::uint32_t parent;
    std::size_t level; // of module 0: 0
    std::string name;
    std::string title; // "layer 1", "t = 0 ... 99"
    std::size_t count = 1;
    bool folded = false;
    bool numbered = false;
    const void* opener = nullptr; // identifies the user's module; null: a scope that is none
    std::vector<std::uint32_t> items, children;
    std::size_t parameters = 0; // number of elements of the parameters that it uses
    Measure measure;
};

struct Model {
    std::vector<Item> items;
    std::vector<Module> modules;
    std::vector<Link> links;
    std::size_t size = 0;    // number of nodes of the tape
    bool is_used_up = false; // backward has run without `retain` and freed the saved tensors

    bool inside(std::uint32_t module, std::uint32_t outer) const;
    // The scope of a backward pass that the module is in; 0: none.
    std::uint32_t backward_pass(std::uint32_t module) const;
    std::string path(std::uint32_t module) const;

    // Fills Module::parameters.
    void count_parameters();
    // An unused result of a module with other, used results is not shown as a result of the graph:
    // a final state, for instance.
    void find_by_products();
};

// The model of a whole tape, or of the nodes from which `of` was computed.
template <class T>
Model fold(const Tape<T>& tape, NodeId of, const Options& options);

// Maps a tape to its model.
struct Origin {
    const std::vector<std::uint32_t>& item_of; // per node; none: a view, or not selected
    std::vector<std::uint32_t> constant_of;    // per use of a constant; none: a literal
    std::vector<std::uint32_t> module_of;      // per scope of the tape
};

// Marks the operation that failed, which is added if it was not recorded, and gives the chosen
// values their colours.
template <class T>
void mark(Model& model, const Tape<T>& tape, const Options& options, const Origin& origin);

// "1,234,567".
std::string format_thousands(std::size_t n);
// Three significant digits, with an SI prefix if there is a unit: "1.2e-05", "3.4 ms".
std::string format_with_unit(double value, const char* unit = "");

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
    bool carried = false;
    bool against = false;  // directed against the order of the tape
    bool crosses = false;  // from the forward to the backward side
    bool reversed = false; // on the backward side, which is drawn bottom-up
    double scale = -1;
    std::uint32_t hue = none;
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
