#!/usr/bin/env python3
"""Runs the recogniser of spoken digits on synthetic tones: training, every command, every model,
gradients, errors.

usage: speech.py SPEECH
"""

import math
import pathlib
import re
import struct
import tarfile
import tempfile
import wave

from programs import refuses, result, run


def tone(path, hertz, seconds=0.3, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(
            struct.pack("<h", int(9000 * math.sin(2 * math.pi * hertz * i / rate)))
            for i in range(int(seconds * rate))))


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    model = folder / "ctc.safetensors"
    small = ["--hidden", 32, "--batch", 20, "--learning-rate", 1e-2, "--mask", 2, "--dropout", 0]
    learned = result(run("speech", "train", *small, "--epochs", 10, "--out", model))
    assert float(learned["wer_single_greedy"]) < 5 and float(learned["wer_strings_beam"]) < 10, learned
    measured = result(run("speech", "eval", model))
    assert measured["wer_single"] == f"{float(learned['wer_single_beam']):.2f}", (measured, learned)
    assert measured["utterances_strings"] == "50", measured

    # Recognising a file equals recognising the string that it contains, with its times.
    saved, picture = folder / "string.wav", folder / "heard.svg"
    heard = run("speech", "recognise", model, "--string", 3, "--save", saved, "--picture", picture)
    again = run("speech", "recognise", model, saved, "--beam", 1)
    words = heard.splitlines()[0].split()
    assert 2 <= len(words) <= 7 and again.splitlines()[0].split() == words, (heard, again)
    times = [(float(a), float(b), word) for a, b, word in
             re.findall(r"^ +([\d.]+) - +([\d.]+) s  (\w+)$", heard, re.M)]
    assert [word for _, _, word in times] == words, heard
    assert all(a < b for a, b, _ in times) and times == sorted(times), heard
    assert picture.read_text().startswith("<svg") and words[0] in picture.read_text()

    # Letters, with and without the names of the digits; the other models.
    letters = folder / "letters.safetensors"
    run("speech", "train", *small, "--symbols", "letters", "--epochs", 2, "--out", letters)
    free, bound = (result(run("speech", "eval", letters, "--beam", 4, *more)) for more in ([], ["--lexicon"]))
    assert float(bound["wer_single"]) <= float(free["wer_single"]), (free, bound)
    known = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}
    assert set(run("speech", "recognise", letters, "--lexicon").splitlines()[0].split()) <= known
    for kind in ("ctc", "transducer", "las", "transformer_ctc", "transformer"):
        checked = run("speech", "train", "--model", kind, "--check-gradients")
        assert result(checked)["passed"] == "yes", checked
        other = folder / f"{kind}.other"
        run("speech", "train", *small, "--model", kind, "--task", "single", "--epochs", 1, "--out", other)
        run("speech", "train", *small, "--epochs", 2, "--resume", "--out", other)
        run("speech", "eval", other, "--beam", 2)
        run("speech", "recognise", other, saved, "--picture", picture)
    assert int(result(run("speech", "train", *small, "--dump-graph", folder / "graph.dot"))["nodes"]) > 100

    # Recordings from a folder and from an archive give the same results.
    own = folder / "own"
    own.mkdir()
    for index in range(8):
        for digit in (1, 2):
            tone(own / f"{digit}_me_{index}.wav", 400 * digit + 3 * index)
    with tarfile.open(folder / "own.tar", "w") as archive:
        archive.add(own, "own")
    few = ["--batch", 2, "--hidden", 8, "--epochs", 2]
    lines = [re.sub(r"(seconds|per_second)=\S+", "",
                    run("speech", "train", path, *few, "--out", folder / "own.safetensors").splitlines()[-1])
             for path in (own, folder / "own.tar")]
    assert lines[0] == lines[1], lines

    refuses("speech", "train", folder / "none", naming=["none"])
    (folder / "broken.tar").write_bytes((folder / "own.tar").read_bytes()[:700])
    refuses("speech", "train", folder / "broken.tar", naming=["broken.tar"])
    tone(own / "hello.wav", 400)
    refuses("speech", "train", own, naming=["hello.wav", "digit_speaker_index.wav"])
    tone(own / "hello.wav", 400, rate=16000)
    refuses("speech", "recognise", model, own / "hello.wav", naming=["16000", "8000"])
    refuses("speech", "eval", model, "--lexicon", naming=["letters"])
    refuses("speech", "eval", saved, naming=["string.wav"])
    refuses("speech", "train", "--batch", 1000, naming=["1000"])
print("digits are recognised, and errors are reported")
