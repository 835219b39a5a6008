# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs: how their names are spelled, what each model can do, and whether two names mean one model.

``4090``, ``rtx4090`` and ``RTX 4090`` are the same catalogue entry, whether a provider, an NVIDIA driver or a person
wrote it.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .errors import BadRequest

#: The words that make a different card of the same number.
_VARIANTS = {
    "ti": "ti", "super": "super", "s": "super", "d": "d", "ada": "ada", "sff": "sff", "maxq": "maxq",
    "laptop": "laptop", "mobile": "laptop",
}  # fmt: skip
#: Form factors, for cards that are sold in several.
_FORMS = {
    **dict.fromkeys(("sxm", "sxm2", "sxm3", "sxm4", "sxm5", "sxm6"), "sxm"),
    "pcie": "pcie", "nvl": "nvl", "fhhl": "fhhl",
}  # fmt: skip
#: The editions of the RTX PRO cards, which have prices of their own.
_EDITIONS = {
    "s": "server", "server": "server", "maxq": "maxq", "ws": "workstation", "wk": "workstation",
    "workstation": "workstation",
}  # fmt: skip
#: Words that some names of a GPU have and others leave out.
_NOISE = frozenset(
    {"nvidia", "amd", "ati", "geforce", "tesla", "instinct", "radeon", "grid", "quadro", "q", "rtx", "gtx", "gpu", "gb"}
    | {"generation", "edition", "server", "workstation", "with", "design", "corporation", "inc", "dgx", "hgx", "oam"}
    | {"blackwell", "lovelace", "hopper", "grace", "superchip", "hbm2", "hbm2e", "hbm3", "hbm3e", "ac"}
)
_MIG = re.compile(r"\bmig\b.*|\b\d+g[. ]\d+gb\b.*")
_SLICE = re.compile(r"(.*[a-z0-9])-(\d{1,3})[qcab]")
_GLUED = re.compile(r"((?:a|v)?\d{3,4})((?:ti|super|s|d|ada|laptop|maxq|sff)+)")
_SUFFIX = re.compile(r"ti|super|sff|s|d|ada|laptop|maxq")
#: The names of these give the memory of the whole board, including the processor's.
_BOARDS = ("gh", "gb")


@dataclass(frozen=True)
class Name:
    """The parts of a GPU's name.

    ``base`` is the number with its letters (``4090``, ``a100``, ``pro6000``); ``variants`` make a different card of
    it; ``form`` is the form factor; ``memory_gb`` the memory that the name gives; ``part`` a slice of a GPU, by MIG or
    virtual, and then ``memory_gb`` is the slice's own. None where the name does not say.
    """

    base: str
    variants: frozenset[str] = frozenset()
    form: str | None = None
    memory_gb: int | None = None
    part: str | None = None

    @property
    def kind(self) -> tuple[str, frozenset[str], str | None]:
        """The key of the table of models."""
        return self.base, self.variants, self.form


def parse(name: str) -> Name:
    """Read the parts of a name; ``base`` has no digit when the name does not name a model."""
    text, part = _without_part(re.sub(r"\((?:r|tm)\)|[®™]", "", name.lower()).strip())
    words = [word for each in re.findall(r"[a-z0-9]+", re.sub(r"max[- ]?q", " maxq", text)) for word in _split(each)]
    pro = "pro" in words
    forms = _EDITIONS if pro else _FORMS
    sizes = {place: int(word.rstrip("gb")) for place, word in enumerate(words) if _is_size(word, words[place + 1 :])}
    said = [word for place, word in enumerate(words) if place not in sizes]
    # Max-Q and FHHL outrank the words next to them: Max-Q Workstation Edition, a PCIe card that is FHHL.
    form: str | None = next((each for each in ("maxq", "fhhl") if each in said and each in forms), None)
    form = form or next((forms[word] for word in said if word in forms), None)
    variants = frozenset(_VARIANTS[word] for word in said[1:] if word in _VARIANTS and not (pro and word in _EDITIONS))
    taken = _NOISE | set(forms) | set(_FORMS)
    base = "".join(word for place, word in enumerate(said) if word not in taken and not (place and word in _VARIANTS))
    return _settled(Name(base, variants, form, next(iter(sizes.values()), None)), words, part)


def _is_size(word: str, after: list[str]) -> bool:
    """Return whether a word is a size in GB: ``80gb``, ``32g``, ``80`` before ``gb``."""
    return re.fullmatch(r"\d{1,3}gb?", word) is not None or (word.isdigit() and after[:1] == ["gb"])


def _settled(name: Name, words: list[str], part: tuple[str, int | None] | None) -> Name:
    """Correct a name where a family of cards is spelled in its own way."""
    base = name.base
    if base.isdigit() and {"quadro", "q"} & set(words):
        base = f"quadro{base}"
    elif "ada" in name.variants and re.fullmatch(r"a\d{4}", base):
        base = base[1:]  # the A belongs to the previous generation: some call the RTX 5000 Ada an A5000 Ada
    # The driver's name shows this form only by its memory: the other forms name none, or HBM2e.
    form = "sxm" if (base, name.form) == ("h100", None) and "hbm3" in words else name.form
    memory = name.memory_gb if not base.startswith(_BOARDS) else None
    return Name(base, name.variants, form, part[1] if part else memory, part[0] if part else None)


def _without_part(text: str) -> tuple[str, tuple[str, int | None] | None]:
    """Split a name into the GPU's name and, if it names a slice, that slice with its GB."""
    mig = _MIG.search(text)
    if mig:
        size = re.search(r"(\d+)gb", mig[0])
        return text[: mig.start()], (" ".join(re.findall(r"[a-z0-9]+", mig[0])), int(size[1]) if size else None)
    virtual = _SLICE.fullmatch(text)
    if virtual:
        # That driver's letters after the number are the board's: GRID A100D-40C is half of an A100 with 80 GB.
        return re.sub(r"(\d)(?:dx?|x[lms]?)$", r"\1", virtual[1]), (text[len(virtual[1]) + 1 :], int(virtual[2]))
    return text, None


def _split(word: str) -> list[str]:
    """Split what is written as one word: ``rtx4090``, ``3080ti``, ``6000ada``, ``instinctmi50``."""
    head = re.fullmatch(r"(quadro|instinct|radeon|tesla|rtx|gtx|pro)(?=[a-z]{0,3}\d)(.*)", word)
    if head:
        return [head[1], *_split(head[2])]
    glued = _GLUED.fullmatch(word)
    return [glued[1], *_SUFFIX.findall(glued[2])] if glued else [word]


#: Words before a model that people leave out.
BRANDS = frozenset({"nvidia", "geforce", "rtx", "gtx", "amd", "instinct", "tesla", "radeon", "quadro"})

_VOLTA, _TURING = "NVIDIA's data sheet of the Tesla V100", "NVIDIA's paper on the Turing architecture"
_GA102 = "NVIDIA's paper on the GA102"
_CLOCK = "tensor cores times boost clock times 128, as NVIDIA's papers calculate the figures of related cards"
_SHEET = "NVIDIA's data sheet of the card"
_HALF = "NVIDIA's data sheet of the card, halved because it gives the figure with sparsity"
_EIGHTH = "NVIDIA's data sheet of the card, an eighth of the figure for 4-bit numbers with sparsity"
_QUARTER = "NVIDIA's data sheet of the card, a quarter of the figure for 8-bit numbers with sparsity"
_ADA, _BLACKWELL = "NVIDIA's paper on the Ada architecture", "NVIDIA's paper on the RTX Blackwell architecture"
_NO_PAPER = "none with that figure"
_HGX = "NVIDIA's data sheet of the HGX board, for one of its eight, halved because it gives the figure with sparsity"


@dataclass(frozen=True)
class Model:
    """A model of GPU.

    ``memory_gb`` are the sizes in which it is made, ``capability`` is its CUDA compute capability (None: no CUDA),
    ``names`` other names under which a provider rents it out, ``source`` where the throughput comes from. ``tflops``
    is None where the manufacturer does not publish it.
    """

    name: str
    tflops: float | None
    memory_gb: tuple[int, ...]
    capability: float | None
    source: str
    names: tuple[str, ...] = ()


MODELS: tuple[Model, ...] = (
    Model("Tesla V100 SXM2", 125.0, (16, 32), 7.0, _VOLTA),
    Model("Tesla V100 PCIe", 112.0, (16, 32), 7.0, _VOLTA),
    Model("Tesla V100 FHHL", None, (16,), 7.0, _NO_PAPER),
    Model("Tesla T4", 65.0, (16,), 7.5, "NVIDIA's data sheet of the Tesla T4"),
    Model("RTX 2080 Ti", 53.8, (11,), 7.5, _TURING),
    Model("Titan RTX", 130.5, (24,), 7.5, _TURING),
    Model("Quadro RTX 8000", 130.5, (48,), 7.5, _TURING),
    Model("Quadro RTX 6000", 130.5, (24,), 7.5, _TURING),
    Model("RTX 3060", 25.5, (8, 12), 8.6, _CLOCK),
    Model("RTX 3060 Ti", 32.4, (8,), 8.6, _CLOCK),
    Model("RTX 3070", 40.6, (8,), 8.6, _GA102),
    Model("RTX 3070 Ti", 43.5, (8,), 8.6, _CLOCK),
    Model("RTX 3080", 59.5, (10, 12), 8.6, _GA102),
    Model("RTX 3080 Ti", 68.2, (12,), 8.6, _CLOCK),
    Model("RTX 3090", 71.2, (24,), 8.6, _GA102),
    Model("RTX 3090 Ti", 80.0, (24,), 8.6, _CLOCK),
    Model("RTX A2000", 31.9, (6, 12), 8.6, _HALF),
    Model("RTX A4000", 76.7, (16,), 8.6, _HALF),
    Model("RTX A4500", 94.6, (20,), 8.6, _HALF),
    Model("RTX A5000", 111.1, (24,), 8.6, _HALF),
    Model("RTX A6000", 154.8, (48,), 8.6, _HALF),
    Model("RTX A5500", None, (24,), 8.6, _NO_PAPER),
    Model("A10", 125.0, (24,), 8.6, _SHEET),
    Model("A10G", None, (24,), 8.6, _NO_PAPER),
    Model("A30", 165.0, (24,), 8.0, _SHEET),
    Model("A40", 149.7, (48,), 8.6, _SHEET),
    Model("A100 PCIe", 312.0, (40, 80), 8.0, _SHEET),
    Model("A100 SXM", 312.0, (40, 80), 8.0, _SHEET),
    Model("A100X", None, (80,), 8.0, _NO_PAPER),
    Model("A800 PCIe", None, (40, 80), 8.0, _NO_PAPER),
    Model("A800 SXM", None, (80,), 8.0, _NO_PAPER),
    Model("RTX 4060", 30.2, (8,), 8.9, _CLOCK),
    Model("RTX 4060 Ti", 44.1, (8, 16), 8.9, _CLOCK),
    Model("RTX 4070", 58.3, (12,), 8.9, _CLOCK),
    Model("RTX 4070 SUPER", 71.0, (12,), 8.9, _CLOCK),
    Model("RTX 4070 Ti", 80.2, (12,), 8.9, _CLOCK),
    Model("RTX 4070 Ti SUPER", 88.2, (16,), 8.9, _CLOCK),
    Model("RTX 4080", 97.5, (16,), 8.9, _ADA),
    Model("RTX 4080 SUPER", 104.4, (16,), 8.9, _CLOCK),
    Model("RTX 4090", 165.2, (24,), 8.9, _ADA),
    Model("RTX 4090D", 147.1, (24,), 8.9, _CLOCK),
    Model("RTX 2000 Ada", 48.0, (16,), 8.9, _QUARTER),
    Model("RTX 4000 SFF Ada", 76.7, (20,), 8.9, _QUARTER),
    Model("RTX 4000 Ada", 106.9, (20,), 8.9, _QUARTER),
    Model("RTX 4500 Ada", 158.5, (24,), 8.9, _QUARTER),
    Model("RTX 5000 Ada", 261.1, (32,), 8.9, _QUARTER),
    Model("RTX 5880 Ada", None, (48,), 8.9, _NO_PAPER),
    Model("RTX 6000 Ada", 364.2, (48,), 8.9, _QUARTER),
    Model("L4", 121.0, (24,), 8.9, _HALF),
    Model("L40", 181.0, (48,), 8.9, _SHEET),
    Model("L40S", 362.0, (48,), 8.9, _SHEET),
    Model("H100 PCIe", 756.0, (80,), 9.0, _HALF),
    Model("H100 NVL", 835.0, (94,), 9.0, _HALF),
    Model("H100 SXM", 989.0, (80,), 9.0, _HALF),
    Model("H800 PCIe", None, (80,), 9.0, _NO_PAPER),
    Model("H800 SXM", None, (80,), 9.0, _NO_PAPER),
    Model("H200 NVL", 835.0, (141,), 9.0, _HALF),
    Model("H200", 989.0, (141,), 9.0, _HALF, ("H200 SXM",)),
    Model("GH200", 990.0, (96, 144), 9.0, _HALF, ("GH200 SXM",)),
    Model("B200", 2250.0, (180,), 10.0, _HGX, ("B200 SXM",)),
    Model("B300", 2250.0, (288,), 10.3, _HGX, ("B300 SXM",)),
    Model("RTX 5060", 38.4, (8,), 12.0, _CLOCK),
    Model("RTX 5060 Ti", 47.4, (8, 16), 12.0, _CLOCK),
    Model("RTX 5070", 61.7, (12,), 12.0, _BLACKWELL),
    Model("RTX 5070 Ti", 87.9, (16,), 12.0, _BLACKWELL),
    Model("RTX 5080", 112.6, (16,), 12.0, _BLACKWELL),
    Model("RTX 5090", 209.5, (32,), 12.0, _BLACKWELL),
    Model("RTX 5090D", None, (32,), 12.0, _NO_PAPER),
    Model("RTX PRO 4000", None, (24,), 12.0, _NO_PAPER),
    Model("RTX PRO 4500", None, (32,), 12.0, _NO_PAPER),
    Model("RTX PRO 5000", None, (48, 72), 12.0, _NO_PAPER),
    Model("RTX PRO 6000", 500.0, (96,), 12.0, _EIGHTH, ("RTX PRO 6000 S",)),
    Model("RTX PRO 6000 WS", 503.8, (96,), 12.0, _EIGHTH),
    Model("RTX PRO 6000 Max-Q", 438.9, (96,), 12.0, _EIGHTH),
    Model("MI300X", 1307.4, (192,), None, "AMD's data sheet of the Instinct MI300X"),
)  # fmt: skip


def words(text: str) -> list[str]:
    """Split a name into its words, in lower case and without punctuation."""
    return re.findall(r"[a-z0-9]+", text.lower())


def without_brands(parts: Iterable[str]) -> list[str]:
    """Remove the brands before a model, but always leave one word."""
    kept = list(parts)
    while len(kept) > 1 and kept[0] in BRANDS:
        del kept[0]
    return kept


_BY_KIND: Mapping[tuple[str, frozenset[str], str | None], Model] = {
    parse(name).kind: model for model in MODELS for name in (model.name, *model.names)
}


def exactly(name: Name) -> Model | None:
    """Return the model that a name means.

    None for one that is not in the table, and for one that leaves the form open, as ``A100`` does.
    """
    return _BY_KIND.get(name.kind) if name.part is None else None


def forms(name: Name) -> list[Model]:
    """Return the models that a name may mean: all forms of it where the name does not say the form."""
    found = exactly(name)
    if found is not None or name.form is not None or name.part is not None:
        return [found] if found is not None else []
    return list(dict.fromkeys(each for kind, each in _BY_KIND.items() if kind[:2] == name.kind[:2]))


def model(*names: str | None) -> Model | None:
    """Return the model that the first known of these names means, in whatever spelling.

    When a name leaves the form open, this is the slowest form whose throughput is known. None for names that are not
    in the table.
    """
    for name in names:
        found = forms(parse(name)) if name else []
        if found:
            return min(found, key=lambda each: each.tflops or math.inf)
    return None


def memory(found: Model | None, told_mb: float | None) -> int | None:
    """Return the GB of one GPU as its manufacturer sells it.

    A driver reports less than that, since it keeps some for itself: 46068 MB for a card of 48 GB.

    :param told_mb: what the driver reports; None for the smallest size of the model.
    """
    if told_mb is None:
        return min(found.memory_gb) if found is not None else None
    told = told_mb / 1024
    sizes = [size for size in (found.memory_gb if found else ()) if 0.9 * size <= told <= 1.1 * size]
    return min(sizes, key=lambda size: abs(size - told)) if sizes else round(told_mb / 1000)


#: For these a provider's plain name means one edition, but a driver's plain name leaves the edition open.
_EDITION_UNSAID = frozenset({"pro6000"})
#: Two sources may differ by this share about a card's memory: 94 and 96 GB are the same card.
_MEMORY_SLACK = 0.1


def resolve(wanted: str, catalogue: Mapping[str, str]) -> str:
    """Return the id of the one GPU that ``wanted`` means.

    The best kind of match wins: the whole id or name; the same without its leading brands; the name under which
    another provider rents out the same model; a sequence of whole words of it. Words are never cut, so that ``A10`` is
    not an ``A100`` and ``L40`` not an ``L40S``.

    :param catalogue: id -> display name of every GPU of the provider, in stock or not.
    :raises BadRequest: when nothing matches (with the closest names), or several do (with all of them).
    """
    for kind in KINDS:
        found = [gpu_id for gpu_id, title in catalogue.items() if kind(wanted, gpu_id) or kind(wanted, title)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(sorted(f"{catalogue[gpu_id]} ({' '.join(gpu_id.split())})" for gpu_id in found))
            raise BadRequest(
                f"The GPU {wanted!r} (option gpus; train_gpus in a job) could be any of: {names}. Give the name or "
                "the id of one of them."
            )
    raise BadRequest(
        f"There is no GPU {wanted!r} (option gpus; train_gpus in a job); the closest names are: "
        f"{', '.join(closest(wanted, catalogue))}. Give one of these, or another name or id from the catalogue."
    )


def same(wanted: str, gpu_id: str | None, title: str | None) -> bool:
    """Return whether ``wanted`` is a spelling of this GPU."""
    return any(kind(wanted, name) for name in (gpu_id, title) if name for kind in KINDS)


def same_model(rented: str, found: str, memory_mb: float | None = None) -> bool | None:
    """Return whether the name that a driver gives a GPU is that of the model which was rented.

    A different form (PCIe instead of SXM), a different size, and a slice are not what was rented.

    :param memory_mb: the memory that the driver measures, for a name without a size.
    :returns: None where the names leave it open.
    """
    one, other = parse(rented), parse(found)
    if not _clear(one) or not _clear(other):
        return None
    if one.base != other.base:
        return None if _spelled_alike(one, other) else False
    if (one.part or other.part) and one.part != other.part:
        return _slice(one, other)
    if one.variants != other.variants:
        return None if _mobile_unsaid(one, other) else False
    had = other.memory_gb or (memory_mb / 1024 if memory_mb else None)
    if not one.part and one.memory_gb and had and abs(had - one.memory_gb) > _MEMORY_SLACK * one.memory_gb:
        return False
    if other.form is None and other.base in _EDITION_UNSAID:
        return None
    if exactly(one) is not None and exactly(other) is not None:
        return exactly(one) is exactly(other)
    return one.form == other.form if one.kind == other.kind or (one.form and other.form) else None


def _clear(name: Name) -> bool:
    """Return False for text that names no model: ``NVIDIA Graphics Device``, ``[Not Supported]``."""
    return bool(forms(name)) or re.search(r"\d|^titan", name.base) is not None


def _spelled_alike(one: Name, other: Name) -> bool:
    """Return whether two different bases may be one model.

    They may be when one is a number without its family, the other contains that number, and the table lacks one of
    them. Letters around a number make a different model: A10 and A10G, L40 and L40S.
    """
    bare, said = sorted((one, other), key=lambda name: not name.base.isdigit())
    alike = bare.base.isdigit() and re.findall(r"\d+", said.base) == [bare.base] and one.variants == other.variants
    return alike and not (forms(one) and forms(other))


def _slice(one: Name, other: Name) -> bool | None:
    """Compare a whole GPU with a slice, or two slices.

    A driver shows the whole GPU where a slice was rented, and a virtual GPU that has all the memory of its board may be
    the whole board: both leave it open (None).
    """
    if other.part is None:
        return None
    sizes = [size for each in forms(Name(other.base, other.variants)) for size in each.memory_gb]
    return None if one.part is None and other.memory_gb in sizes and "mig" not in other.part else False


def _mobile_unsaid(one: Name, other: Name) -> bool:
    """Return whether the names of a card before the 30 series differ only in words for a laptop's card.

    Drivers leave these words out or say only Max-Q.
    """
    differ = one.variants ^ other.variants
    old = re.fullmatch(r"(9|10|16|20)\d\d", one.base) is not None
    return old and "laptop" in one.variants and differ <= {"laptop", "maxq"}


def is_amd(name: str) -> bool:
    """Return whether a GPU is made by AMD, so that NVIDIA's tools do not see it."""
    return (
        bool({"amd", "instinct", "radeon"} & set(words(name))) or re.match(r"(mi|rx)\d", parse(name).base) is not None
    )


def closest(wanted: str, catalogue: Mapping[str, str]) -> list[str]:
    """Return up to three display names that look like ``wanted``, or all of them when none does."""
    by_key = {"".join(words(title)): title for title in catalogue.values()}
    by_key.update({"".join(without_brands(words(title))): title for title in catalogue.values()})
    key = "".join(words(wanted))
    near = difflib.get_close_matches(key, by_key, n=6, cutoff=0.5)
    return list(dict.fromkeys(by_key[match] for match in near))[:3] or sorted(set(catalogue.values()))


def _whole(wanted: str, name: str) -> bool:
    return "".join(words(wanted)) == "".join(words(name)) != ""


def _unbranded(wanted: str, name: str) -> bool:
    return "".join(without_brands(words(wanted))) == "".join(without_brands(words(name))) != ""


def _equivalent(wanted: str, name: str) -> bool:
    """Return whether both name one model, and the same size or none.

    One provider's ``A100 SXM`` is another's ``A100 SXM4``, and ``RTX 4080 SUPER`` is ``RTX 4080S``.
    """
    return parse(wanted).memory_gb == parse(name).memory_gb and _of_any_size(wanted, name)


def _of_any_size(wanted: str, name: str) -> bool:
    """Return whether both name one model, where one of them may leave the memory out."""
    one, other = parse(wanted), parse(name)
    sizes = {size for size in (one.memory_gb, other.memory_gb) if size is not None}
    if one.part or other.part or len(sizes) > 1 or not _clear(one) or _open(one):
        return False
    return (exactly(one) or one.kind) == (exactly(other) or other.kind)


def _open(name: Name) -> bool:
    """Return whether a name leaves open which of several forms is meant, as ``A100`` does."""
    return exactly(name) is None and len(forms(name)) > 1


def _contained(wanted: str, name: str) -> bool:
    """Return whether ``wanted``, however it is spaced, is a sequence of whole words of ``name``.

    ``name`` must not be a different model: the words of ``RTX 4070`` are in ``RTX 4070 Ti``.
    """
    key, parts = "".join(words(wanted)), words(name)
    runs = ("".join(parts[first:last]) for first in range(len(parts)) for last in range(first + 1, len(parts) + 1))
    return key != "" and key in runs and not _another(parse(wanted), parse(name))


def _another(one: Name, other: Name) -> bool:
    if other.part and not one.part:
        return True
    if one.base != other.base:
        return bool(forms(one))
    known = exactly(one), exactly(other)
    return bool((one.variants ^ other.variants) - {"ada"}) or (None not in known and known[0] is not known[1])


KINDS = (_whole, _unbranded, _equivalent, _of_any_size, _contained)
