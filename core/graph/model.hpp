#pragma once

#include <unroll/core/graph/graph.hpp>

#include <string>
#include <vector>

// What a picture shows, whichever modules are expanded in it: fold() creates a Model of a tape, in
// which repetitions are folded.
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
    std::string origin; // the path of its module, and the user's line
    std::string result; // name of its result, set by Tape::name
    Notation notation = Notation::call;
    // By position: a literal, what a tensor is to the operation, or empty for an operand with an
    // arrow.
    std::vector<std::string> arguments;
    bool has_literals = false;
    std::vector<std::string> operands; // names of the arguments, if a fused operation has them
    std::uint32_t inputs = 0;          // number of recorded or constant operands
    bool names_operands = false;       // arrows to it say which operand they bring
    std::vector<std::string> shapes;   // of its results
    std::size_t elements = 0;          // of a parameter, summed over the nodes
    std::size_t count = 0;             // number of nodes that it represents
    bool is_frozen = false;            // a constant that is a parameter
    bool is_sink = true; // nothing uses its results, and they are not a module's by-product
    std::string color;   // of a highlighted value; empty: none
    std::string part;    // which elements of the result are highlighted; empty: all
    std::string failure; // the error message; empty: no error
    Measure measure;
    Formula formula; // empty: drawn collapsed

    // Whether it is drawn next to its users.
    bool is_operand() const { return kind == Kind::parameter || kind == Kind::constant; }
};

// A tensor that is an output of one item and an input of another.
struct Link {
    std::uint32_t from, to;
    std::uint32_t output = 0;            // number of the output, if the item has several
    std::uint32_t input = 0;             // number of the input, if the item is drawn expanded
    std::vector<std::uint32_t> operands; // numbers of the arguments that it brings
    bool carried = false;                // from one step of a series to another
    std::uint32_t series = none;         // the module that represents these steps, if there is one
    std::string views;                   // applied in between, outermost last
    std::string all_views;               // the same for many such tensors, whose parts differ
    std::string shape;                   // of the outermost view, or at the input
    std::string whole;         // shape at the output; if steps write rows of a buffer, its shape
    std::string state;         // name of a carried tensor
    std::size_t parallel = 1;  // number of such tensors between the same two nodes
    double gradient_norm = -1; // the largest
    std::string color;         // of a highlighted view; empty: none
};

// A scope, and all scopes that are folded into it. Module 0 is the whole tape.
struct Module {
    std::uint32_t parent;
    std::size_t level; // of module 0: 0
    std::string name;
    std::string title; // "layer 1", "t = 0 ... 99"
    std::size_t count = 1;
    std::size_t call = 1; // the number of this call of the module within its parent
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
    // Whether a module of the library or of the user, not only scopes, contains it.
    bool is_in_module(std::uint32_t module) const;

    // Fills Module::parameters.
    void count_parameters();
    // An unused result of a module with other, used results is not shown as a result of the graph:
    // a final state, for instance.
    void find_by_products();
    // Fills Item::names_operands: where literals do not show it, and the operands are alike.
    void find_ordered();
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

template <class T>
class Highlights;

// Marks the operation that failed, which is added if it was not recorded, and gives the chosen
// values their colours.
template <class T>
void mark(Model& model, const Tape<T>& tape, const Options& options, const Origin& origin,
          const Highlights<T>& highlights);

} // namespace unroll::graph::detail
