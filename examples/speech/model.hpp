#pragma once

#include "../common/fields.hpp"
#include "sound.hpp"
#include "symbols.hpp"

#include <memory>

namespace speech {

struct Settings {
    static constexpr const char* program = "speech";
    std::string model = "ctc", symbols = "digits", task = "both";
    std::size_t hidden = 128, input = 120; // width of the layers and of a frame
    std::size_t channels = 3;              // values in a frame: energies and their slopes
    std::size_t sample_rate = 8000;        // samples per second
    double dropout = 0.2;

    void fields(example::Fields f) {
        f("--model", model)
            ->check(CLI::IsMember({"ctc", "transducer", "las", "transformer_ctc", "transformer"}));
        f("--symbols", symbols)->check(CLI::IsMember({"digits", "letters"}));
        f("--task", task)->check(CLI::IsMember({"single", "strings", "both"}));
        const CLI::Range size(1, 65536);
        f("--hidden", hidden, "width of the layers")->check(size);
        f("--dropout", dropout, "dropout probability")->check(CLI::Range(0.0, 0.99));
        f.stored("input", input, size);
        f.stored("channels", channels, size);
        f.stored("sample_rate", sample_rate, CLI::Range(least_rate, largest_rate));
    }
};

// A batch of sequences.
template <class T>
struct Batch {
    Tensor<T> x; // [T, B, input]
    std::vector<std::size_t> lengths;
    nn::PaddedBatch symbols; // [L, B]
    Indices spelled;         // [L + 1, B]: with the end symbol, followed by -100
};

struct Search {
    std::size_t beam = 8; // 1: greedy
    const Lexicon* lexicon = nullptr;
};

template <class T>
class Recogniser {
public:
    using value_type = T;
    using Lengths = std::span<const std::size_t>;

    virtual ~Recogniser() = default;
    virtual Variable<T> loss(const Batch<T>& batch) const = 0;
    virtual std::vector<Recognition> recognise(const Tensor<T>& x, Lengths lengths,
                                               const Search& search) const = 0;
    // Number of frames per step of the weights.
    virtual std::size_t factor() const = 0;
    virtual void members(nn::Members<T>& m) = 0;
};

// ctc: recurrent layers and connectionist temporal classification; transducer: an RNN transducer on
// the same layers; las: Listen, Attend and Spell; transformer_ctc: convolutions and a Transformer
// encoder; transformer: also a Transformer decoder.
// Throws Error for an unknown model.
template <class T>
std::unique_ptr<Recogniser<T>> make_recogniser(const Settings& settings, const Alphabet& alphabet);

} // namespace speech
