#include "pieces.hpp"

#include <unroll/core/base/error.hpp>
#include <unroll/core/files/file.hpp>

#include <array>
#include <sstream>

#include <nlohmann/json.hpp>

namespace music {

using namespace unroll;
using nlohmann::json;

namespace {

std::size_t key_of(const json& pitch, const std::string& what) {
    const auto number = pitch.is_number_integer() ? pitch.get<std::int64_t>() : -1;
    const auto key = static_cast<std::size_t>(number), end = lowest_key + piano_keys;
    if (key < lowest_key || key >= end)
        fail("music", what + " is not a key from " + std::to_string(lowest_key) + " to " +
                          std::to_string(end - 1));
    return key;
}

// Calls f(item, its position) for each item of a list.
template <class F>
void each(const json& list, const std::string& place, std::size_t least, const char* what,
          const F& f) {
    if (!list.is_array() || list.size() < least) fail("music", place + " is not a " + what);
    for (std::size_t i = 0; i < list.size(); ++i) f(list[i], place + "[" + std::to_string(i) + "]");
}

std::vector<Piece> pieces_of(const json& all, const std::string& split, const std::string& path) {
    std::vector<Piece> pieces;
    const auto add_note = [&](const json& pitch, const std::string& place) {
        pieces.back().back().push_back(key_of(pitch, place + ": " + pitch.dump()));
    };
    const auto add_chord = [&](const json& pitches, const std::string& place) {
        pieces.back().emplace_back();
        each(pitches, place, 0, "list of MIDI numbers", add_note);
    };
    const auto add_piece = [&](const json& chords, const std::string& place) {
        pieces.emplace_back();
        each(chords, place, 2, "list of two frames or more", add_chord);
    };
    const json list = all.is_object() ? all.value(split, json()) : json();
    each(list, "'" + path + "': " + split, 1, "list of pieces", add_piece);
    return pieces;
}

// A variable-length quantity: groups of seven bits, all but the last one marked.
std::string length(std::uint32_t ticks) {
    std::string groups(1, static_cast<char>(ticks & 127));
    while (ticks >>= 7) groups.insert(groups.begin(), static_cast<char>(128 | (ticks & 127)));
    return groups;
}

std::string big_endian(std::uint32_t value, int bytes) {
    std::string text;
    for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i) & 255);
    return text;
}

} // namespace

Pieces read_pieces(const std::string& path) {
    const auto bytes = read_unpacked(path);
    const auto* const text = reinterpret_cast<const char*>(bytes.data());
    try {
        // A deeply nested value cannot be freed or printed safely.
        const auto all =
            json::parse(text, text + bytes.size(), [&](int depth, json::parse_event_t, json&) {
                if (depth > 5) fail("music", "'" + path + "' is nested too deeply");
                return true;
            });
        return {pieces_of(all, "train", path), pieces_of(all, "valid", path),
                pieces_of(all, "test", path)};
    } catch (const json::exception& error) {
        fail("music", "'" + path + "' is not valid JSON: " + error.what());
    }
}

Chord read_chord(const std::string& text) {
    Chord chord;
    std::istringstream words(text);
    for (std::string word; std::getline(words, word, ',');)
        chord.push_back(key_of(json::parse(word, nullptr, false),
                               "'" + word + "' of the chord '" + text + "'"));
    return chord;
}

std::string midi(const Piece& piece, double quarters_per_minute) {
    constexpr std::uint32_t quarter = 96; // ticks
    std::string track = std::string("\0\xff\x51\x03", 4) +
                        big_endian(static_cast<std::uint32_t>(6e7 / quarters_per_minute), 3);
    std::uint32_t waited = 0;
    std::array<bool, 128> held{};
    for (std::size_t t = 0; t <= piece.size(); ++t) {
        std::array<bool, 128> sounding{};
        if (t < piece.size())
            for (const std::size_t key : piece[t]) sounding[key] = true;
        for (const bool on : {false, true})
            for (std::size_t key = 0; key < held.size(); ++key)
                if (held[key] != sounding[key] && sounding[key] == on) {
                    track += length(waited) + static_cast<char>(on ? 0x90 : 0x80) +
                             static_cast<char>(key) + static_cast<char>(on ? 80 : 0);
                    waited = 0;
                }
        held = sounding;
        waited += quarter;
    }
    track += std::string("\0\xff\x2f\0", 4);
    return "MThd" + big_endian(6, 4) + big_endian(0, 2) + big_endian(1, 2) +
           big_endian(quarter, 2) + "MTrk" +
           big_endian(static_cast<std::uint32_t>(track.size()), 4) + track;
}

template <class T>
Tensor<T> piano_roll(const Piece& piece, std::ptrdiff_t up) {
    auto roll = Tensor<T>::zeros({piece.size(), piano_keys});
    for (std::size_t t = 0; t < piece.size(); ++t)
        for (const std::size_t pitch : piece[t]) {
            const std::size_t key = pitch - lowest_key + static_cast<std::size_t>(up);
            if (key < piano_keys) roll(t, key) = T(1);
        }
    return roll;
}
template Tensor<float> piano_roll(const Piece&, std::ptrdiff_t);
template Tensor<double> piano_roll(const Piece&, std::ptrdiff_t);

} // namespace music
