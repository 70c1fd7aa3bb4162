#pragma once

#include <unroll/core/check/profile.hpp>
#include <unroll/core/check/statistics.hpp>
#include <unroll/core/graph/formula_text.hpp>

#include <string>

namespace unroll::graph {

// Which repetitions are drawn once. time: the time steps of a module (scopes named "t"). layers:
// also every other series of numbered scopes of the same structure.
enum class Fold { none, time, layers };

// What nodes and edges are coloured by. gradient_norm needs statistics, time needs a profile.
// memory is the size of the tensors saved for backward, taken from the profile once they are freed;
// without a profile it is then the size of the results.
enum class Color { kind, module, gradient_norm, time, memory };

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
// Error if `budget` is 0, and if `color` needs statistics or a profile and none was given.
template <class T>
std::string dot(const Tape<T>& tape, const Options& options = {});
// The nodes from which a variable was computed.
template <class T>
std::string dot(const Variable<T>& variable, const Options& options = {});

// Draws into a file. Its extension selects the format: .dot is the text above; .svg, .png and .pdf
// are drawn by Graphviz's program dot; .html is an interactive page, also drawn by dot, in which
// modules expand on a click. Throws Error for any other extension, if the file cannot be written,
// and if dot is missing, fails or exceeds its time limit.
template <class T>
void write(const std::string& path, const Tape<T>& tape, const Options& options = {});
template <class T>
void write(const std::string& path, const Variable<T>& variable, const Options& options = {});

// Draws any graph in the DOT language. Not as .html.
void write(const std::string& path, const std::string& dot);

} // namespace unroll::graph
