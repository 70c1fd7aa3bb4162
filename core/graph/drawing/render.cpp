#include <unroll/core/graph/drawing/drawing.hpp>
#include <unroll/core/graph/drawing/process.hpp>

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

// Moves the labels of arrows and clusters in front of all lines and gives them a white outline.
// Graphviz writes one element per line, with labels next to their edges.
std::string labels_in_front(const std::string& svg) {
    static constexpr const char* labelled[] = {"class=\"edge", "class=\"cluster",
                                               "class=\"node label\""};
    std::string rest, labels;
    bool of_line = false; // in an edge, a label or a cluster
    for (std::size_t begin = 0; begin < svg.size();) {
        const std::size_t end = std::min(svg.find('\n', begin), svg.size() - 1) + 1;
        const std::string_view line = std::string_view(svg).substr(begin, end - begin);
        begin = end;
        if (line.starts_with("<g id="))
            of_line = std::any_of(std::begin(labelled), std::end(labelled),
                                  [&](const char* kind) { return line.find(kind) != line.npos; });
        (of_line && line.starts_with("<text") ? labels : rest) += line;
    }
    const std::size_t at = rest.rfind("</g>\n</svg>");
    if (labels.empty() || at == std::string::npos) return svg;
    return rest.insert(at, "<g paint-order=\"stroke\" stroke=\"#ffffff\" stroke-width=\"3\" "
                           "stroke-opacity=\"0.85\" stroke-linejoin=\"round\">\n" +
                               labels + "</g>\n");
}

ProgramResult run_dot(const std::string& path, const std::string& dots, const std::string& format,
                      const TimeLimits& limits) {
    ProgramResult result = run_program({"dot", "-T" + format}, dots, limits);
    if (result.end == ProgramResult::End::not_found)
        fail("graph::write", "drawing '" + path +
                                 "' needs Graphviz's program 'dot', which is not in PATH; install "
                                 "graphviz, or write a .dot file");
    return result;
}

// Why a run produced no picture, with the first line of dot's own message, and what to do.
std::string reason(const ProgramResult& result, const TimeLimits& limits) {
    using End = ProgramResult::End;
    constexpr std::size_t longest = 200;
    const std::string fewer =
        "; draw fewer nodes (Options::fold, depth or budget), or write a .dot file";
    if (result.end == End::timed_out)
        return "did not finish within " + std::to_string(limits.processor.count()) +
               " s of processor time" + fewer;
    const std::string message =
        result.errors.substr(0, std::min(result.errors.find('\n'), longest));
    const std::string detail = message.empty() ? "" : ": " + message;
    if (result.end == End::killed)
        return "was terminated by signal " + std::to_string(result.code) + detail + fewer;
    return "failed with exit status " + std::to_string(result.code) + detail +
           "; check that graphviz is installed completely, or write a .dot file";
}

std::string render_one(const std::string& path, std::string dot, const std::string& format,
                       const TimeLimits& limits) {
    ProgramResult result = run_dot(path, dot, format, limits);
    std::vector<std::string> pictures = complete_pictures(result.output, format);
    const std::size_t end = dot.rfind('}');
    if (pictures.empty() && result.end != ProgramResult::End::exited && end != std::string::npos) {
        // Graphviz crashes on some graphs and takes hours for others. Straight lines and fewer
        // iterations avoid both in most cases.
        dot.insert(end, "  splines=false; nslimit=1; nslimit1=1; mclimit=0.2;\n");
        result = run_dot(path, dot, format, limits);
        pictures = complete_pictures(result.output, format);
    }
    if (pictures.empty())
        fail("graph::write",
             "Graphviz could not draw '" + path + "': 'dot' " + reason(result, limits));
    return std::move(pictures.front());
}

std::vector<std::string> drawn(const std::string& path, const std::vector<std::string>& dots,
                               const std::string& format, const TimeLimits& limits) {
    // One process for all pictures, because starting it takes longer than most layouts.
    if (dots.size() > 1) {
        std::string all;
        for (const std::string& dot : dots) all += dot;
        std::vector<std::string> pictures =
            complete_pictures(run_dot(path, all, format, limits).output, format);
        if (pictures.size() == dots.size()) return pictures;
    }
    // One process per picture, so that a failure does not affect the others.
    std::vector<std::string> pictures;
    for (const std::string& dot : dots) pictures.push_back(render_one(path, dot, format, limits));
    return pictures;
}

} // namespace

std::vector<std::string> render(const std::string& path, const std::vector<std::string>& dots,
                                const std::string& format, const TimeLimits& limits) {
    std::vector<std::string> pictures = drawn(path, dots, format, limits);
    if (format == "svg")
        for (std::string& picture : pictures) picture = labels_in_front(picture);
    return pictures;
}

} // namespace unroll::graph::detail
