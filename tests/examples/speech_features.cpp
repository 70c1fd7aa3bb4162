#include "support.hpp"

#include "features.hpp"
#include "picture.hpp"
#include "recordings.hpp"
#include "symbols.hpp"

#include <unroll/core/files/file.hpp>
#include <unroll/ops/reduce.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numbers>

#include <unistd.h>

#include <doctest/doctest.h>

using namespace test;
using namespace speech;

namespace {

std::vector<float> tone(double hertz, std::size_t samples, double rate = 8000) {
    std::vector<float> x(samples);
    for (std::size_t i = 0; i < samples; ++i)
        x[i] = static_cast<float>(
            0.5 * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) / rate));
    return x;
}

Tensor<double> in_double(const Tensor<float>& x) {
    const auto values = x.to_vector();
    return {x.shape(), std::vector<double>(values.begin(), values.end())};
}

// A folder that is removed when the test ends.
struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("unroll_speech_" + std::to_string(getpid()));
    Folder() { std::filesystem::create_directories(path); }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string operator/(const std::string& name) const { return (path / name).string(); }
};

} // namespace

TEST_CASE("log-mel energies and their slopes agree with the formulas in NumPy") {
    const auto file = golden("filterbank");
    const auto samples = file.get<double>("samples").to_vector();
    const std::vector<float> x(samples.begin(), samples.end());
    const Filterbank bank({.filters = 24});
    // Silence is at the floor of the logarithm; elsewhere single precision limits the accuracy.
    CHECK(distance(in_double(bank.log_energies(x)), file.get<double>("energies")) < 1e-4);
    CHECK(distance(in_double(bank(x)), file.get<double>("features")) < 1e-3);
    CHECK(bank.width() == 72);
}

TEST_CASE("a filterbank locates a tone") {
    const Filterbank bank({});
    std::size_t before = 0;
    for (const double hertz : {150.0, 400.0, 1000.0, 2000.0, 3500.0}) {
        const auto energies = bank.log_energies(tone(hertz, 1000));
        CHECK(energies.shape() == Shape{11, 40});
        const std::size_t loudest = static_cast<std::size_t>(
            argmax(Variable<float>(energies.select(0, 5).expand_dims(0)))(0));
        CHECK(loudest > before);
        before = loudest;
    }
    CHECK(bank.log_energies(tone(500, 199)).shape() == Shape{1, 40});
    CHECK(bank.log_energies(tone(500, 279)).shape() == Shape{1, 40});
    CHECK(bank.log_energies(tone(500, 280)).shape() == Shape{2, 40});
    for (const float v : bank(std::vector<float>{}).to_vector()) CHECK(v == 0);
    CHECK(contains(error_of([] { Filterbank({.filters = 0}); }), "0 filters"));
    CHECK(contains(error_of([] { Filterbank({.step = 0}); }), "every 0, 40 filters"));
    CHECK(contains(error_of([] { Filterbank({.lowest = 4000}); }), "from 4000"));
}

TEST_CASE("sounds are written, read, averaged and rejected") {
    const Folder folder;
    const auto samples = tone(440, 500);
    write_wav(folder / "b.wav", {"", 8000, samples});
    write_wav(folder / "a.WAV", {"", 8000, tone(300, 90)});
    std::ofstream(folder / "notes.txt") << "nothing";
    const auto sounds = read_sounds(folder.path.string());
    REQUIRE(sounds.size() == 2);
    CHECK(sounds[0].name == "a.WAV");
    CHECK(sounds[1].sample_rate == 8000);
    REQUIRE(sounds[1].samples.size() == 500);
    for (std::size_t i = 0; i < 500; ++i)
        CHECK(std::abs(sounds[1].samples[i] - samples[i]) < 1e-4f);
    CHECK(read_sounds(folder / "b.wav")[0].samples == sounds[1].samples);

    const std::string archive = folder / "all.tar.gz";
    const std::string command =
        "cd '" + folder.path.string() + "' && tar czf all.tar.gz a.WAV b.wav notes.txt";
    REQUIRE(std::system(command.c_str()) == 0);
    CHECK(read_sounds(archive)[1].samples == sounds[1].samples);

    const auto refused = [](const std::string& path) {
        return error_of([&] { read_sounds(path); });
    };
    CHECK(contains(refused(folder / "notes.txt"), "notes.txt"));
    CHECK(contains(refused(folder / "none.wav"), "none.wav"));
    std::filesystem::resize_file(archive, 100);
    CHECK(contains(refused(archive), "all.tar.gz"));
    const auto file = read_file(folder / "b.wav");
    for (std::size_t size = 0; size < 44; ++size) {
        write_file_atomically(folder / "cut.wav", Bytes(file).first(size));
        CHECK(contains(refused(folder / "cut.wav"), "cut.wav"));
    }
    std::filesystem::remove(folder / "cut.wav");
    write_wav(folder / "c.wav", {"", 16000, samples});
    CHECK(contains(refused(folder.path.string()), "16000 samples per second"));
}

TEST_CASE("recordings are parsed by name and joined to strings") {
    const Recordings own = read_recordings("");
    CHECK(own.training.size() == 300);
    CHECK(own.held_out.size() == 150);
    Random random(1);
    for (const std::size_t count : {1, 3, 6}) {
        const auto chosen = draw_string(own.training, count, random);
        REQUIRE(chosen.size() == count);
        const auto u = join(own.training, chosen, own.sample_rate, random);
        std::size_t samples = 0;
        for (std::size_t i = 0; i < count; ++i) {
            CHECK(own.training[chosen[i]].speaker == own.training[chosen[0]].speaker);
            CHECK(u.digits[i] == own.training[chosen[i]].digit);
            samples += own.training[chosen[i]].samples.size();
        }
        CHECK(u.samples.size() >= samples);
        CHECK(u.samples.size() <= samples + 2400 * count);
    }
    CHECK(test_recordings(own).size() == 150);
    const auto strings = test_strings(own);
    CHECK(strings.size() == 50);
    CHECK(strings[7].digits.size() == 6);
    CHECK(strings[7].samples == test_strings(own)[7].samples);

    const Folder folder;
    const auto with = [&](const std::string& name) {
        write_wav(folder / name, {"", 8000, tone(300, 90)});
        const auto said = error_of([&] { read_recordings(folder.path.string()); });
        std::filesystem::remove(folder / name);
        return said;
    };
    CHECK(contains(with("tone.wav"), "'tone.wav' is not named digit_speaker_index.wav"));
    CHECK(contains(with("x_me_1.wav"), "'x_me_1.wav'"));
    CHECK(contains(with("11_me_1.wav"), "not a digit from 0 to 9"));
    CHECK(contains(with("1_me_1.wav"), "both are needed"));
    write_wav(folder / "7_a_b_2.wav", {"", 8000, tone(300, 90)});
    write_wav(folder / "8_me_12.wav", {"", 8000, tone(300, 90)});
    const auto two = read_recordings(folder.path.string());
    CHECK(two.held_out[0].speaker == "a_b");
    CHECK(two.training[0].index == 12);
}

TEST_CASE("digits as symbols and letters, and words from letters") {
    const Alphabet digits("digits"), letters("letters");
    const std::vector<std::size_t> said{3, 0, 3};
    CHECK(digits.size() == 11);
    CHECK(digits.encode(said) == std::vector<std::int64_t>{4, 1, 4});
    CHECK(digits.words_of(digits.encode(said)) == nn::Tokens{"three", "zero", "three"});
    CHECK(letters.size() == 17);
    CHECK(letters.encode(said).size() == 16);
    CHECK(letters.words_of(letters.encode(said)) == nn::Tokens{"three", "zero", "three"});
    CHECK(letters.words_of({}).empty());

    const Lexicon lexicon(letters);
    const auto allowed = [&](const std::string& word, const std::string& letter) {
        std::int64_t token = 0;
        while (letters[token] != letter) ++token;
        const auto next = lexicon(word, Indices({1}, {token}));
        std::string found;
        double total = 0;
        for (std::size_t v = 0; v < letters.size(); ++v) {
            const float p = next.log_probabilities.value()(0, v);
            total += std::exp(p);
            if (std::isfinite(p)) found += v == 0 ? "." : letters[static_cast<std::int64_t>(v)];
        }
        CHECK(total == doctest::Approx(1));
        return found;
    };
    CHECK(allowed("", "") == "efnostz");
    CHECK(allowed("", "s") == "ei");
    CHECK(allowed("si", "x") == ". ");
    CHECK(allowed("six", " ") == "efnostz");
}

TEST_CASE("drawing of a recognised utterance") {
    const auto svg =
        picture(Filterbank({}).log_energies(tone(500, 2000)), FilterbankOptions{}, {"one", " "},
                Tensor<float>({2, 6}, {1, 0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0.2f, 1}), 4);
    CHECK(svg.starts_with("<svg"));
    CHECK(contains(svg, ">one<"));
    CHECK(contains(svg, "(space)"));
    CHECK(svg.ends_with("</svg>\n"));
}
