#pragma once

#include <unroll/core/tape.hpp>

#include <string>

namespace unroll::graph {

struct Options {
    // Of a series of time steps, so many at its beginning and as many at its end are drawn; the
    // others become one box. 0: all of them.
    std::size_t steps = 2;
    bool left_to_right = false;
};

// The graph of a tape in Graphviz's language: operations with their shapes, parameters by name,
// modules and time steps as clusters; views are labels on edges.
template <class T>
std::string dot(const Tape<T>& tape, const Options& options = {});
// The same for what a variable was computed from.
template <class T>
std::string dot(const Variable<T>& variable, const Options& options = {});

// Draws into a file: .dot as text, and .svg, .png or .pdf by Graphviz. Throws Error for another
// ending, and where the file cannot be written or Graphviz fails.
template <class T>
void write(const std::string& path, const Tape<T>& tape, const Options& options = {});
template <class T>
void write(const std::string& path, const Variable<T>& variable, const Options& options = {});

} // namespace unroll::graph
