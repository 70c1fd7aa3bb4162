#!/usr/bin/env python3
"""Runs the sequence-to-sequence and the word model on built-in data: training, every command,
gradients, errors.

usage: translate.py TRANSLATE WORD_LM
"""

import pathlib
import re
import tempfile

from programs import learns, refuses, result, run

TRANSLATE, WORD_LM = "translate", "word_lm"


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)

    def wrong(content, file=folder / "wrong.txt"):
        file.write_bytes(content)
        return file

    model = folder / "translate.safetensors"
    small = ["--batch", 16, "--hidden", 48, "--width", 32, "--learning-rate", 1e-2, "--dropout", 0.1]
    learned = learns(TRANSLATE, *small, "--epochs", 25, "--out", model, factor=0.56)
    assert float(learned["bleu_beam"]) > 60, learned
    assert float(result(run(TRANSLATE, "eval", model, "--beam", 3))["bleu_beam"]) > 60
    picture = folder / "alignment.svg"
    said = run(TRANSLATE, "translate", model, "I see the black car.", "--alignment", picture)
    assert said.startswith("je vois"), said
    assert "voiture" in picture.read_text() and picture.read_text().startswith("<svg")
    assert int(result(run(TRANSLATE, "translate", model, given="we want the dog\nyou see the car\n"))
               ["sentences"]) == 2
    for attention in ("none", "dot", "general", "concat", "additive"):
        checked = run(TRANSLATE, "train", "--attention", attention, "--check-gradients")
        assert result(checked)["passed"] == "yes", checked
    attends = ["--model", "transformer", "--layers", 2, "--batch", 16, "--width", 32, "--dropout", 0.1]
    stacks = folder / "stacks.safetensors"
    learned = learns(TRANSLATE, *attends, "--learning-rate", 5e-3, "--epochs", 25, "--out", stacks, factor=0.56)
    assert float(learned["bleu_beam"]) > 60, learned
    assert float(result(run(TRANSLATE, "eval", stacks, "--beam", 3))["bleu_beam"]) > 60
    said = run(TRANSLATE, "translate", stacks, "I see the black car.", "--alignment", picture)
    assert said.startswith("je vois") and picture.read_text().startswith("<svg"), said
    assert result(run(TRANSLATE, "train", "--model", "transformer", "--check-gradients"))["passed"] == "yes"
    refuses(TRANSLATE, "train", *attends, "--heads", 5, naming=["32", "5"])
    without = folder / "without.safetensors"
    run(TRANSLATE, "train", *small, "--epochs", 1, "--attention", "none", "--out", without)
    run(TRANSLATE, "translate", without, "I see the car")
    # A resumed run uses the options that it was started with.
    run(TRANSLATE, "train", "--batch", 16, "--epochs", 2, "--resume", "--out", without)
    run(TRANSLATE, "eval", without)
    pairs = wrong("".join(f"{i} twice\t{2 * (i % 30)}\n" for i in range(300)).encode(), folder / "pairs.txt")
    run(TRANSLATE, "train", pairs, *small, "--epochs", 1, "--out", folder / "pairs.safetensors")
    draw = ["train", *small, "--dump-graph", folder / "graph.dot"]
    assert int(result(run(TRANSLATE, *draw))["nodes"]) > 20
    refuses(TRANSLATE, "train", wrong(b"a\tb\nno tab\n"), naming=["wrong.txt", "line 2", "no tab"])
    refuses(TRANSLATE, "train", wrong(b"a\tb\n\na\tb\n"), naming=["wrong.txt", "line 2"])
    refuses(TRANSLATE, "train", wrong(b"a\t \n"), naming=["wrong.txt", "line 1", "after the tab"])
    refuses(TRANSLATE, "train", wrong(b"a\tb\n\xff\xfe\0\n"), naming=["wrong.txt", "line 2"])
    refuses(TRANSLATE, "train", wrong(b""), naming=["wrong.txt", "empty"])
    refuses(TRANSLATE, "train", wrong(b"a\tb\n" * 20), naming=["wrong.txt", "ten pairs", "of 1"])
    refuses(TRANSLATE, "train", folder / "none.txt", naming=["none.txt"])
    refuses(TRANSLATE, "translate", without, "A car.", "--alignment", picture, naming=["attention"])
    refuses(TRANSLATE, "translate", model, " ", naming=["sentence 1", "empty"])

    words = folder / "words.safetensors"
    small = ["--width", 32, "--batch", 10, "--steps", 20, "--learning-rate", 1e-2, "--frequent", 10]
    learned = learns(WORD_LM, *small, "--epochs", 8, "--out", words, factor=0.67)
    assert float(learned["validation_perplexity"]) < 6, learned
    assert float(result(run(WORD_LM, "eval", words))["perplexity"]) < 6
    for first, second in (("apple and pear salad", "apple and pair salad"),
                          ("a pair of shoes", "a pear of shoes")):
        for choices in ([first, second], [second, first], ["--homophones", second]):
            best = run(WORD_LM, "score", words, *choices).splitlines()[1]
            assert best.endswith(first), best
    guessed = run(WORD_LM, "next", words, "he wears a pair of", "--count", 40)
    shares = [float(line.split()[0]) for line in guessed.splitlines()[:-1]]
    assert abs(sum(shares) - 1) < 1e-2 and len(shares) == 38, guessed
    assert result(guessed)["next"] in ("shoes", "gloves", "socks", "boots"), guessed
    assert result(run(WORD_LM, "train", "--check-gradients"))["passed"] == "yes"
    cells = re.search(r"--cell [^{]*{([\w,]+)}", run(WORD_LM, "train", "--help"))[1].split(",")
    other = folder / "other.safetensors"
    for cell in sorted(set(cells) - {"lstm"}):
        run(WORD_LM, "train", *small, "--cell", cell, "--epochs", 1, "--out", other)
        run(WORD_LM, "train", "--epochs", 2, "--resume", "--out", other)
        assert 0 < float(result(run(WORD_LM, "next", other, "he wears a pair of"))["p"]) <= 1
        run(WORD_LM, "train", *small, "--cell", cell, "--dump-graph", folder / "graph.dot")
        assert result(run(WORD_LM, "train", "--cell", cell, "--check-gradients"))["passed"] == "yes", cell
    refuses(WORD_LM, "train", "--cell", "mamba", "--weight-dropout", 0.1, naming=["Mamba", "weight_dropout", "recurrent weight"])
    text = wrong(b"one two three\n\ntwo one\n" * 200, folder / "text.txt")
    run(WORD_LM, "train", text, "--valid", text, *small[:-2], "--epochs", 1,
        "--frequent", 0, "--out", folder / "text.safetensors")
    run(WORD_LM, "train", text, "--batch", 10, "--epochs", 2, "--resume", "--out",
        folder / "text.safetensors")
    run(WORD_LM, "eval", folder / "text.safetensors", text)
    refuses(WORD_LM, "train", wrong(b"\n \n"), naming=["wrong.txt", "no word"])
    refuses(WORD_LM, "train", wrong(b"one two\n\0\xff\n"), naming=["wrong.txt", "line 2"])
    refuses(WORD_LM, "train", wrong(b"one\n"), naming=["single line"])
    refuses(WORD_LM, "train", wrong(b"one\ntwo\n"), naming=["too short"])
    refuses(WORD_LM, "train", folder / "none.txt", naming=["none.txt"])
    refuses(WORD_LM, "score", model, "a pear", naming=["translate.safetensors", "word_lm"])
print("sequences are translated, words are predicted, and errors are reported")
