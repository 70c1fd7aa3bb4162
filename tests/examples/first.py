#!/usr/bin/env python3
"""Runs the first examples, and compares them with their copies in the documents.

usage: first.py SOURCE PROGRAM...
       first.py SOURCE --write    copies the examples into the documents
"""
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(sys.argv[1])
PROGRAMS = {pathlib.Path(path).name: pathlib.Path(path).resolve() for path in sys.argv[2:] if path != "--write"}


def run(name, *arguments, folder):
    """The output of a program."""
    print("+", name, *arguments, flush=True)
    return subprocess.run([PROGRAMS[name], *arguments], cwd=folder, check=True, timeout=120,
                          capture_output=True, text=True).stdout


def numbers(pattern, text):
    return [float(found) for found in re.findall(pattern, text)]


def documents():
    return [SOURCE / "README.md", *sorted((SOURCE / "docs").glob("*.md"))]


SHOWN = re.compile(r"^```cpp (\S+)\n(.*?)^```", re.M | re.S)


def shown():
    """The document that contains each first example."""
    found = {}
    for document in documents():
        for path, text in SHOWN.findall(document.read_text()):
            if text != (SOURCE / path).read_text():
                sys.exit(f"{document.name} contains an outdated {path}; run ./dev reference")
            found[pathlib.Path(path).stem] = document.name
    return found


def copy_into_documents():
    for document in documents():
        text = document.read_text()
        new = SHOWN.sub(lambda block: f"```cpp {block[1]}\n{(SOURCE / block[1]).read_text()}```", text)
        if new != text:
            document.write_text(new)


def check_sources():
    where = shown()
    for path in sorted((SOURCE / "examples/first").glob("*.cpp")):
        assert len(path.read_text().splitlines()) <= 60, f"{path.name} has more than 60 lines"
        assert path.stem in where, f"no document shows {path.name}"
        assert path.stem in PROGRAMS, f"{path.name} is not built"


def check_training(folder):
    """A resumed run is bitwise identical to an uninterrupted one."""
    whole, parts = folder / "whole", folder / "parts"
    whole.mkdir(), parts.mkdir()
    without = run("training", "4", folder=whole)
    run("training", "1", folder=parts)
    run("training", "3", folder=parts)
    resumed = run("training", "4", folder=parts)
    assert len(resumed.splitlines()) == 2, resumed # one epoch, and the result
    assert without.splitlines()[-2:] == resumed.splitlines()
    assert (whole / "best.safetensors").read_bytes() == (parts / "best.safetensors").read_bytes()


def main():
    check_sources()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        losses = numbers(r"\d+: ([\d.]+) nats", run("character_model", folder=folder))
        assert losses[0] > 2.5 and losses[-1] < 0.3, losses
        cell = run("own_cell", folder=folder)
        assert "gradient check passed" in cell and numbers(r"found (\d+) of 64", cell)[-1] > 55, cell
        scan = run("selective_scan", folder=folder)
        losses = numbers(r"loss ([\d.]+)", scan)
        assert "gradient check passed" in scan and losses[0] > 0.1 and losses[-1] < 0.03, scan
        losses = numbers(r"loss ([\d.]+)", run("attention", folder=folder))
        assert losses[0] > 2 and losses[-1] < 0.1, losses
        loss = run("xtensor_loss", folder=folder)
        values = numbers(r"(?m)^\d+: (\S+)$", loss)
        assert "gradient check passed" in loss and values[-1] < values[0], loss
        error = numbers(r"largest error (\S+)", run("physics", folder=folder))
        assert error[0] < 0.01, error
        error = numbers(r"largest error (\S+)", run("neural_ode", folder=folder))
        assert error[0] < 0.1, error
        gradients = numbers(r"gradient (\S+)", run("newton", folder=folder))
        assert gradients[-1] < 1e-9 < 1e-5 < gradients[-3], gradients # quadratic at the end
        drawn = run("drawing", folder=folder)
        assert "y = x·σ(b·x)" in drawn, drawn
        for picture in ("model.svg", "steps.svg", "swish.svg"):
            assert "<svg" in (folder / picture).read_text(), picture
        assert "<html" in (folder / "model.html").read_text()
        check_training(folder)


if "--write" in sys.argv:
    copy_into_documents()
else:
    main()
