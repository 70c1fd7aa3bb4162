#include "model.hpp"

namespace char_lm {

std::map<std::string, std::string> Settings::words() const {
    return {{"model", model},
            {"cell", cell},
            {"layers", std::to_string(layers)},
            {"hidden", std::to_string(hidden)},
            {"embedding", std::to_string(embedding)},
            {"heads", std::to_string(heads)},
            {"context", std::to_string(context)},
            {"dropout", example::exact(dropout)}};
}

Settings Settings::from(const example::Header& header) {
    return {.model = header.word("model"),
            .cell = header.word("cell"),
            .layers = header.size("layers"),
            .hidden = header.size("hidden"),
            .embedding = header.size("embedding"),
            .heads = header.size("heads"),
            .context = header.size("context"),
            .dropout = header.real("dropout")};
}

Settings Settings::completed() const {
    const bool attends = model == "transformer";
    Settings all = *this;
    if (layers == 0) all.layers = attends ? 4 : 2;
    if (hidden == 0) all.hidden = attends ? 128 : 256;
    if (attends) all.embedding = all.hidden;
    return all;
}

} // namespace char_lm
