#pragma once

#include <unroll/core/tensor/tensor.hpp>

#include <string>
#include <vector>

namespace music {

// A chord: the keys that sound during a quarter note, as MIDI numbers; and a piece: a sequence of
// chords.
using Chord = std::vector<std::size_t>;
using Piece = std::vector<Chord>;
constexpr std::size_t lowest_key = 21, piano_keys = 88;

struct Pieces {
    std::vector<Piece> train, valid, test;
};

// JSON: {"train": [[[74, 70, 65, 58], ...], ...], "valid": ..., "test": ...}. Throws Error with the
// path, split, piece and chord for an invalid file.
Pieces read_pieces(const std::string& path);
// "60,64,67". Throws Error for a word that is not a key.
Chord read_chord(const std::string& text);
// A Standard MIDI File of format 0; a key that sounds in consecutive chords is held.
std::string midi(const Piece& piece, double quarters_per_minute);

// Chords as vectors, [T, 88]: 1 for a key that sounds. All are transposed up by `shift` keys; keys
// outside the piano are dropped.
template <class T>
unroll::Tensor<T> piano_roll(const Piece& piece, std::ptrdiff_t up = 0);

} // namespace music
