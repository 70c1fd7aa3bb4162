#pragma once

#include "sound.hpp"

#include <unroll/core/tensor/random.hpp>

#include <array>

namespace speech {

inline constexpr std::array<const char*, 10> words{"zero", "one", "two",   "three", "four",
                                                   "five", "six", "seven", "eight", "nine"};

// A recording of one digit.
struct Recording {
    std::string speaker;
    std::size_t digit = 0, index = 0; // index among the recordings of this digit and speaker
    std::vector<float> samples;
};

struct Recordings {
    std::size_t sample_rate = 0;
    std::vector<Recording> training, held_out; // held out: indices 0 to 4, the official test set
};

// Reads files named digit_speaker_index.wav with read_sounds(); without a path, generates synthetic
// digits: pairs of tones by three voices. Throws unroll::Error for another name, and if the
// training or the test set would be empty.
Recordings read_recordings(const std::string& path);

// An utterance to recognise.
struct Utterance {
    std::vector<float> samples;
    std::vector<std::size_t> digits;
};

// Indices of `count` recordings by one speaker, drawn with replacement.
std::vector<std::size_t> draw_string(const std::vector<Recording>& recordings, std::size_t count,
                                     unroll::Random& random);
// Concatenates recordings, with pauses of up to 0.3 seconds between and up to 0.15 around them,
// random loudness, and noise 15 to 35 decibels below.
Utterance join(const std::vector<Recording>& recordings, std::span<const std::size_t> chosen,
               std::size_t sample_rate, unroll::Random& random);
// One recording, unchanged.
Utterance alone(const Recording& recording);

// The test set: the held-out recordings, and a third as many fixed strings of 3 to 6 of them.
std::vector<Utterance> test_recordings(const Recordings& recordings);
std::vector<Utterance> test_strings(const Recordings& recordings);

} // namespace speech
