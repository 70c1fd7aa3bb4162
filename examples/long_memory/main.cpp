#include "../common/learning.hpp"

#include <cmath>
#include <filesystem>
#include <numeric>

namespace long_memory {

using namespace unroll;
const CLI::Range lag(10, 100000);

// Problems that require long-term memory: adding (Hochreiter and Schmidhuber 1997, section 5.4),
// copying (Arjovsky et al. 2016), selective copying and induction (Gu and Dao 2023).
struct Settings : example::NetworkOptions {
    static constexpr const char* program = "long_memory";
    std::string problem = "adding";
    std::size_t lag = 50, symbols = 5; // number of symbols to copy

    Settings() : NetworkOptions{.hidden = 64} {}
    void fields(example::Fields f) {
        f("--problem", problem)
            ->check(CLI::IsMember({"adding", "copying", "selective", "induction"}));
        NetworkOptions::fields(f, example::all_cells);
        f("--symbols", symbols, "number of symbols to copy")->check(CLI::Range(1, 1000));
        f.stored("lag", lag, long_memory::lag);
    }
    // Without --memory, gates are initialised for memories up to the lag.
    NetworkOptions network() const {
        NetworkOptions options = *this;
        if (memory == 0 && (cell == "lstm" || cell == "gru")) options.memory = lag;
        return options;
    }
    bool adds() const { return problem == "adding"; }
    std::size_t inputs() const { return adds() ? 2 : 10; }
    // Symbols that a sequence asks for.
    std::size_t given() const { return adds() ? 0 : problem == "induction" ? 1 : symbols; }
    std::size_t outputs() const { return adds() ? 1 : 8; }
};

// Sequences whose lag is up to a tenth longer than given, so that lengths differ; each is drawn
// from its own random stream. Adding: pairs of a number in [-1, 1] and a mark, which is 1 for one
// of the first ten steps and one of the rest of the first half, and -1 at both ends; the target is
// 0.5 + a quarter of the sum of the two numbers. Copying: symbols, blanks for the lag, a marker,
// and then the same symbols; selective: with the blanks between the symbols. Induction: symbols
// with a marker in the first half and one at the end, which asks for the symbol after the first.
template <class T>
struct Batch {
    Tensor<T> x;                      // [longest, B, 2 or 10]
    std::vector<std::size_t> lengths; // of the sequences
    Tensor<T> sums;                   // [B, 1]
    Indices symbols;                  // [longest, B]; -100 where there is no target

    Batch(const Settings& s, example::Numbers which, const Random& random)
        : sums({which.size(), 1}) {
        std::vector<Random> own;
        for (const std::size_t number : which) {
            own.push_back(random.split(number));
            lengths.push_back(s.lag + own.back().below(s.lag / 10 + 1) + 2 * s.given());
        }
        const std::size_t longest = *std::ranges::max_element(lengths);
        x = Tensor<T>::zeros({longest, which.size(), s.inputs()});
        symbols = Indices::full({longest, which.size()}, -100);
        for (std::size_t b = 0; b < which.size(); ++b) {
            if (s.adds())
                add(b, own[b]);
            else if (s.problem == "induction")
                induce(b, own[b]);
            else
                copy(b, s.given(), s.problem == "selective", own[b]);
        }
    }

private:
    void add(std::size_t b, Random& random) {
        const std::size_t n = lengths[b];
        for (std::size_t t = 0; t < n; ++t) x(t, b, 0) = static_cast<T>(2 * random.uniform() - 1);
        x(0, b, 1) = x(n - 1, b, 1) = T(-1);
        const std::size_t first = random.below(std::min<std::size_t>(10, n / 4));
        const std::size_t second = first + 1 + random.below(n / 2 - first - 1);
        x(first, b, 1) = x(second, b, 1) = T(1);
        sums(b, 0) = T(0.5) + (x(first, b, 0) + x(second, b, 0)) / 4;
    }
    void copy(std::size_t b, std::size_t given, bool anywhere, Random& random) {
        const std::size_t answer = lengths[b] - given;
        std::vector<std::size_t> at(answer);
        std::iota(at.begin(), at.end(), std::size_t{0});
        if (anywhere) { // the first ones of a random order, sorted
            for (std::size_t i = 0; i < given; ++i)
                std::swap(at[i], at[i + random.below(answer - i)]);
            std::sort(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(given));
        }
        for (std::size_t t = 0; t < lengths[b]; ++t) x(t, b, t == answer ? 9 : 8) = T(1);
        for (std::size_t i = 0; i < given; ++i) {
            const std::size_t symbol = random.below(8);
            x(at[i], b, 8) = T(0);
            x(at[i], b, symbol) = T(1);
            symbols(answer + i, b) = static_cast<std::int64_t>(symbol);
        }
    }
    void induce(std::size_t b, Random& random) {
        const std::size_t last = lengths[b] - 1, marked = random.below(last / 2);
        for (std::size_t t = 0; t < last; ++t) {
            const std::size_t symbol = random.below(8);
            x(t, b, t == marked ? 9 : symbol) = T(1);
            if (t == marked + 1) symbols(last, b) = static_cast<std::int64_t>(symbol);
        }
        x(last, b, 9) = T(1);
    }
};

// A network with a linear head, which reads the last state or every output.
template <class T>
struct Model {
    using value_type = T;
    bool adds;
    example::Network<T> net;
    nn::Linear<T> head;

    explicit Model(const Settings& s)
        : adds(s.adds()), net(s.network(), s.inputs()),
          head({.input = s.width(), .output = s.outputs()}) {}

    // Sums [B, 1], or logits [longest, B, 8].
    Variable<T> operator()(const Batch<T>& batch) const {
        const auto x = Variable(batch.x);
        return head(adds ? net.last(x, batch.lengths) : net(x, batch.lengths));
    }
    Variable<T> loss(const Variable<T>& predicted, const Batch<T>& batch) const {
        return adds ? mean_squared_error(predicted, batch.sums)
                    : cross_entropy(predicted, batch.symbols);
    }
    void members(nn::Members<T>& m) { m("net", net)("head", head); }
};

// On new sequences: the mean absolute error and the fraction of errors below 0.04, or the fractions
// of wrong and correct symbols.
example::Figures figures(const Model<float>& model, const Settings& s, std::uint64_t seed,
                         std::size_t sequences) {
    double error = 0, near = 0, loss = 0;
    nn::ConfusionMatrix symbols(8);
    example::in_batches(sequences, 100, [&](const auto& which) {
        const Batch<float> batch(s, which, Random(seed).split(1));
        const auto predicted = model(batch);
        loss += static_cast<double>(which.size() * model.loss(predicted, batch).item());
        if (!s.adds()) symbols.add(batch.symbols, argmax(predicted));
        for (std::size_t b = 0; s.adds() && b < which.size(); ++b) {
            const double off = std::abs(predicted.value()(b, 0) - batch.sums(b, 0));
            error += off;
            near += off < 0.04;
        }
    });
    const auto n = static_cast<double>(sequences);
    if (s.adds()) return {{"mean_error", error / n}, {"accuracy", near / n}, {"loss", loss / n}};
    return {{"error_rate", 1 - symbols.accuracy()},
            {"accuracy", symbols.accuracy()},
            {"loss", loss / n}};
}

struct Training : example::TrainingOptions {
    Settings model;
    std::size_t sequences = 150000;

    Training()
        : TrainingOptions{
              .batch = 50, .minutes = 0, .epochs = 1, .out = "long_memory.safetensors"} {}
    // Without the lag, since a comparison has several.
    void options_of_all(CLI::App& command) {
        model.fields(command);
        command.add_option("--sequences", sequences, "number of training sequences")
            ->check(CLI::PositiveNumber);
        TrainingOptions::options(command, "sequences in a batch");
    }
    void options(CLI::App& command) {
        options_of_all(command);
        command.add_option("--lag", model.lag)->check(lag);
    }
    void shrink() {
        model.hidden = 4;
        model.lag = 10;
        model.symbols = 2;
    }
    std::string prepare() {
        return fmt::format("{} over a lag of {} with {}", model.problem, model.lag, model.cell);
    }
    nn::ShuffledBatches source() const { return {sequences, batch, seed}; }
    template <class T>
    Variable<T> loss(const Model<T>& net, example::Numbers which) const {
        const Batch<T> drawn(model, which, Random(seed));
        return net.loss(net(drawn), drawn);
    }
    example::Figures figures(const Model<float>& net, bool last) const {
        return long_memory::figures(net, model, seed + 1, last ? 2000 : 200);
    }
};

// Trains each cell at each lag; writes the models, a table and a chart into the folder --out.
int compare(const Training& o, const std::vector<std::string>& cells,
            const std::vector<std::size_t>& lags) {
    std::filesystem::create_directories(o.out);
    const std::string what = o.model.adds() ? "mean absolute error" : "fraction of wrong symbols";
    std::vector<std::string> columns{"lag"};
    columns.insert(columns.end(), cells.begin(), cells.end());
    Curves table(columns);
    example::Figures last;
    for (const std::size_t lag : lags) {
        std::vector<double> row{static_cast<double>(lag)};
        last.clear();
        for (const auto& cell : cells) {
            Training one = o;
            one.model.lag = lag;
            one.model.cell = cell;
            one.out = o.out + "/" + cell + "_" + std::to_string(lag) + ".safetensors";
            if (const int status = example::train<Training, Model>(one); status != 0) return status;
            const auto [settings, model] = example::load<Settings, Model>(one.out);
            row.push_back(one.figures(model, true)[0].value);
            last.emplace_back(cell, row.back());
        }
        table.add(row);
    }
    const std::string path = o.out + "/" + o.model.problem;
    write_file_atomically(path + ".csv", table.csv());
    write_file_atomically(path + ".svg", table.svg(what, cells));
    std::printf("%s\n%s", what.c_str(), table.csv().c_str());
    example::print_result(last, {{"lag", lags.back()}, {"out", o.out}});
    return 0;
}

} // namespace long_memory

int main(int argc, char** argv) {
    using namespace long_memory;
    example::Commands program(
        "long_memory",
        "Long-term memory of recurrent networks: adding, copying, selective copying and induction "
        "at different lags. Data are generated on demand.",
        {"train --cell lstm --lag 200", "train --problem copying --cell gru --lag 50",
         "eval long_memory.safetensors --lag 400", "compare --lags 50 100 200 --out adding",
         "compare --problem copying --out copying",
         "compare --problem induction --cells gru mingru mamba --layers 2 --out induction"});
    program.train("train one network at one lag", example::train<Training, Model>);
    Training compared;
    compared.out = "long_memory";
    std::vector<std::string> cells = example::common_cells;
    std::vector<std::size_t> lags{25, 50, 100, 200};
    CLI::App* command = program.add("compare", "train several cells at several lags",
                                    [&] { return compare(compared, cells, lags); });
    compared.options_of_all(*command);
    command->remove_option(command->get_option("--cell"));
    command->add_option("--cells", cells)->check(CLI::IsMember(example::all_cells));
    command->add_option("--lags", lags)->check(lag);
    std::string path;
    std::size_t other_lag = 0, seed = 1001;
    command = program.add("eval", "errors on new sequences", path, [&] {
        auto [settings, model] = example::load<Settings, Model>(path);
        if (other_lag > 0) settings.lag = other_lag;
        example::print_result(figures(model, settings, seed, 2000), {{"lag", settings.lag}});
    });
    command->add_option("--lag", other_lag, "lag; default: that of the training")
        ->check(lag)
        ->default_str("");
    command->add_option("--seed", seed, "seed of the sequences");

    return program.run(argc, argv);
}
