#include <unroll/core/base/scope.hpp>
#include <unroll/core/files/safetensors.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <set>
#include <string_view>

#include <nlohmann/json.hpp>

namespace unroll {

namespace {

using Json = nlohmann::json;

constexpr const char* reading = "SafetensorsFile::read";
constexpr const char* writing = "write_safetensors";
constexpr std::string_view metadata_key = "__metadata__";
constexpr std::uint64_t longest_header = 100'000'000;

// An element type by its name in the format.
struct NamedDtype {
    std::string_view name;
    std::uint64_t bits;
    std::optional<Dtype> dtype; // none if the element type is not supported
};

constexpr NamedDtype dtypes[] = {
    {"F32", 32, Dtype::f32},      {"F64", 64, Dtype::f64},      {"F16", 16, Dtype::f16},
    {"BF16", 16, Dtype::bf16},    {"I64", 64, Dtype::i64},      {"I32", 32, Dtype::i32},
    {"I16", 16, Dtype::i16},      {"I8", 8, Dtype::i8},         {"U64", 64, Dtype::u64},
    {"U32", 32, Dtype::u32},      {"U16", 16, Dtype::u16},      {"U8", 8, Dtype::u8},
    {"BOOL", 8, Dtype::boolean},  {"C64", 64, std::nullopt},    {"F8_E4M3", 8, std::nullopt},
    {"F8_E5M2", 8, std::nullopt}, {"F8_E8M0", 8, std::nullopt}, {"F6_E2M3", 6, std::nullopt},
    {"F6_E3M2", 6, std::nullopt}, {"F4", 4, std::nullopt},
};

const NamedDtype* find_dtype(std::string_view name) {
    const auto found = std::find_if(std::begin(dtypes), std::end(dtypes),
                                    [&](const NamedDtype& d) { return d.name == name; });
    return found == std::end(dtypes) ? nullptr : found;
}

struct Entry {
    std::optional<std::string> dtype;
    std::optional<std::vector<std::uint64_t>> shape, offsets;
};

// SAX handler for the header: no recursion, rejects duplicate keys.
class HeaderSax {
public:
    std::map<std::string, std::string> metadata;
    std::map<std::string, Entry> entries;

    explicit HeaderSax(const std::string& path) : path_(path) {}

    [[noreturn]] void refuse(const std::string& problem) const {
        std::string location = "the header";
        if (!name_.empty()) location += ", '" + name_ + "'";
        if (!field_.empty()) location += ", '" + field_ + "'";
        fail(reading, "'" + path_ + "': " + location + ": " + problem);
    }

    bool start_object(std::size_t) {
        if (skipped_ > 0 || is_unknown_field()) return ++skipped_, true;
        if (depth_ == 2) refuse("an object is not expected here");
        ++depth_;
        return true;
    }
    bool end_object() {
        if (skipped_ > 0) return --skipped_, true;
        --depth_;
        if (depth_ == 1 && name_ != metadata_key) {
            const Entry& e = entries.at(name_);
            field_.clear();
            if (!e.dtype || !e.shape || !e.offsets)
                refuse("expected 'dtype', 'shape' and 'data_offsets'");
        }
        name_.clear();
        field_.clear();
        fields_.clear();
        return true;
    }
    bool key(std::string& key) {
        if (skipped_ > 0) return true;
        if (depth_ == 1) {
            name_ = key;
            const bool first = key == metadata_key ? !std::exchange(has_metadata_, true)
                                                   : entries.try_emplace(key).second;
            if (!first) refuse("the name occurs twice");
            return true;
        }
        field_ = key;
        if (!fields_.insert(key).second) refuse("the key occurs twice");
        return true;
    }
    bool start_array(std::size_t) {
        if (skipped_ > 0 || is_unknown_field()) return ++skipped_, true;
        if (list_ != nullptr) refuse("expected a list of numbers");
        list_ = field_list();
        if (list_ == nullptr) refuse("a list is not expected here");
        return true;
    }
    bool end_array() {
        if (skipped_ > 0) return --skipped_, true;
        list_ = nullptr;
        return true;
    }
    bool string(std::string& value) {
        if (is_ignored()) return true;
        if (depth_ == 2 && name_ == metadata_key)
            metadata[field_] = value;
        else if (depth_ == 2 && field_ == "dtype" && list_ == nullptr)
            entries.at(name_).dtype = value;
        else
            refuse("a string is not expected here");
        return true;
    }
    bool number_unsigned(std::uint64_t value) {
        if (is_ignored()) return true;
        if (list_ == nullptr) refuse("a number is not expected here");
        list_->push_back(value);
        return true;
    }
    bool number_integer(std::int64_t) { return reject("a negative number"); }
    bool number_float(double, const std::string& text) { return reject("the number " + text); }
    bool boolean(bool) { return reject("true or false"); }
    bool null() { return reject("null"); }
    bool binary(Json::binary_t&) { return reject("binary data"); }
    bool parse_error(std::size_t position, const std::string&, const Json::exception& error) {
        name_.clear();
        field_.clear();
        refuse("invalid JSON at byte " + std::to_string(position) + ": " + error.what());
    }

private:
    bool is_unknown_field() const {
        return depth_ == 2 && name_ != metadata_key && field_ != "dtype" && field_ != "shape" &&
               field_ != "data_offsets";
    }
    bool is_ignored() const { return skipped_ > 0 || is_unknown_field(); }
    bool reject(const std::string& what) {
        if (!is_ignored()) refuse(what + " is not expected here");
        return true;
    }
    std::vector<std::uint64_t>* field_list() {
        if (depth_ != 2 || name_ == metadata_key) return nullptr;
        Entry& e = entries.at(name_);
        if (field_ == "shape") return &e.shape.emplace();
        if (field_ == "data_offsets") return &e.offsets.emplace();
        return nullptr;
    }

    const std::string& path_;
    std::string name_, field_;
    std::set<std::string> fields_;
    std::vector<std::uint64_t>* list_ = nullptr;
    std::size_t depth_ = 0, skipped_ = 0;
    bool has_metadata_ = false;
};

std::string to_text(const std::vector<std::uint64_t>& shape) {
    std::string text;
    for (const std::uint64_t n : shape) text += (text.empty() ? "" : ", ") + std::to_string(n);
    return "[" + text + "]";
}

// Number of bytes; none if it overflows or is not an integer.
std::optional<std::uint64_t> byte_count(const std::vector<std::uint64_t>& shape,
                                        std::uint64_t bits) {
    std::uint64_t count = bits;
    bool fits = true;
    for (const std::uint64_t n : shape)
        fits &= !__builtin_mul_overflow(count, std::max(n, std::uint64_t{1}), &count);
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) count = 0;
    if (!fits || count % 8 != 0) return std::nullopt;
    return count / 8;
}

struct Span {
    std::uint64_t begin, end;
    const std::string* name;
};

Span check_entry(const std::string& where, const std::string& name, const Entry& entry,
                 std::uint64_t size) {
    const std::string tensor = where + "tensor '" + name + "': ";
    const NamedDtype* dtype = find_dtype(*entry.dtype);
    if (dtype == nullptr) fail(reading, tensor + "unknown dtype '" + *entry.dtype + "'");
    if (entry.offsets->size() != 2)
        fail(reading,
             tensor + "expected two data_offsets, got " + std::to_string(entry.offsets->size()));
    const std::uint64_t begin = (*entry.offsets)[0], end = (*entry.offsets)[1];
    if (begin > end || end > size)
        fail(reading, tensor + "data_offsets " + to_text(*entry.offsets) + " in " +
                          std::to_string(size) + " bytes of data");
    const auto bytes = byte_count(*entry.shape, dtype->bits);
    if (!bytes)
        fail(reading, tensor + "shape " + to_text(*entry.shape) + " of " + *entry.dtype +
                          " has too many elements, or ends within a byte");
    if (*bytes != end - begin)
        fail(reading, tensor + "shape " + to_text(*entry.shape) + " of " + *entry.dtype +
                          " takes " + std::to_string(*bytes) + " bytes, data_offsets " +
                          to_text(*entry.offsets) + " give " + std::to_string(end - begin));
    return {begin, end, &name};
}

void check_coverage(const std::string& where, std::vector<Span>& spans, std::uint64_t size) {
    std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
        return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    std::uint64_t at = 0;
    for (const Span& span : spans) {
        if (span.begin != at)
            fail(reading, where + "tensor '" + *span.name + "' begins at byte " +
                              std::to_string(span.begin) + " of the data, where " +
                              std::to_string(at) + " bytes are used: " +
                              (span.begin < at ? "it overlaps another" : "there is a gap"));
        at = span.end;
    }
    if (at != size)
        fail(reading, where + std::to_string(size - at) + " bytes at the end belong to no tensor");
}

std::string quoted(const std::string& text) {
    try {
        return Json(text).dump();
    } catch (const Json::exception& error) {
        fail(writing, "a name or a value is not UTF-8: " + std::string(error.what()));
    }
}

template <class T>
constexpr const char* dtype_of = std::is_same_v<T, bool>     ? "BOOL"
                                 : std::is_integral_v<T>     ? "I64"
                                 : std::is_same_v<T, double> ? "F64"
                                                             : "F32";

struct Described {
    const char* dtype;
    std::size_t item;
    Shape shape;
    std::uint64_t bytes;
};

Described describe(const NamedTensor& named) {
    return std::visit(
        []<class T>(const Tensor<T>& tensor) {
            return Described{dtype_of<T>, sizeof(T), tensor.shape(), tensor.size() * sizeof(T)};
        },
        named.tensor);
}

std::string compose_header(const std::vector<NamedTensor>& tensors,
                           const std::map<std::string, std::string>& metadata) {
    std::string json = "{", separator;
    if (!metadata.empty()) {
        json += "\"__metadata__\":{";
        for (const auto& [key, value] : metadata) {
            json += separator + quoted(key) + ":" + quoted(value);
            separator = ",";
        }
        json += "}";
    }
    std::uint64_t at = 0;
    for (const NamedTensor& named : tensors) {
        const Described d = describe(named);
        json += separator + quoted(named.name) + ":{\"dtype\":\"" + d.dtype +
                "\",\"shape\":" + to_text({d.shape.begin(), d.shape.end()}) +
                ",\"data_offsets\":" + to_text({at, at + d.bytes}) + "}";
        at += d.bytes;
        separator = ",";
    }
    json += "}";
    json.append((8 - json.size() % 8) % 8, ' ');
    return json;
}

} // namespace

SafetensorsFile SafetensorsFile::read(const std::string& path, Where where) {
    const Called here(where);
    SafetensorsFile read;
    read.path_ = path;
    read.file_ = std::make_shared<const std::vector<std::byte>>(read_file(path));
    const std::string in_file = "'" + path + "': ";
    const Bytes file(*read.file_);
    std::uint64_t length = 0;
    if (file.size() < sizeof(length))
        fail(reading, in_file + std::to_string(file.size()) + " bytes are not a safetensors file");
    std::memcpy(&length, file.data(), sizeof(length));
    const std::uint64_t rest = file.size() - sizeof(length);
    if (length > longest_header || length > rest)
        fail(reading, in_file + "a header of " + std::to_string(length) +
                          " bytes does not fit a file of " + std::to_string(file.size()) +
                          ", or is longer than " + std::to_string(longest_header));
    const std::string_view text(reinterpret_cast<const char*>(file.data()) + sizeof(length),
                                length);
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == text.npos || text[first] != '{')
        fail(reading, in_file + "the header does not begin with '{'");
    // The parser would stop at a zero byte and ignore the rest.
    if (text.find('\0') != text.npos)
        fail(reading, in_file + "the header is not valid JSON: it contains a zero byte");

    HeaderSax header(path);
    Json::sax_parse(text.begin(), text.end(), &header);

    const Bytes data = file.subspan(sizeof(length) + length);
    std::vector<Span> spans;
    for (const auto& [name, entry] : header.entries)
        spans.push_back(check_entry(in_file, name, entry, data.size()));
    check_coverage(in_file, spans, data.size());
    read.metadata_ = std::move(header.metadata);
    for (auto& [name, entry] : header.entries) {
        const auto begin = (*entry.offsets)[0], end = (*entry.offsets)[1];
        read.tensors_[name] = {std::move(*entry.dtype), std::move(*entry.shape),
                               data.subspan(begin, end - begin)};
    }
    return read;
}

std::vector<std::string> SafetensorsFile::names() const {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors_) names.push_back(name);
    return names;
}

const StoredTensor& SafetensorsFile::at(const std::string& name, Where where) const {
    const Called here(where);
    const auto found = tensors_.find(name);
    if (found == tensors_.end())
        fail("SafetensorsFile", "'" + path_ + "' has no tensor '" + name + "'");
    return found->second;
}

template <class T>
Tensor<T> SafetensorsFile::get(const std::string& name, Narrowing narrowing, Where where) const {
    const Called here(where);
    constexpr const char* operation = "SafetensorsFile::get";
    const StoredTensor& stored = at(name);
    const std::string what = "'" + path_ + "': tensor '" + name + "' of type " + stored.dtype;
    if (stored.shape.size() > max_rank)
        fail(operation, what + " has " + std::to_string(stored.shape.size()) +
                            " dimensions, at most " + std::to_string(max_rank) + " are supported");
    const auto dtype = find_dtype(stored.dtype)->dtype;
    if (!dtype) fail(operation, what + ": this element type is not supported");
    const Shape shape(stored.shape.begin(), stored.shape.end());
    try {
        checked_count(shape);
    } catch (const Error& error) {
        fail(operation, what + ": " + error.failure()->problem);
    }
    Tensor<T> tensor(shape);
    decode(operation, what, *dtype, false, stored.bytes, tensor.data(), narrowing);
    return tensor;
}

template Tensor<float> SafetensorsFile::get(const std::string&, Narrowing, Where) const;
template Tensor<double> SafetensorsFile::get(const std::string&, Narrowing, Where) const;
template Tensor<std::int64_t> SafetensorsFile::get(const std::string&, Narrowing, Where) const;
template Tensor<bool> SafetensorsFile::get(const std::string&, Narrowing, Where) const;

void write_safetensors(const std::string& path, std::vector<NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata, Where where) {
    const Called here(where);
    std::set<std::string_view> names;
    for (const NamedTensor& named : tensors) {
        if (named.name == metadata_key)
            fail(writing, "the name '__metadata__' is reserved by the format");
        if (!names.insert(named.name).second)
            fail(writing, "two tensors have the name '" + named.name + "'");
    }
    std::sort(tensors.begin(), tensors.end(), [](const NamedTensor& a, const NamedTensor& b) {
        const std::size_t x = describe(a).item, y = describe(b).item;
        return x != y ? x > y : a.name < b.name;
    });
    const std::string header = compose_header(tensors, metadata);
    const std::uint64_t length = header.size();
    if (length > longest_header)
        fail(writing, "a header of " + std::to_string(length) + " bytes is too long");
    write_file_atomically(path, [&](FileWriter& file) {
        file.write(std::as_bytes(std::span(&length, 1)));
        file.write(header);
        for (const NamedTensor& named : tensors)
            std::visit(
                [&]<class T>(const Tensor<T>& tensor) {
                    const Tensor<T> dense = tensor.contiguous();
                    file.write(std::as_bytes(std::span(dense.data(), dense.size())));
                },
                named.tensor);
    });
}

} // namespace unroll
