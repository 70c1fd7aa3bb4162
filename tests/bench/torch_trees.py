"""Runs training steps of a binary Tree-LSTM in PyTorch, level by level, for bench_trees.

Reads "trees PARENTS ..." once, the parents of every node of every tree, and sorts them by levels. For
"step THREADS" it does a step (forward, backward with the gradient of the input, Adagrad) and answers
with its seconds.
"""

import sys
import time

try:
    import torch
except ImportError:
    sys.exit()

INPUT, HIDDEN = 300, 150


def levels_of(trees):
    """By height: nodes and the numbers of their two children, over all trees."""
    children, height, leaves, begin = {}, {}, [], 0
    by_height = []
    for parents in trees:
        for node, parent in enumerate(parents):
            if parent >= 0:
                children.setdefault(begin + parent, []).append(begin + node)
        for node in range(begin, begin + len(parents)):  # children have smaller numbers
            below = children.get(node)
            height[node] = 1 + max(height[c] for c in below) if below else 0
            if not below:
                leaves.append(node)
                continue
            while len(by_height) < height[node]:
                by_height.append([])
            by_height[height[node] - 1].append(node)
        begin += len(parents)
    place = {node: i for i, node in enumerate(leaves)}
    levels = []
    for nodes in by_height:
        levels.append(torch.tensor([[place[c] for c in children[n]] for n in nodes]))
        for n in nodes:
            place[n] = len(place)
    return levels


torch.manual_seed(1)
leaf, inner = torch.nn.Linear(INPUT, 3 * HIDDEN), torch.nn.Linear(2 * HIDDEN, 5 * HIDDEN)
optimizer = torch.optim.Adagrad([*leaf.parameters(), *inner.parameters()], 0.05)


def forward(x, levels):
    i, o, u = leaf(x).chunk(3, 1)
    c = torch.sigmoid(i) * torch.tanh(u)
    h = torch.sigmoid(o) * torch.tanh(c)
    for children in levels:
        i, o, u, f, g = inner(h[children].flatten(1)).chunk(5, 1)
        left, right = c[children].unbind(1)
        below = torch.sigmoid(i) * torch.tanh(u) + torch.sigmoid(f) * left + torch.sigmoid(g) * right
        c = torch.cat([c, below])
        h = torch.cat([h, torch.sigmoid(o) * torch.tanh(below)])
    return h


for line in sys.stdin:
    command, *words = line.split()
    if command == "trees":
        trees = [list(map(int, tree.split(","))) for tree in words]
        levels = levels_of(trees)
        x = torch.randn(sum(len(t) + 1 for t in trees) // 2, INPUT, requires_grad=True)
        print("ready", flush=True)
        continue
    if torch.get_num_threads() != int(words[0]):
        torch.set_num_threads(int(words[0]))
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    x.grad = None
    forward(x, levels).sum().backward()
    optimizer.step()
    print(time.perf_counter() - start, flush=True)
