#include <unroll/core/graph/drawing/drawing.hpp>

#include <algorithm>
#include <array>
#include <unordered_map>

#include <fmt/format.h>
#include <utf8proc.h>

namespace unroll::graph::detail {

namespace {

constexpr const char* ink = "#2f3b4a";
constexpr const char* quiet = "#7d8a99";
constexpr const char* carried = "#b3541e";
constexpr std::array<const char*, 8> hues{"#cfe2f3", "#fbe3c4", "#d3ead0", "#eedaf0",
                                          "#f7d4d4", "#d2ecec", "#ece8c0", "#dcdcdc"};
constexpr std::array<const char*, 8> strong_hues{"#3f7fb5", "#c9842b", "#4f9a49", "#96589c",
                                                 "#bd5050", "#3c9494", "#958a27", "#777777"};

// UTF-8 that is valid in XML: control characters are dropped, and each invalid byte or character
// becomes U+FFFD.
std::string clean(const std::string& text) {
    const auto* const bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        utf8proc_int32_t c = 0;
        auto length =
            utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(text.size() - i), &c);
        const bool is_valid = length > 0 && c != 0xfffe && c != 0xffff;
        length = std::max<utf8proc_ssize_t>(length, 1);
        if (!is_valid)
            out += "\xef\xbf\xbd";
        else if (c >= 0x20 ? c != 0x7f : c == '\n')
            out.append(text, i, static_cast<std::size_t>(length));
        i += static_cast<std::size_t>(length);
    }
    return out;
}

std::string shortened(const std::string& text, std::size_t most) {
    std::size_t characters = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if ((static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) continue;
        if (characters++ == most) return text.substr(0, i) + "…";
    }
    return text;
}

// A string in the DOT language, in which backslashes and HTML entities are escapes.
std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : clean(text)) {
        if (c == '\n')
            out += "\\n";
        else if (c == '&')
            out += "&amp;";
        else if (c == '"' || c == '\\')
            out += std::string("\\") + c;
        else
            out += c;
    }
    return out + "\"";
}

std::string in_html(const std::string& text) {
    std::string out;
    for (const char c : clean(text)) {
        switch (c) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        case '\n': out += "<BR/>"; break;
        default: out += c;
        }
    }
    return out;
}

std::string joined(const std::vector<std::string>& lines, std::size_t width) {
    std::string text;
    for (const std::string& line : lines) {
        if (&line != &lines.front()) text += '\n';
        text += shortened(line, width);
    }
    return text;
}

// From nearly white to deep blue.
std::string shade(double scale, double from = 0) {
    constexpr double stops[][3] = {{247, 251, 255}, {208, 225, 242}, {148, 196, 223},
                                   {74, 152, 201},  {23, 100, 171},  {8, 48, 107}};
    const double at = (from + (1 - from) * scale) * 5;
    const int low = at >= 5 ? 4 : static_cast<int>(at);
    int rgb[3];
    for (int c = 0; c < 3; ++c)
        rgb[c] = static_cast<int>(stops[low][c] + (at - low) * (stops[low + 1][c] - stops[low][c]) +
                                  0.5);
    return fmt::format("#{:02x}{:02x}{:02x}", rgb[0], rgb[1], rgb[2]);
}

// Whether white text is easier to read on the colour "#rrggbb" than black text.
bool is_dark(const std::string& color) {
    const auto part = [&](std::size_t at) { return std::stoi(color.substr(at, 2), nullptr, 16); };
    return 299 * part(1) + 587 * part(3) + 114 * part(5) < 128000;
}

std::string style_of(const Box& box) {
    std::string fill = "#ffffff", style = "rounded,filled", more;
    switch (box.style) {
    case Box::Style::parameter:
        fill = "#fdf1d0";
        style = "filled";
        more = ", shape=cylinder, color=\"#b79a4b\"";
        break;
    case Box::Style::source:
        fill = "#dcefdc";
        style = "filled";
        more = ", shape=ellipse, color=\"#6a9a6a\"";
        break;
    case Box::Style::constant:
        fill = "#eef0ee";
        style = "filled";
        more = ", shape=ellipse, color=\"#9aa69a\"";
        break;
    case Box::Style::sink: more = std::string(", peripheries=2, color=\"") + ink + "\""; break;
    case Box::Style::failed:
        fill = "#fbdcd8";
        more = ", penwidth=2, color=\"#c0291b\", fontcolor=\"#8c1a10\"";
        break;
    case Box::Style::module:
        fill = "#dde6f2";
        more = ", penwidth=1.4, margin=\"0.16,0.09\"";
        break;
    case Box::Style::step:
        fill = "#dde6f2";
        more = ", height=0.7, width=0.4, margin=\"0.03,0.02\"";
        break;
    case Box::Style::term:
        fill = "#f7f3fb";
        style = "filled";
        more = ", shape=ellipse, color=\"#8a78a8\", width=0.35, height=0.3, margin=\"0.04,0.02\"";
        break;
    case Box::Style::more: more = ", shape=box3d", fill = "#e4e4e4", style = "filled"; break;
    case Box::Style::operation: break;
    }
    if (box.small) more += ", fontsize=9, height=0.2, width=0.2, margin=\"0.06,0.03\"";
    if (box.outside) {
        style += ",dashed";
        fill = "#fafafa";
        more += ", fontcolor=\"" + std::string(quiet) + "\"";
    }
    if (box.hue != none) fill = hues[box.hue % hues.size()];
    if (!box.color.empty()) {
        fill = box.color;
        more += is_dark(fill) ? ", fontcolor=white" : ", fontcolor=black";
    } else if (box.scale >= 0) {
        fill = shade(box.scale);
        if (box.scale > 0.55) more += ", fontcolor=white";
    }
    return ", style=\"" + style + "\", fillcolor=\"" + fill + "\"" + more;
}

const char* class_of(const Box& box) {
    if (box.outside) return "outside";
    switch (box.style) {
    case Box::Style::parameter: return "parameter";
    case Box::Style::source: return "source";
    case Box::Style::constant: return "constant";
    case Box::Style::sink: return "sink";
    case Box::Style::failed: return "failed";
    case Box::Style::module:
    case Box::Style::step: return "module";
    case Box::Style::term: return "term";
    case Box::Style::more: return "more";
    case Box::Style::operation: break;
    }
    return "operation";
}

class Writer {
public:
    explicit Writer(const Drawing& drawing) : drawing_(drawing) {
        const bool large = drawing.boxes.size() > 600 || drawing.arrows.size() > 1500;
        const auto steps = std::count_if(drawing.boxes.begin(), drawing.boxes.end(),
                                         [](const Box& b) { return b.style == Box::Style::step; });
        text_ = "digraph unroll {\n  rankdir=" + std::string(drawing.left_to_right ? "LR" : "TB") +
                ";\n  fontname=\"Helvetica\"; fontsize=11; nodesep=0.22; ranksep=" +
                (steps > 20 ? "0.12" : "0.34") +
                ";\n"
                "  node [shape=box, fontname=\"Helvetica\", fontsize=11, fontcolor=\"" +
                ink + "\", color=\"" + quiet + "\", height=0.3, margin=\"0.11,0.06\"];\n" +
                "  edge [fontname=\"Helvetica\", fontsize=8, fontcolor=\"" + quiet +
                "\", color=\"" + quiet + "\", arrowsize=0.6, labeldistance=1.4, labelangle=-35];\n";
        const std::size_t length = total_length();
        const bool is_simplified = length > long_in_all || large;
        if (length > long_in_all)
            // Graphviz adds a virtual node for every rank that an edge crosses, which costs time.
            text_ += fmt::format("  splines=line; nslimit={:.3f}; nslimit1=1; mclimit=0.1;\n",
                                 std::max(3e3 / static_cast<double>(length), 0.005));
        else if (large)
            text_ += "  splines=false; nslimit=2; nslimit1=2; mclimit=0.5;\n";
        legend();
        children_.resize(drawing.groups.size());
        members_.resize(drawing.groups.size());
        for (std::size_t g = 1; g < drawing.groups.size(); ++g)
            children_[drawing.groups[g].parent].push_back(g);
        for (std::size_t b = 0; b < drawing.boxes.size(); ++b) {
            members_[drawing.boxes[b].group].push_back(b);
            group_of_[drawing.boxes[b].id] = drawing.boxes[b].group;
        }
        labels_.resize(drawing.groups.size());
        std::string arrows;
        for (const Arrow& a : drawing.arrows) arrows += arrow(a, !is_simplified);
        group(0);
        text_ += arrows + "}\n";
    }

    std::string take() { return std::move(text_); }

private:
    static constexpr std::size_t long_in_all = 10000;

    // The total number of ranks that the edges cross, if nodes are ranked by the longest path.
    std::size_t total_length() const {
        std::unordered_map<std::string, std::vector<std::string>> readers;
        std::unordered_map<std::string, std::size_t> open, rank;
        for (const Arrow& a : drawing_.arrows) {
            if (a.carried || a.crosses) continue;
            readers[a.from].push_back(a.to);
            ++open[a.to];
        }
        std::vector<std::string> ready;
        for (const Box& b : drawing_.boxes)
            if (open.find(b.id) == open.end()) ready.push_back(b.id);
        std::size_t length = 0;
        while (!ready.empty()) {
            const std::string from = std::move(ready.back());
            ready.pop_back();
            for (const std::string& to : readers[from]) {
                rank[to] = std::max(rank[to], rank[from] + 1);
                if (--open[to] == 0) ready.push_back(to);
            }
        }
        for (const auto& [from, all] : readers)
            for (const std::string& to : all) length += std::max(rank[to], rank[from]) - rank[from];
        return length;
    }

    void legend() {
        if (drawing_.notes.empty() && drawing_.measure.empty()) return;
        std::string rows;
        if (!drawing_.measure.empty()) {
            rows += "<TR><TD>" + in_html(drawing_.measure) + "  </TD><TD>" +
                    in_html(drawing_.least) + "</TD>";
            for (int i = 0; i <= 10; ++i)
                rows += "<TD WIDTH=\"14\" HEIGHT=\"10\" BGCOLOR=\"" + shade(i / 10.0) + "\"></TD>";
            rows += "<TD>" + in_html(drawing_.most) + "</TD></TR>";
        }
        for (const std::string& note : drawing_.notes)
            rows += "<TR><TD COLSPAN=\"14\">" + in_html(note) + "</TD></TR>";
        text_ += "  labelloc=b; label=<<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"0\">" +
                 rows + "</TABLE>>;\n";
    }

    void group(std::size_t number) {
        const Group& g = drawing_.groups[number];
        const std::string indent(2 * g.depth, ' ');
        if (number != 0) {
            text_ += indent + "subgraph " + quoted(g.id) + " {\n" + indent + "  label=" +
                     quoted(shortened(g.title, g.style == Group::Style::formula ? 300 : 60)) +
                     "; " + attributes_of(g) + "\n";
        }
        for (const std::size_t b : members_[number]) box(drawing_.boxes[b], indent + "  ");
        for (const std::string& label : labels_[number]) text_ += indent + "  " + label;
        for (const std::size_t child : children_[number]) group(child);
        if (number != 0) text_ += indent + "}\n";
    }

    static std::string attributes_of(const Group& g) {
        const char* fill = g.depth % 2 == 1 ? "#f4f7fb" : "#eaf0f7";
        std::string style = "rounded,filled", color = "#c3cfde", more = "labeljust=l; fontsize=11;",
                    place = " labelloc=t;", // not the caption's
            ink_color = ink;
        if (g.style == Group::Style::series) {
            style += ",dashed";
            color = carried;
            fill = "#fdf8f3";
            ink_color = carried;
        } else if (g.style == Group::Style::formula) {
            fill = "#fdfbff";
            color = "#b9a8d6";
            place = " labelloc=b;"; // most edges enter from above
        } else if (g.style == Group::Style::side) {
            fill = "#fbfcfd";
            more += " margin=14;";
        }
        return "style=\"" + style + "\"; color=\"" + color + "\"; fillcolor=\"" + fill + "\"; " +
               more + place + " fontcolor=\"" + ink_color + "\";";
    }

    void box(const Box& b, const std::string& indent) {
        text_ += indent + b.id + " [label=" + quoted(joined(b.lines, 40)) + ", id=\"" + b.id +
                 "\", class=\"" + class_of(b) + "\", tooltip=" + quoted(b.tooltip) + style_of(b) +
                 "];\n";
    }

    // An arrow with a label is drawn through a node that shows the label, which keeps it clear of
    // lines: Graphviz draws lines across the labels of edges, but not across nodes. `through`:
    // false if an extra node for every label would be too many.
    std::string arrow(const Arrow& a, bool through) {
        std::string attributes;
        const auto add = [&](const std::string& attribute) {
            attributes += (attributes.empty() ? "" : ", ") + attribute;
        };
        // At the head of a bold arrow the operand would cover the lines next to it.
        const bool is_in_label = !a.operands.empty() && (a.carried || a.from == a.to);
        const std::string label = joined(a.lines, 40) +
                                  (is_in_label ? (a.lines.empty() ? "" : " → ") + a.operands : ""),
                          ink_color = !a.color.empty() ? a.color
                                      : a.carried      ? carried
                                                       : quiet;
        through = through && !label.empty() && a.from != a.to && !a.crosses;
        if (!label.empty() && !through) add("label=" + quoted(" " + label));
        if (a.carried)
            add("class=carried, style=bold, color=\"" + ink_color + "\"" +
                (through ? "" : ", fontcolor=\"" + ink_color + "\", fontsize=10"));
        if (a.crosses) add("constraint=false, style=dotted");
        if (a.hue != none)
            add("color=\"" + std::string(strong_hues[a.hue % strong_hues.size()]) + "\"");
        if (!a.color.empty())
            add("color=\"" + a.color + "\", penwidth=2");
        else if (a.scale >= 0)
            add("color=\"" + shade(a.scale, 0.25) +
                "\", penwidth=" + (a.scale > 0.5 ? "2" : "1.3"));
        std::string from = a.from, to = a.to;
        // Always downwards, so that labels get their own space.
        const bool is_back = a.reversed != a.against && !a.crosses && from != to;
        if (is_back) std::swap(from, to);
        // `ends`: where the arrow ends, which says what it brings; a line into a label does not.
        const auto line = [&](const std::string& from, const std::string& to, std::string more,
                              bool ends) {
            if (ends && !a.operands.empty() && !is_in_label)
                more += (more.empty() ? "" : ", ") +
                        std::string(is_back ? "taillabel=" : "headlabel=") + quoted(a.operands);
            const std::string separator = attributes.empty() || more.empty() ? "" : ", ";
            const std::string all = attributes + separator + more;
            return "  " + from + " -> " + to + (all.empty() ? "" : " [" + all + "]") + ";\n";
        };
        if (!through) {
            std::string lines;
            for (std::size_t i = 0; i < a.count; ++i)
                lines += line(from, to, is_back ? "dir=back" : "", true);
            return lines;
        }
        const std::string id = "label" + std::to_string(++label_count_);
        labels_[group_around(group_of_[from], group_of_[to])].push_back(
            id + " [shape=plaintext, class=\"label\", tooltip=" + quoted(label) +
            ", label=" + quoted(label) + ", fontsize=" + (a.carried ? "10" : "8") +
            ", fontcolor=\"" + ink_color + "\", height=0.12, width=0, margin=\"0.02,0\"];\n");
        return line(from, id, is_back ? "dir=back" : "dir=none", is_back) +
               line(id, to, is_back ? "dir=none" : "", !is_back);
    }

    // The innermost group that contains both.
    std::size_t group_around(std::size_t a, std::size_t b) const {
        const auto& groups = drawing_.groups;
        while (a != b)
            if (groups[a].depth >= groups[b].depth)
                a = groups[a].parent;
            else
                b = groups[b].parent;
        return a;
    }

    const Drawing& drawing_;
    std::string text_;
    std::unordered_map<std::string, std::size_t> group_of_;    // per box
    std::vector<std::vector<std::size_t>> children_, members_; // per group
    std::vector<std::vector<std::string>> labels_;             // nodes, per group
    std::size_t label_count_ = 0;
};

} // namespace

std::string to_dot(const Drawing& drawing) { return Writer(drawing).take(); }

} // namespace unroll::graph::detail
