#pragma once

#include "../common/named_attention.hpp"
#include "data.hpp"

#include <variant>

namespace translate {

struct Settings {
    std::string model = "recurrent", attention = "dot"; // or transformer, which has its own
    std::size_t width = 256, hidden = 256;
    std::size_t layers = 3, heads = 4; // of a transformer
    double dropout = 0.3;
};

// A bidirectional GRU reads, a GRU writes, attending after its step; or two Transformer stacks.
template <class T>
struct Model {
    using value_type = T;
    using Cell = nn::GruCell<T>;
    using Recurrent = nn::EncoderDecoder<Cell, Cell, example::NamedAttention<T>>;
    using Network = std::variant<Recurrent, nn::Transformer<T>>;

    Model(const Settings& s, std::size_t sources, std::size_t targets, std::int64_t start)
        : dropped(s.dropout), embed({.vocabulary = sources, .width = s.width}),
          net(network(s, targets, start)) {}

    static Network network(const Settings& s, std::size_t targets, std::int64_t start) {
        if (s.model == "transformer") {
            const nn::TransformerOptions stack{.width = s.width,
                                               .heads = s.heads,
                                               .layers = s.layers,
                                               .dropout = s.dropout,
                                               .norm_first = true,
                                               .positions = nn::Positions::sinusoidal};
            return nn::Transformer<T>(
                {.encoder = stack, .decoder = stack, .vocabulary = targets, .start = start});
        }
        return Recurrent({.encoder = {.input = s.width,
                                      .hidden = s.hidden,
                                      .bidirectional = true,
                                      .merge = nn::Merge::add},
                          .decoder = {.vocabulary = targets,
                                      .width = s.width,
                                      .hidden = s.hidden,
                                      .dropout = s.dropout,
                                      .attend = Recurrent::Writer::Options::Attend::after,
                                      .start = start,
                                      .attention = {.name = s.attention}}});
    }
    Variable<T> read(Tape<T>& tape, const Indices& sources) const {
        return dropout(embed(tape, sources), dropped);
    }
    // Targets of which those below 0 do not count.
    Variable<T> loss(Tape<T>& tape, const nn::PaddedBatch& sources, const Indices& targets,
                     double smoothing) const {
        const auto logits = std::visit(
            [&](const auto& net) {
                return net(read(tape, sources.numbers), targets, sources.lengths).logits;
            },
            net);
        return cross_entropy(logits, targets, {.smoothing = smoothing});
    }
    // What is written for sources [S, B], best first.
    auto write(Tape<T>& tape, const Indices& sources, std::span<const std::size_t> lengths,
               const nn::BeamOptions& options) const {
        return std::visit(
            [&](const auto& net) {
                return nn::beam_search(tape, net.step(), net.start(read(tape, sources), lengths),
                                       net.starts(lengths.size()), options);
            },
            net);
    }
    void members(nn::Members<T>& m) {
        m("embed", embed);
        std::visit([&](auto& net) { m("net", net); }, net);
    }

    double dropped;
    nn::Embedding<T> embed;
    Network net;
};

} // namespace translate
