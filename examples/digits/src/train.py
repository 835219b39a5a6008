#!/usr/bin/env python3
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Train a small neural network that reads handwritten digits: numpy alone, by stochastic gradient descent.

What comes in: a directory with 8x8 greyscale images and a ``labels.csv`` (columns ``file``, ``label``, ``split``).
What goes out, below ``--out``: ``metrics.jsonl`` (one JSON object an epoch: ``epoch``, ``loss``, ``accuracy`` on the
held-out images, ``seconds`` since the start), ``checkpoints/epoch-NNNN.npz`` (all that ``--resume`` needs), and at the
end ``model.npz`` (the weights).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# The matrices are small: several threads would mostly wait for each other. numpy reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from PIL import Image

CLASSES = 10
SIDE = 8
Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Split:
    """Images as rows of 64 numbers from 0 to 1, and their digits."""

    images: np.ndarray
    labels: np.ndarray


def read_split(directory: Path, split: str) -> Split:
    """Read the images of one split. Raises FileNotFoundError for a missing file, ValueError for an empty split."""
    with (directory / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    if not rows:
        raise ValueError(f"{directory / 'labels.csv'} lists no image of the split {split!r}")
    images = np.empty((len(rows), SIDE * SIDE), dtype=np.float32)
    for index, row in enumerate(rows):
        with Image.open(directory / row["file"]) as image:
            images[index] = np.asarray(image, dtype=np.float32).reshape(-1) / 255.0
    return Split(images, np.array([int(row["label"]) for row in rows]))


def shifted(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Move each image by up to one pixel a direction, so that the network learns shapes and not places."""
    padded = np.pad(images.reshape(-1, SIDE, SIDE), ((0, 0), (1, 1), (1, 1)))
    down, right = random.integers(0, 3, (2, len(images)))
    rows = down[:, None, None] + np.arange(SIDE)[None, :, None]
    columns = right[:, None, None] + np.arange(SIDE)[None, None, :]
    return padded[np.arange(len(images))[:, None, None], rows, columns].reshape(len(images), -1)


def new_weights(hidden: int, random: np.random.Generator) -> Weights:
    """Draw the start values (He's rule: variance 2 / inputs) for two layers of ``hidden`` units and the output."""
    sizes = [SIDE * SIDE, hidden, hidden, CLASSES]
    weights: Weights = {}
    for layer in range(len(sizes) - 1):
        inputs, outputs = sizes[layer : layer + 2]
        weights[f"w{layer}"] = (random.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)).astype(np.float32)
        weights[f"b{layer}"] = np.zeros(outputs, dtype=np.float32)
    return weights


def forward(weights: Weights, images: np.ndarray) -> list[np.ndarray]:
    """Return the output of every layer, the input first and the probabilities of the ten digits last."""
    first = np.maximum(images @ weights["w0"] + weights["b0"], 0)
    second = np.maximum(first @ weights["w1"] + weights["b1"], 0)
    scores = second @ weights["w2"] + weights["b2"]
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return [images, first, second, scores / scores.sum(axis=1, keepdims=True)]


def gradients(weights: Weights, images: np.ndarray, labels: np.ndarray) -> tuple[float, Weights]:
    """Return the mean cross-entropy of a batch and its gradient by every weight."""
    outputs = forward(weights, images)
    picked = outputs[-1][np.arange(len(labels)), labels]
    error = outputs[-1].copy()
    error[np.arange(len(labels)), labels] -= 1
    error /= len(labels)
    found: Weights = {}
    for layer in (2, 1, 0):
        found[f"w{layer}"] = outputs[layer].T @ error
        found[f"b{layer}"] = error.sum(axis=0)
        if layer:
            error = (error @ weights[f"w{layer}"].T) * (outputs[layer] > 0)
    return float(-np.log(np.maximum(picked, 1e-12)).mean()), found


def accuracy(weights: Weights, split: Split) -> float:
    """Return the share of the images whose digit is read rightly, from 0 to 1."""
    return float((forward(weights, split.images)[-1].argmax(axis=1) == split.labels).mean())


def write_atomically(path: Path, arrays: Weights) -> None:
    """Write an .npz so that a reader sees the old file or the whole new one, never a part."""
    save: Callable[..., None] = np.savez
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        save(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def newest_checkpoint(directory: Path) -> Path | None:
    """Return the checkpoint with the highest epoch, or None."""
    found = [path for path in directory.glob("epoch-*.npz") if re.fullmatch(r"epoch-\d+", path.stem)]
    return max(found, default=None)


class Trainer:
    """The state of a training: weights, momentum and epoch, kept in checkpoints and read back by ``--resume``."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.epoch = 0
        self.seconds_before = 0.0
        self.weights = new_weights(options.hidden, np.random.default_rng(options.seed))
        self.momentum = {name: np.zeros_like(value) for name, value in self.weights.items()}

    def resume(self) -> bool:
        """Go on from the newest checkpoint below ``--out``; returns whether there was one."""
        path = newest_checkpoint(self.options.out / "checkpoints")
        if path is None:
            return False
        with np.load(path) as state:
            self.epoch = int(state["epoch"])
            self.seconds_before = float(state["seconds"])
            for name in self.weights:
                self.weights[name] = state[name]
                self.momentum[name] = state[f"momentum_{name}"]
        return True

    def train_epoch(self, data: Split) -> float:
        """Go once through the images (``--passes`` times, each time moved differently); returns the mean loss."""
        self.epoch += 1
        # The seed holds the epoch, so that a resumed training goes the same way as one that was never interrupted.
        random = np.random.default_rng([self.options.seed, self.epoch])
        rate = self.options.rate * 0.5 * (1 + np.cos(np.pi * (self.epoch - 1) / self.options.epochs))
        losses = []
        for _number in range(self.options.passes):
            images, order = shifted(data.images, random), random.permutation(len(data.labels))
            for start in range(0, len(order), self.options.batch):
                batch = order[start : start + self.options.batch]
                loss, found = gradients(self.weights, images[batch], data.labels[batch])
                losses.append(loss)
                for name, gradient in found.items():
                    self.momentum[name] = 0.9 * self.momentum[name] - np.float32(rate) * gradient
                    self.weights[name] = self.weights[name] + self.momentum[name]
        return float(np.mean(losses))

    def write_checkpoint(self, seconds: float) -> None:
        """Keep everything that a later ``--resume`` needs."""
        path = self.options.out / "checkpoints" / f"epoch-{self.epoch:04d}.npz"
        progress = {"epoch": np.array(self.epoch), "seconds": np.array(seconds)}
        momentum = {f"momentum_{name}": value for name, value in self.momentum.items()}
        write_atomically(path, {**progress, **self.weights, **momentum})


def cut_metrics(path: Path, last_epoch: int) -> None:
    """Drop the lines after an epoch, which a training that was cut off wrote but did not keep a checkpoint of."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["epoch"] <= last_epoch]
    part = path.with_name(f".{path.name}.part")
    part.write_text("".join(kept), encoding="utf-8")
    part.replace(path)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train a reader of handwritten digits.")
    parser.add_argument("--data", type=Path, required=True, help="directory with labels.csv and the images")
    parser.add_argument("--out", type=Path, required=True, help="directory for metrics, checkpoints and the model")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--passes", type=int, default=16, help="passes over the images an epoch")
    parser.add_argument("--hidden", type=int, default=128, help="units of each of the two hidden layers")
    parser.add_argument("--batch", type=int, default=16, help="images a step")
    parser.add_argument("--rate", type=float, default=0.02, help="learning rate at the start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint below --out")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Train, and return the exit code."""
    options = parse(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    metrics = options.out / "metrics.jsonl"
    learn, held_out = read_split(options.data, "train"), read_split(options.data, "held-out")
    print(f"{len(learn.labels)} images to learn from, {len(held_out.labels)} held out", flush=True)
    trainer = Trainer(options)
    if options.resume and trainer.resume():
        print(f"resumed after epoch {trainer.epoch}", flush=True)
    cut_metrics(metrics, trainer.epoch)
    started = time.monotonic() - trainer.seconds_before
    while trainer.epoch < options.epochs:
        loss = trainer.train_epoch(learn)
        reached, seconds = accuracy(trainer.weights, held_out), time.monotonic() - started
        trainer.write_checkpoint(seconds)
        values = {"epoch": trainer.epoch, "loss": loss, "accuracy": reached, "seconds": seconds}
        with metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps({name: round(value, 5) for name, value in values.items()}) + "\n")
        epoch = f"epoch {trainer.epoch}/{options.epochs}"
        print(f"{epoch}  loss {loss:.4f}  held-out accuracy {reached:.2%}  {seconds:.1f} s", flush=True)
    write_atomically(options.out / "model.npz", trainer.weights)
    print(f"model.npz written, held-out accuracy {accuracy(trainer.weights, held_out):.2%}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
