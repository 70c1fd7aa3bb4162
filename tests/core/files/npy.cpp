#include "core/files/files.hpp"

#include <unroll/core/files/npy.hpp>

#include <bit>
#include <cmath>
#include <limits>

using namespace test;

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

TEST_CASE("npy: round trip is bitwise identical") {
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

TEST_CASE("npy: every notation that NumPy writes, and more") {
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
    // Header lengths whose low byte has its highest bit set.
    for (std::size_t length = 100; length < 600; ++length) {
        std::string header = good;
        header.insert(header.size() - 1, length - header.size(), ' ');
        REQUIRE(read_as<float>(npy(header, six)) == expected);
    }
}

TEST_CASE("npy: other element types are converted if no value changes") {
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

TEST_CASE("npy: invalid files are rejected with the file and the reason") {
    const auto refused = [](const std::string& bytes, const std::string& reason) {
        const std::string message = npy_refusal<float>(bytes);
        CHECK(says(message, "x.npy"));
        CHECK(says(message, reason));
    };
    const auto header = [&](const std::string& text) { return npy(text, six); };
    refused("", "not an .npy");
    refused("NUMPY", "not an .npy");
    refused("PK\3\4 a zip file", "not an .npy");
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
    refused(npy(npy_header("<M8[ns]", "(3,)"), six), "not supported");
    refused(npy(npy_header("<f16", "(1,)"), six), "'<f16'");
    refused(npy(npy_header("", "(1,)"), six), "''");
    refused(header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}"),
            "structured");
    refused(header("{'descr': '<f4', 'shape': (6,)}"), "expected 'descr'");
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
    refused(header("{'descr': '<f4"), "is not terminated");
    refused(header("{}"), "expected 'descr'");
    refused(header(""), "'{' expected");
    refused(header(npy_header("<f4", "(6,)") + "{}"), "more than one");
    refused(header("{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}"), "True or False");
    refused(header(std::string(20'000, '(')), "expected");
    CHECK(says(refusal([] { read_npy<float>("/no/such.npy"); }), "No such file"));
}

TEST_CASE("npy: damaged files only throw Error") {
    const Folder folder;
    write_npy(folder / "x", Tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
    damage(text_of(folder / "x"),
           [](const Path& path) { read_npy<double>(path, Narrowing::allow).to_vector(); });
    damage(npy(npy_header(">i4", "(3, 2)", true), six, 2),
           [](const Path& path) { read_npy<float>(path).to_vector(); });
}
