#pragma once

#include "sound.hpp"

#include <unroll/core/tensor/random.hpp>

#include <array>

namespace speech {

inline constexpr std::array<const char*, 10> words{"zero", "one", "two",   "three", "four",
                                                   "five", "six", "seven", "eight", "nine"};

// One digit, spoken once.
struct Recording {
    std::string speaker;
    std::size_t digit = 0, index = 0; // the index-th time by this speaker
    std::vector<float> samples;
};

struct Recordings {
    std::size_t sample_rate = 0;
    std::vector<Recording> learned, held_out; // held out: indices 0 to 4, the official test set
};

// Files named digit_speaker_index.wav, as read_sounds() finds them; without a path, digits of this
// program's own: pairs of tones by three voices. Throws unroll::Error for another name, and where
// one of the two parts would be empty.
Recordings read_recordings(const std::string& path);

// What is to be recognised.
struct Utterance {
    std::vector<float> samples;
    std::vector<std::size_t> digits;
};

// Numbers of `count` recordings by one speaker, drawn with repetition.
std::vector<std::size_t> draw_string(const std::vector<Recording>& recordings, std::size_t count,
                                     unroll::Random& random);
// Recordings behind each other, with pauses of up to 0.3 seconds between and up to 0.15 around
// them, a loudness of their own and noise, 15 to 35 decibels below.
Utterance join(const std::vector<Recording>& recordings, std::span<const std::size_t> chosen,
               std::size_t sample_rate, unroll::Random& random);
// One recording as it is.
Utterance alone(const Recording& recording);

// What to test with: the recordings held out as they are, and a third as many strings of them, of 3
// to 6 digits, the same every time.
std::vector<Utterance> test_recordings(const Recordings& recordings);
std::vector<Utterance> test_strings(const Recordings& recordings);

} // namespace speech
