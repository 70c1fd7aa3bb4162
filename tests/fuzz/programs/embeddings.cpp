#include "../readers.hpp"

#define main main_of_embeddings
#include "../../../examples/embeddings/main.cpp"

namespace {

const fuzz::AddModel model("embeddings", [](const std::string& path) {
    const auto vectors = embeddings::read_vectors(path);
    vectors.nearest(vectors.words()[0], 3);
});

const fuzz::Add text("embeddings", embeddings::words_of);

} // namespace
