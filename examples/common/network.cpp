#include "network.hpp"

#include <algorithm>

namespace example {

using namespace unroll;

void NetworkOptions::fields(Fields f, const std::vector<std::string>& cells) {
    f("--cell", cell, "recurrent cell")->check(CLI::IsMember(cells));
    f("--layers", layers, "recurrent layers")->check(CLI::Range(1, 64));
    f("--hidden", hidden, "width of a layer")->check(CLI::Range(1, 65536));
    f("--dropout", dropout, "dropout probability")->check(CLI::Range(0.0, 1.0));
    f->add_option("--forget-bias", forget_bias, "initial bias of an LSTM's forget gate");
    f->add_option("--memory", memory,
                  "chrono initialisation of an LSTM or GRU: longest memory in steps; 0: none")
        ->check(CLI::Range(0, 1000000));
    f.stored("bidirectional", bidirectional);
}

namespace {

template <class Cell>
nn::Recurrent<Cell> layers(const NetworkOptions& o, std::size_t input,
                           const nn::cell_options<Cell>& cell = {}) {
    return nn::Recurrent<Cell>({.input = input,
                                .hidden = o.hidden,
                                .layers = o.layers,
                                .dropout = o.layers > 1 ? o.dropout : 0,
                                .bidirectional = o.bidirectional,
                                .cell = cell,
                                .input_dropout = o.input_dropout,
                                .output_dropout = o.output_dropout,
                                .weight_dropout = o.weight_dropout});
}

template <class T>
typename Network<T>::Any chosen(const NetworkOptions& o, std::size_t input) {
    if (o.memory > 0 && o.cell != "lstm" && o.cell != "gru")
        fail("network", fmt::format("--memory sets the gates of an lstm or gru; {} has none of "
                                    "these, omit the option",
                                    o.cell));
    const double open = o.forget_bias;
    if (o.cell == "lstm") return layers<nn::LstmCell<T>>(o, input, {.forget_bias = open});
    if (o.cell == "gru") return layers<nn::GruCell<T>>(o, input);
    if (o.cell == "rnn") return layers<nn::RnnCell<T>>(o, input);
    if (o.cell == "mingru") return layers<nn::MinGruCell<T>>(o, input);
    if (o.cell == "minlstm") return layers<nn::MinLstmCell<T>>(o, input);
    if (o.cell == "sru") return layers<nn::SruCell<T>>(o, input);
    if (o.cell == "qrnn") return layers<nn::QrnnCell<T>>(o, input);
    if (o.cell == "indrnn") return layers<nn::IndRnnCell<T>>(o, input);
    if (o.cell == "lru") return layers<nn::LruCell<T>>(o, input);
    if (o.cell == "rglru") return layers<nn::RgLruCell<T>>(o, input);
    if (o.cell == "s5") return layers<nn::S5Cell<T>>(o, input);
    if (o.cell == "mamba") return layers<nn::MambaCell<T>>(o, input);
    if (o.cell == "slstm") return layers<nn::SLstmCell<T>>(o, input, {.forget_bias = open});
    if (o.cell == "mlstm") { // heads of width 64, where that divides --hidden
        const std::size_t heads = o.hidden % 64 == 0 ? o.hidden / 64 : 1;
        return layers<nn::MLstmCell<T>>(o, input, {.heads = heads, .forget_bias = open});
    }
    fail("network", fmt::format("there is no cell '{}'; expected one of {}", o.cell,
                                fmt::join(all_cells, ", ")));
}

} // namespace

template <class T>
Network<T>::Network(const NetworkOptions& options, std::size_t input)
    : net_(chosen<T>(options, input)), bidirectional_(options.bidirectional) {
    if (options.memory == 0) return;
    if (auto* const lstm = std::get_if<nn::Lstm<T>>(&net_))
        nn::initialize_chrono(*lstm, options.memory);
    if (auto* const gru = std::get_if<nn::Gru<T>>(&net_))
        nn::initialize_chrono(*gru, options.memory);
}

template <class T>
Variable<T> Network<T>::operator()(const V& x, Lengths lengths, Carried* carried) const {
    return std::visit([&](const auto& net) { return read_on(net, x, carried, lengths); }, net_);
}

template <class T>
Variable<T> Network<T>::last(const V& x, Lengths lengths) const {
    return std::visit(
        [&](const auto& net) {
            return nn::last_layer(net(x, {}, lengths).state[0], bidirectional_);
        },
        net_);
}

template <class T>
void Network<T>::members(nn::Members<T>& m) {
    std::visit([&](auto& net) { m("", net); }, net_);
}

template class Network<float>;
template class Network<double>;

Indices steps_within(std::span<const std::size_t> lengths) {
    std::vector<std::int64_t> at;
    const std::size_t steps = lengths.empty() ? 0 : *std::ranges::max_element(lengths);
    for (std::size_t t = 0; t < steps; ++t)
        for (std::size_t b = 0; b < lengths.size(); ++b)
            if (t < lengths[b]) at.push_back(static_cast<std::int64_t>(t * lengths.size() + b));
    return Indices({at.size()}, std::span<const std::int64_t>(at));
}

} // namespace example
