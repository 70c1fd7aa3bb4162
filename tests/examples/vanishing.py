#!/usr/bin/env python3
"""Runs the study of vanishing gradients as a user does: charts and tables, interruption, errors.

usage: vanishing.py PROGRAM
"""

import csv
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
SMALL = ["--length", "20", "--hidden", "24", "--batch", "4", "--seed", "3"]
CHARTS = ["gradients", "loss", "explosion", "clipping"]
TRAINED = ["rnn_tanh", "rnn_relu", "rnn_orthogonal", "lstm", "gru"]


def run(*arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout


def result(output):
    last = output.strip().splitlines()[-1]
    assert last.startswith("result: "), output
    return dict(pair.split("=", 1) for pair in last.split()[1:])


def column(path, name):
    with open(path) as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name] != ""]


def written(folder):
    for chart in CHARTS:
        root = xml.etree.ElementTree.parse(folder / f"{chart}.svg").getroot()
        assert root.tag.endswith("svg"), chart
    return {chart: (folder / f"{chart}.svg").read_text().count("<polyline") for chart in CHARTS}


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    one = folder / "one"
    found = result(run(*SMALL, "--steps", 20, "--radius", 2, "--out", one))
    assert set(TRAINED) < set(found) and found["out"] == str(one), found
    assert written(one) == {"gradients": 12, "loss": 5, "explosion": 2, "clipping": 2}, written(one)

    for network in ("rnn_tanh", "lstm"):
        assert "t = 19" in (one / f"{network}.svg").read_text(), network
    assert result(run(*SMALL, "--check-gradients"))["passed"] == "yes"
    drawn = folder / "lstm.dot"
    run(*SMALL, "--dump-graph", drawn)
    assert "× 20" in drawn.read_text()

    # The fraction of the gradient that remains after all steps.
    left = {}
    for network in [*TRAINED, "relu_unclipped", "tanh_unclipped"]:
        norms = column(one / "gradients.csv", f"{network}_before")
        assert len(norms) == 20, (network, norms)
        left[network] = norms[-1] / norms[0]
    assert left["rnn_tanh"] < 1e-3 and left["rnn_relu"] < 1e-3, left
    assert left["lstm"] > 30 * left["rnn_tanh"] and left["rnn_orthogonal"] > 30 * left["rnn_tanh"], left
    assert left["relu_unclipped"] > 3 and left["tanh_unclipped"] > 1, left
    assert len(column(one / "loss.csv", "lstm")) == 20
    clipped, unclipped = (column(one / "loss.csv", f"relu_{how}") for how in ("clipped", "unclipped"))
    assert len(clipped) == 20 and max(clipped[1:]) < 100, clipped
    assert len(unclipped) < 20 and found["relu_unclipped"] == "nan", unclipped

    again = folder / "again"
    run(*SMALL, "--steps", 20, "--radius", 2, "--out", again)
    for table in ["gradients.csv", "loss.csv"]:
        assert (one / table).read_bytes() == (again / table).read_bytes(), f"{table} differs"

    # Ctrl-C ends training and writes the results so far.
    stopped = folder / "stopped"
    process = subprocess.Popen([PROGRAM, *SMALL, "--steps", "1000000", "--out", str(stopped)],
                               stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and result(output), (process.returncode, output)
    written(stopped)

    def refuses(*arguments, naming):
        done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
        said = done.stdout + done.stderr
        assert done.returncode > 0 and all(word in said for word in naming), (arguments, said)

    refuses("--length", 1, naming=["--length"])
    refuses("--steps", 0, naming=["--steps"])
    refuses("--radius", -1, naming=["--radius"])
    refuses("--cell", "lstm", naming=["--cell"])
    refuses(*SMALL, "--steps", 1, "--out", one / "loss.csv", naming=["vanishing:", "loss.csv"])
    assert "Examples:" in run("--help")
print("gradients vanish, explode and are drawn")
