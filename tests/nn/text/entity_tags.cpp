#include "core/files/files.hpp"

#include <unroll/nn/text/entity_tags.hpp>

#include <sstream>

using namespace test;

namespace {

// Sentences of tags, each with words w.
std::string column_file(const std::vector<std::string>& sentences) {
    std::string text;
    for (const auto& sentence : sentences) {
        std::istringstream tags(sentence);
        for (std::string tag; tags >> tag;) text += "w " + tag + "\n";
        text += "\n";
    }
    return text;
}

std::string converted(const std::vector<std::string>& sentences) {
    const Folder folder;
    put(folder / "x", column_file(sentences));
    std::string all;
    for (const auto& sentence : nn::read_entities(folder / "x")) {
        for (const auto& tag : sentence.tags) all += tag + " ";
        all += "| ";
    }
    return all;
}

void refuses(const std::vector<std::string>& sentences, const std::string& line,
             const std::string& problem) {
    const Folder folder;
    put(folder / "x", column_file(sentences));
    const std::string message = refusal([&] { nn::read_entities(folder / "x"); });
    CHECK(says(message, "'" + (folder / "x").string() + "', " + line));
    CHECK(says(message, problem));
}

} // namespace

TEST_CASE("read_entities: every scheme becomes IOB2") {
    const std::string expected = "B-p I-p O | O B-p B-p I-p | B-q | ";
    CHECK(converted({"B-p I-p O", "O B-p B-p I-p", "B-q"}) == expected);
    CHECK(converted({"I-p I-p O", "O I-p B-p I-p", "I-q"}) == expected); // IOB1
    CHECK(converted({"B-p E-p O", "O S-p B-p E-p", "S-q"}) == expected);
    CHECK(converted({"B-p L-p O", "O U-p B-p L-p", "U-q"}) == expected);
    CHECK(converted({"B-p I-p E-p"}) == "B-p I-p I-p | ");
    CHECK(converted({"B I O", "O B B I"}) ==
          "B-entity I-entity O | O B-entity B-entity I-entity | ");
    CHECK(converted({"p p O q p", "S"}) == "B-p I-p O B-q B-p | B-S | "); // types alone
    CHECK(converted({"I-p I-q"}) == "B-p B-q | ");
}

TEST_CASE("read_entities: errors with path and line") {
    refuses({"B-p I-p O", "O p"}, "line 6", "begins with one of BI");
    refuses({"U-p S-p"}, "line 2", "begins with one of BILU");
    refuses({"S-p O", "E-p O"}, "line 4", "no first word");
    refuses({"S-p I-p E-p"}, "line 2", "no first word");
    refuses({"S-p O", "B-p O"}, "line 5", "no last word (E)");
    refuses({"U-p B-p", "O"}, "line 2", "no last word (L)");
    refuses({"B-p E-q", "O"}, "line 2", "no last word (E)");
    refuses({"B- O", "B-p"}, "line 1", "begins with one of BI");
}
