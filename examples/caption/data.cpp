#include "data.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

namespace caption {

namespace {

nn::Tokens words_of(const std::string& text) {
    std::string plain = nn::to_lower(text);
    for (char& c : plain)
        if (c == ',' || c == ':') c = ' ';
    return nn::split_whitespace(plain);
}

// Names consist of parts separated by commas; the parts that give a skin tone end with these words.
std::string base_of(const std::string& name) {
    std::string base;
    for (std::size_t begin = 0; begin <= name.size();) {
        const std::size_t end = std::min(name.find(", ", begin), name.size());
        const std::string part = name.substr(begin, end - begin);
        if (!part.ends_with("skin tone")) base += (base.empty() ? "" : ", ") + part;
        begin = end + 2;
    }
    return base;
}

std::string image_file(const std::string& folder) {
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().filename().string().find("idx4") != std::string::npos) return entry.path();
    fail("images", "no file of '" + folder + "' has \"idx4\" in its name");
}

} // namespace

std::vector<Image> read_images(const std::string& folder) {
    const std::string pixels_path = image_file(folder), path = folder + "/captions.tsv";
    const Idx idx = read_idx(pixels_path, 4);
    if (idx.shape[1] != side || idx.shape[2] != side || idx.shape[3] != colours)
        fail("images", "the images of '" + pixels_path + "' are not 32 by 32 by 3");
    std::vector<Image> images;
    const auto lines = nn::read_lines(path);
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const auto refuse = [&](const std::string& problem) {
            nn::refuse_line("images", path, i + 1, problem + ", in " + nn::quoted(lines[i]));
        };
        const std::size_t tab = lines[i].find('\t');
        if (tab == std::string::npos) refuse("expected a number, a tab and a caption");
        std::size_t number = 0;
        const char* const end = lines[i].data() + tab;
        const auto [stop, error] = std::from_chars(lines[i].data(), end, number);
        if (error != std::errc() || stop != end || number >= idx.size())
            refuse("expected the number of one of the " + std::to_string(idx.size()) + " images");
        const std::string name = lines[i].substr(tab + 1, lines[i].find('\t', tab + 1) - tab - 1);
        Image image{{}, words_of(name), base_of(name)};
        if (image.caption.empty()) refuse("the caption is empty");
        const auto first = idx.bytes.begin() + static_cast<std::ptrdiff_t>(number * idx.stride());
        image.pixels.assign(first, first + static_cast<std::ptrdiff_t>(idx.stride()));
        images.push_back(std::move(image));
    }
    if (images.empty()) fail("images", "'" + path + "' has no captions");
    return images;
}

Split split(const std::vector<Image>& images) {
    std::map<std::string, bool> is_held_out;
    for (const auto& image : images) is_held_out[image.base] = false;
    std::vector<bool*> order;
    for (auto& [base, held_out] : is_held_out) order.push_back(&held_out);
    const auto shuffled = Random(1).permutation(order.size());
    for (std::size_t i = 0; i < order.size() / 10; ++i) *order[shuffled[i]] = true;
    Split parts;
    for (const auto& image : images)
        (is_held_out[image.base] ? parts.held_out : parts.training).push_back(image);
    if (parts.held_out.empty()) fail("images", "at least ten bases are needed for a split");
    return parts;
}

template <class T>
Tensor<T> batch_of(const std::vector<Image>& images, std::span<const std::size_t> which,
                   std::size_t shift, Random* random) {
    Tensor<T> x({which.size(), channels, side, side});
    const auto scaled = [](std::size_t n, std::size_t most) {
        return T(2) * static_cast<T>(n) / static_cast<T>(most) - T(1);
    };
    for (std::size_t b = 0; b < which.size(); ++b) {
        const std::uint8_t* const pixels = images[which[b]].pixels.data();
        const std::size_t down = shift > 0 ? random->below(2 * shift + 1) : 0,
                          right = shift > 0 ? random->below(2 * shift + 1) : 0;
        // Uncovered pixels repeat the edge.
        const auto from = [&](std::size_t place, std::size_t moved) {
            return std::clamp(place + moved, shift, side - 1 + shift) - shift;
        };
        T* const planes = x.data() + b * channels * side * side;
        for (std::size_t i = 0; i < side * side; ++i) {
            const std::size_t row = i / side, column = i % side;
            const std::size_t at = from(row, down) * side + from(column, right);
            for (std::size_t c = 0; c < colours; ++c)
                planes[c * side * side + i] = scaled(pixels[at * colours + c], 255);
            planes[colours * side * side + i] = scaled(column, side - 1);
            planes[(colours + 1) * side * side + i] = scaled(row, side - 1);
        }
    }
    return x;
}

template Tensor<float> batch_of(const std::vector<Image>&, std::span<const std::size_t>,
                                std::size_t, Random*);
template Tensor<double> batch_of(const std::vector<Image>&, std::span<const std::size_t>,
                                 std::size_t, Random*);

} // namespace caption
