#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace unroll {

// Text as the content of an XML element.
std::string escape_xml(const std::string& text);

// The style of a shape; colours as in CSS.
struct SvgPaint {
    const char* fill = "none";
    const char* stroke = "none";
    double width = 1;   // of the stroke
    double opacity = 1; // of the fill
    bool dashed = false;
};

struct SvgWords {
    const char* anchor = "start"; // or "middle", "end": the part of the text at the position
    double size = 12;
    double turned = 0; // degrees
    const char* colour = "#222222";
};

// An SVG image, drawn from back to front.
class Svg {
public:
    Svg(double width, double height);

    void rectangle(double x, double y, double width, double height, const SvgPaint& paint);
    void circle(double x, double y, double radius, const SvgPaint& paint);
    // An SVG path, "M10 10h20". `clip`: only the part inside the clip() is drawn.
    void path(const std::string& d, const SvgPaint& paint, bool clip = false);
    void line(const std::vector<std::pair<double, double>>& points, const SvgPaint& paint,
              bool clip = false);
    void text(double x, double y, const std::string& text, const SvgWords& words = {});
    // Text that is already escaped.
    void markup(double x, double y, const std::string& xml, const SvgWords& words = {});
    void clip(double x, double y, double width, double height);
    // Rows of pixels (red, green, blue), from the top, stretched to a rectangle without seams.
    void pixels(double x, double y, double width, double height, std::size_t columns,
                const std::vector<std::uint8_t>& rgb);

    std::string str() const { return text_ + "</svg>\n"; }

private:
    std::string text_;
};

} // namespace unroll
