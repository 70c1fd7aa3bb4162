#include <unroll/core/graph_model.hpp>

#include <mutex>

#include <graphviz/gvc.h>

namespace unroll::graph::detail {

namespace {

// What Graphviz says when something goes wrong; guarded as the rest of it is.
std::string& complaint() {
    static std::string text;
    return text;
}

int listen(char* words) {
    complaint() += words;
    return 0;
}

} // namespace

std::string render(const std::string& dot, const std::string& format) {
    // Graphviz is not thread-safe, and its Pango plugin remembers the name of a font that a context
    // owned: one context lives as long as the program.
    static std::mutex one_at_a_time;
    const std::lock_guard lock(one_at_a_time);
    static GVC_t* const context = gvContext();
    agseterrf(listen);
    complaint().clear();
    Agraph_t* graph = agmemread(dot.c_str());
    char* data = nullptr;
    unsigned length = 0;
    const bool drawn = graph != nullptr && gvLayout(context, graph, "dot") == 0 &&
                       gvRenderData(context, graph, format.c_str(), &data, &length) == 0 &&
                       data != nullptr && length > 0;
    std::string picture;
    if (drawn) picture.assign(data, length);
    if (data != nullptr) gvFreeRenderData(data);
    if (graph != nullptr) {
        gvFreeLayout(context, graph);
        agclose(graph);
    }
    if (drawn) return picture;
    std::string words = complaint();
    while (!words.empty() && (words.back() == '\n' || words.back() == ' ')) words.pop_back();
    fail("graph::write", "Graphviz could not draw a ." + format +
                             (words.empty() ? std::string() : " (" + words + ")") +
                             "; is the package graphviz installed? A .dot file works without");
}

} // namespace unroll::graph::detail
