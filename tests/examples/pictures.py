#!/usr/bin/env python3
"""Runs the programs on images as a user does, each on small generated input:
training, evaluation, use, gradients, errors.

usage: pictures.py CAPTION MOVING_DIGITS
"""

import gzip
import pathlib
import tempfile
import xml.etree.ElementTree

from programs import PROGRAMS, checks, refuses, result, run


def captions():
    model, picture = folder / "caption.safetensors", folder / "looked.svg"
    small = ["--channels", 8, "--hidden", 48, "--width", 16, "--batch", 16, "--learning-rate", 0.005, "--dropout", 0,
             "--shift", 0]
    found = result(run("caption", "train", *small, "--epochs", 16, "--out", model))
    # Without the image, fewer than half of the words would be correct.
    assert float(found["bleu1"]) > 70 and float(found["exact"]) > 5, found
    assert result(run("caption", "eval", model, "--beam", 1))["bleu4"] == found["bleu4"]
    shown = run("caption", "caption", model, "--first", 3, "--count", 2, "--svg", picture)
    assert "image 3: a " in shown and result(shown)["images"] == "2", shown
    words = shown.split("image 3: ")[1].split(" (")[0].split()
    drawn = xml.etree.ElementTree.parse(picture).getroot()
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text") if text.text]
    assert texts == words, (texts, words)
    none = folder / "none.safetensors"
    run("caption", "train", *small, "--attention", "none", "--epochs", 1, "--out", none)
    refuses("caption", "caption", none, "--svg", picture, naming=["without attention"])
    run("caption", "train", *small, "--epochs", 17, "--out", model, "--resume")
    checks("caption")
    checks("caption", "--attention", "none")
    run("caption", "train", *small, "--dump-graph", folder / "caption.dot")

    data = folder / "pictures"
    data.mkdir()
    refuses("caption", "train", data, naming=["idx4"])
    pixels = bytes([0, 0, 8, 4, 0, 0, 0, 2, 0, 0, 0, 32, 0, 0, 0, 32, 0, 0, 0, 3]) + bytes(2 * 3072)
    (data / "idx4.gz").write_bytes(gzip.compress(pixels))
    refuses("caption", "train", data, naming=["captions.tsv"])
    captions_file = data / "captions.tsv"
    for rows, naming in (("0 a dog\n", ["line 2", "tab"]), ("2\ta dog\n", ["line 2", "one of the 2 images"]),
                         ("x\ta dog\n", ["line 2"]), ("0\ta dog\n1\t,\n", ["line 3", "empty"]),
                         ("", ["no captions"]), ("0\ta dog\n1\ta cat\n", ["at least ten"])):
        captions_file.write_text("index\tcaption\n" + rows)
        refuses("caption", "train", data, naming=naming)
    (data / "idx4.gz").write_bytes(gzip.compress(pixels[:-1]))
    refuses("caption", "train", data, naming=["idx4.gz", "6143"])
    refuses("caption", "caption", model, "--first", 5000, naming=["5000"])
    refuses("moving_digits", "eval", model, naming=["caption.safetensors", "moving_digits"])


def clips():
    model = folder / "clips.safetensors"
    small = ["--hidden", 24, "--frames", 6, "--batch", 32, "--learning-rate", 0.01]
    found = result(run("moving_digits", "train", *small, "--epochs", 4, "--out", model))
    # Chance level: an eighth and a tenth.
    assert float(found["way_accuracy"]) > 0.3 and float(found["digit_accuracy"]) > 0.25, found
    assert result(run("moving_digits", "eval", model))["both_accuracy"] == found["both_accuracy"]
    shown = run("moving_digits", "watch", model, "--first", 3, "--count", 2)
    assert "clip 4: digit " in shown and " | " in shown and result(shown)["clips"] == "2", shown
    # One frame shows the digit, but not the direction.
    found = result(run("moving_digits", "train", "--hidden", 24, "--frames", 1, "--learning-rate", 0.01, "--epochs", 2,
                       "--out", folder / "still.safetensors"))
    assert float(found["way_accuracy"]) < 0.25, found
    for cell in ("rnn", "lstm", "gru"):
        checks("moving_digits", "--cell", cell)
    refuses("moving_digits", "train", "--frames", 20, naming=["--frames"])
    refuses("moving_digits", "train", folder / "pictures", naming=["train-images-idx3-ubyte.gz", "No such file"])
    refuses("moving_digits", "watch", model, "--first", 500, naming=["500"])


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    captions()
    clips()
    for program in PROGRAMS:
        assert "Examples:" in run(program, "--help"), program
print("images are captioned, clips are classified, and errors are reported")
