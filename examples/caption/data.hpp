#pragma once

#include <unroll/unroll.hpp>

#include <string>
#include <vector>

namespace caption {

using namespace unroll;

constexpr std::size_t side = 32, colours = 3, channels = colours + 2;

struct Picture {
    std::vector<std::uint8_t> pixels; // [side, side, colours]
    nn::Tokens caption;
    std::string base; // the caption without shades of skin, which pictures that look alike share
};

// A folder with 'captions.tsv', whose columns are the number of a picture and its caption behind a
// line of titles, and the pictures in a file of bytes in the idx format, [n, 32, 32, 3], whose name
// has "idx4" in it. Throws Error with path and line for what is not.
std::vector<Picture> read_pictures(const std::string& folder);
// Shapes of some colour, size and place, each drawn four times, with noise.
std::vector<Picture> drawn_pictures();

// A tenth of the bases, the same ones every time, is held out with all its pictures.
struct Split {
    std::vector<Picture> learned, held_out;
};
Split split(const std::vector<Picture>& pictures);

// Pictures as numbers, [B, channels, side, side], each moved by up to `shift` pixels at random. The
// last two channels say how far right and how far down a pixel is, which convolutions, the same
// everywhere, could not tell (Liu et al. 2018).
template <class T>
Tensor<T> batch_of(const std::vector<Picture>& pictures, std::span<const std::size_t> which,
                   std::size_t shift = 0, Random* random = nullptr);

// The picture, and once more for each word of its caption, bright where the model looked when it
// wrote that: weights [words, rows columns] of a grid of features.
std::string looked_svg(const Picture& picture, const nn::Tokens& words,
                       const Tensor<float>& weights);

} // namespace caption
