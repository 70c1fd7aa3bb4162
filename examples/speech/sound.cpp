#include "sound.hpp"

#include <unroll/core/base/error.hpp>
#include <unroll/core/files/file.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include <archive.h>
#include <archive_entry.h>
#include <sndfile.h>

namespace speech {

using unroll::fail;
namespace fs = std::filesystem;

namespace {

constexpr const char* name = "read_sounds";

bool is_wav(const fs::path& path) {
    std::string ending = path.extension().string();
    std::transform(ending.begin(), ending.end(), ending.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return ending == ".wav";
}

// A file in memory, as libsndfile reads it.
struct Memory {
    std::span<const std::byte> bytes;
    sf_count_t at = 0;

    static sf_count_t size(void* self) {
        return static_cast<sf_count_t>(static_cast<Memory*>(self)->bytes.size());
    }
    static sf_count_t seek(sf_count_t offset, int from, void* self) {
        auto& memory = *static_cast<Memory*>(self);
        const sf_count_t base = from == SEEK_SET ? 0 : from == SEEK_CUR ? memory.at : size(self);
        return memory.at = std::clamp<sf_count_t>(base + offset, 0, size(self));
    }
    static sf_count_t read(void* to, sf_count_t count, void* self) {
        auto& memory = *static_cast<Memory*>(self);
        const sf_count_t got = std::min(count, size(self) - memory.at);
        std::copy_n(memory.bytes.begin() + memory.at, got, static_cast<std::byte*>(to));
        memory.at += got;
        return got;
    }
    static sf_count_t write(const void*, sf_count_t, void*) { return 0; }
    static sf_count_t tell(void* self) { return static_cast<Memory*>(self)->at; }
};

using File = std::unique_ptr<SNDFILE, int (*)(SNDFILE*)>;

Sound decode(std::span<const std::byte> bytes, const std::string& path, const std::string& entry) {
    const std::string where = "'" + path + "'" + (entry.empty() ? "" : ": '" + entry + "'");
    Memory memory{bytes};
    SF_VIRTUAL_IO io{Memory::size, Memory::seek, Memory::read, Memory::write, Memory::tell};
    SF_INFO info{};
    const File file(sf_open_virtual(&io, SFM_READ, &info, &memory), sf_close);
    if (!file) fail(name, where + " cannot be read: " + sf_strerror(nullptr));
    const auto channels = static_cast<std::size_t>(info.channels);
    std::vector<float> all(static_cast<std::size_t>(info.frames) * channels);
    const sf_count_t got = sf_readf_float(file.get(), all.data(), info.frames);
    if (got != info.frames || got == 0)
        fail(name, where + " has " + std::to_string(got) + " samples where " +
                       std::to_string(info.frames) + " are promised");
    Sound sound{fs::path(entry.empty() ? path : entry).filename().string(),
                static_cast<std::size_t>(info.samplerate),
                {}};
    for (std::size_t i = 0; i < all.size(); i += channels) {
        float sum = 0;
        for (std::size_t c = 0; c < channels; ++c) sum += all[i + c];
        sound.samples.push_back(sum / static_cast<float>(channels));
        if (!std::isfinite(sum)) fail(name, where + " holds a sample that is no number");
    }
    return sound;
}

std::vector<Sound> read_archive(const std::string& path) {
    const std::unique_ptr<archive, int (*)(archive*)> in(archive_read_new(), archive_read_free);
    archive_read_support_filter_all(in.get());
    archive_read_support_format_all(in.get());
    const auto checked = [&](la_ssize_t status) {
        if (status < ARCHIVE_WARN) {
            const char* const reason = archive_error_string(in.get());
            fail(name, "'" + path + "' cannot be read: " + (reason ? reason : "it is damaged"));
        }
        return status;
    };
    checked(archive_read_open_filename(in.get(), path.c_str(), 1 << 16));
    std::vector<Sound> sounds;
    std::vector<std::byte> bytes;
    archive_entry* entry = nullptr;
    while (checked(archive_read_next_header(in.get(), &entry)) != ARCHIVE_EOF) {
        const char* const entry_name = archive_entry_pathname(entry);
        if (entry_name == nullptr || !is_wav(entry_name)) continue;
        bytes.clear();
        for (;;) {
            const std::size_t before = bytes.size();
            bytes.resize(before + (1 << 16));
            const auto got = checked(archive_read_data(in.get(), bytes.data() + before, 1 << 16));
            bytes.resize(before + static_cast<std::size_t>(got));
            if (got == 0) break;
        }
        sounds.push_back(decode(bytes, path, entry_name));
    }
    return sounds;
}

} // namespace

std::vector<Sound> read_sounds(const std::string& path) {
    std::vector<Sound> sounds;
    if (fs::is_directory(path)) {
        for (const auto& file : fs::recursive_directory_iterator(path))
            if (file.is_regular_file() && is_wav(file.path()))
                sounds.push_back(decode(unroll::read_file(file.path()), file.path(), ""));
    } else if (is_wav(path)) {
        sounds.push_back(decode(unroll::read_file(path), path, ""));
    } else {
        sounds = read_archive(path);
    }
    if (sounds.empty()) fail(name, "'" + path + "' holds no WAV file");
    std::stable_sort(sounds.begin(), sounds.end(),
                     [](const Sound& a, const Sound& b) { return a.name < b.name; });
    for (const Sound& sound : sounds)
        if (sound.rate != sounds[0].rate)
            fail(name, "'" + path + "': '" + sound.name + "' has " + std::to_string(sound.rate) +
                           " samples a second, '" + sounds[0].name + "' " +
                           std::to_string(sounds[0].rate));
    return sounds;
}

void write_wav(const std::string& path, const Sound& sound) {
    SF_INFO info{};
    info.samplerate = static_cast<int>(sound.rate);
    info.channels = 1;
    info.format = SF_FORMAT_WAV | SF_FORMAT_PCM_16;
    const File file(sf_open(path.c_str(), SFM_WRITE, &info), sf_close);
    const auto count = static_cast<sf_count_t>(sound.samples.size());
    if (!file || sf_writef_float(file.get(), sound.samples.data(), count) != count)
        fail("write_wav", "'" + path + "' cannot be written: " + sf_strerror(file.get()));
}

} // namespace speech
