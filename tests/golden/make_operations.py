"""Writes operations.safetensors: values, first and second derivatives of operations by PyTorch.

Needs PyTorch 2.4 or later, which has rms_norm:  python3 make_operations.py
"""
import functools

import torch
from torch.nn import functional as f

from make_golden import second_order, write

torch.manual_seed(1)
found = {}
case = functools.partial(second_order, found)

case("rms_norm", lambda x, g: f.rms_norm(x, (6,), g, eps=1e-5), (4, 6), (6,))
case("group_norm", lambda x, g, b: f.group_norm(x, 2, g, b), (3, 6, 2, 4), (6,), (6,))
case("group_norm_flat", lambda x, g, b: f.group_norm(x, 3, g, b), (4, 6), (6,), (6,))

case("transposed", f.conv_transpose2d, (2, 3, 4, 5), (3, 4, 3, 2), (4,))
case("transposed_strided",
     lambda x, w, b: f.conv_transpose2d(x, w, b, stride=(2, 3), padding=(1, 2), output_padding=(1, 2), dilation=(2, 1)),
     (2, 3, 4, 5), (3, 4, 3, 2), (4,))
case("transposed_groups", lambda x, w, b: f.conv_transpose2d(x, w, b, stride=2, padding=1, output_padding=1, groups=2),
     (2, 4, 3, 4), (4, 3, 3, 3), (6,))
case("transposed_sequence", lambda x, w, b: f.conv_transpose1d(x, w, b, stride=3, padding=2, output_padding=1, dilation=2),
     (2, 3, 5), (3, 4, 4), (4,))

case("adaptive_average", lambda x: f.adaptive_avg_pool2d(x, (3, 4)), (2, 3, 7, 6))
case("adaptive_average_up", lambda x: f.adaptive_avg_pool2d(x, (5, 2)), (2, 3, 3, 5))
case("adaptive_average_sequence", lambda x: f.adaptive_avg_pool1d(x, 4), (2, 3, 10))
case("adaptive_max", lambda x: f.adaptive_max_pool2d(x, (3, 4)), (2, 3, 7, 6))
case("adaptive_max_sequence", lambda x: f.adaptive_max_pool1d(x, 4), (2, 3, 10))

case("nearest", lambda x: f.interpolate(x, scale_factor=(2, 3), mode="nearest"), (2, 3, 3, 4))
case("nearest_size", lambda x: f.interpolate(x, size=(5, 3), mode="nearest"), (2, 3, 3, 4))
case("nearest_sequence", lambda x: f.interpolate(x, size=11, mode="nearest"), (2, 3, 4))
case("bilinear", lambda x: f.interpolate(x, scale_factor=(2, 3), mode="bilinear"), (2, 3, 3, 4))
case("bilinear_size", lambda x: f.interpolate(x, size=(5, 3), mode="bilinear"), (2, 3, 3, 4))
case("linear_sequence", lambda x: f.interpolate(x, size=11, mode="linear"), (2, 3, 4))

case("glu", lambda x: f.glu(x, 1), (3, 4, 5))
case("prelu", f.prelu, (3, 4, 5), (4,))
case("prelu_one", f.prelu, (3, 4), (1,))
write("operations.safetensors", found)
