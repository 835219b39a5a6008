# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a GPU's name, whoever wrote it: a provider, a driver or a person. Private to this collection.

``RTX 4070S Ti`` for rent is ``NVIDIA GeForce RTX 4070 Ti SUPER`` to the driver, and ``H100 SXM`` is ``NVIDIA H100 80GB
HBM3``. Names are compared by their parts, so that no list has to hold each spelling of each card.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: What makes another card of one number, by the words that say so.
_VARIANTS = {
    "ti": "ti", "super": "super", "s": "super", "d": "d", "ada": "ada", "sff": "sff", "maxq": "maxq",
    "laptop": "laptop", "mobile": "laptop",
}  # fmt: skip
#: How a card is built in, as far as it is sold in several ways.
_FORMS = {
    **dict.fromkeys(("sxm", "sxm2", "sxm3", "sxm4", "sxm5", "sxm6"), "sxm"),
    "pcie": "pcie", "nvl": "nvl", "fhhl": "fhhl",
}  # fmt: skip
#: The same of the RTX PRO cards, whose editions are sold at prices of their own.
_EDITIONS = {
    "s": "server", "server": "server", "maxq": "maxq", "ws": "workstation", "wk": "workstation",
    "workstation": "workstation",
}  # fmt: skip
#: Words that one side says and the other leaves out.
_NOISE = frozenset(
    {"nvidia", "amd", "ati", "geforce", "tesla", "instinct", "radeon", "grid", "quadro", "q", "rtx", "gtx", "gpu", "gb"}
    | {"generation", "edition", "server", "workstation", "with", "design", "corporation", "inc", "dgx", "hgx", "oam"}
    | {"blackwell", "lovelace", "hopper", "grace", "superchip", "hbm2", "hbm2e", "hbm3", "hbm3e", "ac"}
)
_MIG = re.compile(r"\bmig\b.*|\b\d+g[. ]\d+gb\b.*")
_SLICE = re.compile(r"(.*[a-z0-9])-(\d{1,3})[qcab]")
_GLUED = re.compile(r"((?:a|v)?\d{3,4})((?:ti|super|s|d|ada|laptop|maxq|sff)+)")
_SUFFIX = re.compile(r"ti|super|sff|s|d|ada|laptop|maxq")
#: Their names tell the memory of the whole board, the processor's included.
_BOARDS = ("gh", "gb")


@dataclass(frozen=True)
class Name:
    """``base`` is the number with its letters (``4090``, ``a100``, ``pro6000``); ``variants`` make another card of it;
    ``form`` is how it is built in; ``memory_gb`` what the name says; ``part`` a slice of a GPU, by MIG or virtual,
    whose own GB are in ``memory_gb`` then. None where the name does not say.
    """

    base: str
    variants: frozenset[str] = frozenset()
    form: str | None = None
    memory_gb: int | None = None
    part: str | None = None

    @property
    def kind(self) -> tuple[str, frozenset[str], str | None]:
        """What a table of models is read by."""
        return self.base, self.variants, self.form


def parse(name: str) -> Name:
    """The parts of a name; of one that says no model, ``base`` has no digit in it."""
    text, part = _without_part(re.sub(r"\((?:r|tm)\)|[®™]", "", name.lower()).strip())
    words = [word for each in re.findall(r"[a-z0-9]+", re.sub(r"max[- ]?q", " maxq", text)) for word in _split(each)]
    pro = "pro" in words
    forms = _EDITIONS if pro else _FORMS
    sizes = {place: int(word.rstrip("gb")) for place, word in enumerate(words) if _is_size(word, words[place + 1 :])}
    said = [word for place, word in enumerate(words) if place not in sizes]
    # Max-Q and FHHL say more than the words beside them: Max-Q Workstation Edition, FHHL of a PCIe card.
    form: str | None = next((each for each in ("maxq", "fhhl") if each in said and each in forms), None)
    form = form or next((forms[word] for word in said if word in forms), None)
    variants = frozenset(_VARIANTS[word] for word in said[1:] if word in _VARIANTS and not (pro and word in _EDITIONS))
    taken = _NOISE | set(forms) | set(_FORMS)
    base = "".join(word for place, word in enumerate(said) if word not in taken and not (place and word in _VARIANTS))
    return _settled(Name(base, variants, form, next(iter(sizes.values()), None)), words, part)


def _is_size(word: str, after: list[str]) -> bool:
    """Whether a word is so many GB: ``80gb``, ``32g``, ``80`` before ``gb``."""
    return re.fullmatch(r"\d{1,3}gb?", word) is not None or (word.isdigit() and after[:1] == ["gb"])


def _settled(name: Name, words: list[str], part: tuple[str, int | None] | None) -> Name:
    """A name with what single families of cards need to be told apart."""
    base = name.base
    if base.isdigit() and {"quadro", "q"} & set(words):
        base = f"quadro{base}"
    elif "ada" in name.variants and re.fullmatch(r"a\d{4}", base):
        base = base[1:]  # the A is of the generation before: A5000 Ada is what some call the RTX 5000 Ada
    # The driver tells this form by its memory: the others have none in their names, or HBM2e.
    form = "sxm" if (base, name.form) == ("h100", None) and "hbm3" in words else name.form
    memory = name.memory_gb if not base.startswith(_BOARDS) else None
    return Name(base, name.variants, form, part[1] if part else memory, part[0] if part else None)


def _without_part(text: str) -> tuple[str, tuple[str, int | None] | None]:
    """A name without the slice that it says, and that slice with its GB."""
    mig = _MIG.search(text)
    if mig:
        size = re.search(r"(\d+)gb", mig[0])
        return text[: mig.start()], (" ".join(re.findall(r"[a-z0-9]+", mig[0])), int(size[1]) if size else None)
    virtual = _SLICE.fullmatch(text)
    if virtual:
        # The letters behind the number are the board's of that driver: GRID A100D-40C is half of an A100 with 80 GB.
        return re.sub(r"(\d)(?:dx?|x[lms]?)$", r"\1", virtual[1]), (text[len(virtual[1]) + 1 :], int(virtual[2]))
    return text, None


def _split(word: str) -> list[str]:
    """The words that are written as one: ``rtx4090``, ``3080ti``, ``6000ada``, ``instinctmi50``."""
    head = re.fullmatch(r"(quadro|instinct|radeon|tesla|rtx|gtx|pro)(?=[a-z]{0,3}\d)(.*)", word)
    if head:
        return [head[1], *_split(head[2])]
    glued = _GLUED.fullmatch(word)
    return [glued[1], *_SUFFIX.findall(glued[2])] if glued else [word]
