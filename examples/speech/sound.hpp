#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace speech {

// One channel of sound: several are averaged.
struct Sound {
    std::string name; // of its file, without folders
    std::size_t sample_rate = 0;
    std::vector<float> samples; // within [-1, 1]
};

// The WAV files of a folder, of an archive (tar, zip, ... compressed or not), or the one file, in
// the order of their names. Throws unroll::Error, with path and name, for what cannot be read, has
// no sample or another rate than the first, and where there is none.
std::vector<Sound> read_sounds(const std::string& path);

// Writes 16 bits a sample.
void write_wav(const std::string& path, const Sound& sound);

} // namespace speech
