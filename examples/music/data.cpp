#include "model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <sstream>

#include <nlohmann/json.hpp>

namespace music {

namespace {

std::size_t key_of(int pitch, const std::string& place) {
    if (pitch < lowest || pitch >= lowest + static_cast<int>(keys))
        fail("music", place + " is " + std::to_string(pitch) + ", no key from 21 to 108");
    return static_cast<std::size_t>(pitch - lowest);
}

std::vector<Piece> pieces_of(const nlohmann::json& all, const std::string& split,
                             const std::string& path) {
    const auto refuse = [&](const std::string& place, const char* what) {
        fail("music", "'" + path + "': " + place + " is no " + what);
    };
    if (!all.is_object() || !all.contains(split) || !all[split].is_array())
        refuse("'" + split + "'", "list of pieces");
    std::vector<Piece> pieces;
    for (const auto& frames : all[split]) {
        const std::string piece = split + "[" + std::to_string(pieces.size()) + "]";
        if (!frames.is_array() || frames.size() < 2) refuse(piece, "list of two frames or more");
        pieces.emplace_back();
        for (const auto& frame : frames) {
            const std::string place = piece + "[" + std::to_string(pieces.back().size()) + "]";
            if (!frame.is_array()) refuse(place, "list of MIDI numbers");
            pieces.back().emplace_back();
            for (const auto& pitch : frame) {
                if (!pitch.is_number_integer()) refuse(place, "list of MIDI numbers");
                pieces.back().back().push_back(
                    key_of(pitch.get<int>(), "'" + path + "': a note of " + place));
            }
        }
    }
    if (pieces.empty()) refuse("'" + split + "'", "list with a piece");
    return pieces;
}

// The lowest seven bits of a number in groups, all but the last one marked.
void append_length(std::string& to, std::uint32_t ticks) {
    std::string groups(1, static_cast<char>(ticks & 127));
    while (ticks >>= 7) groups.insert(groups.begin(), static_cast<char>(128 | (ticks & 127)));
    to += groups;
}

std::string big_endian(std::uint32_t value, int bytes) {
    std::string text;
    for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i) & 255);
    return text;
}

} // namespace

Chorales read_chorales(const std::string& path) {
    const auto bytes = read_file(path);
    const auto* text = reinterpret_cast<const char*>(bytes.data());
    nlohmann::json all;
    try {
        all = nlohmann::json::parse(text, text + bytes.size());
    } catch (const nlohmann::json::parse_error& error) {
        fail("music", "'" + path + "' is no JSON at byte " + std::to_string(error.byte));
    }
    return {pieces_of(all, "train", path), pieces_of(all, "valid", path),
            pieces_of(all, "test", path)};
}

Chorales made_up(Random random) {
    constexpr std::array<std::array<std::size_t, 4>, 4> chords{
        {{0, 16, 19, 24}, {5, 17, 21, 24}, {7, 14, 19, 23}, {0, 12, 19, 28}}};
    const auto some = [&](std::size_t n) {
        std::vector<Piece> pieces(n);
        for (Piece& piece : pieces) {
            const std::size_t base = 27 + random.below(3), length = 12 + random.below(13);
            for (std::size_t t = 0; t < length; ++t) {
                piece.emplace_back();
                for (const std::size_t key : chords[t / 2 % 4]) piece.back().push_back(base + key);
            }
        }
        return pieces;
    };
    Chorales made;
    made.train = some(64);
    made.valid = some(16);
    made.test = some(16);
    return made;
}

std::string midi(const Piece& piece, double quarters_per_minute) {
    constexpr std::uint32_t quarter = 96; // ticks
    std::string track = std::string("\0\xff\x51\x03", 4) +
                        big_endian(static_cast<std::uint32_t>(6e7 / quarters_per_minute), 3);
    std::uint32_t waited = 0;
    std::array<bool, keys> held{};
    for (std::size_t t = 0; t <= piece.size(); ++t) {
        std::array<bool, keys> sounding{};
        if (t < piece.size())
            for (const std::size_t key : piece[t]) sounding[key] = true;
        for (const bool on : {false, true})
            for (std::size_t key = 0; key < keys; ++key)
                if (held[key] != sounding[key] && sounding[key] == on) {
                    append_length(track, waited);
                    waited = 0;
                    track += static_cast<char>(on ? 0x90 : 0x80);
                    track += static_cast<char>(lowest + static_cast<int>(key));
                    track += static_cast<char>(on ? 80 : 0);
                }
        held = sounding;
        waited += quarter;
    }
    track += std::string("\0\xff\x2f\0", 4);
    return "MThd" + big_endian(6, 4) + big_endian(0, 2) + big_endian(1, 2) +
           big_endian(quarter, 2) + "MTrk" +
           big_endian(static_cast<std::uint32_t>(track.size()), 4) + track;
}

Frame read_chord(const std::string& text) {
    Frame chord;
    std::istringstream words(text);
    for (std::string word; std::getline(words, word, ',');) {
        int pitch = 0;
        std::istringstream number(word);
        if (!(number >> pitch) || !number.eof())
            fail("music", "the chord '" + text + "' has '" + word + "', no MIDI number");
        chord.push_back(key_of(pitch, "a note of the chord '" + text + "'"));
    }
    return chord;
}

double evaluate(const Model<float>& model, const std::vector<Piece>& pieces) {
    Tape<float> tape;
    tape.set_recording(false);
    double total = 0, frames = 0;
    for (std::size_t begin = 0; begin < pieces.size(); begin += 20) {
        std::vector<std::size_t> which(std::min<std::size_t>(20, pieces.size() - begin));
        std::iota(which.begin(), which.end(), begin);
        const Batch<float> batch(pieces, which);
        const auto n = static_cast<double>(batch.at.size());
        total += n * static_cast<double>(model.loss(tape, batch).item());
        frames += n;
    }
    return total / frames;
}

Piece sample(const Model<float>& model, const Sampling& how) {
    Piece piece{read_chord(how.chord)};
    Random random(how.seed);
    Tape<float> tape;
    tape.set_recording(false);
    example::Network<float>::Carried carried;
    while (piece.size() < how.length) {
        Tensor<float> x = Tensor<float>::zeros({1, 1, keys});
        for (const std::size_t key : piece.back()) x.data()[key] = 1;
        const Tensor<float> logits =
            model.head(model.heard(tape.constant(x), {}, &carried)).value().contiguous();
        Frame next;
        for (std::size_t key = 0; key < keys; ++key)
            if (random.uniform() *
                    (1 + std::exp(-static_cast<double>(logits.data()[key]) / how.temperature)) <
                1)
                next.push_back(key);
        std::ranges::sort(next,
                          [&](auto a, auto b) { return logits.data()[a] > logits.data()[b]; });
        next.resize(std::min(next.size(), how.voices));
        piece.push_back(next);
    }
    return piece;
}

} // namespace music
