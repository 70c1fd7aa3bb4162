#include <unroll/core/check/svg.hpp>

#include <string_view>

#include <fmt/format.h>
#include <zlib.h>

namespace unroll {

namespace {

std::string style(const SvgPaint& p, bool clip) {
    std::string text = fmt::format(" fill=\"{}\"", p.fill);
    if (p.opacity < 1) text += fmt::format(" fill-opacity=\"{:.3f}\"", p.opacity);
    if (std::string_view(p.stroke) != "none")
        text += fmt::format(" stroke=\"{}\" stroke-width=\"{:g}\" stroke-linejoin=\"round\"",
                            p.stroke, p.width);
    if (p.dashed) text += " stroke-dasharray=\"5 4\"";
    if (clip) text += " clip-path=\"url(#clip)\"";
    return text;
}

void append(std::string& bytes, std::uint32_t n) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(n >> shift & 255);
}

void append_chunk(std::string& png, const std::string& type, const std::string& data) {
    append(png, static_cast<std::uint32_t>(data.size()));
    const std::string body = type + data;
    png += body;
    append(png, static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(body.data()),
                                                 static_cast<uInt>(body.size()))));
}

// An image with 8 bits per channel as a PNG file: https://www.w3.org/TR/png
std::string png(std::size_t columns, const std::vector<std::uint8_t>& rgb) {
    const std::size_t row = 3 * columns, rows = rgb.size() / row;
    std::string lines;
    for (std::size_t y = 0; y < rows; ++y) {
        lines += '\0'; // no filter
        lines.append(reinterpret_cast<const char*>(&rgb[y * row]), row);
    }
    uLongf size = compressBound(lines.size());
    std::string packed(size, '\0');
    compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
              reinterpret_cast<const Bytef*>(lines.data()), lines.size(), Z_BEST_COMPRESSION);
    packed.resize(size);
    std::string header;
    append(header, static_cast<std::uint32_t>(columns));
    append(header, static_cast<std::uint32_t>(rows));
    header +=
        {8, 2, 0, 0,
         0}; // bit depth, colour type, and the only compression, filter and interlace methods used
    std::string file = "\x89PNG\r\n\x1a\n";
    append_chunk(file, "IHDR", header);
    append_chunk(file, "IDAT", packed);
    append_chunk(file, "IEND", "");
    return file;
}

std::string base64(const std::string& bytes) {
    constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t three = 0;
        for (std::size_t k = 0; k < 3; ++k)
            three =
                three << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
        for (std::size_t k = 0; k < 4; ++k)
            text += i + k <= bytes.size() ? digits[three >> (18 - 6 * k) & 63] : '=';
    }
    return text;
}

} // namespace

std::string escape_xml(const std::string& text) {
    std::string out;
    for (const char c : text) out += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
    return out;
}

Svg::Svg(double width, double height)
    : text_(fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" "
                        "xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{0:g}\" "
                        "height=\"{1:g}\" viewBox=\"0 0 {0:g} {1:g}\" "
                        "font-family=\"Helvetica, Arial, sans-serif\">\n",
                        width, height)) {
    rectangle(0, 0, width, height, {.fill = "white"});
}

void Svg::rectangle(double x, double y, double width, double height, const SvgPaint& paint) {
    text_ += fmt::format("<rect x=\"{:.4g}\" y=\"{:.4g}\" width=\"{:.4g}\" height=\"{:.4g}\"{}/>\n",
                         x, y, width, height, style(paint, false));
}

void Svg::circle(double x, double y, double radius, const SvgPaint& paint) {
    text_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:g}\"{}/>\n", x, y, radius,
                         style(paint, false));
}

void Svg::path(const std::string& d, const SvgPaint& paint, bool clip) {
    text_ += "<path d=\"" + d + "\"" + style(paint, clip) + "/>\n";
}

void Svg::line(const std::vector<std::pair<double, double>>& points, const SvgPaint& paint,
               bool clip) {
    text_ += "<polyline points=\"";
    for (const auto& [x, y] : points) text_ += fmt::format("{:.1f},{:.1f} ", x, y);
    text_ += "\"" + style(paint, clip) + "/>\n";
}

void Svg::text(double x, double y, const std::string& text, const SvgWords& words) {
    markup(x, y, escape_xml(text), words);
}

void Svg::markup(double x, double y, const std::string& xml, const SvgWords& words) {
    text_ +=
        fmt::format("<text x=\"{0:.1f}\" y=\"{1:.1f}\" text-anchor=\"{2}\" font-size=\"{3:g}\" "
                    "fill=\"{4}\"",
                    x, y, words.anchor, words.size, words.colour);
    if (words.turned != 0)
        text_ += fmt::format(" transform=\"rotate({:g} {:.1f} {:.1f})\"", words.turned, x, y);
    text_ += ">" + xml + "</text>\n";
}

void Svg::clip(double x, double y, double width, double height) {
    text_ += fmt::format("<clipPath id=\"clip\"><rect x=\"{:g}\" y=\"{:g}\" width=\"{:g}\" "
                         "height=\"{:g}\"/></clipPath>\n",
                         x, y, width, height);
}

void Svg::pixels(double x, double y, double width, double height, std::size_t columns,
                 const std::vector<std::uint8_t>& rgb) {
    if (rgb.empty()) return;
    const std::string data = "data:image/png;base64," + base64(png(columns, rgb));
    text_ += fmt::format("<image x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
                         "preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" "
                         "xlink:href=\"{}\"/>\n",
                         x, y, width, height, data);
}

} // namespace unroll
