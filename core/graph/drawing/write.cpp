#include <unroll/core/base/scope.hpp>
#include <unroll/core/files/file.hpp>
#include <unroll/core/graph/drawing/drawing.hpp>

#include <algorithm>

namespace unroll::graph {

namespace {

template <class T>
const Tape<T>& tape_of(const Variable<T>& variable, const char* operation) {
    const Tape<T>* tape = variable.tape();
    if (tape == nullptr || !variable.is_recorded())
        fail(operation, "the variable is a constant, which has no graph");
    return *tape;
}

template <class T>
void write(const std::string& path, const Tape<T>& tape, NodeId of, const Options& options) {
    if (path.ends_with(".html"))
        write_file_atomically(
            path, detail::page(path, detail::interactive_model(tape, of, options), options));
    else
        graph::write(path, detail::to_dot(detail::picture(tape, of, options)));
}

} // namespace

std::string Highlight::hex(const std::string& color, Where where) {
    static constexpr std::pair<const char*, const char*> names[] = {
        {"red", "#e03131"},   {"orange", "#f08c00"}, {"yellow", "#ffd43b"}, {"green", "#2f9e44"},
        {"cyan", "#22b8cf"},  {"blue", "#1971c2"},   {"purple", "#9c36b5"}, {"pink", "#f783ac"},
        {"brown", "#8b5a2b"}, {"gray", "#868e96"},   {"black", "#000000"},  {"white", "#ffffff"}};
    const auto is_digit = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    };
    if (color.size() == 7 && color[0] == '#' &&
        std::all_of(color.begin() + 1, color.end(), is_digit))
        return color;
    std::string known;
    for (const auto& [name, hex] : names) {
        if (color == name) return hex;
        known += std::string(name) + ", ";
    }
    fail(Op("graph::Highlight", where),
         "unknown colour '" + color + "', expected " + known + "or \"#rrggbb\"");
}

void write(const std::string& path, const std::string& dot, Where where) {
    const Called here(where);
    const auto at = path.rfind('.');
    const std::string ending = at == std::string::npos ? "" : path.substr(at + 1);
    if (ending != "dot" && ending != "svg" && ending != "png" && ending != "pdf")
        fail("graph::write", "'" + path + "' must end in .dot, .svg, .png, .pdf or .html");
    std::string picture = ending == "dot" ? dot : detail::render(path, {dot}, ending).front();
    if (const auto svg = picture.find("<svg "); ending == "svg" && svg != std::string::npos)
        picture.insert(svg + 5, "style=\"max-width:100%;height:auto\" "); // of the browser's window
    write_file_atomically(path, picture);
}

template <class T>
std::string dot(const Tape<T>& tape, const Options& options, Where where) {
    const Called here(where);
    return detail::to_dot(detail::picture(tape, no_node, options));
}

template <class T>
std::string dot(const Variable<T>& variable, const Options& options, Where where) {
    const Called here(where);
    const Tape<T>& tape = tape_of(variable, "graph::dot");
    return detail::to_dot(detail::picture(tape, variable.node(), options));
}

template <class T>
void write(const std::string& path, const Tape<T>& tape, const Options& options, Where where) {
    const Called here(where);
    write(path, tape, no_node, options);
}

template <class T>
void write(const std::string& path, const Variable<T>& variable, const Options& options,
           Where where) {
    const Called here(where);
    write(path, tape_of(variable, "graph::write"), variable.node(), options);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template std::string dot(const Tape<T>&, const Options&, Where);                               \
    template std::string dot(const Variable<T>&, const Options&, Where);                           \
    template void write(const std::string&, const Tape<T>&, const Options&, Where);                \
    template void write(const std::string&, const Variable<T>&, const Options&, Where);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::graph
