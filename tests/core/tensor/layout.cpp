#include <unroll/core/tensor/tensor.hpp>

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace unroll;

namespace {

// `count` empty tensors of shapes that no other test uses, each in two layouts.
std::vector<Tensor<float>> of_many_layouts(std::size_t count) {
    std::vector<Tensor<float>> all;
    for (std::size_t i = 0; i < count; ++i) {
        all.push_back(Tensor<float>({0, 77, i}));
        all.push_back(all.back().transpose());
    }
    return all;
}

bool are_as_made(const std::vector<Tensor<float>>& all) {
    bool same = true;
    for (std::size_t i = 0; i < all.size() / 2; ++i) {
        const auto n = static_cast<std::ptrdiff_t>(i);
        same = same && all[2 * i].shape() == Shape{0, 77, i} &&
               all[2 * i].strides() == Strides{77 * n, n, 1} &&
               all[2 * i + 1].shape() == Shape{i, 77, 0} &&
               all[2 * i + 1].strides() == Strides{1, n, 77 * n};
    }
    return same;
}

} // namespace

TEST_CASE("a tensor is three pointers") { CHECK(sizeof(Tensor<float>) == 3 * sizeof(void*)); }

TEST_CASE("more layouts than are kept forever") {
    const std::size_t before = memory_use().bytes_in_use;
    {
        auto all = of_many_layouts(20000);
        CHECK(are_as_made(all));
        const auto copies = all;
        all.clear();
        CHECK(are_as_made(copies));
        Tensor<float> last = copies.back();
        last = Tensor<float>({2});
        last = copies.front();
        CHECK(last.shape() == Shape{0, 77, 0});
    }
    CHECK(memory_use().bytes_in_use == before);
}

TEST_CASE("threads find layouts at the same time") {
    std::vector<std::vector<Tensor<float>>> made(4);
    std::vector<std::thread> threads;
    for (auto& all : made) threads.emplace_back([&all] { all = of_many_layouts(3000); });
    for (auto& thread : threads) thread.join();
    for (const auto& all : made) CHECK(are_as_made(all));
}

TEST_CASE("a shape of too many elements is rejected, however it is created") {
    const std::size_t many = std::size_t{1} << 40;
    const Tensor<float> one = Tensor<float>::ones({1, 1});
    for (int i = 0; i < 2; ++i) {
        CHECK_THROWS_AS(Tensor<float>({many, many}), Error);
        CHECK_THROWS_AS(one.broadcast_to({many, many}), Error);
        const auto stride = static_cast<std::ptrdiff_t>(many);
        CHECK_THROWS_AS(
            Tensor<float>(one.storage(), nullptr, Shape{many, many}, Strides{stride, 1}), Error);
    }
}
