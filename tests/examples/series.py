#!/usr/bin/env python3
"""Runs the programs on series as a user does, each on small generated input: training,
evaluation, use, gradients, errors.

usage: series.py MNIST_ROWS LONG_MEMORY FORECAST MUSIC
"""

import csv
import gzip
import os
import pathlib
import tempfile
import xml.etree.ElementTree

from programs import PROGRAMS, checks, refuses, result, run


def train(program, *arguments, falls, model):
    """Trains; the training loss falls to `falls` times the first reported one."""
    table = folder / f"{program}.csv"
    found = result(run(program, "train", *arguments, "--out", model, "--csv", table))
    with open(table) as file:
        losses = [float(row["training_loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < falls * losses[0], (program, arguments, losses)
    return found


def idx(*shape, data):
    return bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape) + data


def track_of(midi):
    """The notes of a Standard MIDI File of format 0: (tick, on, key)."""
    assert midi[:14] == b"MThd" + bytes([0, 0, 0, 6, 0, 0, 0, 1, 0, 96]), midi[:14]
    assert midi[14:18] == b"MTrk" and int.from_bytes(midi[18:22], "big") == len(midi) - 22
    at, tick, notes = 22, 0, []
    while True:
        wait = 0
        while True:
            wait = wait << 7 | midi[at] & 127
            at += 1
            if midi[at - 1] < 128:
                break
        tick += wait
        if midi[at] == 0xFF:
            if midi[at + 1] == 0x2F:
                assert at + 3 == len(midi)
                return notes
            at += 3 + midi[at + 2]
        else:
            notes.append((tick, midi[at] == 0x90, midi[at + 1]))
            at += 3


def digits():
    model = folder / "digits.safetensors"
    small = ["--hidden", 32, "--learning-rate", 0.01]
    found = train("mnist_rows", *small, "--epochs", 8, falls=0.5, model=model)
    assert float(found["test_accuracy"]) > 0.8, found
    assert result(run("mnist_rows", "eval", model))["test_accuracy"] == found["test_accuracy"]
    shown = run("mnist_rows", "predict", model, "--first", 3, "--count", 2)
    assert "digit 4: " in shown and "probability" in shown and result(shown)["digits"] == "2", shown
    train("mnist_rows", "--cell", "mlp", "--learning-rate", 0.01, "--epochs", 2, falls=0.8, model=folder / "mlp.safetensors")
    for cell in ("mlp", "rnn", "lstm", "gru"):
        checks("mnist_rows", "--cell", cell)
    checks("mnist_rows", "--bidirectional")
    checks("mnist_rows", "--pixels")
    run("mnist_rows", "train", *small, "--dump-graph", folder / "digits.dot")
    assert "digraph" in (folder / "digits.dot").read_text()

    data = folder / "mnist"
    data.mkdir()
    refuses("mnist_rows", "train", data, naming=["train-images-idx3-ubyte.gz", "No such file"])
    images = idx(2, 28, 28, data=os.urandom(2 * 784))
    (data / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images)[:-200])
    refuses("mnist_rows", "train", data, naming=["train-images-idx3-ubyte.gz", "truncated", "bytes"])
    (data / "train-images-idx3-ubyte.gz").write_bytes(b"no images here")
    refuses("mnist_rows", "train", data, naming=["train-images-idx3-ubyte.gz", "not an idx file"])
    (data / "train-images-idx3-ubyte").write_bytes(images[:-1])
    refuses("mnist_rows", "train", data, naming=["1567", "byte 16"])
    (data / "train-images-idx3-ubyte").write_bytes(images)
    (data / "train-labels-idx1-ubyte").write_bytes(idx(2, data=bytes([3, 10])))
    refuses("mnist_rows", "train", data, naming=["label 1", "10"])
    refuses("mnist_rows", "train", "--cell", "transformer", naming=["--cell"])
    refuses("mnist_rows", "predict", model, "--first", 500, naming=["500"])
    refuses("long_memory", "eval", model, naming=["digits.safetensors", "long_memory"])


def memories():
    model = folder / "memory.safetensors"
    small = ["--lag", 10, "--hidden", 24, "--sequences", 5000, "--learning-rate", 0.01]
    found = train("long_memory", *small, "--epochs", 6, falls=0.3, model=model)
    assert float(found["mean_error"]) < 0.1, found
    assert float(result(run("long_memory", "eval", model, "--lag", 12))["mean_error"]) < 0.15
    train("long_memory", *small, "--problem", "copying", "--symbols", 1, "--cell", "gru", "--epochs", 3,
          falls=0.5, model=folder / "copy.safetensors")
    compared = folder / "compared"
    found = result(run("long_memory", "compare", *small[2:4], "--sequences", 250, "--epochs", 1, "--lags", 10,
                       15, "--out", compared))
    assert {"rnn", "lstm", "gru"} < set(found), found
    assert len((compared / "adding.csv").read_text().splitlines()) == 3
    assert (compared / "adding.svg").read_text().count("<polyline") == 3
    for problem in ("adding", "copying"):
        for cell in ("rnn", "lstm", "gru"):
            checks("long_memory", "--problem", problem, "--cell", cell)
    refuses("long_memory", "train", "--lag", 3, naming=["--lag"])
    refuses("long_memory", "train", "--batch", 5, naming=["5", "2"])
    refuses("long_memory", "eval", folder / "none.safetensors", naming=["none.safetensors"])


def forecasts():
    model, picture = folder / "series.safetensors", folder / "series.svg"
    found = train("forecast", "--window", 30, "--epochs", 8, "--learning-rate", 0.01, falls=0.9, model=model)
    assert float(found["rmse"]) < min(float(found["persistence"]), float(found["seasonal_naive"])), found
    assert 0.7 < float(found["within_90"]) <= 1, found
    assert result(run("forecast", "eval", model, "--svg", picture))["rmse"] == found["rmse"]
    assert picture.read_text().count("<polyline") == 2 and "fill-opacity" in picture.read_text() # and an interval
    shown = run("forecast", "predict", model, "--steps", 12, "--svg", picture)
    assert "+12 " in shown and xml.etree.ElementTree.parse(picture)
    found = result(run("forecast", "anomalies", model, "--inject", 5, "--svg", picture))
    assert float(found["precision"]) > 0.6 and float(found["recall"]) > 0.6, found
    assert picture.read_text().count("<circle") >= 4
    train("forecast", "--last-step", "--window", 30, "--epochs", 8, "--learning-rate", 0.01, falls=0.9,
          model=folder / "last.safetensors")
    checks("forecast")
    checks("forecast", "--last-step", "--cell", "lstm")

    refuses("forecast", "anomalies", model, "--inject", 97, naming=["96", "97"])
    table = folder / "table.csv"
    rows = [f'"20{i // 12 + 10}-{i % 12 + 1:02}",{20 + i % 12}' for i in range(60)]
    table.write_text("\n".join(['"Month","Some, quoted"', *rows]))
    run("forecast", "train", table, "--epochs", 1, "--out", folder / "table.safetensors")
    table.write_text("\n".join(['"Month","Value"', *rows[:6], "2001-01,many", *rows[6:]]))
    refuses("forecast", "train", table, naming=["table.csv", "line 8", "many"])
    table.write_text("\n".join(rows[:6]))
    refuses("forecast", "train", table, naming=["table.csv", "6 values"])
    refuses("forecast", "train", folder / "none.csv", naming=["none.csv"])
    refuses("forecast", "train", "--window", 1, naming=["--window"])


def pieces():
    model, piece = folder / "music.safetensors", folder / "piece.mid"
    found = train("music", "--hidden", 32, "--dropout", 0, "--learning-rate", 0.01, "--epochs", 12, falls=0.5,
                  model=model)
    assert result(run("music", "eval", model))["test_nats"] == found["test_nats"]
    shown = run("music", "sample", model, "--chord", "48,64,67,72", "--length", 20, "--out", piece)
    notes = track_of(piece.read_bytes())
    assert shown.startswith("48 64 67 72") and len(notes) % 2 == 0, shown
    assert {key for tick, on, key in notes if on and tick == 0} == {48, 64, 67, 72}, notes
    sounding = set()
    for _, on, key in notes:
        assert (key in sounding) != on, notes
        sounding ^= {key}
    assert not sounding and notes[-1][0] <= 20 * 96
    train("music", "--hidden", 16, "--transpose", 3, "--cell", "gru", "--epochs", 2, falls=1,
          model=folder / "moved.safetensors")
    for cell in ("rnn", "lstm", "gru"):
        checks("music", "--cell", cell)

    broken = folder / "broken.json"
    broken.write_text('{"train": [[[60], [61]')
    refuses("music", "train", broken, naming=["broken.json", "column 23"])
    broken.write_text('{"train": [[[60], [61]], [[60], [61, 200]]], "valid": [], "test": []}')
    refuses("music", "train", broken, naming=["broken.json", "train[1][1]", "200"])
    refuses("music", "sample", model, "--chord", "60,x", naming=["60,x", "'x'"])
    refuses("music", "train", folder / "none.json", naming=["none.json"])


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    digits()
    memories()
    forecasts()
    pieces()
    for program in PROGRAMS:
        assert "Examples:" in run(program, "--help"), program
print("digits, memories, forecasts and pieces: training, use and errors")
