#!/usr/bin/env python3
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the 1,797 handwritten digits of the UCI set, which scikit-learn ships, as image files with labels.

Goes out: ``data/images/NNNN.png`` (8x8 pixels, 8 bit grey) and ``data/labels.csv`` (``file``, ``label``, ``split``; one
image in five, fixed by a seed, is ``held-out``). A second call finds everything there and writes nothing.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from pathlib import Path

HELD_OUT_SHARE = 0.2
SEED = 1797


def complete(directory: Path) -> bool:
    """Tell whether all the images that the label file lists are there. The label file is written last."""
    labels = directory / "labels.csv"
    if not labels.is_file():
        return False
    with labels.open(newline="", encoding="utf-8") as file:
        return all((directory / row["file"]).is_file() for row in csv.DictReader(file))


def write(directory: Path) -> int:
    """Write images and labels; returns the number of images."""
    # Imported here, because a second call needs neither of them and they take a second.
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(SEED).permutation(len(digits.target))
    held_out = set(order[: int(len(order) * HELD_OUT_SHARE)])
    (directory / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for index, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        name = f"images/{index:04d}.png"
        Image.fromarray((pixels * 255 / 16).round().astype(np.uint8)).save(directory / name)
        rows.append((name, int(label), "held-out" if index in held_out else "train"))
    # Two calls at once write the same bytes; the rename makes the label file whole or absent.
    with tempfile.NamedTemporaryFile("w", dir=directory, delete=False, newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "label", "split"), *rows])
    os.chmod(file.name, 0o644)
    os.replace(file.name, directory / "labels.csv")
    return len(rows)


def main(arguments: list[str]) -> int:
    """Write the data below the given directory, or beside this file."""
    directory = Path(arguments[0]) if arguments else Path(__file__).resolve().parent / "data"
    if not complete(directory):
        print(f"{write(directory)} images written to {directory}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
