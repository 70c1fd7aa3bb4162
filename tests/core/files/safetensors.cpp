#include "core/files/files.hpp"

#include <unroll/core/files/safetensors.hpp>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include <unistd.h>

using namespace test;

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

TEST_CASE("safetensors: round trip") {
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
    CHECK(file.names() ==
          std::vector<std::string>{"\"quoted\"\n\xc3\xa4", "a", "b.mask", "none", "steps", "z"});
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
    SUBCASE("data begin at a multiple of 8, each tensor at a multiple of its element size") {
        const auto bytes = read_file(path);
        std::uint64_t length = 0;
        std::memcpy(&length, bytes.data(), sizeof(length));
        CHECK(length % 8 == 0);
        const std::byte* const data = file.at("steps").bytes.data();
        for (const auto& [name, item] :
             std::map<std::string, int>{{"z", 8}, {"a", 4}, {"steps", 8}})
            CHECK((file.at(name).bytes.data() - data) % item == 0);
    }
    SUBCASE("an empty file") {
        write_safetensors(path, {});
        CHECK(SafetensorsFile::read(path).names().empty());
    }
    SUBCASE("tensors outlive the file object and the file") {
        SafetensorsFile copy = file;
        const Tensor<float> a = copy.get<float>("a");
        copy = SafetensorsFile();
        fs::remove(path);
        CHECK(a == weight.transpose());
        CHECK(file.get<float>("a") == a);
    }
}

TEST_CASE("safetensors: invalid tensors are rejected, and the old file is kept") {
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

TEST_CASE("safetensors: conversion of element types") {
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
    // All finite values, compared with the definition.
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
    CHECK(
        one("BF16", {std::uint16_t{0x3f80}, std::uint16_t{0xc2f7}}).get<double>("x").to_vector() ==
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
    CHECK(
        read_tensors(safetensors("{" + entry("x", "F4", "[2]", "[0,1]") + "}", "x")).contains("x"));
}

TEST_CASE("safetensors: NaN weights load unchanged") {
    const float nan = std::nanf("");
    const SafetensorsFile file =
        read_tensors(safetensors("{" + entry("x", "F32", "[4]", "[0,16]") + "}",
                                 raw<float>({nan, INFINITY, -INFINITY, 1e-42f})));
    const Tensor<float> x = file.get<float>("x");
    CHECK(std::isnan(x(0)));
    CHECK(x(2) == -INFINITY);
    CHECK(std::bit_cast<std::uint32_t>(x(3)) == std::bit_cast<std::uint32_t>(1e-42f));
}

TEST_CASE("safetensors: unusual valid headers") {
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
    const SafetensorsFile wide =
        read_tensors(safetensors("{" + entry("w", "U8", "[0,144115188075855872]", "[0,0]") + "}"));
    const std::string message = refusal([&] { wide.get<float>("w"); });
    CHECK(says(message, "tensor 'w' of type U8: [0, 144115188075855872] has too many elements"));
    CHECK(says(message, wide.path()));
}

TEST_CASE("safetensors: invalid files are rejected with the file and the reason") {
    SUBCASE("lengths") {
        refused("", "0 bytes");
        refused("1234567", "7 bytes");
        for (const std::uint64_t length :
             {std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{1} << 63, ~std::uint64_t{0},
              ~std::uint64_t{0} - 7})
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
        refused(safetensors("{\"a\":{\"x\":" + closed + "}}"), "expected 'dtype'");
    }
    SUBCASE("keys") {
        const std::string a = entry("a", "F32", "[1]", "[0,4]");
        refused(safetensors("{" + a + "," + a + "}", "1234"), "'a': the name occurs twice");
        refused(safetensors("{\"__metadata__\":{},\"__metadata__\":{}}"), "twice");
        refused(safetensors("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}"), "twice");
        refused(safetensors("{\"__metadata__\":{\"a\":1}}"), "number");
        refused(safetensors("{\"__metadata__\":{\"a\":null}}"), "null");
        refused(safetensors("{\"__metadata__\":{\"a\":{}}}"), "object");
        refused(safetensors("{\"__metadata__\":{\"a\":[]}}"), "list");
        refused(safetensors("{\"__metadata__\":\"a\"}"), "string");
        refused(safetensors("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}"), "expected 'dtype'");
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

// Run by check_safetensors.py, which has written a file with Python's safetensors and will read the
// file written here.
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
    exchange(
        "float16", +[](std::size_t i) { return static_cast<float>(i) * 0.5f - 1; });
    exchange(
        "float32", +[](std::size_t i) { return static_cast<float>(i) * 0.5f - 1; });
    exchange(
        "float64", +[](std::size_t i) { return static_cast<double>(i) * 0.5 - 1; });
    exchange(
        "int64", +[](std::size_t i) { return static_cast<std::int64_t>(i) - 2; });
    exchange(
        "int32", +[](std::size_t i) { return static_cast<std::int64_t>(i) - 2; });
    exchange(
        "uint8", +[](std::size_t i) { return static_cast<std::int64_t>(i); });
    exchange(
        "bool", +[](std::size_t i) { return i % 2 == 1; });
    exchange(
        "scalar", +[](std::size_t) { return -1.0f; });
    exchange(
        "empty", +[](std::size_t) { return 0.0f; });
    exchange(
        "\"odd\" name \xc3\xa4", +[](std::size_t) { return -1.0f; });
    CHECK(tensors.size() == file.names().size());
    write_safetensors(Path(folder) / "from_unroll.safetensors", tensors, file.metadata());
}

TEST_CASE("safetensors: damaged files only throw Error") {
    const Folder folder;
    write_safetensors(folder / "x",
                      {{"a", Tensor<float>({2, 1}, {1, 2})}, {"b", Mask({2}, {true, false})}},
                      {{"k", "v"}});
    damage(text_of(folder / "x"), [](const Path& path) {
        const SafetensorsFile file = SafetensorsFile::read(path);
        for (const std::string& name : file.names()) try {
                file.get<double>(name).to_vector();
            } catch (const Error& error) {
                CHECK(std::string(error.what()).find(path.string()) != std::string::npos);
            }
    });
}
