"""The README's table of models, and its numbers: from the models' cards and the lessons' tables."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tools.project import ROOT

MODELS = ROOT / "data" / "models"
# PSNR on Set5 by the networks' first authors: Dong et al. 2016 (SRCNN, 9-5-5), Ledig et al. 2017.
PUBLISHED = {
    "srcnn-photo-x2": 36.66,
    "srcnn-photo-x3": 32.75,
    "srcnn-photo-x4": 30.48,
    "srresnet-photo-x4": 32.05,
    "srgan-photo-x4": 29.40,
}
# A row shows the first of these test sets that the card has, or else the card's first.
FIRST = ("Set5", "telescope test", "other telescopes test", "deeplense test", "test")
# NAME of <!-- number:NAME -->: the table, the beginning of the row, the column, and how it is written.
NUMBERS = {
    "lead": ("srcnn-telescope", "Richardson-Lucy", "network's lead [dB]", "{:.1f}"),
    "srgan": ("srgan-lenses", "SRGAN", "PSNR [dB]", "{:.2f}"),
    "bicubic": ("srgan-lenses", "bicubic", "PSNR [dB]", "{:.2f}"),
    "held-lr": ("coverage", "LR", "covered, shear", "{:.0f}"),
    "held-network": ("coverage", "SRResNet", "covered, shear", "{:.0f}"),
}
NUMBER = re.compile(r"(<!-- number:([\w-]+) -->).*?(<!-- /number -->)", re.DOTALL)


def cells(line: str) -> list[str]:
    """Return the cells of a row of a Markdown table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def look_up(table: str, row: str, column: str) -> float:
    """Return the first number of a cell of a Markdown table, the first of several if there are more.

    Raises
    ------
    ValueError
        There is no such row or column.
    """
    lines = [cells(line) for line in table.splitlines() if line.startswith("|")]
    place = next((line.index(column) for line in lines if column in line), None)
    found = next((line for line in lines if line[0].strip("`* ").startswith(row)), None)
    if place is None or found is None:
        raise ValueError(f"no row {row!r} with the column {column!r} in a table of {len(lines)} rows")
    return float(re.search(r"[-+]?\d[\d.]*(?:e[-+]\d+)?", found[place]).group())


def fill_numbers(text: str, tables: dict[str, str]) -> str:
    """Return text whose numbers, between their marks, are those of the lessons' tables, see `NUMBERS`."""

    def replace(match: re.Match) -> str:
        table, line, column, form = NUMBERS.get(match.group(2), (None,) * 4)
        if table not in tables:
            raise ValueError(f"the number {match.group(2)!r} is made by nothing")
        return match.group(1) + form.format(look_up(tables[table], line, column)) + match.group(3)

    return NUMBER.sub(replace, text)


def cards(folder: Path = MODELS) -> list[dict]:
    """Return the cards of all models that ship, photographs first, then by scale and name."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]

    def order(card: dict) -> tuple:
        return "photo" not in card["name"], card.get("scale") or 99, card["name"]

    return sorted(found, key=order)


def row(card: dict) -> str:
    """Return a model's row: its score on one test set, between bicubic's and the published one."""
    metrics = card["metrics"]
    name = next((name for name in FIRST if name in metrics), next(iter(metrics)))
    score = metrics[name]
    if "auc_macro" in score:
        return f"|`{card['name']}`|{name}, AUC|–|**{score['auc_macro']:.4f}**|–|"
    shown = {"test": "its own test set"}.get(name, name)
    published = PUBLISHED.get(card["name"])
    beside = f"{published:.2f}" if published and name == "Set5" else "–"
    bicubic = f"{score['bicubic']['psnr']:.2f}" if "bicubic" in score else "–"
    return f"|`{card['name']}`|{shown}|{bicubic}|**{score['psnr']:.2f}**|{beside}|"


def table(folder: Path = MODELS) -> str:
    """Return the table of the models that ship, in Markdown."""
    head = "|model|test set, PSNR in dB|bicubic|ours|published|\n|---|---|---|---|---|"
    return "\n".join([head, *(row(card) for card in cards(folder))])
