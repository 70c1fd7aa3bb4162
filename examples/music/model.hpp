#pragma once

#include "../common/learning.hpp"

namespace music {

using namespace unroll;

constexpr int lowest = 21; // of a piano's keys, as MIDI numbers them
constexpr std::size_t keys = 88;

// The keys that sound during a quarter note, as numbers from 0.
using Frame = std::vector<std::size_t>;
using Piece = std::vector<Frame>;

struct Chorales {
    std::vector<Piece> train, valid, test;
};

// JSON: {"train": [[[74, 70, 65, 58], ...], ...], "valid": ..., "test": ...}. Throws Error with the
// path and the split, piece and frame that are not so.
Chorales read_chorales(const std::string& path);
// Cadences in keys at random.
Chorales made_up(Random random);

// A Standard MIDI File of format 0; a key that sounds in frames side by side is held.
std::string midi(const Piece& piece, double quarters_per_minute);
// "60,64,67": MIDI numbers. Throws Error for any that is no piano key.
Frame read_chord(const std::string& text);

// Pieces side by side: frames to read, and those that follow, from the second on.
template <class T>
struct Batch {
    Tensor<T> x;                      // [longest - 1, B, keys]
    std::vector<std::size_t> lengths; // of what is read
    Indices at;                       // the rows of frames that are not padding
    Tensor<T> next;                   // [rows, keys]

    // Each piece is moved up by so many keys.
    Batch(const std::vector<Piece>& pieces, std::span<const std::size_t> which,
          std::span<const int> up = {}) {
        for (const std::size_t i : which) lengths.push_back(pieces[i].size() - 1);
        at = example::steps_within(lengths);
        x = Tensor<T>::zeros({*std::ranges::max_element(lengths), which.size(), keys});
        next = Tensor<T>::zeros({at.size(), keys});
        const auto play = [](T* frame, const Frame& sounding, int by) {
            for (const std::size_t key : sounding) {
                const std::size_t moved = key + static_cast<std::size_t>(by);
                if (moved < keys) frame[moved] = T(1);
            }
        };
        for (std::size_t row = 0; row < at.size(); ++row) {
            const auto place = static_cast<std::size_t>(at.data()[row]);
            const std::size_t t = place / which.size(), b = place % which.size();
            const int by = up.empty() ? 0 : up[b];
            play(x.data() + place * keys, pieces[which[b]][t], by);
            play(next.data() + row * keys, pieces[which[b]][t + 1], by);
        }
    }
};

struct Settings : example::NetworkOptions {
    static constexpr const char* program = "music";

    Settings() { hidden = 256; }
};

// A logit for every key of the next frame.
template <class T>
struct Model {
    using value_type = T;
    double dropped;
    nn::Linear<T> in;
    example::Network<T> net;
    nn::Linear<T> head;

    explicit Model(const Settings& o)
        : dropped(o.dropout), in({.input = keys, .output = o.width()}), net(o, o.width()),
          head({.input = o.width(), .output = keys}) {}

    Variable<T> heard(const Variable<T>& x, std::span<const std::size_t> lengths = {},
                      typename example::Network<T>::Carried* carried = nullptr) const {
        return net(dropout(in(x), dropped), lengths, carried);
    }
    // Nats per frame: the sum over the keys of their cross entropies, the mean over frames.
    Variable<T> loss(Tape<T>& tape, const Batch<T>& batch) const {
        const auto h = example::rows(heard(tape.constant(batch.x), batch.lengths), batch.at);
        return binary_cross_entropy(head(dropout(h, dropped)), batch.next) * T(keys);
    }
    void members(nn::Members<T>& m) { m("in", in)("net", net)("head", head); }
};

// Nats per frame over all frames but the first of each piece.
double evaluate(const Model<float>& model, const std::vector<Piece>& pieces);

struct Sampling {
    std::string chord = "48,64,67,72", out = "music.mid";
    std::size_t length = 64, voices = 4, seed = 1;
    double temperature = 0.7, tempo = 90;

    void fields(example::Fields& f) {
        f.takes("--chord", chord, "what it begins with, as MIDI numbers");
        f.takes("--length", length, "quarter notes", example::Between{1, 100000});
        f.takes("--voices", voices, "most keys at once", example::Between{1, 88});
        f.takes("--temperature", temperature, "below 1: surer; 1: as learned", example::Positive());
        f.takes("--tempo", tempo, "quarter notes in a minute", example::Between{4, 1000});
        f.takes("--seed", seed);
        f.takes("-o,--out", out, "MIDI file");
    }
};

// Each key sounds with the probability that the network gives it; of more than there are voices,
// the likeliest do.
Piece sample(const Model<float>& model, const Sampling& how);

} // namespace music
