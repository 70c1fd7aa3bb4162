#include "sound.hpp"

#include <unroll/core/base/error.hpp>
#include <unroll/core/files/file.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>

#include <archive.h>
#include <archive_entry.h>
#include <sndfile.h>

namespace speech {

using unroll::fail;
namespace fs = std::filesystem;

namespace {

constexpr const char* name = "read_sounds";

// The memory that the files of an archive may take: more than real ones do, but little enough that
// a small file cannot exhaust the memory.
class Budget {
public:
    // If the size is unknown, opening the file will say why.
    explicit Budget(const std::string& path) : path_(path) {
        std::error_code problem;
        const std::uintmax_t size = fs::file_size(path, problem);
        if (!problem) most_ = std::max<std::uint64_t>(most_, 32 * size);
    }

    std::uint64_t most() const { return most_; }
    void take(std::uint64_t bytes) {
        if (bytes > most_ - taken_)
            fail(name, "'" + path_ + "' decompresses to more than the limit of " +
                           std::to_string(most_) + " bytes");
        taken_ += bytes;
    }

private:
    const std::string& path_;
    std::uint64_t most_ = 1 << 28, taken_ = 0;
};

// macOS adds files that begin with "._" to archives.
bool is_wav(const fs::path& path) {
    if (path.filename().string().starts_with("._")) return false;
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

// Replaces a size of 0 or above 2 GB, as written to a pipe, by the size of the remaining data:
// libsndfile silently reads such a file, or a truncated one, as far as possible.
void check_size(std::span<std::byte> bytes, const std::string& where) {
    const auto text = [&](std::size_t at) {
        return std::string_view(reinterpret_cast<const char*>(&bytes[at]), 4);
    };
    const auto number = [&](std::size_t at) {
        std::uint32_t n = 0;
        for (std::size_t i = 4; i-- > 0;)
            n = n << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
        return n;
    };
    const auto put = [&](std::size_t at, std::size_t n) {
        for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = std::byte(n >> (8 * i) & 255);
    };
    if (bytes.size() < 12 || text(0) != "RIFF" || text(8) != "WAVE")
        fail(name, where + " is not a WAV file (RIFF), whatever its name; convert it");
    for (std::size_t at = 12; at + 8 <= bytes.size();) {
        const std::size_t size = number(at + 4), rest = bytes.size() - at - 8;
        const bool is_data = text(at) == "data";
        if (is_data && (size == 0 || size >= 0x7fff0000)) {
            put(at + 4, rest);
            put(4, bytes.size() - 8);
            return;
        }
        if (size > rest)
            fail(name, where + " is truncated: " + std::to_string(rest) + " of " +
                           std::to_string(size) + " bytes of its chunk '" + std::string(text(at)) +
                           "' are present");
        if (is_data) return;
        at += 8 + size + size % 2;
    }
    fail(name, where + " has no chunk 'data'");
}

Sound decode(std::vector<std::byte> bytes, const std::string& path, const std::string& entry,
             Budget& budget) {
    const std::string where = "'" + path + "'" + (entry.empty() ? "" : ": '" + entry + "'");
    check_size(bytes, where);
    Memory memory{bytes};
    SF_VIRTUAL_IO io{Memory::size, Memory::seek, Memory::read, Memory::write, Memory::tell};
    SF_INFO info{};
    const File file(sf_open_virtual(&io, SFM_READ, &info, &memory), sf_close);
    if (!file) fail(name, where + " cannot be read: " + sf_strerror(nullptr));
    const auto channels = static_cast<std::size_t>(info.channels),
               frames = static_cast<std::size_t>(info.frames),
               rate = static_cast<std::size_t>(info.samplerate);
    // The most compact WAV encoding, GSM 6.10, has five samples per byte.
    if (info.frames < 0 || frames > 5 * bytes.size() / channels)
        fail(name, where + " specifies " + std::to_string(info.frames) + " samples in " +
                       std::to_string(bytes.size()) + " bytes");
    if (rate < least_rate || rate > largest_rate)
        fail(name, where + " has " + std::to_string(info.samplerate) + " samples per second");
    budget.take(frames * sizeof(float));
    Sound sound{fs::path(entry.empty() ? path : entry).filename().string(), rate, {}};
    sound.samples.reserve(frames);
    std::vector<float> block(4096 * channels);
    while (sound.samples.size() < frames) {
        const auto got = sf_readf_float(file.get(), block.data(), 4096);
        if (got <= 0) break;
        for (std::size_t i = 0; i < static_cast<std::size_t>(got) * channels; i += channels) {
            float sum = 0;
            for (std::size_t c = 0; c < channels; ++c) sum += block[i + c];
            sound.samples.push_back(sum / static_cast<float>(channels));
            if (!std::isfinite(sum)) fail(name, where + " contains a sample that is not finite");
        }
    }
    if (sound.samples.size() != frames || frames == 0)
        fail(name, where + " has " + std::to_string(sound.samples.size()) + " samples, but " +
                       std::to_string(frames) + " are specified");
    return sound;
}

Sound read_wav(const std::string& path) {
    Budget budget(path);
    return decode(unroll::read_file(path), path, "", budget);
}

bool is_gzip(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return file.get() == 0x1f && file.get() == 0x8b;
}

std::vector<Sound> read_archive(const std::string& path) {
    const std::unique_ptr<archive, int (*)(archive*)> in(archive_read_new(), archive_read_free);
    // Others run programs, or read files that the archive names; without seeking, the directory of
    // a zip file is ignored, and a truncated one accepted.
    for (const auto support : {archive_read_support_filter_bzip2, archive_read_support_filter_xz,
                               archive_read_support_filter_zstd, archive_read_support_format_tar,
                               archive_read_support_format_zip_seekable})
        support(in.get());
    std::string entry_name;
    const auto checked = [&](la_ssize_t status) {
        if (status < ARCHIVE_OK) {
            const char* const reason = archive_error_string(in.get());
            fail(name, "'" + path + "'" + (entry_name.empty() ? "" : ": '" + entry_name + "'") +
                           " cannot be read: " + (reason ? reason : "it is damaged"));
        }
        return status;
    };
    // libarchive does not compare the checksum of a gzip file, read_unpacked() does.
    std::vector<std::byte> unpacked;
    Budget budget(path);
    if (is_gzip(path)) {
        unpacked = unroll::read_unpacked(path, budget.most());
        checked(archive_read_open_memory(in.get(), unpacked.data(), unpacked.size()));
    } else {
        checked(archive_read_open_filename(in.get(), path.c_str(), 1 << 16));
    }
    std::vector<Sound> sounds;
    std::vector<std::byte> bytes, piece(1 << 16);
    archive_entry* entry = nullptr;
    while (checked(archive_read_next_header(in.get(), &entry)) != ARCHIVE_EOF) {
        const char* const called = archive_entry_pathname(entry);
        entry_name = called ? called : "";
        const bool is_sound = archive_entry_filetype(entry) == AE_IFREG && is_wav(entry_name);
        bytes.clear();
        while (const auto got = checked(archive_read_data(in.get(), piece.data(), piece.size()))) {
            budget.take(static_cast<std::uint64_t>(got)); // also of a file that is skipped
            if (is_sound) bytes.insert(bytes.end(), piece.begin(), piece.begin() + got);
        }
        if (is_sound) sounds.push_back(decode(bytes, path, entry_name, budget));
    }
    return sounds;
}

} // namespace

std::vector<Sound> read_sounds(const std::string& path) {
    std::vector<Sound> sounds;
    if (fs::is_directory(path)) {
        for (const auto& file : fs::recursive_directory_iterator(path))
            if (file.is_regular_file() && is_wav(file.path()))
                sounds.push_back(read_wav(file.path()));
    } else if (is_wav(path)) {
        sounds.push_back(read_wav(path));
    } else {
        sounds = read_archive(path);
    }
    if (sounds.empty()) fail(name, "'" + path + "' contains no WAV file");
    std::stable_sort(sounds.begin(), sounds.end(),
                     [](const Sound& a, const Sound& b) { return a.name < b.name; });
    for (const Sound& sound : sounds)
        if (sound.sample_rate != sounds[0].sample_rate)
            fail(name, "'" + path + "': '" + sound.name + "' has " +
                           std::to_string(sound.sample_rate) + " samples per second, '" +
                           sounds[0].name + "' " + std::to_string(sounds[0].sample_rate));
    return sounds;
}

void write_wav(const std::string& path, const Sound& sound) {
    SF_INFO info{};
    info.samplerate = static_cast<int>(sound.sample_rate);
    info.channels = 1;
    info.format = SF_FORMAT_WAV | SF_FORMAT_PCM_16;
    const File file(sf_open(path.c_str(), SFM_WRITE, &info), sf_close);
    const auto count = static_cast<sf_count_t>(sound.samples.size());
    if (!file || sf_writef_float(file.get(), sound.samples.data(), count) != count)
        fail("write_wav", "'" + path + "' cannot be written: " + sf_strerror(file.get()));
}

} // namespace speech
