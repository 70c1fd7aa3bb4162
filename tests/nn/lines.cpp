// Errors of indexing, lengths and masks name the line of the user.

#include "support.hpp"

#include <unroll/nn/attention/attention.hpp>
#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/layers/time_pooling.hpp>
#include <unroll/nn/recurrent/pyramid.hpp>
#include <unroll/nn/text/batches.hpp>
#include <unroll/ops/views.hpp>

#include <array>
#include <regex>

using namespace test;

TEST_CASE("errors of indexing, of lengths and of masks name the line of the user") {
    Tensor<float> t = Tensor<float>::ones({2, 3});
    const Tensor<float>& constant = t;
    const Variable<float> x = t;
    const std::vector<std::size_t> lengths{1, 9};
    const Mask mask = Mask::ones({2, 3}), other = Mask::ones({2, 4});
    const int first = __LINE__ + 1;
    const std::vector<std::string> messages{
        error_of([&] { t(0, 3) = 1; }),
        error_of([&] { constant(2, 0); }),
        error_of([&] { t(0); }),
        error_of([&] { t(); }),
        error_of([&] { x(0, 3); }),
        error_of([&] { x(0); }),
        error_of([&] { t.item(); }),
        error_of([&] { x.item(); }),
        error_of([&] { view(x, 2); }),
        error_of([&] { view(t, all(), range(0, 7)); }),
        error_of([&] { select(x, 1, 3); }),
        error_of([&] { select(t, 2, 0); }),
        error_of([&] { t.select(0, 2); }),
        error_of([&] { t.slice(0, 0, 3); }),
        error_of([&] { t.reshape({7}); }),
        error_of([&] { reshape(x, {7}); }),
        error_of([&] { t.transpose({std::array<std::size_t, 1>{0}}); }),
        error_of([&] {
            transpose(x, {0, 0});
        }),
        error_of([&] { t.squeeze(0); }),
        error_of([&] { squeeze(x, 0); }),
        error_of([&] { t.expand_dims(5); }),
        error_of([&] { expand_dims(x, 5); }),
        error_of([&] { t.flip(2); }),
        error_of([&] { flip(x, 2); }),
        error_of([&] {
            t.broadcast_to({3, 2});
        }),
        error_of([&] {
            broadcast_to(x, {3, 2});
        }),
        error_of([&] { t.assign(Tensor<float>::ones({3})); }),
        error_of([&] {
            Tensor<float>({2}, {1, 2, 3});
        }),
        error_of([&] { nn::length_mask(lengths, 3); }),
        error_of([&] { nn::causal_mask(3, 2); }),
        error_of([&] { nn::all_of(mask, other); }),
        error_of([&] { nn::mean_over_time(x); }),
        error_of([&] { nn::max_over_time(t); }),
        error_of([&] {
            nn::max_over_time(reshape(x, {3, 2, 1}), lengths);
        }),
        error_of([&] {
            nn::mean_over_time(reshape(x, {3, 2, 1}), lengths);
        }),
        error_of([&] { nn::last_layer(x, true); }),
        error_of([&] {
            nn::without_padding(reshape(x, {3, 2, 1}), lengths);
        }),
        error_of([&] { nn::join_steps(x, 2); }),
        error_of([&] {
            nn::unpad_sequences(Indices::ones({3, 2}), lengths);
        })};
    const int last = __LINE__;
    for (const std::string& message : messages) {
        INFO(message);
        std::smatch found;
        REQUIRE(std::regex_search(message, found, std::regex("lines.cpp:([0-9]+)")));
        CHECK(std::stoi(found[1]) >= first);
        CHECK(std::stoi(found[1]) <= last);
    }
    CHECK(contains(messages[0], "Tensor: index 3 is out of range on axis 1 of shape [2, 3]"));
    CHECK(contains(messages[5], "element: 1 indices for an element of shape [2, 3]"));
}

TEST_CASE("pooling over time takes tensors and parameters") {
    const Tensor<float> h({2, 1, 2}, {1, 2, 3, 6});
    const Parameter<float> p("h", h);
    const std::vector<std::size_t> one{1};
    CHECK(nn::mean_over_time(h).value() == Tensor<float>({1, 2}, {2, 4}));
    CHECK(nn::mean_over_time(p).value() == Tensor<float>({1, 2}, {2, 4}));
    CHECK(nn::max_over_time(h, one).value() == Tensor<float>({1, 2}, {1, 2}));
    CHECK(nn::max_over_time(p, one).value() == Tensor<float>({1, 2}, {1, 2}));
    CHECK(nn::last_layer(h, false).value() == Tensor<float>({1, 2}, {3, 6}));
    CHECK(nn::without_padding(p, one).value() == Tensor<float>({2, 1, 2}, {1, 2, 0, 0}));
    CHECK(nn::join_steps(h, 2).x.value() == Tensor<float>({1, 1, 4}, {1, 2, 3, 6}));
}
