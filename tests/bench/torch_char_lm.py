"""The speed of char_lm's reference model in PyTorch: two LSTM layers of 256."""

import pathlib
import time

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, 64)
        self.lstm = nn.LSTM(64, 256, num_layers=2, dropout=0.2)
        self.head = nn.Linear(256, vocabulary)

    def forward(self, x, state):
        out, state = self.lstm(self.embed(x), state)
        return self.head(out), state


def characters_per_second(text, batch=32, steps=64, batches=40):
    best = 0
    numbers = torch.tensor(list(pathlib.Path(text).read_bytes()))
    for threads in (1, 2):
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        model = Model(256)
        adam = torch.optim.Adam(model.parameters(), lr=4e-3)
        columns = numbers[: len(numbers) // batch * batch].reshape(batch, -1).T
        state = None
        for i in range(batches):
            if i == 5:
                start = time.perf_counter()
            x = columns[i * steps : (i + 1) * steps]
            y = columns[i * steps + 1 : (i + 1) * steps + 1]
            out, state = model(x, state)
            state = tuple(s.detach() for s in state)
            loss = nn.functional.cross_entropy(out.flatten(0, 1), y.flatten())
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
        spent = time.perf_counter() - start
        best = max(best, (batches - 5) * batch * steps / spent)
    return best
