// Readers of the example programs' libraries.

#include "../../examples/caption/data.hpp"
#include "../../examples/forecast/series.hpp"
#include "../../examples/music/pieces.hpp"
#include "../../examples/speech/features.hpp"
#include "../../examples/speech/sound.hpp"
#include "readers.hpp"

#include <array>

namespace {

// A WAV file, and one in an archive.
void read_sounds(const std::string& path) {
    for (const auto& sound : speech::read_sounds(path)) {
        const speech::Filterbank filterbank({.sample_rate = sound.sample_rate});
        filterbank(
            std::span(sound.samples).first(std::min<std::size_t>(sound.samples.size(), 4096)));
    }
}
const fuzz::Add sound("sound", read_sounds, "sound.wav", false);
const fuzz::Add archive("archive", read_sounds, "sounds", false);

const fuzz::Add music("music", [](const std::string& path) {
    for (const auto& piece : music::read_pieces(path).train) {
        music::piano_roll<float>(piece);
        music::midi(piece, 90);
    }
});

const fuzz::Add forecast("forecast", [](const std::string& path) {
    const auto series = forecast::read_series(path);
    const std::size_t begin = series.training_steps();
    forecast::forecasts_svg("", series, begin, {});
});

// An idx file, "|", and captions.
const fuzz::Add captions(
    "captions",
    [](const std::string& path) {
        const std::string content = fuzz::text_of(path);
        const std::size_t end = std::min(content.find("\n|\n"), content.size());
        const std::string folder = std::filesystem::path(path).parent_path();
        fuzz::put(path, content.substr(0, end));
        fuzz::put(folder + "/captions.tsv", content.substr(std::min(end + 3, content.size())));
        const auto images = caption::read_images(folder);
        caption::batch_of<float>(images, std::array<std::size_t, 1>{});
    },
    "idx4", false);

} // namespace
