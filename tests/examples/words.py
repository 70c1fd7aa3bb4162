#!/usr/bin/env python3
"""Runs the programs on text on small generated inputs.

usage: words.py SENTIMENT TREE_SENTIMENT NER NAMES EMBEDDINGS
"""

import pathlib
import tempfile

from programs import checks, learns, refuses, result, run

SENTIMENT, TREES, NER, NAMES, EMBEDDINGS = "sentiment", "tree_sentiment", "ner", "names", "embeddings"
TRAIN = ["--seed", 1, "--threads", 1]


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)

    def file(called, text):
        path = folder / called
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    empty = file("empty.txt", "")
    binary = file("binary.txt", b"a\x00b\xff\n")
    none = folder / "none.txt"

    small = ["--hidden", 16, "--embedding", 16, "--batch", 16, "--dropout", 0, "--learning-rate", 0.02]
    model = folder / "sentiment.safetensors"
    for pooling in ("last", "mean", "max", "attention"):
        checks(SENTIMENT, "--pooling", pooling)
    for pooling in ("max", "attention"):
        figures = learns(SENTIMENT, *TRAIN, "--out", model, *small, "--epochs", 20, "--pooling", pooling, factor=0.3)
        assert float(figures["five_class"]) > 0.9, figures
    assert float(result(run(SENTIMENT, "eval", model))["binary"]) > 0.9
    told = run(SENTIMENT, "classify", model, "The film is superb.")
    assert "superb" in told and "%" in told and int(result(told)["class"]) > 2, told
    trees = file("trees.txt", "(3 (2 It) (4 (2 is) (4 good)))\n(1 (2 Not) (3 good))\n")
    run(SENTIMENT, "train", trees, trees, "--phrases", *small[:4], "--batch", 2, "--epochs", 2,
        "--out", folder / "trees.safetensors")
    refuses(SENTIMENT, "train", none, naming=["none.txt"])
    refuses(SENTIMENT, "train", file("bad.txt", "(3 (2 a) (2 b))\n(3 (2 a) (7 b))\n"),
            naming=["bad.txt", "line 2", "label"])
    refuses(SENTIMENT, "train", file("gap.txt", "(3 (2 a) (2 b))\n\n(3 (2 a) (3 b))\n"),
            naming=["gap.txt", "line 2"])
    refuses(SENTIMENT, "train", binary, naming=["binary.txt", "line 1"])
    refuses(SENTIMENT, "eval", trees, naming=["trees.txt"])

    # At a learning rate of 0.01 the loss of bilinear products is unstable and depends on rounding.
    small = ["--hidden", 32, "--embedding", 32, "--batch", 16, "--dropout", 0, "--learning-rate", 0.004]
    model, drawing = folder / "tree_sentiment.safetensors", folder / "parse.dot"
    for cell in ("recursive", "rntn", "child-sum", "nary"):
        checks(TREES, "--cell", cell)
        figures = learns(TREES, *TRAIN, "--out", model, *small, "--epochs", 60, "--cell", cell, factor=0.3)
        assert float(figures["five_class"]) > 0.8 and float(figures["nodes"]) > 0.9, figures
    checks(TREES, "--check-order", 2)
    assert float(result(run(TREES, "eval", model))["binary"]) > 0.9
    told = run(TREES, "draw", model, "--tree", 2, "--picture", drawing)
    assert "not awful" in told and int(result(told)["nodes"]) == 13, told
    assert drawing.read_text().count("->") == 12 + 7 and "superb" not in drawing.read_text()
    run(TREES, "draw", model, trees, "--picture", folder / "parse.svg")
    assert "great" not in (folder / "parse.svg").read_text()
    assert ">good</text>" in (folder / "parse.svg").read_text()
    refuses(TREES, "draw", model, "--tree", 1000, naming=["1000"])
    refuses(TREES, "draw", model, "--picture", folder / "parse.gif", naming=["parse.gif"])
    refuses(TREES, "train", file("loose.txt", "(3 (2 a) b)\n"), naming=["loose.txt", "line 1", "words next to"])
    refuses(TREES, "train", file("three.txt", "(3 (2 a) (2 b) (2 c))\n"), naming=["three.txt", "line 1", "3 parts"])
    refuses(TREES, "train", none, naming=["none.txt"])
    refuses(TREES, "eval", trees, naming=["trees.txt"])

    small = ["--hidden", 16, "--embedding", 16, "--batch", 8, "--dropout", 0, "--learning-rate", 0.02]
    model = folder / "ner.safetensors"
    for how in ([], ["--crf"]):
        checks(NER, *how)
        learns(NER, *TRAIN, "--out", model, *small, "--epochs", 20, *how, factor=0.3)
    assert float(result(run(NER, "eval", model))["entity_f1"]) > 90
    told = run(NER, "tag", model, "He met Teddy Roosevelt today .", "Teddy bears are on sale")
    assert "person: Teddy Roosevelt" in told and result(told)["entities"] == "1", told
    refuses(NER, "train", none, naming=["none.txt"])
    refuses(NER, "train", file("bad.conll", "Ada\tB-person\nwrote\n"), naming=["bad.conll", "line 2"])
    # A tag that is not in the training data is an error of the model, as in conlleval.
    assert float(result(run(NER, "eval", model, file("other.conll", "Ada\tO\nwrote\tB-song\n")))["recall"]) == 0
    refuses(NER, "train", binary, naming=["binary.txt"])

    small = ["--hidden", 16, "--batch", 16, "--dropout", 0, "--learning-rate", 0.02]
    model = folder / "names.safetensors"
    checks(NAMES)
    learns(NAMES, *TRAIN, "--out", model, *small, "--epochs", 40, factor=0.6)
    assert float(result(run(NAMES, "eval", model))["accuracy"]) > 0.9
    invented = run(NAMES, "sample", model, "--count", 5, "--seed", 3)
    assert invented == run(NAMES, "sample", model, "--count", 5, "--seed", 3)
    assert len(invented.splitlines()) == 6
    assert result(run(NAMES, "classify", model, "bako"))["class"] == "first"
    refuses(NAMES, "train", none, naming=["none.txt"])
    refuses(NAMES, "train", empty, naming=["empty.txt"])
    refuses(NAMES, "train", file("gap.names", "ada\n\ngrace\n"), naming=["gap.names", "line 2"])
    refuses(NAMES, "train", binary, naming=["binary.txt", "line 1"])

    model, vectors = folder / "embeddings.safetensors", folder / "vectors.txt"
    checks(EMBEDDINGS)
    learns(EMBEDDINGS, *TRAIN, "--out", model, "--batch", 2, "--epochs", 30, "--width", 16, "--learning-rate", 0.02,
           "--window", 2,
           "--vectors", vectors, factor=0.6)
    assert vectors.read_text().splitlines()[0].endswith(" 16")
    towns = run(EMBEDDINGS, "neighbours", model, "paris", "--count", 3)
    assert all(town in towns for town in ("london", "rome", "athens")), towns
    run(EMBEDDINGS, "analogy", vectors, "cow", "horse", "paris")
    agreed = result(run(EMBEDDINGS, "eval", model, vectors))
    assert float(agreed["correlation_of_cosines"]) > 0.99, agreed
    refuses(EMBEDDINGS, "train", none, naming=["none.txt"])
    refuses(EMBEDDINGS, "train", empty, naming=["empty.txt"])
    refuses(EMBEDDINGS, "neighbours", file("bad.vectors", "3 2\na 1 2\nb 1\n"), "a",
            naming=["bad.vectors", "line 3"])
    refuses(EMBEDDINGS, "neighbours", vectors, "xyzzy", naming=["xyzzy"])
print("the programs on text train, predict and report errors")
