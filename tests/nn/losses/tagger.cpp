#include "support.hpp"

#include <unroll/nn/initialize.hpp>
#include <unroll/nn/losses/tagger.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

using namespace test;
using Tags = std::vector<std::int64_t>;

namespace {

constexpr std::size_t classes = 3, steps = 4;
const std::vector<std::size_t> lengths{4, 0, 2};
// Padding must not be read.
const Indices tags({steps, 3}, {2, 9, 1, 0, 9, 2, 1, 9, -7, 1, 9, 50});

nn::Tagger<double> tagger(bool crf) {
    nn::seed(7);
    nn::Tagger<double> made({.input = 2, .tags = classes, .crf = crf});
    if (crf)
        for (Parameter<double>* p : {&made.crf->transitions, &made.crf->start, &made.crf->end})
            Random(p->value().size()).fill_normal(p->change().data(), p->value().size(), 0.0, 1.0);
    return made;
}

// The score of a path, with independent tags unless there is a CRF.
double score(const nn::Tagger<double>& t, const Tensor<double>& h, std::size_t b,
             const Tags& path) {
    double sum = 0;
    for (std::size_t i = 0; i < path.size(); ++i) {
        const auto k = static_cast<std::size_t>(path[i]);
        sum += t.head.bias.value()(k);
        for (std::size_t j = 0; j < 2; ++j) sum += t.head.weight.value()(k, j) * h(i, b, j);
        if (!t.crf) continue;
        const auto before = static_cast<std::size_t>(i > 0 ? path[i - 1] : 0);
        sum += i == 0 ? t.crf->start.value()(k) : t.crf->transitions.value()(before, k);
        if (i + 1 == path.size()) sum += t.crf->end.value()(k);
    }
    return sum;
}

// All paths of a length.
std::vector<Tags> paths(std::size_t length) {
    std::vector<Tags> all{{}};
    for (std::size_t i = 0; i < length; ++i) {
        std::vector<Tags> longer;
        for (const Tags& path : all)
            for (std::size_t k = 0; k < classes; ++k) {
                longer.push_back(path);
                longer.back().push_back(static_cast<std::int64_t>(k));
            }
        all = longer;
    }
    return all;
}

} // namespace

TEST_CASE("a tagger's loss and tags equal the enumeration of all paths") {
    const auto h = random_tensor({steps, 3, 2}, 3);
    for (const bool crf : {false, true}) {
        const auto t = tagger(crf);
        const auto found = t.decode(Variable<double>(h), lengths);
        double nats = 0, count = 0;
        for (std::size_t b = 0; b < lengths.size(); ++b) {
            Tags truth, best;
            for (std::size_t i = 0; i < lengths[b]; ++i) truth.push_back(tags(i, b));
            double partition = 0;
            for (const Tags& path : paths(lengths[b])) {
                partition += std::exp(score(t, h, b, path));
                if (best.empty() || score(t, h, b, path) > score(t, h, b, best)) best = path;
            }
            nats += std::log(partition) - score(t, h, b, truth);
            count += static_cast<double>(lengths[b]);
            CHECK(found[b] == best);
        }
        CHECK(t.loss(Variable<double>(h), tags, lengths).item() == doctest::Approx(nats / count));
    }
}

TEST_CASE("taggers without steps, with constraints, and with invalid input") {
    const auto h = Variable<double>(random_tensor({2, 1, 2}));
    const Indices two({2, 1}, {0, 1});
    for (const bool crf : {false, true}) {
        const auto t = tagger(crf);
        const Variable<double> nothing(Tensor<double>::zeros({0, 2, 2}));
        CHECK(t.loss(nothing, Indices::zeros({0, 2})).item() == 0);
        CHECK(t.decode(nothing) == std::vector<Tags>(2));
        CHECK(t.decode(h)[0].size() == 2);
        CHECK(contains(error_of([&] { t.loss(h, Indices::zeros({1, 1})); }), "tags have shape"));
        CHECK(contains(error_of([&] { t.loss(h, Indices({2, 1}, {0, 3})); }), "3"));
        const std::vector<std::size_t> long_one{3};
        CHECK(contains(error_of([&] { t.decode(h, long_one); }), "3"));
    }
    const std::vector<std::string> names{"O", "B-x", "I-x"};
    nn::Tagger<double> t(
        {.input = 2, .tags = 3, .crf = true, .constraints = nn::bio_constraints(names)});
    t.head.bias.change().data()[2] = 100;
    CHECK(t.decode(h)[0] == Tags{1, 2});
    CHECK(nn::parameter_count(t) == 9 + 9 + 6);
    auto plain = tagger(false);
    CHECK(nn::parameter_count(plain) == 9);
}

TEST_CASE("gradients of taggers") {
    for (const bool crf : {false, true})
        for (const int order : {1, 2}) {
            auto t = tagger(crf);
            const auto report =
                gradcheck([&](const auto& in) { return t.loss(in[0], tags, lengths); },
                          {random_tensor({steps, 3, 2}, 3)}, parameters(t), {.order = order});
            CHECK_MESSAGE(report, report.text());
        }
}
