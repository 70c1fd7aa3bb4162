"""Loss of char_lm after three minutes with its default options; needs $UNROLL_DATA.

usage: bench_quality.py BUILD [--torch]    --torch: compare the speed with PyTorch's
"""

import pathlib
import sys
import tempfile

import figures

char_lm = pathlib.Path(sys.argv[1]) / "examples/char_lm"
text = figures.shakespeare()
if text is None:
    sys.exit("bench_quality: no data")
with tempfile.TemporaryDirectory() as folder:
    model = f"{folder}/model.safetensors"
    result = figures.run(char_lm, "train", text, "--minutes", 3, "--out", model)
    figures.figure("quality.tinyshakespeare", float(result["validation_nats"]), "nats", "<=", 1.5)
    print(f"{result['bytes_per_second']} characters per second")
    if "--torch" in sys.argv:
        try:
            import torch_char_lm
        except ImportError as error:
            sys.exit(f"no comparison with PyTorch: {error}")
        speeds, opponents = [], []
        for _ in range(3):
            result = figures.run(char_lm, "train", text, "--cell", "lstm", "--dropout", 0.2, "--batch", 32,
                                 "--minutes", 0.2, "--out", model)
            speeds.append(float(result["bytes_per_second"]))
            opponents.append(torch_char_lm.characters_per_second(text))
        speed, opponent = figures.median(speeds), figures.median(opponents)
        print(f"LSTM of 2 x 256, characters per second: {speed:.0f}, PyTorch {opponent:.0f}")
        figures.figure("quality.speed", speed / opponent, "ratio", ">=", 3)
