#include <unroll/core/file.hpp>
#include <unroll/core/graph.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include <graphviz/gvc.h>

namespace unroll::graph {

namespace {

std::string escaped(const std::string& text) {
    std::string out = "\"";
    for (const char c : text.substr(0, 200)) {
        if (c == '"' || c == '\\') out += '\\';
        if (c == '\n')
            out += "\\n";
        else if (static_cast<unsigned char>(c) >= 0x20)
            out += c;
    }
    // A cut must not leave half a character.
    while (text.size() > 200 && !out.empty() &&
           (static_cast<unsigned char>(out.back()) & 0xc0) == 0x80)
        out.pop_back();
    if (text.size() > 200) out += "...";
    return out + "\"";
}

template <class T>
class Picture {
public:
    Picture(const Tape<T>& tape, std::vector<bool> wanted, const Options& options)
        : tape_(tape), wanted_(std::move(wanted)), options_(options) {
        find_elided();
    }

    std::string text() {
        text_ = "digraph unroll {\n  rankdir=" + std::string(options_.left_to_right ? "LR" : "TB") +
                ";\n  node [shape=box, style=\"rounded,filled\", fillcolor=white, "
                "fontname=\"Helvetica\", fontsize=11];\n"
                "  edge [fontname=\"Helvetica\", fontsize=9, color=\"#555555\"];\n";
        if (tape_.size() > 600) text_ += "  splines=false;\n  nslimit=2;\n  mclimit=0.5;\n";
        for (NodeId id = 0; id < tape_.size(); ++id)
            if (wanted_[id] && is_drawn(id) && elided_[scope_of(id)] == 0)
                members_[scope_of(id)].push_back(id);
        for (std::uint32_t s = 1; s < tape_.scopes().size(); ++s)
            children_[tape_.scopes()[s].parent].push_back(s);
        cluster(0, 1);
        for (NodeId id = 0; id < tape_.size(); ++id)
            if (wanted_[id] && is_drawn(id)) edges_into(id);
        return text_ + "}\n";
    }

private:
    const Node<T>& node(NodeId id) const { return tape_.node(id); }

    // Parameters stand outside the time steps, the first of which met them.
    std::uint32_t scope_of(NodeId id) const {
        std::uint32_t scope = node(id).scope;
        if (node(id).parameter == nullptr) return scope;
        for (std::uint32_t s = scope; s != 0; s = tape_.scopes()[s].parent)
            if (tape_.scopes()[s].name == "t") scope = tape_.scopes()[s].parent;
        return scope;
    }

    // Views are drawn as labels, further outputs as the operation.
    bool is_drawn(NodeId id) const {
        const Node<T>& n = node(id);
        const bool pure_view =
            n.is_view && n.input_count == 1 && n.rule == nullptr && !n.is_used_up;
        return !pure_view && n.operation == id && (n.input_count > 0 || n.rows == no_node);
    }

    void find_elided() {
        const auto& scopes = tape_.scopes();
        elided_.assign(std::max<std::size_t>(scopes.size(), 1), 0);
        std::map<std::uint32_t, std::int64_t> last;
        for (const auto& s : scopes)
            if (s.index != Scope::no_index && s.name == "t")
                last[s.parent] = std::max(last[s.parent], s.index);
        const auto kept = static_cast<std::int64_t>(options_.steps);
        for (std::uint32_t i = 1; i < scopes.size(); ++i) {
            const auto& s = scopes[i];
            elided_[i] = elided_[s.parent];
            if (kept == 0 || elided_[i] != 0 || s.index == Scope::no_index || s.name != "t")
                continue;
            if (s.index >= kept && s.index + kept <= last[s.parent]) elided_[i] = s.parent + 1;
        }
    }

    std::string name(NodeId id) const {
        const std::uint32_t group = elided_[scope_of(id)];
        return group != 0 ? "more" + std::to_string(group) : "n" + std::to_string(id);
    }

    void cluster(std::uint32_t scope, int depth) {
        const std::string indent(static_cast<std::size_t>(depth) * 2, ' ');
        for (const NodeId id : members_[scope]) box(id, indent);
        std::set<std::int64_t> hidden;
        for (const std::uint32_t child : children_[scope]) {
            const ScopeEntry& entry = tape_.scopes()[child];
            if (elided_[child] == scope + 1) {
                hidden.insert(entry.index);
                continue;
            }
            text_ += indent + "subgraph cluster" + std::to_string(child) + " {\n" + indent +
                     "  label=" + escaped(label(entry)) +
                     "; style=\"rounded,filled\"; color=\"#b8c4d6\"; fillcolor=\"" +
                     (depth % 2 ? "#f3f6fb" : "#e8eef7") + "\"; fontname=\"Helvetica\";\n";
            cluster(child, depth + 1);
            text_ += indent + "}\n";
        }
        if (!hidden.empty())
            text_ += indent + "more" + std::to_string(scope + 1) + " [label=" +
                     escaped("t = " + std::to_string(*hidden.begin()) + " to " +
                             std::to_string(*hidden.rbegin()) + "\n" +
                             std::to_string(hidden.size()) + " more steps") +
                     ", shape=box3d, fillcolor=\"#dddddd\"];\n";
    }

    static std::string label(const ScopeEntry& entry) {
        std::string text(entry.name);
        if (entry.index != Scope::no_index)
            text += (entry.name == "t" ? " = " : " ") + std::to_string(entry.index);
        return text;
    }

    void box(NodeId id, const std::string& indent) {
        const Node<T>& n = node(id);
        std::string what = n.op.name;
        std::string look;
        if (n.parameter != nullptr) {
            what = n.parameter->name();
            look = ", shape=cylinder, fillcolor=\"#fff0c9\"";
        } else if (n.input_count == 0) {
            look = ", shape=ellipse, fillcolor=\"#d9f0dd\"";
        }
        for (NodeId out = id; out < id + n.outputs; ++out)
            what += "\n" + to_string(node(out).region->shape);
        text_ += indent + name(id) + " [label=" + escaped(what) + look + "];\n";
    }

    void edges_into(NodeId id) {
        const Node<T>& n = node(id);
        for (std::uint32_t i = 0; i < n.input_count; ++i) {
            if (n.inputs[i] == no_node) continue;
            std::string views;
            trace(n.inputs[i], id, views);
        }
    }

    // Follows views back to what was computed; rows of a buffer come from all that wrote them.
    void trace(NodeId from, NodeId to, std::string views) {
        while (!is_drawn(from)) {
            const Node<T>& n = node(from);
            if (n.operation != from) {
                from = n.operation;
                continue;
            }
            if (n.input_count == 0) {
                for (NodeId id = from + 1; id < to; ++id)
                    if (node(id).root == from && is_drawn(id)) edge(id, to, "rows");
                return;
            }
            views = std::string(n.op.name) + (views.empty() ? "" : ", " + views);
            from = n.inputs[0];
        }
        edge(from, to, views);
    }

    void edge(NodeId from, NodeId to, const std::string& label) {
        const std::string a = name(from), b = name(to);
        if (a == b || !edges_.insert({a, b, label}).second) return;
        text_ += "  " + a + " -> " + b;
        if (!label.empty()) text_ += " [label=" + escaped(label) + "]";
        text_ += ";\n";
    }

    const Tape<T>& tape_;
    std::vector<bool> wanted_;
    Options options_;
    std::vector<std::uint32_t> elided_; // by scope: number of the box that stands for it, or 0
    std::map<std::uint32_t, std::vector<NodeId>> members_;
    std::map<std::uint32_t, std::vector<std::uint32_t>> children_;
    std::set<std::tuple<std::string, std::string, std::string>> edges_;
    std::string text_;
};

template <class T>
std::vector<bool> ancestors(const Tape<T>& tape, NodeId of) {
    std::vector<bool> wanted(tape.size(), false);
    wanted[of] = true;
    for (NodeId id = of + 1; id-- > 0;) {
        const Node<T>& n = tape.node(id);
        if (wanted[n.root]) wanted[id] = true;
        if (!wanted[id]) continue;
        wanted[n.root] = wanted[n.operation] = true;
        for (std::uint32_t i = 0; i < n.input_count; ++i)
            if (n.inputs[i] != no_node) wanted[n.inputs[i]] = true;
    }
    return wanted;
}

void render(const std::string& path, const std::string& text) {
    const auto dot = path.rfind('.');
    const std::string ending = dot == std::string::npos ? "" : path.substr(dot + 1);
    if (ending == "dot") return write_file_atomically(path, text);
    if (ending != "svg" && ending != "png" && ending != "pdf")
        fail("graph::write", "'" + path + "' must end in .dot, .svg, .png or .pdf");
    // Graphviz is not thread-safe, and its Pango plugin remembers the name of a font that a context
    // owned: one context lives as long as the program.
    static std::mutex one_at_a_time;
    const std::lock_guard lock(one_at_a_time);
    static GVC_t* const context = gvContext();
    Agraph_t* graph = agmemread(text.c_str());
    char* data = nullptr;
    unsigned length = 0;
    const bool drawn = graph != nullptr && gvLayout(context, graph, "dot") == 0 &&
                       gvRenderData(context, graph, ending.c_str(), &data, &length) == 0;
    std::string picture;
    if (drawn) picture.assign(data, length);
    if (data != nullptr) gvFreeRenderData(data);
    if (graph != nullptr) {
        gvFreeLayout(context, graph);
        agclose(graph);
    }
    if (!drawn)
        fail("graph::write", "Graphviz could not draw '" + path +
                                 "'; is the package graphviz installed? A .dot file works without");
    write_file_atomically(path, picture);
}

} // namespace

template <class T>
std::string dot(const Tape<T>& tape, const Options& options) {
    return Picture<T>(tape, std::vector<bool>(tape.size(), true), options).text();
}

template <class T>
std::string dot(const Variable<T>& variable, const Options& options) {
    const Tape<T>* tape = variable.tape();
    if (tape == nullptr || !variable.is_recorded())
        fail("graph::dot", "the variable is a constant, which has no graph");
    return Picture<T>(*tape, ancestors(*tape, variable.node()), options).text();
}

template <class T>
void write(const std::string& path, const Tape<T>& tape, const Options& options) {
    render(path, dot(tape, options));
}

template <class T>
void write(const std::string& path, const Variable<T>& variable, const Options& options) {
    render(path, dot(variable, options));
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template std::string dot(const Tape<T>&, const Options&);                                      \
    template std::string dot(const Variable<T>&, const Options&);                                  \
    template void write(const std::string&, const Tape<T>&, const Options&);                       \
    template void write(const std::string&, const Variable<T>&, const Options&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::graph
