#pragma once

#include <unroll/core/check/profile.hpp>
#include <unroll/core/check/statistics.hpp>

#include <string>

namespace unroll::graph {

// Which repetitions are drawn once: the time steps of a module (scopes named "t"), or every series
// of numbered scopes of the same structure, as layers are.
enum class Fold { none, time, layers };

// What nodes and edges are coloured by. The gradient norm needs statistics, the time a profile;
// memory is what the rules keep, told by a profile once they are gone, else what the results took.
enum class Color { kind, module, gradient_norm, time, memory };

inline constexpr std::size_t unlimited = ~std::size_t{0};

struct Options {
    Fold fold = Fold::time;
    // Steps at the beginning and at the end of a folded series that are drawn apart.
    std::size_t first_steps = 0, last_steps = 0;
    // How many levels of modules are opened; below, a module is one box.
    std::size_t depth = unlimited;
    // More nodes than this are not drawn: repetitions are folded first, then modules are closed,
    // then a long list of operations is shortened. The picture says what was done.
    std::size_t budget = 400;
    // Fused operations are drawn with what they compute, unless backward has used them up.
    bool open = false;
    bool parameters = true;
    bool edge_shapes = true;
    bool left_to_right = false;
    Color color = Color::kind;
    // Writes into nodes what statistics and profile tell of them.
    bool annotate = false;
    const Summaries* statistics = nullptr; // a Statistics<T> of the tape
    const Costs* profile = nullptr;        // a Profile<T> of the tape
};

// The graph of a tape in Graphviz's language: operations with their shapes, parameters by name,
// modules as clusters; views are labels on edges. A repeated part is drawn once, as "x T", with
// the states that it carries as loops. What stands in a scope "backward" is drawn beside the rest.
// Throws Error for a budget of 0 and for a colour without what it is told from.
template <class T>
std::string dot(const Tape<T>& tape, const Options& options = {});
// The same for what a variable was computed from.
template <class T>
std::string dot(const Variable<T>& variable, const Options& options = {});

// Draws into a file: .dot as text; .svg, .png and .pdf by Graphviz; .html as a page to walk
// through, in which every module opens into a picture of its own. Throws Error for another ending,
// and where the file cannot be written or Graphviz fails.
template <class T>
void write(const std::string& path, const Tape<T>& tape, const Options& options = {});
template <class T>
void write(const std::string& path, const Variable<T>& variable, const Options& options = {});

// The same for a graph of one's own in Graphviz's language, but not as a page.
void write(const std::string& path, const std::string& dot);

} // namespace unroll::graph
