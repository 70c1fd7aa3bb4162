#include <unroll/core/file.hpp>
#include <unroll/core/npy.hpp>
#include <unroll/core/safetensors.hpp>

#include <bit>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <string>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

using namespace unroll;

namespace {

namespace fs = std::filesystem;

// A directory of this test case's own.
class Folder {
public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "unroll-test-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    Path operator/(const std::string& name) const { return path_ / name; }
    std::size_t files() const {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
    }

private:
    Path path_;
};

void put(const Path& path, const std::string& bytes) {
    // Some file systems wait for the disk when a file is overwritten, not when it is new.
    fs::remove(path);
    std::ofstream file(path, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string text_of(const Path& path) {
    const auto bytes = read_file(path);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// The message of the Error that f throws; "" where it throws none. Anything else gets through.
template <class F>
std::string refusal(F f) {
    try {
        f();
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

bool says(const std::string& message, const std::string& part) {
    INFO(message);
    CHECK(message.find(part) != message.npos);
    return true;
}

template <class N>
std::string raw(std::initializer_list<N> numbers, bool swapped = false) {
    std::string bytes;
    for (const N n : numbers) {
        std::string one(reinterpret_cast<const char*>(&n), sizeof(N));
        if (swapped) one = std::string(one.rbegin(), one.rend());
        bytes += one;
    }
    return bytes;
}

} // namespace

TEST_CASE("read_file: bytes, or an error with path and reason") {
    const Folder folder;
    put(folder / "a", std::string("x\0y", 3));
    CHECK(text_of(folder / "a") == std::string("x\0y", 3));
    put(folder / "empty", "");
    CHECK(read_file(folder / "empty").empty());
    const std::string missing = refusal([&] { read_file(folder / "b"); });
    CHECK(says(missing, (folder / "b").string()));
    CHECK(says(missing, "No such file"));
    CHECK(says(refusal([&] { read_file(folder / "."); }), "Is a directory"));
    CHECK(says(refusal([&] { read_file(folder / "a" / "b"); }), "Not a directory"));
    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    CHECK(says(refusal([&] { read_file(folder / "pipe"); }), "not a regular file"));
    CHECK(says(refusal([&] { read_file("/dev/zero"); }), "not a regular file"));
    CHECK(says(refusal([&] { read_file(""); }), "No such file"));
}

TEST_CASE("write_file_atomically: the new file whole") {
    const Folder folder;
    const Path path = folder / "a";
    write_file_atomically(path, bytes_of("first"));
    CHECK(text_of(path) == "first");
    write_file_atomically(path, [](FileWriter& file) {
        file.write("sec");
        file.write(bytes_of("ond"));
    });
    CHECK(text_of(path) == "second");
    write_file_atomically(path, Bytes());
    CHECK(text_of(path).empty());
    CHECK(folder.files() == 1);

    SUBCASE("permissions are kept") {
        fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
        write_file_atomically(path, bytes_of("private"));
        CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
    }
    SUBCASE("a symbolic link stays, the file behind it is replaced") {
        fs::create_directory(folder / "deep");
        fs::create_symlink("deep/real", folder / "link");
        fs::create_symlink("link", folder / "link to link");
        write_file_atomically(folder / "link to link", bytes_of("through"));
        CHECK(fs::is_symlink(folder / "link to link"));
        CHECK(fs::is_symlink(folder / "link"));
        CHECK(text_of(folder / "deep/real") == "through");
        fs::create_symlink("loop", folder / "loop");
        CHECK(says(refusal([&] { write_file_atomically(folder / "loop", Bytes()); }), "loop"));
    }
    SUBCASE("a relative path") {
        const Path before = fs::current_path();
        fs::current_path(folder / "");
        write_file_atomically("b", bytes_of("here"));
        fs::current_path(before);
        CHECK(text_of(folder / "b") == "here");
    }
}

TEST_CASE("write_file_atomically: whatever goes wrong, the old file whole") {
    const Folder folder;
    const Path path = folder / "a";
    write_file_atomically(path, bytes_of("old"));

    SUBCASE("the writer throws") {
        CHECK_THROWS_AS(write_file_atomically(path,
                                              [](FileWriter& file) {
                                                  file.write("half");
                                                  throw std::runtime_error("stop");
                                              }),
                        std::runtime_error);
        CHECK(folder.files() == 1);
    }
    SUBCASE("the process dies") {
        const pid_t child = ::fork();
        if (child == 0) {
            write_file_atomically(path, [](FileWriter& file) {
                file.write("half");
                ::_exit(0);
            });
            ::_exit(1);
        }
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
    SUBCASE("the disk is full") {
        const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
        rlimit small = before;
        small.rlim_cur = 1000;
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
        const std::string message =
            refusal([&] { write_file_atomically(path, bytes_of(std::string(100'000, 'x'))); });
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
        std::signal(SIGXFSZ, ignored);
        CHECK(says(message, path.string()));
        CHECK(says(message, "File too large"));
        CHECK(folder.files() == 1);
    }
    SUBCASE("the directory is missing, or no directory") {
        CHECK(says(refusal([&] { write_file_atomically(folder / "no/b", Bytes()); }),
                   "No such file"));
        CHECK(says(refusal([&] { write_file_atomically(folder / "a/b", Bytes()); }),
                   "Not a directory"));
        CHECK(says(refusal([&] { write_file_atomically(folder / "no" / "", Bytes()); }),
                   "names no file"));
        CHECK(says(refusal([&] { write_file_atomically("", Bytes()); }), "names no file"));
    }
    SUBCASE("the path is a directory or a device") {
        fs::create_directory(folder / "d");
        CHECK(says(refusal([&] { write_file_atomically(folder / "d", Bytes()); }),
                   "Is a directory"));
        CHECK(says(refusal([&] { write_file_atomically("/dev/null", Bytes()); }),
                   "not a regular file"));
    }
    SUBCASE("the directory or the file may not be written") {
        if (::geteuid() != 0) {
            fs::permissions(path, fs::perms::owner_read);
            CHECK(says(refusal([&] { write_file_atomically(path, Bytes()); }), "denied"));
            fs::permissions(folder / "", fs::perms::owner_read | fs::perms::owner_exec);
            CHECK(says(refusal([&] { write_file_atomically(folder / "b", Bytes()); }), "denied"));
            fs::permissions(folder / "", fs::perms::owner_all);
        } else {
            CHECK(refusal([&] { write_file_atomically("/proc/unroll-test", Bytes()); }) != "");
        }
    }
    CHECK(text_of(path) == "old");
}

namespace {

std::string npy(const std::string& header, const std::string& data, int version = 1) {
    std::string bytes = "\x93NUMPY";
    bytes.push_back(static_cast<char>(version));
    bytes.push_back(0);
    for (int i = 0; i < (version == 1 ? 2 : 4); ++i)
        bytes.push_back(static_cast<char>(header.size() >> (8 * i) & 255));
    return bytes + header + data;
}

std::string npy_header(const std::string& dtype, const std::string& shape, bool fortran = false) {
    return "{'descr': '" + dtype + "', 'fortran_order': " + (fortran ? "True" : "False") +
           ", 'shape': " + shape + ", }\n";
}

template <class T>
Tensor<T> read_as(const std::string& bytes, Narrowing narrowing = Narrowing::refuse) {
    const Folder folder;
    put(folder / "x.npy", bytes);
    return read_npy<T>(folder / "x.npy", narrowing);
}

template <class T>
std::string npy_refusal(const std::string& bytes) {
    return refusal([&] { read_as<T>(bytes); });
}

const std::string six = raw<float>({1, 2, 3, 4, 5, 6});

} // namespace

TEST_CASE("npy: what is written is read, with the same bits") {
    const Folder folder;
    const Path path = folder / "x.npy";
    const auto same = [&]<class T>(const Tensor<T>& x) {
        write_npy(path, x);
        CHECK(fs::file_size(path) % 64 == x.size() * sizeof(T) % 64);
        CHECK(read_npy<T>(path) == x);
        CHECK(read_npy<T>(path).is_contiguous());
    };
    same(Tensor<float>({2, 3}, {1, -2, 3e-42f, 4, 5, std::numeric_limits<float>::infinity()}));
    same(Tensor<double>({1}, {0.1}));
    same(Indices({2}, {std::numeric_limits<std::int64_t>::min(), 7}));
    same(Mask({3}, {true, false, true}));
    same(Tensor<float>::scalar(2));
    same(Tensor<float>({3, 0, 2}));
    same(Tensor<double>::ones({1, 2, 1, 2, 1, 2, 1, 2}));
    same(Tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}).transpose());
    same(Tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}).flip(1).slice(0, 1, 2));
    write_npy(path, Tensor<float>({1}, {std::nanf("")}));
    CHECK(std::isnan(read_npy<float>(path).item()));
}

TEST_CASE("npy: every notation that NumPy writes, and then some") {
    const Tensor<float> expected({2, 3}, {1, 2, 3, 4, 5, 6});
    const std::string good = npy_header("<f4", "(2, 3)");
    for (int version = 1; version <= 3; ++version)
        CHECK(read_as<float>(npy(good, six, version)) == expected);
    const std::string big = raw<float>({1, 2, 3, 4, 5, 6}, true);
    CHECK(read_as<float>(npy(npy_header(">f4", "(2, 3)"), big)) == expected);
    CHECK(read_as<float>(npy(npy_header("=f4", "(2, 3)"), six)) == expected);
    CHECK(read_as<float>(npy(npy_header("f4", "(2, 3)"), six)) == expected);
    const std::string columns = raw<float>({1, 4, 2, 5, 3, 6});
    CHECK(read_as<float>(npy(npy_header("<f4", "(2, 3)", true), columns)) == expected);
    CHECK(read_as<float>(npy(npy_header("<f4", "(2L, 3L)"), six)) == expected);
    CHECK(read_as<float>(npy(npy_header("<f4", "( 2,3, )"), six)) == expected);
    CHECK(read_as<float>(npy("{'shape':(2,3),'fortran_order':False,'descr':'<f4'}", six)) ==
          expected);
    CHECK(read_as<float>(npy("  {\"shape\" : (2, 3) ,\n\"descr\":\t\"<f4\", "
                             "\"fortran_order\": False}  \n",
                             six)) == expected);
    CHECK(read_as<float>(npy(npy_header("<f4", "()"), raw<float>({7}))).shape() == Shape{});
    CHECK(read_as<float>(npy(npy_header("<f4", "(6,)"), six)).shape() == Shape{6});
    CHECK(read_as<float>(npy(npy_header("<f4", "(0, 3)", true), "")).shape() == Shape{0, 3});
    // Header lengths of which the low byte has its highest bit set.
    for (std::size_t length = 100; length < 600; ++length) {
        std::string header = good;
        header.insert(header.size() - 1, length - header.size(), ' ');
        REQUIRE(read_as<float>(npy(header, six)) == expected);
    }
}

TEST_CASE("npy: other numbers are converted where none of them changes") {
    const auto same = []<class N>(const std::string& dtype, std::initializer_list<N> numbers,
                                  bool swapped) {
        const std::string shape = "(" + std::to_string(numbers.size()) + ",)";
        const std::string bytes = npy(npy_header(dtype, shape), raw<N>(numbers, swapped));
        std::vector<double> expected(numbers.begin(), numbers.end());
        CHECK(read_as<double>(bytes).to_vector() == expected);
        if constexpr (std::is_integral_v<N>)
            CHECK(read_as<std::int64_t>(bytes).to_vector() ==
                  std::vector<std::int64_t>(numbers.begin(), numbers.end()));
    };
    same("<f4", {1.5f, -0.1f}, false);
    same("|i1", {std::int8_t{-128}, std::int8_t{127}}, false);
    same("|u1", {std::uint8_t{255}}, false);
    same("<i2", {std::int16_t{-300}}, false);
    same(">u2", {std::uint16_t{65000}}, true);
    same(">i4", {-70000, 5}, true);
    same("<u4", {4'000'000'000u}, false);
    same("<i8", {std::int64_t{1} << 53, -(std::int64_t{1} << 53)}, false);
    same("<u8", {std::uint64_t{1} << 62}, false);
    CHECK(read_as<float>(npy(npy_header("|b1", "(3,)"), std::string("\0\1\2", 3))).to_vector() ==
          std::vector<float>{0, 1, 1});
    CHECK(read_as<bool>(npy(npy_header("|b1", "(3,)"), std::string("\0\1\2", 3))).to_vector() ==
          std::vector<bool>{false, true, true});
    CHECK(read_as<float>(npy(npy_header("<f2", "(2,)"), raw<std::uint16_t>({0x3c00, 0xc000})))
              .to_vector() == std::vector<float>{1, -2});

    const std::string wide = npy(npy_header("<f8", "(1,)"), raw<double>({0.1}));
    CHECK(says(npy_refusal<float>(wide), "Narrowing::allow"));
    CHECK(read_as<float>(wide, Narrowing::allow).item() == 0.1f);
    const std::string odd = npy(npy_header("<i4", "(2,)"), raw<int>({1, 16'777'217}));
    CHECK(says(npy_refusal<float>(odd), "16777217"));
    CHECK(read_as<float>(odd, Narrowing::allow).to_vector()[1] == 16'777'216.0f);
    const auto edge = std::numeric_limits<std::int64_t>::max();
    CHECK(npy_refusal<double>(npy(npy_header("<i8", "(1,)"), raw<std::int64_t>({edge}))) != "");
    const std::string beyond = npy(npy_header("<u8", "(1,)"), raw<std::uint64_t>({~0ull}));
    CHECK(npy_refusal<std::int64_t>(beyond) != "");
    CHECK_THROWS_AS(read_as<std::int64_t>(beyond, Narrowing::allow), Error);
    CHECK(npy_refusal<double>(beyond) != "");
    CHECK(says(npy_refusal<std::int64_t>(npy(npy_header("<f4", "(6,)"), six)), "std::int64_t"));
    CHECK(says(npy_refusal<bool>(npy(npy_header("<f4", "(6,)"), six)), "bool"));
    CHECK(says(npy_refusal<bool>(npy(npy_header("|u1", "(1,)"), "\1")), "bool"));
}

TEST_CASE("npy: what cannot be read is refused with the file and the reason") {
    const auto refused = [](const std::string& bytes, const std::string& reason) {
        const std::string message = npy_refusal<float>(bytes);
        CHECK(says(message, "x.npy"));
        CHECK(says(message, reason));
    };
    const auto header = [&](const std::string& text) { return npy(text, six); };
    refused("", "no .npy");
    refused("NUMPY", "no .npy");
    refused("PK\3\4 a zip file", "no .npy");
    refused("\x93NUMPY", "within its first 8");
    refused(npy(npy_header("<f4", "(6,)"), six, 4), "version 4.0");
    refused(npy(npy_header("<f4", "(6,)"), six).substr(0, 9), "before its header");
    refused(npy(npy_header("<f4", "(6,)"), "").substr(0, 30), "does not fit");
    refused(std::string("\x93NUMPY\2\0\xff\xff\xff\xff{}", 14), "4294967295");
    refused(npy(npy_header("<f4", "(6,)"), six + "x"), "the file has 25");
    refused(npy(npy_header("<f4", "(7,)"), six), "takes 28 bytes");
    refused(npy(npy_header("|O", "(1,)"), six), "Python objects");
    refused(npy(npy_header("<c8", "(3,)"), six), "'<c8'");
    refused(npy(npy_header("<U2", "(3,)"), six), "'<U2'");
    refused(npy(npy_header("<M8[ns]", "(3,)"), six), "not read");
    refused(npy(npy_header("<f16", "(1,)"), six), "'<f16'");
    refused(npy(npy_header("", "(1,)"), six), "''");
    refused(header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}"), "records");
    refused(header("{'descr': '<f4', 'shape': (6,)}"), "are needed");
    refused(header("{'descr': '<f4', 'descr': '<f4', 'shape': (6,)}"), "twice");
    refused(header("{'descr': '<f4', 'evil': 1}"), "unknown key");
    refused(header(npy_header("<f4", "(6)(")), "expected");
    refused(header(npy_header("<f4", "(6,,)")), "extent");
    refused(header(npy_header("<f4", "(-6,)")), "extent");
    refused(header(npy_header("<f4", "(6.0,)")), "expected");
    refused(header(npy_header("<f4", "(99999999999999999999,)")), "extent");
    refused(header(npy_header("<f4", "(4611686018427387904, 4)")), "too many");
    refused(header(npy_header("<f4", "(72057594037927936,)")), "bytes of data");
    refused(header(npy_header("<f4", "(0, 4611686018427387904, 4)")), "too many");
    refused(header(npy_header("<f4", "(1,1,1,1,1,1,1,1,6)")), "dimensions");
    refused(header("{'descr': '<f4"), "without an end");
    refused(header("{}"), "are needed");
    refused(header(""), "'{' expected");
    refused(header(npy_header("<f4", "(6,)") + "{}"), "more than one");
    refused(header("{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}"), "True or False");
    refused(header(std::string(20'000, '(')), "expected");
    CHECK(says(refusal([] { read_npy<float>("/no/such.npy"); }), "No such file"));
}

namespace {

std::string safetensors(const std::string& header, const std::string& data = "") {
    return raw<std::uint64_t>({header.size()}) + header + data;
}

SafetensorsFile read_tensors(const std::string& bytes) {
    const Folder folder;
    put(folder / "x.safetensors", bytes);
    return SafetensorsFile::read(folder / "x.safetensors");
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets, const std::string& more = "") {
    return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
           ",\"data_offsets\":" + offsets + more + "}";
}

void refused(const std::string& bytes, const std::string& reason) {
    const std::string message = refusal([&] { read_tensors(bytes); });
    CHECK(says(message, "x.safetensors"));
    CHECK(says(message, reason));
}

} // namespace

TEST_CASE("safetensors: what is written is read") {
    const Folder folder;
    const Path path = folder / "x.safetensors";
    const Tensor<float> weight({2, 3}, {1, 2, 3, 4, 5, 6});
    const std::vector<NamedTensor> tensors = {{"b.mask", Mask({3}, {true, false, true})},
                                              {"a", weight.transpose()},
                                              {"z", Tensor<double>::scalar(0.1)},
                                              {"steps", Indices({1}, {-5})},
                                              {"none", Tensor<float>({0, 4})},
                                              {"\"quoted\"\n\xc3\xa4", weight}};
    const std::map<std::string, std::string> metadata{{"format", "pt"}, {"", "\t\"\\"}};
    write_safetensors(path, tensors, metadata);
    const SafetensorsFile file = SafetensorsFile::read(path);
    CHECK(file.metadata() == metadata);
    CHECK(file.names() == std::vector<std::string>{"\"quoted\"\n\xc3\xa4", "a", "b.mask", "none",
                                                   "steps", "z"});
    CHECK(file.get<float>("a") == weight.transpose());
    CHECK(file.get<double>("a").shape() == Shape{3, 2});
    CHECK(file.get<double>("z").item() == 0.1);
    CHECK(file.get<std::int64_t>("steps").item() == -5);
    CHECK(file.get<bool>("b.mask").to_vector() == std::vector<bool>{true, false, true});
    CHECK(file.get<float>("none").shape() == Shape{0, 4});
    CHECK(file.at("a").dtype == "F32");
    CHECK(file.at("a").shape == std::vector<std::uint64_t>{3, 2});
    CHECK(file.contains("z"));
    CHECK(!file.contains("y"));
    const std::string message = refusal([&] { file.get<float>("y"); });
    CHECK(says(message, "'y'"));
    CHECK(says(message, path.string()));

    SUBCASE("the same tensors in any order give the same bytes") {
        const std::string first = text_of(path);
        write_safetensors(path, {tensors.rbegin(), tensors.rend()}, metadata);
        CHECK(text_of(path) == first);
    }
    SUBCASE("data begin at a multiple of 8, each tensor at one of its elements") {
        const auto bytes = read_file(path);
        std::uint64_t length = 0;
        std::memcpy(&length, bytes.data(), sizeof(length));
        CHECK(length % 8 == 0);
        const std::byte* const data = file.at("steps").bytes.data();
        for (const auto& [name, item] : std::map<std::string, int>{{"z", 8}, {"a", 4}, {"steps", 8}})
            CHECK((file.at(name).bytes.data() - data) % item == 0);
    }
    SUBCASE("nothing at all") {
        write_safetensors(path, {});
        CHECK(SafetensorsFile::read(path).names().empty());
    }
    SUBCASE("the numbers outlive the file object and the file") {
        SafetensorsFile copy = file;
        const Tensor<float> a = copy.get<float>("a");
        copy = SafetensorsFile();
        fs::remove(path);
        CHECK(a == weight.transpose());
        CHECK(file.get<float>("a") == a);
    }
}

TEST_CASE("safetensors: what cannot be written is refused, and the old file stays") {
    const Folder folder;
    const Path path = folder / "x.safetensors";
    put(path, "old");
    const Tensor<float> x = Tensor<float>::ones({1});
    CHECK(says(refusal([&] { write_safetensors(path, {{"a", x}, {"a", x}}); }), "'a'"));
    CHECK(says(refusal([&] { write_safetensors(path, {{"__metadata__", x}}); }), "reserved"));
    CHECK(says(refusal([&] { write_safetensors(path, {{"\xff", x}}); }), "UTF-8"));
    CHECK(says(refusal([&] { write_safetensors(path, {{"a", x}}, {{"k", "\xc3"}}); }), "UTF-8"));
    CHECK(text_of(path) == "old");
    CHECK(folder.files() == 1);
}

TEST_CASE("safetensors: numbers of other types") {
    const auto one = []<class N>(const std::string& dtype, std::initializer_list<N> numbers) {
        const std::string size = std::to_string(numbers.size());
        const std::string bytes = std::to_string(numbers.size() * sizeof(N));
        return read_tensors(safetensors(
            "{" + entry("x", dtype, "[" + size + "]", "[0," + bytes + "]") + "}", raw(numbers)));
    };
    const std::vector<float> halves =
        one("F16", {std::uint16_t{0x3c00}, std::uint16_t{0x0001}, std::uint16_t{0x03ff},
                    std::uint16_t{0x7bff}, std::uint16_t{0xfc00}, std::uint16_t{0x8000}})
            .get<float>("x")
            .to_vector();
    CHECK(halves == std::vector<float>{1, 0x1p-24f, 1023 * 0x1p-24f, 65504, -INFINITY, -0.0f});
    CHECK(std::signbit(halves[5]));
    CHECK(std::isnan(one("F16", {std::uint16_t{0x7e00}}).get<float>("x").item()));
    // All finite ones against the definition.
    std::string all;
    for (std::uint16_t bits = 0; bits < 0x7c00; ++bits) all += raw({bits});
    const Tensor<float> values =
        read_tensors(safetensors("{" + entry("x", "F16", "[31744]", "[0,63488]") + "}", all))
            .get<float>("x");
    for (std::uint32_t bits = 0; bits < 0x7c00; ++bits) {
        const float value = values(bits);
        const int exponent = static_cast<int>(bits >> 10);
        const std::uint32_t fraction = bits & 1023, leading = exponent == 0 ? 0 : 1024;
        const float expected =
            std::ldexp(static_cast<float>(leading + fraction), std::max(exponent, 1) - 25);
        if (value != expected) FAIL(bits);
    }
    CHECK(one("BF16", {std::uint16_t{0x3f80}, std::uint16_t{0xc2f7}}).get<double>("x").to_vector() ==
          std::vector<double>{1, -123.5});
    CHECK(one("F32", {0.1f}).get<double>("x").item() == static_cast<double>(0.1f));
    CHECK(one("U8", {std::uint8_t{200}}).get<float>("x").item() == 200);
    CHECK(one("I16", {std::int16_t{-2}}).get<std::int64_t>("x").item() == -2);

    const SafetensorsFile wide = one("F64", {0.1});
    const std::string message = refusal([&] { wide.get<float>("x"); });
    CHECK(says(message, "'x'"));
    CHECK(says(message, "F64"));
    CHECK(wide.get<float>("x", Narrowing::allow).item() == 0.1f);
    CHECK_THROWS_AS(wide.get<std::int64_t>("x"), Error);
    CHECK_THROWS_AS(wide.get<bool>("x", Narrowing::allow), Error);
    const SafetensorsFile small = one("F8_E4M3", {std::uint8_t{1}});
    CHECK(small.at("x").bytes.size() == 1);
    CHECK(says(refusal([&] { small.get<float>("x"); }), "F8_E4M3"));
    CHECK(read_tensors(safetensors("{" + entry("x", "F4", "[2]", "[0,1]") + "}", "x")).contains("x"));
}

TEST_CASE("safetensors: weights that are no numbers load as they are") {
    const float nan = std::nanf("");
    const SafetensorsFile file =
        read_tensors(safetensors("{" + entry("x", "F32", "[4]", "[0,16]") + "}",
                                 raw<float>({nan, INFINITY, -INFINITY, 1e-42f})));
    const Tensor<float> x = file.get<float>("x");
    CHECK(std::isnan(x(0)));
    CHECK(x(2) == -INFINITY);
    CHECK(std::bit_cast<std::uint32_t>(x(3)) == std::bit_cast<std::uint32_t>(1e-42f));
}

TEST_CASE("safetensors: headers that are right in an unusual way") {
    const std::string four = raw<float>({1, 2, 3, 4});
    const std::string a = entry("a", "F32", "[2]", "[0,8]"), b = entry("b", "F32", "[2]", "[8,16]");
    CHECK(read_tensors(safetensors("{" + b + "," + a + "}", four)).get<float>("b")(0) == 3.f);
    CHECK(read_tensors(safetensors(" \n\t{" + a + "," + b + "}  \r\n", four)).names().size() == 2);
    CHECK(read_tensors(safetensors("{}")).names().empty());
    CHECK(read_tensors(safetensors("{\"__metadata__\":{}}")).metadata().empty());
    const std::string extra = ",\"more\":{\"a\":[1,{\"dtype\":[]}],\"b\":-1.5},\"x\":[[],null]";
    CHECK(read_tensors(safetensors("{" + entry("a", "F32", "[4]", "[0,16]", extra) + "}", four))
              .get<float>("a")
              .size() == 4);
    CHECK(read_tensors(safetensors("{" + entry("\\u00e4\\\"", "F32", "[4]", "[0,16]") + "}", four))
              .contains("\xc3\xa4\""));
    CHECK(read_tensors(safetensors("{" + entry("a", "F32", "[]", "[0,4]") + "}", raw<float>({5})))
              .get<float>("a")
              .item() == 5.f);
    const std::string none = entry("n", "F32", "[0,7]", "[8,8]");
    CHECK(read_tensors(safetensors("{" + none + "," + a + "," + b + "}", four))
              .get<float>("n")
              .shape() == Shape{0, 7});
    std::string deep = "[1";
    for (int i = 0; i < 254; ++i) deep += ",1";
    const SafetensorsFile many =
        read_tensors(safetensors("{" + entry("d", "U8", deep + "]", "[0,1]") + "}", "x"));
    CHECK(says(refusal([&] { many.get<float>("d"); }), "255 dimensions"));
}

TEST_CASE("safetensors: files that are wrong are refused with the file and the reason") {
    SUBCASE("lengths") {
        refused("", "0 bytes");
        refused("1234567", "7 bytes");
        for (const std::uint64_t length : {std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{1} << 63,
                                           ~std::uint64_t{0}, ~std::uint64_t{0} - 7})
            refused(raw<std::uint64_t>({length}) + (length == 1 ? "" : "{}"), "does not fit");
        refused(raw<std::uint64_t>({0}), "begin with '{'");
        refused(raw<std::uint64_t>({0}) + "{}", "begin with '{'");
        refused(raw<std::uint64_t>({1}) + "{}", "JSON");
        refused(raw<std::uint64_t>({100'000'001}) + std::string(100'000'001, ' '), "100000000");
    }
    SUBCASE("JSON") {
        refused(safetensors("[]"), "begin with '{'");
        refused(safetensors("   "), "begin with '{'");
        refused(safetensors("\xef\xbb\xbf{}"), "begin with '{'");
        refused(safetensors("{"), "JSON");
        refused(safetensors("{} x"), "JSON");
        refused(safetensors("{}{}"), "JSON");
        refused(safetensors(std::string("{}\0junk", 7)), "JSON");
        refused(safetensors(std::string("{\"a\":\0", 6)), "JSON");
        refused(safetensors("{\"a\xff\":1}"), "JSON");
        refused(safetensors("{\"a\":1e999}"), "JSON");
        refused(safetensors("{// no\n}"), "JSON");
        const std::string nested(100'000, '[');
        refused(safetensors("{\"a\":" + nested), "a list is not expected");
        refused(safetensors("{\"a\":{\"x\":" + nested), "JSON");
        std::string objects;
        for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
        refused(safetensors(objects), "JSON");
        refused(safetensors("{\"__metadata__\":{\"x\":" + objects), "not expected");
        refused(safetensors("{\"a\":{\"x\":" + objects), "JSON");
        const std::string closed = nested + std::string(100'000, ']');
        refused(safetensors("{\"a\":{\"x\":" + closed + "}}"), "are needed");
    }
    SUBCASE("keys") {
        const std::string a = entry("a", "F32", "[1]", "[0,4]");
        refused(safetensors("{" + a + "," + a + "}", "1234"), "'a': the name stands twice");
        refused(safetensors("{\"__metadata__\":{},\"__metadata__\":{}}"), "twice");
        refused(safetensors("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}"), "twice");
        refused(safetensors("{\"__metadata__\":{\"a\":1}}"), "number");
        refused(safetensors("{\"__metadata__\":{\"a\":null}}"), "null");
        refused(safetensors("{\"__metadata__\":{\"a\":{}}}"), "object");
        refused(safetensors("{\"__metadata__\":{\"a\":[]}}"), "list");
        refused(safetensors("{\"__metadata__\":\"a\"}"), "string");
        refused(safetensors("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}"), "are needed");
        refused(safetensors("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}"), "twice");
        refused(safetensors("{\"a\":[]}"), "list");
        refused(safetensors("{\"a\":7}"), "number");
        refused(safetensors("{\"a\":{\"dtype\":7}}"), "number");
        refused(safetensors("{\"a\":{\"dtype\":[\"F32\"]}}"), "list");
        refused(safetensors("{\"a\":{\"shape\":2}}"), "number");
        refused(safetensors("{\"a\":{\"shape\":[\"2\"]}}"), "string");
        refused(safetensors("{\"a\":{\"shape\":[[2]]}}"), "list");
        refused(safetensors("{\"a\":{\"shape\":{}}}"), "object");
    }
    SUBCASE("dtypes and shapes") {
        const auto with = [](const std::string& dtype, const std::string& shape,
                             const std::string& offsets = "[0,4]") {
            return safetensors("{" + entry("a", dtype, shape, offsets) + "}", "1234");
        };
        refused(with("F33", "[1]"), "'F33'");
        refused(with("f32", "[1]"), "'f32'");
        refused(with("F32", "[2]"), "takes 8 bytes");
        refused(with("F32", "[-1]"), "negative");
        refused(with("F32", "[1.0]"), "1.0");
        refused(with("F32", "[18446744073709551616]"), "number");
        refused(with("F32", "[4611686018427387904,4]"), "too many");
        refused(with("U8", "[2147483648,2147483648,2147483648]"), "too many");
        refused(with("F32", "[0,4611686018427387904,4]", "[0,0]"), "too many");
        refused(with("F32", "[4611686018427387905]"), "too many");
        refused(with("F4", "[7]"), "too many elements, or ends within a byte");
    }
    SUBCASE("offsets") {
        const auto with = [](const std::string& offsets, const std::string& more = "") {
            return safetensors("{" + entry("a", "U8", "[4]", offsets) + more + "}", "12345678");
        };
        refused(with("[4,0]"), "data_offsets [4, 0]");
        refused(with("[8,12]"), "data_offsets [8, 12]");
        refused(with("[0,18446744073709551615]"), "data_offsets");
        refused(with("[18446744073709551615,3]"), "data_offsets");
        refused(with("[-4,0]"), "negative");
        refused(with("[0]"), "two data_offsets");
        refused(with("[0,4,8]"), "two data_offsets");
        refused(with("[0,4.0]"), "4.0");
        refused(with("[0,4]"), "4 bytes at the end");
        refused(with("[4,8]"), "gap");
        refused(with("[0,4]", "," + entry("b", "U8", "[5]", "[3,8]")), "overlaps");
        refused(with("[0,4]", "," + entry("b", "U8", "[8]", "[0,8]")), "overlaps");
        refused(with("[0,4]", "," + entry("b", "U8", "[0]", "[2,2]") + "," +
                                  entry("c", "U8", "[4]", "[4,8]")),
                "overlaps");
    }
}

// check_safetensors.py asks for this: it has written a file with Python's safetensors, and will read
// the one that is left for it.
TEST_CASE("safetensors: exchange with Python") {
    const char* const folder = std::getenv("UNROLL_EXCHANGE_FOLDER");
    if (folder == nullptr) return;
    const SafetensorsFile file = SafetensorsFile::read(Path(folder) / "from_python.safetensors");
    CHECK(file.metadata().at("made by") == "Python \xc3\xa4");
    std::vector<NamedTensor> tensors;
    const auto exchange = [&]<class T>(const std::string& name, T (*value)(std::size_t)) {
        const Tensor<T> x = file.get<T>(name);
        const auto values = x.to_vector();
        for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == value(i));
        tensors.push_back({name, x});
    };
    exchange("float16", +[](std::size_t i) { return static_cast<float>(i) * 0.5f - 1; });
    exchange("float32", +[](std::size_t i) { return static_cast<float>(i) * 0.5f - 1; });
    exchange("float64", +[](std::size_t i) { return static_cast<double>(i) * 0.5 - 1; });
    exchange("int64", +[](std::size_t i) { return static_cast<std::int64_t>(i) - 2; });
    exchange("int32", +[](std::size_t i) { return static_cast<std::int64_t>(i) - 2; });
    exchange("uint8", +[](std::size_t i) { return static_cast<std::int64_t>(i); });
    exchange("bool", +[](std::size_t i) { return i % 2 == 1; });
    exchange("scalar", +[](std::size_t) { return -1.0f; });
    exchange("empty", +[](std::size_t) { return 0.0f; });
    exchange("\"odd\" name \xc3\xa4", +[](std::size_t) { return -1.0f; });
    CHECK(tensors.size() == file.names().size());
    write_safetensors(Path(folder) / "from_unroll.safetensors", tensors, file.metadata());
}

namespace {

// Every file that is a part of a good one, or differs from it in one bit, is read or refused.
void damage(const std::string& good, const std::function<void(const Path&)>& read) {
    const Folder folder;
    const Path path = folder / "x";
    std::size_t accepted = 0;
    const auto attempt = [&](const std::string& bytes) {
        put(path, bytes);
        try {
            read(path);
            ++accepted;
        } catch (const Error& error) {
            CHECK(std::string(error.what()).find(path.string()) != std::string::npos);
        }
    };
    for (std::size_t n = 0; n < good.size(); ++n) attempt(good.substr(0, n));
    CHECK(accepted == 0);
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        std::string bytes = good;
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
        attempt(bytes);
    }
    attempt(good);
    CHECK(accepted > 0);
}

} // namespace

TEST_CASE("damaged files never do more than throw Error") {
    const Folder folder;
    SUBCASE("npy") {
        write_npy(folder / "x", Tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
        damage(text_of(folder / "x"), [](const Path& path) {
            read_npy<double>(path, Narrowing::allow).to_vector();
        });
        damage(npy(npy_header(">i4", "(3, 2)", true), six, 2), [](const Path& path) {
            read_npy<float>(path).to_vector();
        });
    }
    SUBCASE("safetensors") {
        write_safetensors(folder / "x",
                          {{"a", Tensor<float>({2, 1}, {1, 2})}, {"b", Mask({2}, {true, false})}},
                          {{"k", "v"}});
        damage(text_of(folder / "x"), [](const Path& path) {
            const SafetensorsFile file = SafetensorsFile::read(path);
            for (const std::string& name : file.names())
                try {
                    file.get<double>(name).to_vector();
                } catch (const Error& error) {
                    CHECK(std::string(error.what()).find(path.string()) != std::string::npos);
                }
        });
    }
}
