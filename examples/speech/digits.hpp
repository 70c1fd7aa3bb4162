#pragma once

#include "sound.hpp"

#include <unroll/core/random.hpp>

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
    std::size_t rate = 0;
    std::vector<Recording> learned, held_out; // held out: indices 0 to 4, the official test set
};

// Files named digit_speaker_index.wav, as read_sounds() finds them; without a path, digits of this
// program's own: pairs of tones by three voices. Throws unroll::Error for another name, and where
// one of the two parts would be empty.
Recordings read_recordings(const std::string& path);

enum class Task { single, strings, both };
Task task_of(const std::string& name);

// What is to be recognised.
struct Utterance {
    std::vector<float> samples;
    std::vector<std::size_t> digits;
};

// Which recordings to join, by one speaker.
using Choice = std::vector<std::size_t>;

// Every recording by itself, and a third as many strings of 3 to 6 by one speaker; or one of both.
std::vector<Choice> choose(const std::vector<Recording>& recordings, Task task,
                           unroll::Random& random);

// Recordings behind each other, with pauses of up to 0.3 seconds between and up to 0.15 around
// them, a loudness of their own and noise, 15 to 35 decibels below.
Utterance join(const std::vector<Recording>& recordings, const Choice& choice, std::size_t rate,
               unroll::Random random);
// One recording as it is.
Utterance alone(const Recording& recording);

} // namespace speech
