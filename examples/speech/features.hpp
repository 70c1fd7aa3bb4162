#pragma once

#include <unroll/core/tensor/tensor.hpp>

#include <span>
#include <vector>

namespace speech {

struct FilterbankOptions {
    std::size_t sample_rate = 8000; // samples per second
    double window = 0.025;          // seconds
    double step = 0.010;
    std::size_t filters = 40;
    double lowest = 60;     // in Hz; the highest frequency is half the sampling rate
    double emphasis = 0.97; // x_t - emphasis x_(t-1)
    std::size_t deltas = 2; // number of derivatives: 1: first, 2: first and second
};

// The pitch of a frequency, in mel: 2595 log10(1 + f / 700).
double mel(double hertz);

// Log-mel filterbank: logarithms of the energies in triangular filters, evenly spaced in mel, of
// the power spectra of Hann windows, and their slopes over two steps on both sides (Davis and
// Mermelstein 1980; Furui 1986).
class Filterbank {
public:
    // Throws unroll::Error for invalid options.
    explicit Filterbank(const FilterbankOptions& options);

    // samples -> [T, filters]: all windows that fit, at least one. The energy of silence is 1e-10.
    unroll::Tensor<float> log_energies(std::span<const float> samples) const;
    // The same with slopes, [T, width()]: energies and slopes are normalised to mean 0 and variance
    // 1, which removes the loudness.
    unroll::Tensor<float> operator()(std::span<const float> samples) const;

    std::size_t width() const { return options_.filters * (1 + options_.deltas); }
    const FilterbankOptions& options() const { return options_; }

private:
    // A filter: weights of adjacent frequencies.
    struct Filter {
        std::size_t first;
        std::vector<float> weights;
    };

    FilterbankOptions options_;
    std::vector<float> window_;
    std::size_t step_, transform_; // in samples
    std::vector<Filter> filters_;
};

// sum_n n (x_(t+n) - x_(t-n)) / (2 sum_n n^2), n = 1, 2, with the edges repeated: [T, n] -> [T, n].
unroll::Tensor<float> slopes(const unroll::Tensor<float>& x);

} // namespace speech
