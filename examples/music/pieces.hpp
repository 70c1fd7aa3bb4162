#pragma once

#include <unroll/core/tensor/tensor.hpp>

#include <string>
#include <vector>

namespace music {

// What sounds during a quarter note, as MIDI numbers of a piano's keys, and what sounds one after
// the other.
using Chord = std::vector<std::size_t>;
using Piece = std::vector<Chord>;
constexpr std::size_t lowest_key = 21, piano_keys = 88;

struct Pieces {
    std::vector<Piece> train, valid, test;
};

// JSON: {"train": [[[74, 70, 65, 58], ...], ...], "valid": ..., "test": ...}. Throws Error with the
// path and the split, piece and chord that are not so.
Pieces read_pieces(const std::string& path);
// "60,64,67". Throws Error for a word that is no key.
Chord read_chord(const std::string& text);
// A Standard MIDI File of format 0; a key that sounds in chords side by side is held.
std::string midi(const Piece& piece, double quarters_per_minute);

// Chords as vectors, [T, 88]: 1 for a key that sounds. All are moved up by so many keys; what
// leaves the piano is silent.
template <class T>
unroll::Tensor<T> piano_roll(const Piece& piece, std::ptrdiff_t up = 0);

} // namespace music
