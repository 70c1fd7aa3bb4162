#include "features.hpp"

#include <unroll/core/base/error.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <numbers>

#include <kiss_fftr.h>

namespace speech {

using unroll::fail;
using unroll::Shape;
using unroll::Tensor;

double mel(double hertz) { return 2595 * std::log10(1 + hertz / 700); }

namespace {

double hertz(double mel) { return 700 * (std::pow(10, mel / 2595) - 1); }

void normalise(Tensor<float>& x) {
    double sum = 0, squares = 0;
    for (const float value : x.to_vector()) sum += value;
    const double mean = sum / static_cast<double>(x.size());
    for (const float value : x.to_vector()) squares += std::pow(value - mean, 2);
    const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + 1e-5);
    for (std::size_t i = 0; i < x.size(); ++i)
        x.data()[i] = static_cast<float>((x.data()[i] - mean) * scale);
}

} // namespace

Filterbank::Filterbank(const FilterbankOptions& options) : options_(options) {
    const auto rate = static_cast<double>(options.sample_rate);
    const auto samples = [&](double seconds) {
        return static_cast<std::size_t>(std::lround(std::max(seconds, 0.0) * rate));
    };
    step_ = samples(options.step);
    const std::size_t length = samples(options.window);
    if (step_ == 0 || length < 2 || options.filters == 0 || options.lowest < 0 ||
        options.lowest >= rate / 2)
        fail("Filterbank", "windows of " + std::to_string(length) + " samples every " +
                               std::to_string(step_) + ", " + std::to_string(options.filters) +
                               " filters from " + std::to_string(options.lowest) + " Hz");
    transform_ = std::bit_ceil(length);
    for (std::size_t i = 0; i < length; ++i)
        window_.push_back(
            static_cast<float>(0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(i) /
                                                    static_cast<double>(length - 1))));
    const double low = mel(options.lowest), high = mel(rate / 2);
    const auto edge = [&](std::size_t i) {
        return hertz(low + (high - low) * static_cast<double>(i) /
                               static_cast<double>(options.filters + 1));
    };
    for (std::size_t m = 0; m < options.filters; ++m) {
        const double left = edge(m), centre = edge(m + 1), right = edge(m + 2);
        Filter filter{0, {}};
        for (std::size_t k = 0; k <= transform_ / 2; ++k) {
            const double f = static_cast<double>(k) * rate / static_cast<double>(transform_);
            const double weight =
                std::min((f - left) / (centre - left), (right - f) / (right - centre));
            if (weight <= 0) continue;
            if (filter.weights.empty()) filter.first = k;
            filter.weights.push_back(static_cast<float>(weight));
        }
        filters_.push_back(std::move(filter));
    }
}

Tensor<float> Filterbank::log_energies(std::span<const float> samples) const {
    const std::size_t length = window_.size();
    const std::size_t steps = samples.size() < length ? 1 : 1 + (samples.size() - length) / step_;
    // The plan contains scratch memory, so each call needs its own.
    const std::unique_ptr<kiss_fftr_state, void (*)(void*)> plan(
        kiss_fftr_alloc(static_cast<int>(transform_), 0, nullptr, nullptr), kiss_fftr_free);
    std::vector<float> in(transform_, 0), power(transform_ / 2 + 1);
    std::vector<kiss_fft_cpx> out(transform_ / 2 + 1);
    const auto emphasis = static_cast<float>(options_.emphasis);
    Tensor<float> energies(Shape{steps, options_.filters});
    float* to = energies.data();
    for (std::size_t t = 0; t < steps; ++t) {
        for (std::size_t i = 0; i < length; ++i) {
            const std::size_t at = t * step_ + i;
            const float x = at < samples.size() ? samples[at] : 0;
            const float before = at > 0 && at - 1 < samples.size() ? samples[at - 1] : 0;
            in[i] = window_[i] * (x - emphasis * before);
        }
        kiss_fftr(plan.get(), in.data(), out.data());
        for (std::size_t k = 0; k < power.size(); ++k)
            power[k] = out[k].r * out[k].r + out[k].i * out[k].i;
        for (const Filter& filter : filters_) {
            float sum = 0;
            for (std::size_t k = 0; k < filter.weights.size(); ++k)
                sum += filter.weights[k] * power[filter.first + k];
            *to++ = std::log(std::max(sum, 1e-10f));
        }
    }
    return energies;
}

Tensor<float> slopes(const Tensor<float>& x) {
    const auto last = static_cast<std::ptrdiff_t>(x.shape(0)) - 1;
    const std::size_t width = x.shape(1);
    const Tensor<float> dense = x.contiguous();
    Tensor<float> found(x.shape());
    for (std::ptrdiff_t t = 0; t <= last; ++t) {
        const auto row = [&](std::ptrdiff_t at) {
            return dense.data() +
                   std::clamp<std::ptrdiff_t>(t + at, 0, last) * static_cast<std::ptrdiff_t>(width);
        };
        for (std::size_t c = 0; c < width; ++c)
            found.data()[static_cast<std::size_t>(t) * width + c] =
                (row(1)[c] - row(-1)[c] + 2 * (row(2)[c] - row(-2)[c])) / 10;
    }
    return found;
}

Tensor<float> Filterbank::operator()(std::span<const float> samples) const {
    Tensor<float> part = log_energies(samples);
    Tensor<float> all(Shape{part.shape(0), width()});
    for (std::size_t order = 0; order <= options_.deltas; ++order) {
        if (order > 0) part = slopes(part);
        Tensor<float> whole = part.copy();
        normalise(whole);
        all.slice(1, order * options_.filters, (order + 1) * options_.filters).assign(whole);
    }
    return all;
}

} // namespace speech
