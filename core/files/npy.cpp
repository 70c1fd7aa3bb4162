#include <unroll/core/base/scope.hpp>
#include <unroll/core/files/npy.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace unroll {

namespace {

constexpr const char* reading = "read_npy";
constexpr std::string_view magic = "\x93NUMPY";

// Parses the subset of Python syntax used in headers.
class HeaderReader {
public:
    HeaderReader(std::string_view text, const std::string& path) : text_(text), path_(path) {}

    [[noreturn]] void refuse(const std::string& problem) const {
        fail(reading,
             "'" + path_ + "': header: " + problem + " (character " + std::to_string(at_) + ")");
    }

    char peek() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos)
            ++at_;
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    bool take(char c) {
        if (peek() != c) return false;
        ++at_;
        return true;
    }
    void expect(char c) {
        if (!take(c)) refuse(std::string("'") + c + "' expected");
    }
    void expect_end() {
        if (peek() != '\0' || at_ < text_.size()) refuse("more than one value");
    }

    std::string string() {
        const char quote = peek();
        if (quote != '\'' && quote != '"') refuse("expected a string");
        const std::size_t end = text_.find(quote, ++at_);
        if (end == text_.npos) refuse("the string is not terminated");
        std::string read(text_.substr(at_, end - at_));
        at_ = end + 1;
        return read;
    }

    bool truth() {
        peek();
        for (const bool value : {false, true}) {
            const std::string_view word = value ? "True" : "False";
            if (!text_.substr(at_).starts_with(word)) continue;
            at_ += word.size();
            return value;
        }
        refuse("expected True or False");
    }

    Shape shape() {
        Shape shape;
        expect('(');
        while (!take(')')) {
            if (shape.size() == max_rank)
                refuse("more than " + std::to_string(max_rank) + " dimensions");
            shape.push_back(extent());
            take('L'); // long integers of Python 2
            if (!take(',') && peek() != ')') refuse("',' or ')' expected");
        }
        try {
            checked_count(shape);
        } catch (const Error& error) {
            refuse(error.failure()->problem);
        }
        return shape;
    }

private:
    std::size_t extent() {
        peek();
        std::size_t n = 0;
        const char* const begin = text_.data() + at_;
        const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), n);
        if (error != std::errc()) refuse("expected an extent of at most 64 bits");
        at_ += static_cast<std::size_t>(end - begin);
        return n;
    }

    std::string_view text_;
    const std::string& path_;
    std::size_t at_ = 0;
};

struct Header {
    std::string dtype;
    bool fortran_order = false;
    Shape shape;
};

Header read_header(std::string_view text, const std::string& path) {
    HeaderReader in(text, path);
    std::optional<std::string> dtype;
    std::optional<bool> fortran_order;
    std::optional<Shape> shape;
    in.expect('{');
    while (!in.take('}')) {
        const std::string key = in.string();
        in.expect(':');
        if ((key == "descr" && dtype) || (key == "fortran_order" && fortran_order) ||
            (key == "shape" && shape))
            in.refuse("'" + key + "' occurs twice");
        if (key == "descr") {
            if (in.peek() == '[' || in.peek() == '{' || in.peek() == '(')
                in.refuse("structured arrays are not supported; save each field separately");
            dtype = in.string();
        } else if (key == "fortran_order") {
            fortran_order = in.truth();
        } else if (key == "shape") {
            shape = in.shape();
        } else {
            in.refuse("unknown key '" + key + "'");
        }
        if (!in.take(',') && in.peek() != '}') in.refuse("',' or '}' expected");
    }
    in.expect_end();
    if (!dtype || !fortran_order || !shape)
        in.refuse("expected 'descr', 'fortran_order' and 'shape'");
    return {*dtype, *fortran_order, *shape};
}

struct Stored {
    Dtype format;
    bool swapped;
};

Stored read_dtype(const std::string& dtype, const std::string& where) {
    constexpr std::pair<std::string_view, Dtype> formats[] = {
        {"f2", Dtype::f16}, {"f4", Dtype::f32}, {"f8", Dtype::f64}, {"i1", Dtype::i8},
        {"i2", Dtype::i16}, {"i4", Dtype::i32}, {"i8", Dtype::i64}, {"u1", Dtype::u8},
        {"u2", Dtype::u16}, {"u4", Dtype::u32}, {"u8", Dtype::u64}, {"b1", Dtype::boolean}};
    const bool has_order = dtype.size() == 3 && std::strchr("<>=|", dtype[0]) != nullptr;
    for (const auto& [name, format] : formats)
        if (dtype == name || (has_order && std::string_view(dtype).substr(1) == name))
            return {format, dtype[0] == '>'};
    const bool is_object = dtype.find('O') != dtype.npos;
    fail(reading, where + "elements of type '" + dtype + "' are not supported" +
                      (is_object ? ": Python objects can run code" : ""));
}

// Row-major copy of column-major elements.
template <class T>
Tensor<T> from_fortran_order(Tensor<T> flat, const Shape& shape) {
    const Shape reversed(shape.rbegin(), shape.rend());
    return flat.reshape(reversed).transpose().copy();
}

template <class T>
constexpr const char* dtype_of = std::is_same_v<T, bool>     ? "|b1"
                                 : std::is_integral_v<T>     ? "<i8"
                                 : std::is_same_v<T, double> ? "<f8"
                                                             : "<f4";

} // namespace

template <class T>
Tensor<T> read_npy(const std::string& path, Narrowing narrowing, Where where) {
    const Called here(where);
    const std::vector<std::byte> file = read_file(path);
    const std::string in_file = "'" + path + "': ";
    const Bytes bytes(file);
    const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
    if (!text.starts_with(magic)) fail(reading, in_file + "this is not an .npy file");
    if (text.size() < 8) fail(reading, in_file + "the file ends within its first 8 bytes");
    const int version = static_cast<unsigned char>(text[6]);
    if (version < 1 || version > 3 || text[7] != 0)
        fail(reading, in_file + "format version " + std::to_string(version) + "." +
                          std::to_string(static_cast<unsigned char>(text[7])) +
                          " is not supported");
    const std::size_t begin = version == 1 ? 10 : 12;
    if (text.size() < begin) fail(reading, in_file + "the file ends before its header");
    std::size_t length = 0;
    for (std::size_t i = begin; i-- > 8;)
        length = length << 8 | static_cast<unsigned char>(text[i]);
    if (length > text.size() - begin)
        fail(reading, in_file + "a header of " + std::to_string(length) +
                          " bytes does not fit a file of " + std::to_string(text.size()));

    const Header header = read_header(text.substr(begin, length), path);
    const Stored stored = read_dtype(header.dtype, in_file);
    const std::size_t count = checked_count(header.shape);
    const std::size_t have = text.size() - begin - length;
    if (count * bytes_of(stored.format) != have)
        fail(reading, in_file + "shape " + to_string(header.shape) + " of '" + header.dtype +
                          "' takes " + std::to_string(count * bytes_of(stored.format)) +
                          " bytes of data, the file has " + std::to_string(have));
    Tensor<T> tensor(header.fortran_order ? Shape{count} : header.shape);
    decode(reading, in_file + "type '" + header.dtype + "'", stored.format, stored.swapped,
           bytes.subspan(begin + length), tensor.data(), narrowing);
    return header.fortran_order ? from_fortran_order(tensor, header.shape) : tensor;
}

template <class T>
void write_npy(const std::string& path, const Tensor<T>& tensor, Where where) {
    const Called here(where);
    std::string shape = "(";
    for (std::size_t i = 0; i < tensor.dimension(); ++i)
        shape += (i > 0 ? ", " : "") + std::to_string(tensor.shape(i));
    shape += tensor.dimension() == 1 ? ",)" : ")";
    std::string header = std::string("{'descr': '") + dtype_of<T> +
                         "', 'fortran_order': False, 'shape': " + shape + ", }";
    // The data begin at a multiple of 64 bytes.
    header.append(63 - (magic.size() + 4 + header.size()) % 64, ' ').push_back('\n');
    const auto length = static_cast<std::uint16_t>(header.size());

    const Tensor<T> dense = tensor.contiguous();
    write_file_atomically(path, [&](FileWriter& file) {
        file.write(magic);
        file.write(std::string_view("\1\0", 2));
        file.write(std::as_bytes(std::span(&length, 1)));
        file.write(header);
        file.write(std::as_bytes(std::span(dense.data(), dense.size())));
    });
}

template Tensor<float> read_npy(const std::string&, Narrowing, Where);
template Tensor<double> read_npy(const std::string&, Narrowing, Where);
template Tensor<std::int64_t> read_npy(const std::string&, Narrowing, Where);
template Tensor<bool> read_npy(const std::string&, Narrowing, Where);
template void write_npy(const std::string&, const Tensor<float>&, Where);
template void write_npy(const std::string&, const Tensor<double>&, Where);
template void write_npy(const std::string&, const Tensor<std::int64_t>&, Where);
template void write_npy(const std::string&, const Tensor<bool>&, Where);

} // namespace unroll
