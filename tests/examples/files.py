#!/usr/bin/env python3
"""Runs programs on real-world file formats, and with failing outputs, memory and processes.

usage: [UNROLL_KILLS=100] files.py CHAR_LM FORECAST NER TREE_SENTIMENT SPEECH MUSIC WORD_LM
"""

import bz2
import datetime
import gzip
import io
import json
import lzma
import os
import pathlib
import random
import re
import resource
import signal
import subprocess
import tarfile
import tempfile
import time
import wave
import zipfile

from programs import PROGRAMS, refuses, result, run

KILLS = int(os.environ.get("UNROLL_KILLS", 4))
TINY = ["--hidden", 4, "--epochs", 1]


def tables():
    path, model = folder / "table.csv", folder / "table.safetensors"
    train = ["train", path, *TINY, "--window", 5, "--batch", 8, "--out", model]

    def understood(rows, *arguments, header=None, encoding="utf-8", ending="\n"):
        lines = ([header] if header else []) + rows
        path.write_bytes((ending.join(lines) + ending).encode(encoding))
        return run("forecast", *train, *arguments).splitlines()[0]

    def refused(rows, *arguments, naming):
        path.write_text("\n".join(rows) + "\n")
        refuses("forecast", *train, *arguments, naming=["table.csv", *naming])

    days = [datetime.date(2019, 12, 1) + datetime.timedelta(i) for i in range(80)]
    months = [(2010 + i // 12, i % 12 + 1) for i in range(60)]
    hours = [datetime.datetime(2020, 3, 1) + datetime.timedelta(hours=i) for i in range(80)]
    said = understood([f'"01/{m:02}/{y}";"{m},{y % 100:02}"' for y, m in months], header='"data";"valor"')
    assert all(x in said for x in ("60 months, 2010-01-01 to 2014-12-01", "';'", "day first", "decimal comma", "'valor'")), said
    said = understood([f"{d:%m/%d/%Y}\t{i / 8}" for i, d in enumerate(days)])
    assert "80 days, 2019-12-01 to" in said and "month first" in said and "tabs" in said, said
    said = understood([f'{d},"1,{i:03}"' for i, d in enumerate(days)], header="day,n")
    assert "thousands ','" in said, said
    # Thousands separators, plain numbers, a byte-order mark, CR LF, a trailing blank line, two time columns.
    rows = [f"{h:%d.%m.%Y};{h:%H:%M};{h:%H:%M};{'1.352' if i % 3 else i}" for i, h in enumerate(hours)]
    del rows[30]
    rows.insert(60, rows[60])
    said = understood([*rows, ""], header="\ufeffDatum;Anfang;Ende;Größe [MW]", ending="\r\n")
    assert all(x in said for x in ("80 hours", "thousands '.'", "1 gap", "1 repeat", "'Größe [MW]'")), said
    said = understood([f"{d:%d/%m/%Y};;{i};{'' if i == 5 else -200 if i == 6 else i}" for i, d in enumerate(days)],
                      "--column", "Brébeuf", "--missing", "-200", header="Date;x;y;Brébeuf", encoding="latin-1")
    assert "ISO-8859-1" in said and "2 missing, interpolated" in said, said
    understood([f"{d:%d.%m.%Y};{i}" for i, d in enumerate(days)])
    run("forecast", "predict", model, path, "--steps", 60, "--svg", folder / "next.svg")
    assert "2020-04" in (folder / "next.svg").read_text()  # 80 days from December, and 60 more
    said = understood([f"{d},{i}" for i, d in enumerate(reversed(days))])
    assert "descending: reversed" in said, said
    packed = folder / "packed.csv"  # compressed, whatever the name
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert "80 days" in run("forecast", "train", packed, *train[2:]).splitlines()[0]
    packed.write_bytes(packed.read_bytes()[:-20])
    refuses("forecast", "train", packed, *train[2:], naming=["packed.csv", "truncated"])
    packed.write_bytes(gzip.compress(path.read_bytes())[:-5] + b"\0" * 5)
    refuses("forecast", "train", packed, *train[2:], naming=["packed.csv", "damaged"])

    good = [f"{d},{i}.5" for i, d in enumerate(days)]
    refused([*good[:50], "2020-01-20,3,5", *good[51:]], naming=["line 51", "expected 2 cells", "got 3"])
    refused([*good[:50], "2020-01-20,many", *good[51:]], naming=["line 51", "many"])
    refused([*good[:50], "2020-02-30,3", *good[51:]], naming=["line 51", "valid date"])
    refused([*good[:50], "20.1.2020,3", *good[51:]], naming=["line 51", "not a date"])
    refused([*good[:50], good[20], *good[51:]], naming=["line 51", "earlier"])
    refused([*good[:50], '2020-01-20,"3', *good[51:]], naming=["line 51", "quotation"])
    refused([*good[:79], "2020-02-18,"], naming=["line 80", "without a value"])
    refused(good[:6], naming=["6 values"])
    refused(good, "--column", "none", naming=["none"])

    # The phase of the season comes from the date: forecasts do not depend on the first rows.
    year = [f"{y}-{m:02},{10 * (m == 7) + m / 10}" for y in range(2000, 2010) for m in range(1, 13)]
    path.write_text("\n".join(year))
    run("forecast", "train", path, "--hidden", 16, "--window", 6, "--epochs", 60, "--learning-rate", 0.01, "--batch", 16, "--out", model)
    whole = float(result(run("forecast", "eval", model, path))["rmse"])
    path.write_text("\n".join(year[5:]))
    cut = float(result(run("forecast", "eval", model, path))["rmse"])
    assert abs(cut - whole) < 0.5 * whole + 0.05, (whole, cut)
    path.write_text("\n".join(good))
    refuses("forecast", "eval", model, path, naming=["seasons of 365", "12"])


def tags():
    path, model = folder / "tags.conll", folder / "tags.safetensors"
    train = ["train", path, *TINY, "--embedding", 4, "--characters", 4, "--batch", 2, "--crf", "--out", model]

    def tagged(*sentences):
        path.write_text("\n\n".join("\n".join(f"w{i} {tag}" for i, tag in enumerate(s.split())) for s in sentences) + "\n\n")

    def names():
        run("ner", *train)
        header = path_header(model)["__metadata__"]["tags"].split()
        return sorted(header)

    for sentences in (["B-p I-p O", "O B-p B-p I-p"], ["I-p I-p O", "O I-p B-p I-p"], ["B-p E-p O", "O S-p B-p E-p"],
                      ["B-p L-p O", "O U-p B-p L-p"], ["p p O", "O q p p"], ["B I O", "O B B I"]):
        tagged(*sentences)
        kinds = names()
        assert {"O", "B-p", "I-p"} <= set(kinds) or kinds == ["B-entity", "I-entity", "O"], (sentences, kinds)
        assert all(kind == "O" or kind[:2] in ("B-", "I-") for kind in kinds), kinds
    for sentences, line in ((["B-p I-p O", "O p"], 6), (["S-p O", "E-p O"], 4), (["S-p O", "B-p O"], 5), (["U-p S-p", "O"], 2)):
        tagged(*sentences)
        refuses("ner", *train, naming=["tags.conll", f"line {line}"])
    tagged("B-p I-p O", "O B-p")
    run("ner", *train)
    tagged("B-p I-p O", "O B-new")  # a tag that is not in the training data is an error of the model
    assert float(result(run("ner", "eval", model, path))["entity_f1"]) < 100
    path.write_bytes("\ufeffw B-p\n\u00a0\nw O\n\f\nv O\n".encode())
    assert result(run("ner", "eval", model, path))["sentences"] == "3"


def texts():
    trees = folder / "trees.txt"
    trees.write_bytes(b"\xef\xbb\xbf(3 (2 It) (4 (2 is) (4 good)))\r\n(1 (2 Not) (3 good))\r\n\r\n")
    train = ["train", trees, *TINY, "--embedding", 4, "--batch", 2, "--out", folder / "trees.safetensors"]
    run("tree_sentiment", *train)
    trees.write_text("(3 (2 a) (2 b))\n(3 (2 a) (2 b) (2 c))\n")
    refuses("tree_sentiment", *train, naming=["trees.txt", "line 2", "3 parts"])
    trees.write_text("(3 (2 a) (2 b))\n(3 (2 a) b)\n")
    refuses("tree_sentiment", *train, naming=["trees.txt", "line 2", "words next to"])
    text = folder / "line.txt"
    text.write_text("one two three " * 100)
    refuses("word_lm", "train", text, naming=["line.txt", "single line", "--valid"])
    text.write_bytes("one two\n".encode("utf-16"))
    refuses("word_lm", "train", text, naming=["line.txt", "UTF-16", "iconv"])
    deep = folder / "deep.json"
    deep.write_text("[" * 100000)
    refuses("music", "train", deep, naming=["deep.json", "nested"])
    deep.write_text('{"train": [[[1e999], [60]]]}')
    refuses("music", "train", deep, naming=["deep.json", "1e999"])


def sounds():
    def wav(samples, stated=None):
        data = io.BytesIO()
        with wave.open(data, "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(random.Random(1).randbytes(2 * samples))
        body = data.getvalue()
        return body if stated is None else body[:40] + stated.to_bytes(4, "little") + body[44:]

    def archive(files, edit=lambda x: x):
        path = folder / "sounds.zip"
        with zipfile.ZipFile(path, "w") as file:
            for called, data in files.items():
                file.writestr(called, data)
        path.write_bytes(edit(path.read_bytes()))
        return ["train", path, "--model", "ctc", "--hidden", 4, "--epochs", 1, "--batch", 2, "--out", folder / "s.safetensors"]

    files = {f"{d}_x_{i}.wav": wav(1600) for d in (0, 1) for i in (0, 7)}
    files |= {"._0_x_1.wav": b"\0\5\x16\7", "1_x_8.wav": wav(1600, 0), "1_x_9.wav": wav(1600, 0xFFFFFFFF)}
    run("speech", *archive(files))
    for called, data, naming in (("0_x_8.wav", wav(1600)[:-99], "truncated"), ("0_x_8.wav", b"fLaC" + bytes(100), "not a WAV")):
        refuses("speech", *archive(files | {called: data}), naming=["sounds.zip", called, naming])
    wrong = archive(files, lambda x: x.replace(wav(1600)[50:60], bytes(10), 1))
    refuses("speech", *wrong, naming=["sounds.zip", "0_x_0.wav", "CRC"])
    rate = wav(1600)[:24] + (2**31 - 1).to_bytes(4, "little") + wav(1600)[28:]
    refuses("speech", *archive({"0_x_0.wav": rate}), naming=["sounds.zip", "2147483647 samples per second"])

    def packed(name, data):
        path = folder / name
        path.write_bytes(data)
        return ["train", path, *archive(files)[2:]]

    tape = io.BytesIO()
    with tarfile.open(fileobj=tape, mode="w") as file:
        for called, data in files.items():
            about = tarfile.TarInfo(called)
            about.size = len(data)
            file.addfile(about, io.BytesIO(data))
    for name, pack in (("tar", bytes), ("gz", gzip.compress), ("xz", lzma.compress), ("bz2", bz2.compress)):
        run("speech", *packed("sounds." + name, pack(tape.getvalue())))
    data = gzip.compress(tape.getvalue())
    refuses("speech", *packed("sounds.gz", data[:-8] + bytes(4) + data[-4:]), naming=["sounds.gz", "damaged"])
    # An archive that names other files, and one that decompresses to 300 MiB of a file that is not read.
    refuses("speech", *packed("names", f"#mtree\n./0_x_0.wav type=file contents={folder / 'a.wav'}\n".encode()), naming=["names"])
    about = tarfile.TarInfo("notes")
    about.size = 300 << 20
    refuses("speech", *packed("bomb", lzma.compress(about.tobuf()) + lzma.compress(bytes(1 << 20)) * 300), naming=["bomb", "limit"])


def path_header(path):
    data = path.read_bytes()
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


def outputs():
    text, out = folder / "text.txt", folder / "out.safetensors"
    text.write_text("".join(f"line {i}: the cat sat on mat {i * i % 97}\n" for i in range(400)))
    small = ["--hidden", 16, "--embedding", 8, "--batch", 4, "--steps", 8]
    train = ["train", text, *small, "--seed", 3]
    refuses("char_lm", *train, "--out", folder / "none" / "x", naming=["none/x", "create it"])
    refuses("char_lm", *train, "--out", "/dev/full", naming=["/dev/full", "regular file"])
    refuses("char_lm", *train, "--out", out, "--csv", folder / "none" / "x.csv", naming=["x.csv", "create it"])
    assert not out.exists()

    whole, equal = folder / "whole.safetensors", folder / "equal.safetensors"
    run("char_lm", *train, "--epochs", 6, "--out", whole)
    run("char_lm", *train, "--epochs", 6, "--out", equal)
    assert whole.read_bytes() == equal.read_bytes()

    # Two programs on one output; then kills at random times, each of which loses at most the interval.
    def start(*more):
        command = [PROGRAMS["char_lm"], *map(str, train), "--epochs", "6", "--out", out, *more]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def position():
        return int(path_header(out)["__metadata__"]["position"].split()[0]) if out.exists() else 0

    first = start("--save-every", "0.00001")
    first.stdout.readline()
    while not out.exists():
        time.sleep(0.001)
    refuses("char_lm", *train, "--out", out, naming=["out.safetensors", "another process"])
    draw, at = random.Random(1), 0
    for _ in range(KILLS):
        time.sleep(draw.uniform(0, 0.1))
        first.kill()
        first.communicate()
        assert position() >= at, (at, position())
        at = position()
        first = start("--resume", "--save-every", "0.00001")
        first.stdout.readline()
    first.communicate()
    assert first.returncode == 0 and out.read_bytes() == whole.read_bytes()
    assert not [name for name in os.listdir(folder) if name.startswith(".unroll-")], os.listdir(folder)

    # Options that determine the order of batches are those of the saved run, or errors.
    resumed = ["train", text, "--epochs", 7, "--out", out, "--resume"]
    for option, value in (("--seed", 4), ("--steps", 9), ("--shards", 4), ("--batch", 8)):
        refuses("char_lm", *resumed, option, value, naming=[option, str(value), "out.safetensors"])
    run("char_lm", *resumed)
    saved = out.read_bytes()
    for key, first in (("run.shards", b"0"), ("run.batch", b"x"), ("run.seed", b"-"), ("position", b"-")):
        out.write_bytes(re.sub(b'(?<="%s":")[0-9]' % key.encode(), first, saved))
        refuses("char_lm", *resumed, naming=["out.safetensors", key.removeprefix("run.") + " of its run"])
    out.write_bytes(saved)
    text.write_text(text.read_text()[:9000])
    refuses("char_lm", *resumed, naming=["out.safetensors", "same data"])

    # A non-finite loss, and a folder that is removed: the state is saved nevertheless.
    said = run("char_lm", "train", text, *small, "--learning-rate", 1e38, "--clip", 1e30, "--epochs", 9, "--out", out, fails=True)
    assert "not finite" in said, said
    assert "saved in" in said and position() > 0, said
    away, home = folder / "away", folder / "home"
    away.mkdir()
    home.mkdir()
    process = subprocess.Popen([PROGRAMS["char_lm"], *map(str, train), "--epochs", "50", "--out", away / "x"],
                               stdout=subprocess.PIPE, text=True, cwd=home)
    while not list(away.glob(".*.lock")):
        time.sleep(0.001)
    for file in away.iterdir():
        file.unlink()
    away.rmdir()
    process.send_signal(signal.SIGINT)
    said = process.communicate()[0]
    assert process.returncode == 1 and "instead" in said and len(list(home.iterdir())) == 1, (process.returncode, said)

    # Settings that do not match the tensors, before anything is constructed.
    data = whole.read_bytes()
    for settings, naming in (({"hidden": "30000", "layers": "60"}, "memory"), ({"hidden": "8abc"}, "8abc"), ({"dropout": "nan"}, "finite"),
                             ({"layers": str(2**40)}, "layers"), ({"vocabulary": "0"}, "vocabulary")):
        header = path_header(whole)
        header["__metadata__"] |= settings
        changed = json.dumps(header).encode()
        out.write_bytes(len(changed).to_bytes(8, "little") + changed + data[8 + int.from_bytes(data[:8], "little") :])
        refuses("char_lm", "eval", out, text, naming=["out.safetensors", naming])

    with open("/dev/full", "w") as full:
        failed = subprocess.run([PROGRAMS["char_lm"], "eval", whole, text], stdout=full, stderr=subprocess.PIPE, text=True)
    assert failed.returncode == 1 and "standard output" in failed.stderr, failed

    # AddressSanitizer's shadow memory alone exceeds these limits.
    if b"__asan_init" in pathlib.Path(PROGRAMS["char_lm"]).read_bytes():
        return

    def little(size):
        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (size << 20, size << 20))
        return limit

    for size in (300, 600, 900, 1500):
        process = subprocess.run([PROGRAMS["char_lm"], "train", text, "--hidden", "3000", "--batch", "64", "--minutes", "0.01",
                                  "--out", folder / "little"], preexec_fn=little(size), capture_output=True, text=True, timeout=60)
        assert process.returncode > 0 and "memory" in process.stdout + process.stderr, (size, process)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in (tables, tags, texts, sounds, outputs):
            began = time.monotonic()
            part()
            print(f"{part.__name__}: {time.monotonic() - began:.1f} s", flush=True)
