#pragma once

#include <unroll/core/graph/model.hpp>

#include <set>

namespace unroll::graph::detail {

// "1,234,567".
std::string format_thousands(std::size_t n);
// Three significant digits, with an SI prefix if there is a unit: "1.2e-05", "3.4 ms".
std::string format_with_unit(double value, const char* unit = "");
// The name of an item in its module. That of a parameter: "weight" in its own module, otherwise its
// path.
std::string name_in(const Model& model, const Item& item);
// The title of a module, "layer 3"; of a later call of one in the same place, "attention, call 2".
std::string title_of(const Module& module);
// Lines of limited width.
std::vector<std::string> wrapped(const std::string& text);
// One line for each shape; consecutive equal shapes share a line. A scalar has none.
void list(std::vector<std::string> shapes, std::vector<std::string>& lines);
// Shapes in one line, shortened.
std::string some(const std::set<std::string>& shapes);

} // namespace unroll::graph::detail
