#pragma once

#include <unroll/unroll.hpp>

#include <string>
#include <vector>

namespace caption {

using namespace unroll;

constexpr std::size_t side = 32, colours = 3, channels = colours + 2;

struct Image {
    std::vector<std::uint8_t> pixels; // [side, side, channels]
    nn::Tokens caption;
    std::string base; // the caption without skin tones, which similar images share
};

// Reads a folder that contains 'captions.tsv', with a header line and the columns image number and
// caption, and an idx file of bytes, [n, 32, 32, 3], whose name contains "idx4". Throws Error with
// path and line for invalid files.
std::vector<Image> read_images(const std::string& folder);
// Synthetic shapes of different colour, size and position, each drawn four times, with noise.
std::vector<Image> synthetic_images();

// A fixed tenth of the bases is held out with all its images.
struct Split {
    std::vector<Image> training, held_out;
};
Split split(const std::vector<Image>& images);

// Images as numbers, [B, channels, side, side], each randomly translated by up to `shift` pixels.
// The last two channels are the coordinates of each pixel, since convolutions are
// translation-invariant (Liu et al. 2018).
template <class T>
Tensor<T> batch_of(const std::vector<Image>& images, std::span<const std::size_t> which,
                   std::size_t shift = 0, Random* random = nullptr);

// The image, and a copy for each word of its caption, brightened by the attention weights of that
// word: weights [words, rows columns] of a grid of features.
std::string attention_svg(const Image& image, const nn::Tokens& words,
                          const Tensor<float>& weights);

} // namespace caption
