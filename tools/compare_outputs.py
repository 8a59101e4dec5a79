"""Compare a notebook's stored outputs with new ones as a person would: a pytest plugin on top of nbval.

Another processor rounds otherwise, and the last printed digit of a number may show it. In printed text,
``text/plain`` and Markdown such a number counts as equal:

- A number with a decimal point or an exponent is a measurement. It may differ by one unit of its last printed
  digit: 39.68 and 39.69 agree, 39.68 and 39.70 do not.
- A whole number before a per cent sign is a rounded measurement: 13% and 14% agree.
- Every other whole number is a count, a size or a name, and is compared as it is printed.

Everything else, words, signs, ``nan``, rows and their order, must be equal; only the number of spaces, which
follows the width of the numbers, is free. nbval then compares what is left, and HTML and pictures as ever.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from decimal import Decimal

COMPARED = ("stdout", "text/plain", "text/markdown")
# not inside a word (x2, sha256) or a version (3.11.2); the group makes re.split keep the numbers
NUMBER = re.compile(r"(?<![\w.])([-+−]?\d+(?:,\d{3})*(?:\.\d*)?(?:e[-+]?\d+)?(?: ?%)?)(?!\.?\w)")


def same_number(stored: str, new: str) -> bool:
    """Tell whether two printed numbers differ by rounding alone."""
    if stored == new:
        return True
    if stored.endswith("%") != new.endswith("%") or not any(re.search(r"\.\d|e|%", n) for n in (stored, new)):
        return False
    a, b = (Decimal(n.rstrip(" %").replace(",", "").replace("−", "-")) for n in (stored, new))
    return abs(a - b) <= Decimal(1).scaleb(min(x.as_tuple().exponent for x in (a, b)))


def settle(stored: str, new: str) -> str:
    """Return `new` with each number that differs by rounding alone as it stands in `stored`.

    If words differ, or there is another number of numbers, `new` comes back as it is.
    """
    ours, theirs = NUMBER.split(stored), NUMBER.split(new)
    words = [[re.sub("[ \t]+", " ", word).strip(" ") for word in parts[::2]] for parts in (ours, theirs)]
    if words[0] != words[1]:
        return new
    pairs = zip(ours[1::2], theirs[1::2], strict=True)
    if all(same_number(a, b) for a, b in pairs):
        return stored
    theirs[1::2] = [a if same_number(a, b) else b for a, b in zip(ours[1::2], theirs[1::2], strict=True)]
    return "".join(theirs)


def _texts(outputs):
    """Yield (kind, where it is kept, under which key) for each compared text."""
    for output in outputs:
        if output.output_type == "stream":
            yield output.name, output, "text"
        else:
            yield from ((kind, output.data, kind) for kind in output.get("data", {}))


def settle_outputs(new: list, stored: list) -> list:
    """Return a copy of a cell's new outputs, settled with the stored ones of the same kind and order."""
    new, waiting = copy.deepcopy(new), defaultdict(list)
    for kind, place, key in _texts(stored):
        waiting[kind].append(place[key])
    for kind, place, key in _texts(new):
        if kind in COMPARED and waiting[kind]:
            place[key] = settle(waiting[kind].pop(0), place[key])
    return new


def pytest_itemcollected(item):
    """Put `settle_outputs` before nbval's own comparison of a cell."""
    from nbval.plugin import IPyNbCell

    if isinstance(item, IPyNbCell):
        compare = item.compare_outputs
        item.compare_outputs = lambda new, stored: compare(settle_outputs(new, stored), stored)
