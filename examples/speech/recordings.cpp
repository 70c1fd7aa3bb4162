#include "recordings.hpp"

#include <unroll/core/base/error.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>

namespace speech {

using unroll::fail;
using unroll::Random;

namespace {

constexpr std::size_t held_out_indices = 5;

std::size_t number_in(const std::string& text, const std::string& name) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        fail("read_recordings", "'" + name + "' is not named digit_speaker_index.wav");
    return value;
}

Recording recording_of(Sound sound) {
    const std::string& name = sound.name;
    const std::size_t first = name.find('_'), last = name.rfind('_');
    if (first == std::string::npos || last == first)
        fail("read_recordings", "'" + name + "' is not named digit_speaker_index.wav");
    Recording r{name.substr(first + 1, last - first - 1),
                number_in(name.substr(0, first), name),
                number_in(name.substr(last + 1, name.rfind('.') - last - 1), name),
                {}};
    if (r.digit >= words.size())
        fail("read_recordings", "'" + name + "' is not a digit from 0 to 9");
    r.samples = std::move(sound.samples);
    return r;
}

// A digit as two tones that rise and fade in volume; the voice determines the pitch.
Recording tones(std::size_t digit, std::size_t voice, std::size_t index, double rate) {
    Random random = Random(7).split(digit * 1000 + voice * 100 + index);
    const double pitch =
        (0.95 + 0.05 * static_cast<double>(voice)) * (0.98 + 0.04 * random.uniform());
    const double low = pitch * 300 * std::pow(1.35, static_cast<double>(digit % 4));
    const double high = pitch * 1200 * std::pow(1.35, static_cast<double>(digit / 4));
    Recording r{"voice" + std::to_string(voice), digit, index, {}};
    r.samples.resize(static_cast<std::size_t>(rate * (0.15 + 0.15 * random.uniform())));
    for (std::size_t i = 0; i < r.samples.size(); ++i) {
        const double t = static_cast<double>(i) / rate;
        const double part = static_cast<double>(i) / static_cast<double>(r.samples.size());
        const double both =
            std::sin(2 * std::numbers::pi * low * t) + std::sin(2 * std::numbers::pi * high * t);
        r.samples[i] = static_cast<float>(0.2 * std::sin(std::numbers::pi * part) * both);
    }
    return r;
}

float loudness(std::span<const float> samples) {
    double sum = 0;
    for (const float x : samples) sum += static_cast<double>(x) * x;
    return static_cast<float>(
        std::sqrt(sum / std::max<double>(1, static_cast<double>(samples.size()))));
}

} // namespace

Recordings read_recordings(const std::string& path) {
    Recordings all;
    std::vector<Recording> found;
    if (path.empty()) {
        all.sample_rate = 8000;
        for (std::size_t digit = 0; digit < words.size(); ++digit)
            for (std::size_t voice = 0; voice < 3; ++voice)
                for (std::size_t index = 0; index < 15; ++index)
                    found.push_back(tones(digit, voice, index, 8000));
    } else {
        for (Sound& sound : read_sounds(path)) {
            all.sample_rate = sound.sample_rate;
            found.push_back(recording_of(std::move(sound)));
        }
    }
    for (Recording& r : found)
        (r.index < held_out_indices ? all.held_out : all.training).push_back(std::move(r));
    if (all.training.empty() || all.held_out.empty())
        fail("read_recordings", "'" + path + "' contains " + std::to_string(all.held_out.size()) +
                                    " recordings of index 0 to 4 and " +
                                    std::to_string(all.training.size()) +
                                    " others; both are needed");
    return all;
}

std::vector<std::size_t> draw_string(const std::vector<Recording>& recordings, std::size_t count,
                                     Random& random) {
    const std::string& speaker = recordings[random.below(recordings.size())].speaker;
    std::vector<std::size_t> own, chosen;
    for (std::size_t i = 0; i < recordings.size(); ++i)
        if (recordings[i].speaker == speaker) own.push_back(i);
    while (chosen.size() < count) chosen.push_back(own[random.below(own.size())]);
    return chosen;
}

Utterance join(const std::vector<Recording>& recordings, std::span<const std::size_t> chosen,
               std::size_t sample_rate, Random& random) {
    Utterance u;
    const auto pause = [&](double longest) {
        u.samples.resize(u.samples.size() +
                         static_cast<std::size_t>(longest * random.uniform() *
                                                  static_cast<double>(sample_rate)));
    };
    pause(0.15);
    float loudest = 0;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        if (i > 0) pause(0.3);
        const Recording& r = recordings[chosen[i]];
        u.samples.insert(u.samples.end(), r.samples.begin(), r.samples.end());
        u.digits.push_back(r.digit);
        loudest = std::max(loudest, loudness(r.samples));
    }
    pause(0.15);
    const double decibels = 15 + 20 * random.uniform();
    const auto noise = static_cast<float>(loudest * std::pow(10, -decibels / 20));
    const auto gain = static_cast<float>(0.5 + random.uniform());
    std::vector<float> hiss(u.samples.size());
    random.fill_normal(hiss.data(), hiss.size(), 0.f, noise);
    for (std::size_t i = 0; i < hiss.size(); ++i) u.samples[i] = gain * (u.samples[i] + hiss[i]);
    return u;
}

Utterance alone(const Recording& recording) { return {recording.samples, {recording.digit}}; }

std::vector<Utterance> test_recordings(const Recordings& recordings) {
    std::vector<Utterance> all;
    for (const Recording& recording : recordings.held_out) all.push_back(alone(recording));
    return all;
}

std::vector<Utterance> test_strings(const Recordings& recordings) {
    Random random(5);
    std::vector<Utterance> all;
    for (std::size_t i = 0; i < (recordings.held_out.size() + 2) / 3; ++i) {
        const auto chosen = draw_string(recordings.held_out, 3 + i % 4, random);
        all.push_back(join(recordings.held_out, chosen, recordings.sample_rate, random));
    }
    return all;
}

} // namespace speech
