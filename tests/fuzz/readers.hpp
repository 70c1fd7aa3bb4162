#pragma once

#include <unroll/core/base/error.hpp>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include <unistd.h>

namespace fuzz {

// Reads a file of any content, or refuses it with unroll::Error.
using Read = std::function<void(const std::string& path)>;

struct Reader {
    Read read;
    std::string file; // the name it expects
    bool names_file;  // its errors do
};

inline std::map<std::string, Reader>& readers() {
    static std::map<std::string, Reader> all;
    return all;
}

// Adds a reader on construction.
struct Add {
    Add(const std::string& name, const Read& read, const std::string& file = "file",
        bool names_file = true) {
        readers()[name] = {read, file, names_file};
    }
};
// Adds the reader of a program's model file, which also uses the model.
struct AddModel : Add {
    AddModel(const std::string& program, const Read& use)
        : Add("model_" + program, use, "model.safetensors", false) {}
};

inline void put(const std::string& path, std::string_view content) {
    std::filesystem::remove(path); // some file systems wait for the disk on overwriting
    std::ofstream file(path, std::ios::binary);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
}

inline std::string text_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Runs something that may refuse.
template <class F>
bool accepts(const F& f) {
    try {
        f();
        return true;
    } catch (const unroll::Error&) {
        return false;
    }
}

// A temporary folder of this process.
class Folder {
public:
    Folder() {
        path_ = (std::filesystem::temp_directory_path() / "unroll-fuzz-XXXXXX").string();
        if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary folder");
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

// Whether the reader accepts a file of this content.
inline bool reads(const Reader& reader, std::string_view content) {
    static const Folder folder;
    const std::string path = folder / reader.file;
    put(path, content);
    try {
        reader.read(path);
        return true;
    } catch (const unroll::Error& error) {
        if (reader.names_file && std::string_view(error.what()).find(path) == std::string::npos)
            throw std::logic_error(std::string("an error does not name the file: ") + error.what());
        return false;
    }
}

} // namespace fuzz
