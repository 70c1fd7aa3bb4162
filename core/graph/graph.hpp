#pragma once

#include <unroll/core/check/profile.hpp>
#include <unroll/core/check/statistics.hpp>
#include <unroll/core/graph/formula_text.hpp>

#include <string>
#include <vector>

namespace unroll::graph {

// Which repetitions are drawn once. time: the time steps of a module (scopes named "t"). layers:
// also every other series of numbered scopes of the same structure.
enum class Fold { none, time, layers };

// What nodes and edges are coloured by. gradient_norm needs statistics, time needs a profile.
// memory is the size of the tensors saved for backward, taken from the profile once they are freed;
// without a profile it is then the size of the results.
enum class Color { kind, module, gradient_norm, time, memory };

// A value to draw in a colour: a recorded variable, a parameter, or a constant or tensor that is an
// operand. The step of a loop that computed it is drawn separately; of a view of a part, the edges
// are coloured. The colour is "#rrggbb" or a common name, such as "red"; throws Error for any
// other.
struct Highlight {
    template <class T>
    Highlight(const Variable<T>& x, const std::string& color = "red",
              Where where = Where::current())
        : color(hex(color, where)) {
        if (x.is_recorded()) {
            tape = x.tape();
            node = x.node();
        } else if (x.body() != nullptr) {
            parameter = x.is_parameter() ? x.body() : nullptr;
            constant = x.body()->generation;
        }
    }
    template <class U>
    Highlight(const Tensor<U>& x, const std::string& color = "red", Where where = Where::current())
        : data(x.data()), color(hex(color, where)) {}

    // The colour in the form "#rrggbb".
    static std::string hex(const std::string& color, Where where = Where::current());

    const void* tape = nullptr;
    NodeId node = no_node;           // of a recorded variable
    const void* parameter = nullptr; // its body
    std::uint64_t constant = 0;      // its ConstantUse::value
    const void* data = nullptr;      // of a tensor
    std::string color;
};

inline constexpr std::size_t unlimited = ~std::size_t{0};

struct Options {
    Fold fold = Fold::time;
    // Number of steps at the beginning and at the end of a folded series that are drawn separately.
    std::size_t first_steps = 0, last_steps = 0;
    // Number of levels of modules that are expanded; a module below is one box.
    std::size_t depth = unlimited;
    // The largest number of nodes. To stay within it, repetitions are folded, then modules are
    // collapsed, then long lists of operations are shortened. A caption says which.
    std::size_t budget = 400;
    // Draws the formulas of fused operations, unless a backward pass has freed them. Small
    // operations of the library, such as softplus or dropout, remain one box.
    bool open = false;
    bool parameters = true;
    bool constants = true;
    bool edge_shapes = true;
    bool left_to_right = false;
    Color color = Color::kind;
    // Colours of single values, which override `color`: {{loss, "red"}, {h, "#ffaa00"}}.
    std::vector<Highlight> highlight = {};
    // Writes the figures of statistics and profile into the nodes.
    bool annotate = false;
    const Summaries* statistics = nullptr; // a Statistics<T> of the tape
    const Costs* profile = nullptr;        // a Profile<T> of the tape
    // Draws the operation that threw this error in red: the recorded one, or an additional one with
    // the message.
    const Error* error = nullptr;
};

// The graph of a tape in the DOT language: operations with their shapes, parameters and constants
// by name, modules as clusters, views as labels of edges. A repeated part is drawn once, as "× T",
// with its carried states as loops. A scope "backward" is drawn next to the forward graph. Throws
// Error if `budget` is 0, if `color` needs statistics or a profile and none was given, and for a
// highlighted value that the tape does not have.
template <class T>
std::string dot(const Tape<T>& tape, const Options& options = {}, Where where = Where::current());
// The nodes from which a variable was computed.
template <class T>
std::string dot(const Variable<T>& variable, const Options& options = {},
                Where where = Where::current());

// Draws into a file. Its extension selects the format: .dot is the text above; .svg, .png and .pdf
// are drawn by Graphviz's program dot; .html is an interactive page, also drawn by dot, in which
// modules expand on a click. Throws Error for any other extension, if the file cannot be written,
// and if dot is missing, fails or exceeds its time limit.
template <class T>
void write(const std::string& path, const Tape<T>& tape, const Options& options = {},
           Where where = Where::current());
template <class T>
void write(const std::string& path, const Variable<T>& variable, const Options& options = {},
           Where where = Where::current());

// Draws any graph in the DOT language. Not as .html.
void write(const std::string& path, const std::string& dot, Where where = Where::current());

} // namespace unroll::graph
