#include "model.hpp"

#include <sstream>

namespace char_lm {

std::map<std::string, std::string> Settings::words() const {
    std::ostringstream share;
    share << dropout;
    return {{"model", model},
            {"cell", cell},
            {"layers", std::to_string(layers)},
            {"hidden", std::to_string(hidden)},
            {"embedding", std::to_string(embedding)},
            {"heads", std::to_string(heads)},
            {"context", std::to_string(context)},
            {"dropout", share.str()}};
}

Settings Settings::from(const std::map<std::string, std::string>& words) {
    const auto get = [&](const char* key) {
        const auto found = words.find(key);
        if (found == words.end()) fail("char_lm", std::string("the model lacks '") + key + "'");
        return found->second;
    };
    const auto size = [&](const char* key) {
        std::size_t n = 0;
        if (!(std::istringstream(get(key)) >> n) || n == 0 || n > 1u << 20)
            fail("char_lm", std::string("'") + key + "' of the model is " + get(key));
        return n;
    };
    Settings settings{get("model"),      get("cell"),   size("layers"),  size("hidden"),
                      size("embedding"), size("heads"), size("context"), 0};
    std::istringstream(get("dropout")) >> settings.dropout;
    return settings;
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
