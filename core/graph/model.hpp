#pragma once

#include <unroll/core/graph/formula.hpp>
#include <unroll/core/graph/graph.hpp>

#include <string>
#include <vector>

// The parts that make a picture: a tape becomes a Model, in which repetitions are folded; a Model
// becomes a Drawing, in which modules are open or closed; a Drawing becomes text for Graphviz.
namespace unroll::graph::detail {

inline constexpr std::uint32_t none = ~std::uint32_t{0};

// What colours and annotations tell; of several operations, sums and the largest norms.
struct Measure {
    double value_norm = -1, gradient_norm = -1; // below 0: unknown
    double forward = 0, backward = 0;           // seconds
    double kept = 0, results = 0;               // bytes

    void add(const Measure& other);
};

// An operation, parameter or source, and those that are folded into it.
struct Item {
    enum class Kind { operation, parameter, source };
    Kind kind;
    NodeId node; // the first of those it stands for
    std::uint32_t module;
    std::string name;
    std::string path;                // of its module, and the line that recorded it
    std::vector<std::string> shapes; // of its results
    std::size_t elements = 0;        // of a parameter, over all it stands for
    std::size_t count = 0;           // of nodes that it stands for
    bool is_sink = true;
    Measure measure;
    Formula formula; // not empty: to be drawn open
};

// A tensor that goes from one item to another.
struct Link {
    std::uint32_t from, to;
    std::uint32_t output = 0;    // of an item with several results
    std::uint32_t input = 0;     // of an item drawn open
    bool carried = false;        // from one step of a series to another
    std::uint32_t series = none; // the module that these steps are drawn as, if that is one
    std::string views;
    std::string shape;         // where it arrives
    std::string whole;         // where it leaves: of all rows, where steps write the rows of one
    std::string state;         // of a carried one, its name
    std::size_t parallel = 1;  // so many between the same two nodes
    double gradient_norm = -1; // the largest
};

// A scope, and those that are folded into it. Module 0 is the tape.
struct Module {
    std::uint32_t parent;
    std::size_t level; // of module 0: 0
    std::string name;
    std::string title; // "layer 1", "t = 0 ... 99"
    std::size_t count = 1;
    bool folded = false;
    bool numbered = false;
    std::vector<std::uint32_t> items, children;
    std::size_t parameters = 0; // elements of those that it uses
    Measure measure;
};

struct Model {
    std::vector<Item> items;
    std::vector<Module> modules;
    std::vector<Link> links;
    std::size_t size = 0;    // nodes of the tape that are in it
    bool is_used_up = false; // backward has run, and rules keep nothing any more

    bool inside(std::uint32_t module, std::uint32_t outer) const;
    std::string path(std::uint32_t module) const;
};

// Of a whole tape, or of what the node `of` was computed from.
template <class T>
Model fold(const Tape<T>& tape, NodeId of, const Options& options);

// A number as people write it: "1,234,567" and "1.2e-05".
std::string thousands(std::size_t n);
std::string brief(double value, const char* unit = "");

struct Box {
    // A step is a closed one of many in a row.
    enum class Look { operation, sink, parameter, source, module, step, term, more };
    Look look;
    std::string id;
    std::vector<std::string> lines; // the first one is its title
    std::string tooltip;
    std::uint32_t group;      // index into Drawing::groups
    std::size_t count = 1;    // "x T"
    double scale = -1;        // where its measure stands between the least, 0, and the most, 1
    std::uint32_t hue = none; // number of its top-level module, where colours tell modules
    bool outside = false;     // of the module that is drawn
};

struct Arrow {
    std::string from, to;
    std::vector<std::string> lines;
    bool carried = false;
    bool against = false;  // the order of the tape
    bool crosses = false;  // from the forward to the backward side
    bool reversed = false; // on the backward side, which is drawn from below
    double scale = -1;
    std::uint32_t hue = none;
};

struct Group {
    enum class Look { plain, module, series, formula, side };
    Look look;
    std::uint32_t parent;
    std::string id, title;
    std::size_t depth;
};

struct Drawing {
    std::vector<Group> groups; // the first one is the picture
    std::vector<Box> boxes;
    std::vector<Arrow> arrows;
    std::vector<std::string> notes;
    std::string measure; // what colours tell, with the least and the most
    std::string least, most;
    bool left_to_right = false;
};

// How many nodes an item is drawn as.
std::size_t weight(const Item& item, const Options& options);
// A module, or the whole tape, with the modules in it that are open.
Drawing draw(const Model& model, std::uint32_t root, const std::vector<bool>& open,
             const Options& options);

// Chooses fold and open modules within the budget.
template <class T>
Drawing picture(const Tape<T>& tape, NodeId of, const Options& options);
// The model of a page: repetitions are folded until there are few enough modules to draw each.
template <class T>
Model walkable(const Tape<T>& tape, NodeId of, const Options& options);
// One module with what is in it closed, and what it is joined to outside.
Drawing inside_of(const Model& model, std::uint32_t module, const Options& options);

std::string to_dot(const Drawing& drawing);
// By Graphviz: "svg", "png" or "pdf", for a file that errors name.
std::vector<std::string> render(const std::string& path, std::vector<std::string> dots,
                                const std::string& format);
std::string page(const std::string& path, const Model& model, const Options& options);

} // namespace unroll::graph::detail
