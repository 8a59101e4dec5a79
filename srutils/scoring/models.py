"""What `srutils models` prints: every upscaler and classifier, what it is for, and how well it does."""

from __future__ import annotations

from srutils.lensing.classifier import classifier_cards
from srutils.upscale.upscaler import CLASSICAL, DECONVOLVERS, model_cards, posterior_cards

TESTS = {  # by the test set on its card: what a model is for
    "Set5": "photographs",
    "telescope test": "lenses, simulated telescope",
    "deeplense test": "lenses, LR a resize of noisy HR",
}


def entries() -> list[dict]:
    """List everything as dictionaries: the classical ones by name, task and scale, the others by card."""
    classical = [{"name": name, "task": "upscale", "scale": None} for name in CLASSICAL]
    return classical + model_cards() + posterior_cards() + classifier_cards()


def table() -> str:
    """Write a line for each, aligned: name, scale, what for, score beside bicubic's on the same images."""
    rows = []
    for name in CLASSICAL:
        what = ("x2 x4", TESTS["telescope test"]) if name in DECONVOLVERS else ("any", "any image")
        rows.append((name, *what, ""))
    rows += [(card["name"], f"x{card['scale']}", *_purpose_and_score(card)) for card in model_cards()]
    for card in posterior_cards():
        text = "mean {psnr:.2f} dB, {coverage68:.3f} and {coverage95:.3f} within 1, 2 sigma"
        score = next((text.format(**scores) for scores in card.get("metrics", {}).values()), "")
        rows.append((card["name"], f"x{card['scale']}", "lenses: samples of all that fit (--samples)", score))
    for card in classifier_cards():
        scores = card.get("metrics", {}).values()
        score = ", ".join(f"AUC {s['auc_macro']:.4f} on {s['n']} lenses" for s in scores)
        rows.append((card["name"], "-", "tells " + ", ".join(card["classes"]), score))
    return "".join(f"{a:25} {b:6} {c:47} {d}".rstrip() + "\n" for a, b, c, d in rows)


def _purpose_and_score(card) -> tuple[str, str]:
    metrics = card.get("metrics", {})
    test = next((name for name in TESTS if name in metrics), None)
    if test is None:
        return f"trained network, {card['channels']}", ""
    colours = {"rgb": "colour", "luma": "luma; colour by bicubic", "gray": "one channel"}[card["channels"]]
    ours, bicubic = metrics[test], metrics[test]["bicubic"]
    score = f"{ours['psnr']:.2f} dB, {ours['ssim']:.4f} on {test} (bicubic {bicubic['psnr']:.2f})"
    return f"{TESTS[test]} ({colours})", score
