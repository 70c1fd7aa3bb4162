#!/usr/bin/env python3
"""Runs the character model as a user does: training, interruption, resuming, every command, errors.

usage: char_lm.py PROGRAM
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
SMALL = ["--hidden", "16", "--embedding", "8", "--batch", "4", "--steps", "8", "--seed", "3"]


def run(*arguments, expect=0):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == expect, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def tensors(path):
    """Names and bytes of a safetensors file."""
    data = pathlib.Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    body = data[8 + length :]
    return {name: body[slice(*entry["data_offsets"])] for name, entry in header.items()}


def result(output):
    last = output.strip().splitlines()[-1]
    assert last.startswith("result: "), output
    return dict(pair.split("=", 1) for pair in last.split()[1:])


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    text = folder / "text.txt"
    text.write_text("".join(f"line {i}: the cat sat on mat {i * i % 97}\n" for i in range(400)))
    train = ["train", text, *SMALL, "--epochs", 6]

    whole = folder / "whole.safetensors"
    first = result(run(*train, "--out", whole, "--csv", folder / "loss.csv", "--svg", folder / "loss.svg"))
    assert float(first["validation_nats"]) < 3.0, first
    assert "validation_nats" in (folder / "loss.csv").read_text()
    assert "<svg" in (folder / "loss.svg").read_text()

    one_thread = folder / "one.safetensors"
    run(*train, "--out", one_thread, "--threads", 1)
    assert tensors(one_thread) == tensors(whole), "the number of threads changed the weights"

    # An interrupted and resumed run is bitwise identical to one run.
    parts = folder / "parts.safetensors"
    process = subprocess.Popen([PROGRAM, *map(str, train), "--out", str(parts)], stdout=subprocess.PIPE,
                               text=True)
    while "epoch" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    rest = process.communicate()[0]
    assert process.returncode == 130 and str(parts) in rest, (process.returncode, rest)
    assert tensors(parts) != tensors(whole), "interrupted too late to mean anything"
    run(*train, "--out", parts, "--resume")
    assert tensors(parts) == tensors(whole), "a resumed run differs"

    sample = run("sample", whole, "--prompt", "line ", "--length", 50, "--seed", 1)
    assert sample.startswith("line ") and len(sample) >= 50, sample
    assert sample == run("sample", whole, "--prompt", "line ", "--length", 50, "--seed", 1)
    run("sample", whole, "--temperature", 0, "--length", 10)
    run("sample", whole, "--top-k", 3, "--top-p", 0.9, "--length", 10)
    assert float(result(run("eval", whole, text))["nats"]) < 3.0
    draw = ["train", text, *SMALL, "--dump-graph"]
    assert int(result(run(*draw, folder / "graph.svg"))["nodes"]) > 20
    run(*draw, folder / "graph.dot", "--cell", "gru")
    assert "digraph" in (folder / "graph.dot").read_text()
    run(*draw, folder / "graph.html", "--fold", "layers", "--color", "gradient-norm", "--open")
    assert "<!DOCTYPE html>" in (folder / "graph.html").read_text()[:40]
    run(*draw, folder / "first.dot", "--depth", 1, "--color", "time", "--annotate")
    drawn = (folder / "first.dot").read_text()
    assert "× 8" not in drawn and " forward, " in drawn
    for cell in ("rnn", "lstm", "gru"):
        report = folder / "report.json"
        found = result(run("train", "--cell", cell, "--check-gradients", "--check-report", report))
        assert found["passed"] == "yes" and json.loads(report.read_text())["passed"] is True
    run("train", "--cell", "lstm", "--layers", 1, "--check-gradients", "--check-order", 2)

    # Every other cell trains, is drawn, resumes bit for bit, and samples one character at a time.
    cells = re.search(r"--cell [^{]*{([\w,]+)}", run("train", "--help"))[1].split(",")
    assert len(cells) == 14 and "mamba" in cells, cells
    for cell in sorted(set(cells) - {"rnn", "lstm", "gru"}):
        small = [*train[:-2], "--cell", cell, "--learning-rate", 0.01]
        one, two = folder / "cell.safetensors", folder / "parts.safetensors"
        learned = result(run(*small, "--epochs", 2, "--out", one))
        assert float(learned["validation_nats"]) < 3.0, (cell, learned)
        shutil.copy(one, two)
        run("eval", one, text)
        sample = ["--prompt", "line ", "--length", 20, "--seed", 1]
        assert run("sample", one, *sample) == run("sample", two, *sample), cell
        for out in (one, two):
            run(*small, "--epochs", 3, "--out", out, "--resume")
        assert tensors(one) == tensors(two), cell
        assert int(result(run(*draw, folder / "cell.dot", "--cell", cell))["nodes"]) > 10
        assert result(run("train", "--cell", cell, "--check-gradients"))["passed"] == "yes", cell

    # A transformer carries keys and values from batch to batch, and into a resumed run.
    attends = ["--model", "transformer", "--layers", 2, "--heads", 2, "--context", 6]
    one = folder / "transformer.safetensors"
    learned = result(run(*train, *attends, "--learning-rate", 0.01, "--out", one))
    assert float(learned["validation_nats"]) < 2.5, learned
    process = subprocess.Popen([PROGRAM, *map(str, [*train, *attends, "--learning-rate", 0.01, "--out", parts])],
                               stdout=subprocess.PIPE, text=True)
    while "epoch" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    process.communicate()
    run(*train, *attends, "--learning-rate", 0.01, "--out", parts, "--resume")
    assert tensors(parts) == tensors(one), "a resumed transformer differs"
    assert abs(float(result(run("eval", one, text))["nats"]) - float(learned["validation_nats"])) < 1
    written = run("sample", one, "--prompt", "line ", "--length", 40, "--seed", 1)
    assert written.startswith("line ") and written == run("sample", one, "--prompt", "line ", "--length", 40, "--seed", 1)
    run("train", "--model", "transformer", "--layers", 1, "--heads", 2, "--check-gradients", "--check-order", 2)
    run(*draw, folder / "transformer.dot", *attends)

    def refuses(*arguments, naming, code=None):
        done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
        said = done.stdout + done.stderr
        assert done.returncode > 0 and all(word in said for word in naming), (arguments, said)

    # Values in a model file are validated like options.
    data = whole.read_bytes()
    length = int.from_bytes(data[:8], "little")
    for key, value in (("hidden", "16abc"), ("hidden", "65537"), ("hidden", "-1"), ("cell", "elman"), ("dropout", "2"),
                       ("vocabulary", "0g")):
        header = json.loads(data[8 : 8 + length])
        header["__metadata__"][key] = value
        text_of_header = json.dumps(header).encode()
        changed = folder / "changed.safetensors"
        changed.write_bytes(len(text_of_header).to_bytes(8, "little") + text_of_header + data[8 + length :])
        refuses("eval", changed, text, naming=[value] + ["changed.safetensors", key] * (key != "vocabulary"))

    refuses("train", folder / "none.txt", naming=["none.txt"])
    refuses("train", text, "--cell", "transformer", naming=["--cell"])
    refuses("train", text, "--model", "elman", naming=["--model"])
    refuses("train", text, "--model", "transformer", "--cell", "mamba", naming=["--cell mamba", "no recurrent cell"])
    refuses("train", text, *SMALL, "--model", "transformer", "--heads", 3, naming=["16", "3"])
    refuses("train", text, "--batch", 5, naming=["5", "2"])
    refuses("train", text, "--epochs", -1, naming=["--epochs"])
    refuses("sample", text, naming=["text.txt"])
    refuses("sample", whole, "--prompt", "Ω", naming=["vocabulary", "position 0"])
    refuses("eval", folder / "none.safetensors", text, naming=["none.safetensors"])
    refuses(*draw, folder / "graph.gif", naming=["graph.gif", ".svg"])
    refuses(*draw, folder / "graph.svg", "--budget", 0, naming=["--budget"])
    # Without Graphviz's plugins a picture is an error, and text is still written.
    os.environ["GVBINDIR"] = str(folder / "nowhere")
    refuses(*draw, folder / "none.svg", naming=["none.svg", "graphviz", ".dot"])
    run(*draw, folder / "plain.dot")
    short = folder / "short.txt"
    short.write_text("ab")
    refuses("train", short, *SMALL, naming=["short"])
print("the character model trains, stops, resumes and reports errors")
