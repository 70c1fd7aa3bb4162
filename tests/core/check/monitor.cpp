#include "support.hpp"

#include <unroll/core/check/checking.hpp>
#include <unroll/core/check/profile.hpp>
#include <unroll/core/check/statistics.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/nn/recurrent/rnn.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/optim/optimizer.hpp>

#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <sstream>

using namespace test;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

void says(const std::string& message, std::initializer_list<const char*> parts) {
    for (const char* part : parts) {
        CAPTURE(message);
        CAPTURE(part);
        CHECK(contains(message, part));
    }
}

// The cells of a CSV text without quotes, by column name.
std::vector<std::map<std::string, std::string>> read_csv(const std::string& csv) {
    std::istringstream lines(csv);
    std::vector<std::string> columns;
    std::vector<std::map<std::string, std::string>> rows;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream cells(line);
        std::vector<std::string> found;
        for (std::string cell; std::getline(cells, cell, ',');) found.push_back(cell);
        if (columns.empty()) {
            columns = found;
            continue;
        }
        REQUIRE(found.size() == columns.size());
        for (std::size_t c = 0; c < columns.size(); ++c) {
            if (c == 0) rows.emplace_back();
            rows.back()[columns[c]] = found[c];
        }
    }
    return rows;
}

template <class T>
Variable<T> small_loss(Tape<T>& tape, const nn::Lstm<T>& lstm) {
    const auto x = tape.variable(random_tensor<T>({4, 2, 3}), "x");
    return sum(square(lstm(x).output));
}

} // namespace

TEST_CASE("checking: the first non-finite value is reported") {
    Tape<double> tape;
    const Checking<double> checking(tape);
    const auto x = tape.variable(Tensor<double>({2, 2}, {1, 2, -1, 1000}), "x");
    const Scope encoder("encoder");
    const Scope step("t", 17);
    says(error_of([&] { log(x); }),
         {"log: the value is nan at [1, 0] of [2, 2]", "input 0, 'x', of [2, 2] is in [-1, 1000]",
          "in encoder.t17; at ", "monitor.cpp:"});
    says(error_of([&] { exp(x * 2.0); }), {"exp: the value is inf at [1, 1] of [2, 2]",
                                           "from 'multiply', of [2, 2] is in [-2, 2000]"});
    const auto zero = x - x;
    says(error_of([&] { zero / zero; }), {"divide: the value is nan at [0, 0]",
                                          "input 0, from 'subtract', of [2, 2] is in [0, 0]"});
    says(error_of([&] { 1.0 / zero; }),
         {"divide: the value is inf at [0, 0]", "input 0, a constant, of [] is in [1, 1]",
          "check/monitor.cpp:"});
    says(error_of([&] { log(sum(zero)); }), {"log: the value is -inf of []"});
}

TEST_CASE("checking: an earlier non-finite value is reported as the cause") {
    Tape<double> tape;
    const Checking<double> checking(tape);
    Tensor<double> bad({2, 2}, {1, 2, nan_value, -3});
    Parameter<double> w("lstm.weight_hh", bad);
    const auto x = tape.variable(Tensor<double>::ones({1, 2}));
    says(error_of([&] { matmul(x, w); }), {"matmul: input 1, the parameter 'lstm.weight_hh', of "
                                           "[2, 2] is in [-3, 2] except for 1 nan, "
                                           "the first nan at [1, 0]"});
    says(error_of([&] { matmul(x, bad); }), {"matmul: the value is nan at [0, 0] of [1, 2]",
                                             "input 1, a constant, of [2, 2]", "1 nan"});
    w.set(Tensor<double>({2, 2}, {1, 2, inf, -3}));
    tape.clear();
    says(error_of([&] { (w) * 2.0; }),
         {"multiply: input 0, the parameter 'lstm.weight_hh'", "1 inf"});
    // An operation may mask out missing values.
    const auto data = tape.variable(bad);
    const auto known = where(Mask({2, 2}, {true, true, false, true}), data, 0.0);
    tape.backward(sum(known));
    CHECK(tape.gradient(data) == Tensor<double>({2, 2}, {1, 1, 0, 1}));
}

TEST_CASE("checking: the first non-finite gradient is reported") {
    Tape<double> tape;
    const Checking<double> checking(tape);
    const auto x = tape.variable(Tensor<double>({3}, {4, 0, 1}), "x");
    Variable<double> loss;
    {
        const Scope step("t", 3);
        const auto root = sqrt(x * 1.0);
        loss = sum(root * 2.0);
    }
    says(error_of([&] { tape.backward(loss); }),
         {"sqrt: the gradient of input 0, from 'multiply', is inf at [1] of [3]",
          "the incoming gradient, of [3] is in [2, 2]", "in t3; at ", "monitor.cpp:"});

    tape.clear();
    const auto y = tape.variable(Tensor<double>({2}, {1, 2}), "y");
    says(error_of([&] {
             tape.backward(y * 3.0, Tensor<double>({2}, {1, nan_value}));
         }),
         {"multiply: the gradient passed to backward is nan at [1] of [2]"});
    says(error_of([&] {
             tape.backward(y, Tensor<double>({2}, {inf, 1}));
         }),
         {"y: the gradient passed to backward is inf at [0] of [2]"});

    Parameter<double> w("w", Tensor<double>({2}, {1e200, 2}));
    const auto product = y * w;
    says(error_of([&] {
             tape.backward(product, Tensor<double>({2}, {1e200, 1}));
         }),
         {"multiply: the gradient of input 0, 'y', is inf at [0] of [2]",
          "input 1, the parameter 'w', of [2] is in [2, 1e+200]"});
    w.gradient_buffer().fill(nan_value);
    w.mark_gradient();
    tape.clear();
    const auto again = (w)*2.0;
    says(error_of([&] { tape.backward(sum(again)); }),
         {"the parameter 'w' already had a gradient that is nan"});
}

TEST_CASE("checking: views, rows written in place and combined products are checked") {
    nn::Rnn<double> rnn({.input = 2, .hidden = 3, .cell = {.relu = true}});
    rnn.cells()[0].weight_ih.change().fill(1);
    rnn.cells()[0].weight_hh.change().fill(1e80);
    Tape<double> tape;
    const Checking<double> checking(tape);
    const auto x = tape.variable(Tensor<double>::ones({8, 1, 2}));
    says(error_of([&] { rnn(x); }), {"is inf at", "in Rnn.layer0.t", "the parameter 'weight_hh'",
                                     "was overwritten by the result"});
    tape.clear();
    rnn.cells()[0].weight_hh.change().fill(1e60);
    const auto out = rnn(tape.variable(Tensor<double>::ones({4, 1, 2}))).output;
    says(error_of([&] { tape.backward(out, Tensor<double>::full(out.shape(), 1e200)); }),
         {"the gradient of input ", "in Rnn.layer0.t"});
    rnn.cells()[0].weight_hh.change().fill(0.1);
    tape.clear();
    for (const auto& p : parameters(rnn)) p.clear_gradient();
    tape.backward(sum(rnn(tape.variable(Tensor<double>::ones({4, 1, 2}))).output));
    const Tensor<double> checked = rnn.cells()[0].weight_hh.gradient().copy();
    Tape<double> plain;
    for (const auto& p : parameters(rnn)) p.clear_gradient();
    plain.backward(sum(rnn(plain.variable(Tensor<double>::ones({4, 1, 2}))).output));
    CHECK(distance(checked, rnn.cells()[0].weight_hh.gradient()) < 1e-12);
}

TEST_CASE("checking: intended infinities are accepted") {
    Tape<double> tape;
    const Checking<double> checking(tape);
    const auto x = tape.variable(random_tensor({3, 4}));
    Mask mask({3, 4});
    for (std::size_t i = 0; i < mask.size(); ++i) mask.data()[i] = i % 3 != 0 && i < 8;
    const auto scores = masked_fill(x, mask, -inf);
    Mask open(mask.shape());
    for (std::size_t i = 0; i < mask.size(); ++i) open.data()[i] = !mask.data()[i];
    const auto weights = softmax(x, open);
    const auto logs = log_softmax(x, open);
    const auto total = logsumexp(scores, {-1});
    const auto best = amax(scores);
    const auto kept = masked_select(logs, open);
    tape.backward(sum(square(weights)) + sum(total) + best + sum(kept) +
                  sum(square(softmax(scores))));
    CHECK(std::isfinite(tape.gradient(x)(0, 0)));
    CHECK(logsumexp(masked_fill(x, Mask::full({1}, true), -inf)).item() == -inf);
    // An additive mask, and probabilities in the log domain that begin with log 0.
    const auto added = x + Tensor<double>({4}, {0, -inf, 0, -inf});
    const auto alpha = logsumexp(added, {0});
    tape.backward(alpha, Tensor<double>::ones({4}));

    // Wrong results of infinities are not accepted.
    says(error_of([&] { scores - scores; }), {"subtract: the value is nan at"});
    says(error_of([&] { scores* scores; }), {"multiply: the value is inf at"});
    says(error_of([&] { log(weights); }), {"log: the value is -inf at"});
    says(error_of([&] { 0.0 * scores; }), {"multiply: the value is nan at"});
}

TEST_CASE("checking: an infinity that reaches a result is traced to the operation it comes from") {
    Tape<double> tape;
    const Checking<double> checking(tape);
    const auto x = tape.variable(random_tensor({2, 3}), "x");
    const Mask mask({2, 3}, {true, false, false, false, false, true});
    const Indices allowed({2}, {1, 0}), masked({2}, {0, 1});
    const auto scores = masked_fill(x, mask, -inf);
    const auto picked = pick(log_softmax(scores), masked);
    tape.backward(-mean(pick(log_softmax(scores), allowed)) + cross_entropy(scores, allowed),
                  {.retain = true});
    says(error_of([&] { -mean(picked); }),
         {"negative: the value is inf", "the infinity comes from 'masked_fill' at ",
          "monitor.cpp:", "by way of 'log_softmax', 'pick', 'mean'"});
    says(error_of([&] { cross_entropy(scores, masked); }),
         {"cross_entropy: the value is inf", "the infinity comes from 'masked_fill' at "});
    // What is masked out is not reported.
    const Mask second({2}, {false, true});
    tape.backward(-sum(where(second, picked, 0)) - sum(masked_select(picked, second)) +
                  cross_entropy(scores, Indices({2}, {-100, 1})));
    CHECK(std::isfinite(tape.gradient(x)(0, 1)));
}

TEST_CASE("checking: NaN in what a loss ignores is not reported, and is named where it is read") {
    Tape<double> tape;
    const Checking<double> checking(tape);
    const double nan = std::nan("");
    const auto x = tape.variable(Tensor<double>({2, 3}, {nan, nan, nan, 1, 2, 3}), "x");
    const Indices targets({2}, {0, 1});
    const Mask rows({2, 1}, {false, true}), all = rows.broadcast_to({2, 3});
    tape.backward(
        cross_entropy(x, Indices({2}, {-100, 1})) +
        cross_entropy(x, Indices({2}, {-100, 1}), {.smoothing = 0.1}) +
        cross_entropy(where(rows, x, 0), targets) + sum(masked_select(x, all)) +
        sum(where(Mask({2}, {false, true}), pick(log_softmax(x, all.copy()), targets), 0)));
    CHECK(std::isfinite(tape.gradient(x)(1, 0)));
    says(error_of([&] { pick(x, targets); }),
         {"pick: the value is nan at [0]", "input 0, 'x', of"});
}

TEST_CASE("checking: after an error the tape and the parameters can be used again") {
    nn::Lstm<float> lstm({.input = 3, .hidden = 4});
    optim::Sgd<float> sgd(parameters(lstm), {.learning_rate = 0.1});
    Tape<float> tape;
    auto checking = std::make_unique<Checking<float>>(tape);
    const auto loss = small_loss(tape, lstm);
    CHECK(contains(error_of([&] {
                       tape.backward(loss * std::numeric_limits<float>::infinity(),
                                     {.allow_non_finite = true});
                   }),
                   "multiply: the gradient of input 0"));
    CHECK(contains(error_of([&] { tape.backward(sqrt(loss - loss)); }), "sqrt: the gradient"));
    for (const auto& p : parameters(lstm)) p.clear_gradient();
    tape.clear();
    tape.backward(small_loss(tape, lstm));
    CHECK(sgd.step());
    // The same without checking: products are combined again, and no state of the check remains.
    checking.reset();
    CHECK(tape.monitors() == nullptr);
    tape.clear();
    tape.backward(small_loss(tape, lstm));
    CHECK(sgd.step());
}

TEST_CASE("monitors do not change the recording, and without any there is none") {
    nn::Lstm<double> lstm({.input = 3, .hidden = 4, .layers = 2});
    const auto gradient_of = [&](Tape<double>& tape) {
        for (const auto& p : parameters(lstm)) p.clear_gradient();
        const Recording<double> recording(tape);
        tape.backward(small_loss(tape, lstm));
        return lstm.cells()[0].weight_ih.gradient().copy();
    };
    Tape<double> off, on;
    CHECK(off.monitors() == nullptr);
    const auto plain = gradient_of(off);
    {
        const Checking<double> checking(on);
        auto statistics = std::make_unique<Statistics<double>>(on);
        const Profile<double> profile(on);
        CHECK(distance(gradient_of(on), plain) < 1e-12);
        CHECK(on.size() == off.size());
        CHECK(on.kept_bytes() == off.kept_bytes());
        CHECK(profile.operations().size() > 3);
        CHECK(statistics->parameters().size() == 8);
        statistics.reset(); // removed from the middle of the list
        on.clear();
        CHECK(profile.operations().empty());
        CHECK(distance(gradient_of(on), plain) < 1e-12);
        CHECK_FALSE(profile.operations().empty());
    }
    CHECK(on.monitors() == nullptr);
    on.clear();
    CHECK(gradient_of(on) == plain);
}

TEST_CASE("monitors may outlive their tape") {
    std::optional<Tape<double>> tape(std::in_place);
    const Checking<double> checking(*tape);
    const Statistics<double> statistics(*tape);
    const Profile<double> profile(*tape);
    const auto x = tape->variable(Tensor<double>::ones({2}));
    tape->backward(sum(x * x));
    tape.reset();
    CHECK(statistics.parameters().empty());
    CHECK(statistics.steps().empty());
    CHECK(profile.operations().empty());
}

TEST_CASE("statistics: parameters and time steps as rows, a table and CSV") {
    nn::Lstm<double> lstm({.input = 3, .hidden = 4});
    Tape<double> tape;
    const Statistics<double> statistics(tape);
    const auto x = tape.variable(random_tensor({4, 2, 3}), "x");
    auto h = lstm(x).output;
    tape.retain(h);
    const auto weights = random_tensor({4, 2, 4}, 3);
    tape.backward(sum(h * weights));

    const auto named = parameters(lstm);
    const auto rows = statistics.parameters();
    REQUIRE(rows.size() == named.size());
    const auto norm = [](const Tensor<double>& x) { return summarize(x).norm; };
    for (const auto& row : rows) {
        CHECK(row.module == "Lstm.layer0");
        const NamedParameter<double>* found = nullptr;
        for (const auto& entry : named)
            if (entry.name() == row.name) found = &entry;
        REQUIRE(found != nullptr);
        CHECK(row.gradient.norm == doctest::Approx(norm(found->gradient())).epsilon(1e-12));
    }

    const auto steps = statistics.steps();
    std::vector<double> arrived;
    for (const auto& row : steps) {
        CHECK(row.module == "Lstm.layer0.t");
        if (row.name != "lstm" || row.output != 0) continue;
        CHECK(row.step == static_cast<std::int64_t>(arrived.size()));
        CHECK(row.gradient.count == 8);
        arrived.push_back(row.gradient.norm);
    }
    REQUIRE(arrived.size() == 4);
    // The last step receives only the gradient of the loss; earlier steps receive more.
    CHECK(arrived[3] == doctest::Approx(norm(weights.select(0, 3))).epsilon(1e-12));
    CHECK(arrived[0] != doctest::Approx(norm(weights.select(0, 0))).epsilon(1e-12));

    const Table table = unroll::table(steps);
    const auto read = read_csv(table.csv());
    REQUIRE(read.size() == steps.size());
    for (std::size_t i = 0; i < read.size(); ++i) {
        CHECK(std::stoll(read[i].at("step")) == steps[i].step);
        CHECK(std::stod(read[i].at("norm")) ==
              doctest::Approx(steps[i].gradient.norm).epsilon(1e-3));
    }
    CHECK(contains(table.text(), "module         name"));
    CHECK_FALSE(contains(unroll::table(rows).text(), "step"));
    tape.clear();
    CHECK(statistics.steps().empty());
}

TEST_CASE("statistics: summaries and ranges") {
    Summary both = summarize(Tensor<double>({3}, {3, 0, 0}));
    both.add(summarize(Tensor<double>({1}, {-4})));
    CHECK(both.norm == doctest::Approx(5));
    CHECK(both.largest == 4);
    CHECK(both.zeros == doctest::Approx(0.5));
    CHECK(both.count == 4);
    both.add(summarize(Tensor<double>({1}, {nan_value})));
    CHECK(std::isnan(both.largest));
    const Range range = range_of(Tensor<double>({5}, {inf, -inf, nan_value, 2, -1}));
    CHECK(range.least == -1);
    CHECK(range.largest == 2);
    CHECK(range.nans + range.plus + range.minus == 3);
    CHECK(is_finite(Tensor<float>::ones({0})));
    CHECK(is_finite(random_tensor<float>({7, 9}).transpose()));
    CHECK_FALSE(is_finite(Tensor<double>({1}, {-inf})));
}

TEST_CASE("profiles: sums agree, in order of decreasing cost") {
    nn::Lstm<float> lstm({.input = 3, .hidden = 4, .layers = 2});
    Tape<float> tape;
    const Profile<float> profile(tape);
    auto loss = small_loss(tape, lstm);
    tape.backward(loss);
    const auto operations = profile.operations(), modules = profile.modules();
    const auto total = [](const std::vector<ProfileRow>& rows, auto value) {
        return std::accumulate(rows.begin(), rows.end(), 0.0, [&](double sum, const auto& row) {
            return sum + static_cast<double>(value(row));
        });
    };
    const auto seconds = [](const ProfileRow& row) { return row.seconds(); };
    const auto bytes = [](const ProfileRow& row) { return row.cost.bytes + row.cost.kept; };
    CHECK(total(operations, seconds) == doctest::Approx(total(modules, seconds)));
    CHECK(total(operations, bytes) == total(modules, bytes));
    for (std::size_t i = 1; i < operations.size(); ++i)
        CHECK(operations[i].seconds() <= operations[i - 1].seconds());
    const auto find = [](const std::vector<ProfileRow>& rows, const std::string& name) {
        for (const auto& row : rows)
            if (row.name == name) return row;
        return ProfileRow{};
    };
    CHECK(find(operations, "lstm").count == 8);
    // h and c of 4 steps, 2 layers, batch 2, 4 units; the rule saves four gates and c.
    CHECK(find(operations, "lstm").cost.bytes == 8 * 2 * 8 * sizeof(float));
    CHECK(find(operations, "lstm").cost.kept == 8 * 5 * 8 * sizeof(float));
    CHECK(find(operations, "lstm").cost.backward > 0);
    CHECK(find(modules, "Lstm.layer1.t").count > 0);

    const auto read = read_csv(table(operations).csv());
    REQUIRE(read.size() == operations.size());
    double shares = 0;
    for (const auto& row : read) shares += std::stod(row.at("share"));
    CHECK(shares == doctest::Approx(1).epsilon(0.01));
    CHECK(contains(profile.text(), "backward_ms"));
}

TEST_CASE("tables: quotes in CSV, columns in text") {
    const Table table{{"name", "n"}, {{"a,b", "1"}, {"say \"x\"", "20"}}};
    CHECK(table.csv() == "name,n\n\"a,b\",1\n\"say \"\"x\"\"\",20\n");
    CHECK(table.text() == "name      n\na,b       1\nsay \"x\"  20\n");
}
