#include <unroll/core/graph/model.hpp>
#include <unroll/core/graph/process.hpp>

#include <algorithm>

namespace unroll::graph::detail {

namespace {

// The final bytes of a complete picture.
std::string_view last_bytes(const std::string& format) {
    if (format == "svg") return "</svg>\n";
    if (format == "pdf") return "%%EOF\n";
    return std::string_view("IEND\xae\x42\x60\x82"); // of a PNG: its last chunk and its checksum
}

// The complete pictures in Graphviz's output. In SVG, "<" is escaped within text, so each "</svg>"
// ends a picture; other formats contain one picture.
std::vector<std::string> complete_pictures(const std::string& output, const std::string& format) {
    const std::string_view last = last_bytes(format);
    if (format != "svg")
        return output.ends_with(last) ? std::vector{output} : std::vector<std::string>();
    std::vector<std::string> pictures;
    std::size_t begin = 0;
    for (std::size_t at; (at = output.find(last, begin)) != std::string::npos;
         begin = at + last.size())
        pictures.push_back(output.substr(begin, at + last.size() - begin));
    return pictures;
}

// Moves the labels of edges and clusters in front of all lines and gives them a white outline.
// Graphviz writes one element per line, with labels next to their edges.
std::string labels_in_front(const std::string& svg) {
    std::string rest, labels;
    bool of_line = false; // in an edge or a cluster
    for (std::size_t begin = 0; begin < svg.size();) {
        const std::size_t end = std::min(svg.find('\n', begin), svg.size() - 1) + 1;
        const std::string_view line = std::string_view(svg).substr(begin, end - begin);
        begin = end;
        if (line.starts_with("<g id="))
            of_line =
                line.find("class=\"edge") != line.npos || line.find("class=\"cluster") != line.npos;
        (of_line && line.starts_with("<text") ? labels : rest) += line;
    }
    const std::size_t at = rest.rfind("</g>\n</svg>");
    if (labels.empty() || at == std::string::npos) return svg;
    return rest.insert(at, "<g paint-order=\"stroke\" stroke=\"#ffffff\" stroke-width=\"3\" "
                           "stroke-opacity=\"0.85\" stroke-linejoin=\"round\">\n" +
                               labels + "</g>\n");
}

ProgramResult run_dot(const std::string& path, const std::string& dots, const std::string& format,
                      std::chrono::milliseconds time_limit) {
    ProgramResult result = run_program({"dot", "-T" + format}, dots, time_limit);
    if (result.end == ProgramResult::End::not_found)
        fail("graph::write", "drawing '" + path +
                                 "' needs Graphviz's program 'dot', which is not in PATH; install "
                                 "graphviz, or write a .dot file");
    return result;
}

// Why a run produced no picture.
std::string reason(const ProgramResult& result) {
    using End = ProgramResult::End;
    std::string text = result.end == End::timed_out ? "exceeded its time limit"
                       : result.end == End::killed
                           ? "was terminated by signal " + std::to_string(result.code)
                           : "failed with exit status " + std::to_string(result.code);
    std::string errors = result.errors;
    for (char& c : errors)
        if (c == '\n') c = ' ';
    errors.erase(errors.find_last_not_of(' ') + 1);
    return text + (errors.empty() ? "" : ": " + errors);
}

std::string render_one(const std::string& path, std::string dot, const std::string& format,
                       std::chrono::milliseconds time_limit) {
    ProgramResult result = run_dot(path, dot, format, time_limit);
    std::vector<std::string> pictures = complete_pictures(result.output, format);
    const std::size_t end = dot.rfind('}');
    if (pictures.empty() && result.end != ProgramResult::End::exited && end != std::string::npos) {
        // Graphviz crashes on some graphs and takes hours for others. Straight lines and fewer
        // iterations avoid both in most cases.
        dot.insert(end, "  splines=false; nslimit=1; nslimit1=1; mclimit=0.2;\n");
        result = run_dot(path, dot, format, time_limit);
        pictures = complete_pictures(result.output, format);
    }
    if (pictures.empty())
        fail("graph::write",
             "Graphviz could not draw '" + path + "': 'dot' " + reason(result) +
                 (result.end == ProgramResult::End::exited
                      ? "; check that graphviz is installed completely, or write a .dot file"
                      : "; reduce the budget or the depth"));
    return std::move(pictures.front());
}

std::vector<std::string> drawn(const std::string& path, const std::vector<std::string>& dots,
                               const std::string& format, std::chrono::milliseconds time_limit) {
    // One process for all pictures, because starting it takes longer than most layouts.
    if (dots.size() > 1) {
        std::string all;
        for (const std::string& dot : dots) all += dot;
        std::vector<std::string> pictures =
            complete_pictures(run_dot(path, all, format, time_limit).output, format);
        if (pictures.size() == dots.size()) return pictures;
    }
    // One process per picture, so that a failure does not affect the others.
    std::vector<std::string> pictures;
    for (const std::string& dot : dots)
        pictures.push_back(render_one(path, dot, format, time_limit));
    return pictures;
}

} // namespace

std::vector<std::string> render(const std::string& path, const std::vector<std::string>& dots,
                                const std::string& format, std::chrono::milliseconds time_limit) {
    std::vector<std::string> pictures = drawn(path, dots, format, time_limit);
    if (format == "svg")
        for (std::string& picture : pictures) picture = labels_in_front(picture);
    return pictures;
}

} // namespace unroll::graph::detail
