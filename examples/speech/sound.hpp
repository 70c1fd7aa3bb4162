#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace speech {

constexpr std::size_t least_rate = 1000, largest_rate = 1'000'000; // samples per second

// Mono sound; several channels are averaged.
struct Sound {
    std::string name; // file name without folders
    std::size_t sample_rate = 0;
    std::vector<float> samples; // within [-1, 1]
};

// Reads the WAV files of a folder or of an archive (tar or zip, compressed or not), or a single
// file, in the order of their names. Throws unroll::Error, with path and name, for a file that
// cannot be read, fails its checksum, has no samples or a different sampling rate than the first,
// if there are no files, and for an archive that takes more than 256 MiB and 32 times its size.
std::vector<Sound> read_sounds(const std::string& path);

// Writes 16 bits per sample.
void write_wav(const std::string& path, const Sound& sound);

} // namespace speech
