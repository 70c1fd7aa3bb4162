#!/usr/bin/env python3
"""Writes tests/fuzz/seeds/: small files for every reader, valid ones (good-) and invalid ones (bad-).

usage: make_seeds.py BUILD   (BUILD contains the example programs, which write the model files)
"""

import bz2
import gzip
import io
import json
import lzma
import pathlib
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import wave
import zipfile

BUILD = pathlib.Path(sys.argv[1]).resolve()
SEEDS = pathlib.Path(__file__).parent / "seeds"


def put(reader, **seeds):
    folder = SEEDS / reader
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in seeds.items():
        content = content if isinstance(content, bytes) else content.encode()
        assert len(content) <= 1 << 16, (reader, name, len(content))
        (folder / name.replace("_", "-", 1)).write_bytes(content)


def packed(data):
    return gzip.compress(data, mtime=0)


def npy(header, data=b"", version=1):
    header = header.encode()
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + data


def described(dtype, order, shape):
    return f"{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}\n"


def safetensors(header, data=b""):
    text = header.encode() if isinstance(header, str) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensors(metadata=None, **all):
    """Tensors of float32, given by their shapes."""
    header, at = {"__metadata__": metadata} if metadata else {}, 0
    for name, shape in all.items():
        size = 4
        for n in shape:
            size *= n
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    return safetensors(header, struct.pack(f"<{at // 4}f", *range(at // 4)))


def idx(*shape, kind=8):
    size = 1
    for n in shape:
        size *= n
    header = bytes([0, 0, kind, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    return header + bytes(i % 10 for i in range(size))


def arrays():
    ones = struct.pack("<6f", *range(6))
    put("npy", good_float=npy(described("<f4", False, "(2, 3)"), ones),
        good_big_endian_fortran=npy(described(">i2", True, "(2, 2)"), bytes(8), version=2),
        good_bool=npy(described("|b1", False, "(3,)"), b"\0\1\1", version=3),
        good_scalar=npy(described("<f8", False, "()"), bytes(8)), good_empty=npy(described("<f2", False, "(0, 4L)")),
        bad_shape=npy(described("<f4", False, f"({2**62}, 4)"), ones), bad_object=npy(described("|O", False, "(1,)"), ones),
        bad_structured=npy("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,)}", ones),
        bad_short=npy(described("<f4", False, "(2, 3)"), ones[:-1]), bad_header=b"\x93NUMPY\2\0\xff\xff\xff\xff{")
    put("safetensors", good_two=tensors({"a": "b"}, x=[2, 3], y=[]),
        good_types=safetensors({t: {"dtype": t, "shape": [1], "data_offsets": [8 * i, 8 * i + 8]}
                                for i, t in enumerate(("F64", "I64", "U64"))}, bytes(24)),
        good_small_types=safetensors({t: {"dtype": t, "shape": [0, 2], "data_offsets": [0, 0], "extra": [{}, None]}
                                      for t in ("F16", "BF16", "I32", "I8", "U8", "BOOL")}),
        bad_json=safetensors('{"x": [' * 1000), bad_gap=safetensors({"x": {"dtype": "F32", "shape": [], "data_offsets": [4, 8]}}, bytes(8)),
        bad_shape=safetensors({"x": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}),
        bad_number=safetensors('{"x": {"dtype": "F32", "shape": [1e999], "data_offsets": [0, 4]}}', bytes(4)),
        bad_twice=safetensors('{"x": {}, "x": {}}'), bad_length=b"\xff" * 16, bad_kind=safetensors({"x": {"dtype": "F4", "shape": [3], "data_offsets": [0, 2]}}, bytes(2)))
    layer = {"weight": [3, 2], "bias": [3]}
    put("weights", good_layer=tensors(**layer), bad_missing=tensors(weight=[3, 2]), bad_shape=tensors(weight=[2, 3], bias=[3]),
        bad_extra=tensors(**layer, more=[1]))
    state = {"unroll.checkpoint": "2", "unroll.steps": "3", "random": "1 2 3"}
    moments = {f"optimizer.{name}.{slot}": shape for name, shape in layer.items() for slot in ("mean", "squares")}
    counts = {f"optimizer.{name}.updates": [] for name in layer}
    put("checkpoint", good_adam=tensors(state, **counts, **layer, **moments), good_more=tensors(state, **counts, **layer, **moments, **{"tensor.x": [2]}),
        bad_weights=tensors(**layer), bad_version=tensors(state | {"unroll.checkpoint": "1"}, **layer),
        bad_steps=tensors(state | {"unroll.steps": "-3"}, **counts, **layer, **moments), bad_state=tensors(state, **layer, **moments),
        bad_slot=tensors(state, **counts, **layer, **(moments | {"optimizer.bias.mean": [2]})))
    run = {f"run.{option}": str(i) for i, option in enumerate(("seed", "batch", "shards", "steps"))}
    put("run", good_four=safetensors({"__metadata__": run}), bad_none=safetensors({}), bad_shards=safetensors({"__metadata__": run | {"run.shards": "0"}}),
        bad_batch=safetensors({"__metadata__": run | {"run.batch": "8abc"}}), bad_seed=safetensors({"__metadata__": run | {"run.seed": "-1"}}))
    put("idx", good_three=idx(2, 3, 4), good_packed=packed(idx(1, 2, 2)), good_empty=idx(0, 2, 2), bad_dimensions=idx(2, 3),
        bad_type=idx(1, 1, 1, kind=13), bad_short=idx(2, 3, 4)[:-1], bad_extents=bytes([0, 0, 8, 3]) + b"\xff" * 12)
    put("mnist", good_two=idx(2) + b"|" + idx(2, 28, 28), bad_label=idx(12)[:8] + bytes(range(12)) + b"|" + idx(12, 28, 28),
        bad_size=idx(1) + b"|" + idx(1, 28, 27), bad_count=idx(1) + b"|" + idx(2, 28, 28))
    hello = packed(b"hello " * 40)
    put("gzip", good_plain="hello", good_packed=hello, good_members=hello + hello + bytes(8), good_empty="",
        good_zeros=packed(bytes(1 << 20)), bad_truncated=hello[:-9], bad_sum=hello[:-8] + bytes(4) + hello[-4:],
        bad_trailing=hello + b"x")


def texts():
    put("lines", good_plain="First line.\nDon't stop, @you #now http://x 12 ÉTÉ\n", good_endings="a\rb\r", good_windows="a\r\nb\r\n\r\n",
        good_mark="\ufeffx\n", good_languages="नमस्ते\u200d 日本語 ﬁ\u00a0ß\u2028x\n", good_empty="", bad_latin1="é".encode("latin-1"),
        bad_zero="a\0b", bad_utf16="hello".encode("utf-16"), bad_truncated=b"a\xe2\x82", bad_surrogate=b"\xed\xa0\x80")
    put("pairs", good_two="a b\tc d\tmore\nI'm\tje suis\n", bad_tab="a b c\n", bad_source=" \tb\n", bad_empty="")
    tagged = "He\tO\nmet\tO\nAda\tB-person\nLovelace\tI-person\n\nRome\tB-place\n"
    tags = lambda *all: "".join(f"w {t}\n" for t in all)
    put("columns", good_two=tagged, good_four="-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n",
        good_tabs="1\tNew York\tx\tB\n", good_blank="a O\n\u00a0\nb O\n\f\n", bad_width="a O\nb x O\n", bad_one="a\n", bad_empty="\n")
    entities = dict(good_iob2=tagged, good_iob1=tags("O", "I-x", "I-x", "B-x"), good_bioes=tags("B-x", "I-x", "E-x", "S-y"),
                    good_bilou=tags("B-x", "L-x", "U-y", "O"), good_plain=tags("B", "I", "O"), good_types=tags("x", "x", "O"),
                    bad_mixture=tags("B-x", "E-x", "L-x"), bad_open=tags("S-y", "B-x"), bad_type=tags("B-x", "E-y"), bad_prefix=tags("B-x", "x"))
    put("entities", **entities)
    put("ner", **entities)
    put("vocabulary", good_all="<pad>\n<unk>\n<s>\n</s>\na\n\\n\n\\\\\n", good_none="\n\n\n\na\nb\n", bad_short="a\n", bad_twice="\n\n\n\na\na\n",
        bad_empty="\n\n\n\n", bad_escape="\n\n\n\n\\x\n")
    put("vectors", good_glove="the 0.5 -1 2e-3\nof 1 2 3\n", good_word2vec="2 2\na 1 2\nb 3 4\n", good_zero="a 0 0\nb 1 0\n",
        bad_spaces="New York 1 2\nof 3 4\n", bad_width="a 1 2\nb 1\n", bad_number="a 1 x\n", bad_infinite="a 1 inf\n", bad_twice="a 1\na 2\n",
        bad_count="3 2\na 1 2\n", bad_huge=f"2 {2**64 - 1}\na 1 2\n", bad_empty="")
    row = lambda word, *numbers: word + b" " + struct.pack(f"<{len(numbers)}f", *numbers)
    put("binary_vectors", good_newlines=b"2 2\n" + row(b"a", 1, 2) + b"\n" + row(b"b", 3, 4) + b"\n",
        good_plain=b"2 1\n" + row(b"a", 1) + row(b"b", 3), bad_short=b"2 2\n" + row(b"a", 1, 2), bad_count=b"3 1\n" + row(b"a", 1),
        bad_nan=b"1 1\n" + row(b"a", float("nan")), bad_width=f"1 {2**64 - 1}\n".encode() + row(b"a", 1), bad_header="a b\n")
    tables()
    trees = dict(good_two="(3 (2 It) (4 (2 is) (4 great)))\n(2 Yes)\n", good_deep="(2 " * 300 + "x" + ")" * 300,
                 bad_three="(2 (2 a) (2 b) (2 c))", bad_open="(3 (2 It)", bad_label="(7 x)", bad_words="(2 a (2 b))", bad_close="(2 a))", bad_empty="")
    put("trees", **trees)
    names = "\n".join(("Ada", "Jürgen", "Mary Ann", "Ada"))
    put("names", good_three=names, bad_blank="Ada\n\nJo\n", bad_empty="")
    put("embeddings", good_text="The king and the queen don't 12.\n", bad_numbers="12 34\n")
    pairs = "".join(f"word{i} a\tmot{i} b\n" for i in range(20))
    put("translate", good_twenty=pairs, bad_few="a\tb\n", bad_tab=pairs + "c\n")


def tables():
    months = [f"{2000 + i // 12}-{i % 12 + 1:02}" for i in range(44)]
    days = [f"2001-03-{i + 1:02}" for i in range(12)]
    table = lambda rows, header="": header + "".join(f"{row}\n" for row in rows)
    good = dict(
        good_months=table((f"{m},{i}.5" for i, m in enumerate(months)), "month,value\n"),
        good_semicolons=table((f'"{i % 28 + 1:02}.0{i // 28 + 1}.2001";"{i},25";x' for i in range(44)), "Tag;Wert;Name\n"),
        good_hours=table(f"1/{i // 24 + 1}/2001\t{i % 24:02}:00\t{i * 100}" for i in range(44)),
        good_descending=table(f"{m},{i}" for i, m in reversed(list(enumerate(months)))),
        good_thousands=table(f'{m},"1,{i:03}"' for i, m in enumerate(months)),
        good_missing=table(f"{m},{'' if i == 3 else '-200' if i == 5 else i}" for i, m in enumerate(months)),
        good_latin1=table((f"{m};{i}" for i, m in enumerate(months)), "Monat;Größe\n").encode("latin-1"))
    bad = dict(bad_date=table([*(f"{d},1" for d in days), "2001-02-30,1"]), bad_day=table(["2001-02-27,1", "2001-02-257,2"]),
               bad_order=table([f"{days[1]},1", f"{days[0]},2", f"{days[2]},3"]),
               bad_number=table(f"{d},{i or 'x'}" for i, d in enumerate(days)), bad_cells=table(["2001-01-01,1", "2001-01-02,1,2"]),
               bad_quote=table(['2001-01-01,"1']), bad_nothing=table(["2001-01-01"]), bad_mixture=table(["13.1.2001;1", "1.13.2001;2"]), bad_empty="")
    put("series", good_days=table(f"{d},{i}" for i, d in enumerate(days)), **good, **bad)
    good["good_missing"] = good["good_missing"].replace("-200", "")
    put("forecast", bad_short=table(f"{d},{i}" for i, d in enumerate(days)), **good, **bad)


def wav(count, rate=8000, width=2, channels=1):
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(bytes((i * 37) % 256 for i in range(count * width * channels)))
    return out.getvalue()


def coded(code, bits, block, data, extra=b"", rate=8000):
    """A WAV file of another encoding."""
    form = struct.pack("<HHIIHH", code, 1, rate, rate, block, bits) + extra
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, data in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            file.addfile(about, io.BytesIO(data))
    return out.getvalue()


def zipped(files, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in files.items():
            about = zipfile.ZipInfo(name)  # of a fixed date
            about.compress_type = method
            file.writestr(about, data)
    return out.getvalue()


def sounds():
    sound = wav(400)
    gsm = coded(0x31, 0, 65, bytes(260), struct.pack("<HH", 2, 320))
    put("sound", good_short=sound, good_stereo=wav(100, 44100, 2, 2), good_bytes=wav(300, width=1), good_24=wav(50, width=3),
        good_float=coded(3, 32, 4, struct.pack("<60f", *(i / 60 for i in range(60)))), good_mu_law=coded(7, 8, 1, bytes(range(100))), good_gsm=gsm,
        good_streamed=sound[:40] + bytes(4) + sound[44:], bad_truncated=sound[:-1], bad_flac=b"fLaC" + bytes(60), bad_empty=wav(0),
        bad_nan=coded(3, 32, 4, struct.pack("<f", float("nan")) * 9), bad_rate=wav(100, 2**31 - 1), bad_slow=wav(100, 1), bad_chunk=sound[:36],
        bad_adpcm=coded(2, 4, 256, bytes(200), struct.pack("<HHH", 32, 500, 7) + bytes(28)))
    files = {"a/0_x_1.wav": sound, "a/._0_x_1.wav": b"x", "notes.txt": b"hello"}
    zip_file = zipped(files)
    gz = packed(tar(files))
    large = tarfile.TarInfo("x")
    large.size = 300 << 20
    bomb = bz2.compress(large.tobuf()) + bz2.compress(bytes(30 << 20)) * 10
    put("archive", good_tar=tar(files), good_gzip=gz, good_xz=lzma.compress(tar(files)), good_bzip2=bz2.compress(tar(files)),
        good_zip=zip_file, good_stored=zipped(files, zipfile.ZIP_STORED), good_lzma=zipped(files, zipfile.ZIP_LZMA),
        bad_sum=zipped(files, zipfile.ZIP_STORED).replace(sound[50:60], bytes(10), 1), bad_gzip_sum=gz[:-8] + bytes(4) + gz[-4:],
        bad_truncated=zip_file[:-30], bad_tar=tar(files)[:700], bad_none=tar({"notes.txt": b"hello"}), bad_wav=tar({"a.wav": sound[:-4]}),
        bad_rates=tar({"a.wav": sound, "b.wav": wav(400, 16000)}), bad_empty="", bad_mtree="#mtree\n./a.wav type=file contents=/etc/hostname\n",
        good_zeros=zipped({"a.wav": sound[:40] + bytes(4) + bytes(1 << 20)}), bad_skipped_bomb=bomb)


def others():
    chords = [[60, 64, 67], [], [62]]
    put("music", good_three=json.dumps({s: [chords, chords] for s in ("train", "valid", "test")}), bad_key=json.dumps({"train": [[[20], [21]]]}),
        bad_split=json.dumps({"train": [chords]}), bad_deep="[" * 50000, bad_number='{"train": [[[1e999], [60]]]}', bad_json='{"train": ', bad_text="[]",
        bad_utf8=b'{"train": "\xff"}', bad_negative='{"train": [[[-1], [18446744073709551615]]]}')
    image = idx(2, 32, 32, 3)
    captions = "number\tcaption\n0\tRed apple, dark skin tone\n1\tDog: face\tmore\n"
    put("captions", good_two=image + b"\n|\n" + captions.encode(), good_packed=packed(image) + b"\n|\n" + captions.encode(),
        bad_number=image + b"\n|\nx\ty\n2\tcat\n", bad_tab=image + b"\n|\nx\ty\n0 cat\n", bad_empty=image + b"\n|\nx\ty\n0\t,\n", bad_none=image + b"\n|\nx\n",
        bad_size=idx(2, 32, 31, 3) + b"\n|\n" + captions.encode())


def model(program, variants):
    """Model files of tiny models, and copies whose settings are wrong."""
    for name, options in variants.items():
        path = pathlib.Path(folder) / f"{program}.safetensors"
        command = [BUILD / "examples" / program, "train", *options, "--batch", 2, "--shards", 1, "--threads", 1, "--minutes", "0.000001", "--out", path]
        subprocess.run([*map(str, command)], check=True, capture_output=True)
        content = path.read_bytes()
        size = struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8:8 + size])
        settings = header["__metadata__"]
        # Training state is not read.
        kept = {key: value for key, value in header.items() if not key.startswith(("optimizer.", "tensor.", "__"))}
        at, data = 0, b""
        for one in kept.values():
            begin, end = one["data_offsets"]
            data += content[8 + size + begin:8 + size + end]
            one["data_offsets"] = [at, at + end - begin]
            at += end - begin
        for key in [key for key in settings if key.startswith(("run.", "shard", "unroll.")) or key == "position"]:
            del settings[key]
        changed = lambda **changes: safetensors({"__metadata__": settings | changes, **kept}, data)
        if len(changed()) > 1 << 16:
            put("model_" + program, **{"bad_weights_" + name: safetensors({"__metadata__": settings})})
            continue
        put("model_" + program, **{"good_" + name: changed()})
        if name != next(iter(variants)):
            continue
        put("model_" + program, bad_program=changed(program="other"), bad_missing=safetensors({"__metadata__": {"program": program}}))
        for key in ("hidden", "width", "layers", "heads", "channels", "embedding", "lag", "sample_rate"):
            if key in settings:
                put("model_" + program, **{"bad_" + key: changed(**{key: "99999999999"}), "bad_text_" + key: changed(**{key: "8abc"})})


def models():
    hidden = ["--hidden", 3]
    embedded = [*hidden, "--embedding", 2]
    model("caption", {a: ["--channels", 2, *hidden, "--width", 2, "--attention", a] for a in ("none", "additive")})
    model("char_lm", {c: [*embedded, "--cell", c, examples / "sentences.txt"] for c in ("gru", "lstm")} |
          {"transformer": ["--model", "transformer", "--hidden", 8, "--heads", 2, "--layers", 1, examples / "sentences.txt"]})
    model("embeddings", {"width": ["--width", 2]})
    model("forecast", {"gru": hidden, "log": [*hidden, "--log"]})
    model("long_memory", {p: [*hidden, "--problem", p, "--lag", 10] for p in ("adding", "copying")})
    model("mnist_rows", {c: [*hidden, "--cell", c] for c in ("mlp", "lstm")})
    model("moving_digits", {"frames": [*hidden, "--frames", 2]})
    model("music", {c: [*hidden, "--cell", c] for c in ("lstm", "gru")})
    model("names", {"classes": embedded, "one": [*embedded, examples / "names/first.txt"]})
    model("ner", {"plain": [*embedded, "--characters", 2], "crf": [*embedded, "--characters", 2, "--crf"]})
    model("sentiment", {p: [*embedded, "--pooling", p] for p in ("max", "attention", "last", "mean")})
    model("speech", {m: ["--hidden", 4, "--model", m] for m in ("ctc", "transducer", "las", "transformer_ctc", "transformer")} |
          {"letters": ["--hidden", 4, "--symbols", "letters"]})
    model("translate", {"none": [*hidden, "--width", 2, "--attention", "none"], "dot": [*hidden, "--width", 2],
                        "transformer": ["--model", "transformer", "--width", 4, "--heads", 2, "--layers", 1]})
    model("tree_sentiment", {c: [*embedded, "--cell", c] for c in ("recursive", "rntn", "child-sum", "nary")})
    model("word_lm", {"all": ["--width", 4, "--layers", 1, "--frequent", 0], "groups": ["--width", 4, "--layers", 2, "--frequent", 5]})


if __name__ == "__main__":
    examples = pathlib.Path(__file__).parents[2] / "examples" / "data"
    shutil.rmtree(SEEDS, ignore_errors=True)
    arrays()
    texts()
    sounds()
    others()
    with tempfile.TemporaryDirectory() as folder:
        models()
