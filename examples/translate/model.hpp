#pragma once

#include "../common/learning.hpp"
#include "../common/named_attention.hpp"

#include <variant>

namespace translate {

using namespace unroll;

// Source sentences need no start and end symbols.
inline const nn::SpecialSymbols source_symbols{"<pad>", "<unk>", "", ""};

struct Settings {
    static constexpr const char* program = "translate";
    std::string model = "recurrent", attention = "dot";
    std::size_t width = 256, hidden = 256, layers = 3, heads = 4, held_out = 1500;
    double dropout = 0.3;
    nn::Vocabulary source = example::empty_vocabulary(), target = source;

    void fields(example::Fields f) {
        const CLI::Range size(1, 65536);
        f("--model", model)->check(CLI::IsMember({"recurrent", "transformer"}));
        f("--attention", attention, "attention of a recurrent model")
            ->check(CLI::IsMember({"none", "dot", "general", "concat", "additive"}));
        f("--width", width, "width of the word embedding and of a transformer's layers")
            ->check(size);
        f("--hidden", hidden, "width of the recurrent layers")->check(size);
        f("--layers", layers, "layers of each of a transformer's two stacks")
            ->check(CLI::Range(1, 64));
        f("--heads", heads, "attention heads of a transformer")->check(size);
        f("--held-out", held_out, "held-out sources, at most a tenth of the pairs")
            ->check(CLI::PositiveNumber);
        f("--dropout", dropout, "dropout probability")->check(CLI::Range(0.0, 0.99));
        f.stored("source", source, source_symbols);
        f.stored("target", target);
    }
    bool attends() const { return model == "transformer" || attention != "none"; }
};

// A bidirectional GRU encoder and a GRU decoder that attends after its step; or two Transformer
// stacks.
template <class T>
struct Model {
    using value_type = T;
    using Cell = nn::GruCell<T>;
    using Recurrent = nn::EncoderDecoder<Cell, Cell, example::NamedAttention<T>>;
    using Network = std::variant<Recurrent, nn::Transformer<T>>;

    explicit Model(const Settings& s)
        : dropped(s.dropout), embed({.vocabulary = s.source.size(), .width = s.width}),
          net(network(s, s.target.size(), s.target.start())) {}

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
    Variable<T> read(const Indices& sources) const { return dropout(embed(sources), dropped); }
    // Cross-entropy of the targets; those below 0 are ignored.
    Variable<T> loss(const nn::PaddedBatch& x, const Indices& targets, double smoothing) const {
        const auto loss_of = [&](const auto& net) {
            const auto logits = net(read(x.numbers), targets, x.lengths).logits;
            return cross_entropy(logits, targets, {.smoothing = smoothing});
        };
        return std::visit(loss_of, net);
    }
    // The hypotheses for each source, best first.
    auto write(const nn::PaddedBatch& x, const nn::BeamOptions& options) const {
        const auto write = [&](const auto& net) {
            return nn::beam_search(net.step(), net.start(read(x.numbers), x.lengths),
                                   net.starts(x.lengths.size()), options);
        };
        return std::visit(write, net);
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
