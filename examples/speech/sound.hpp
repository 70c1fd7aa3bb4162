#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace speech {

// Mono sound; several channels are averaged.
struct Sound {
    std::string name; // file name without folders
    std::size_t sample_rate = 0;
    std::vector<float> samples; // within [-1, 1]
};

// Reads the WAV files of a folder or of an archive (tar, zip, ..., compressed or not), or a single
// file, in the order of their names. Throws unroll::Error, with path and name, for a file that
// cannot be read, has no samples or a different sampling rate than the first, and if there are no
// files.
std::vector<Sound> read_sounds(const std::string& path);

// Writes 16 bits per sample.
void write_wav(const std::string& path, const Sound& sound);

} // namespace speech
