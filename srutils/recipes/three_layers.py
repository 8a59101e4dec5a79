"""SRCNN on photographs, and the same three layers (SuperResCNN) on lenses of either track, in Keras."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from srutils.recipes import data as sources
from srutils.recipes import keras_loop
from srutils.recipes.feeds import photo_feeds
from srutils.recipes.settings import Settings
from srutils.recipes.start import Start

FIRST = "srcnn-photo-x3"  # x2 and x4 start from it: it knows edges already
WATCHED = 24  # photographs, or lenses, that validation looks at during a run
ROUNDS = 3  # of back-projection, in the model files for photographs; two more gain .002 dB at most
QUICK = 240  # lenses simulated for runs of less than 200 steps


def run(settings: Settings, recipe) -> dict:
    """Train one of the family and write its model file; return the card."""
    options, track = recipe.options, recipe.options["track"]
    start = first_weights(settings, track, options["scale"])
    data = load_data(settings, options)
    seen = enlarged if track != "deeplense" else lambda lr, scale: lr
    feed, validate, facts = make_feed(settings, options, data, seen), watch(data, seen), card_facts(options)

    def new():
        return new_network(track, options["scale"])

    def finish(network):
        from srutils.networks.srcnn import back_projected

        return back_projected(network, options["scale"], ROUNDS) if track == "photo" else network

    return keras_loop.train_upscaler(settings, recipe, data, start, feed, new, validate, facts, finish)


def first_weights(settings: Settings, track: str, scale: int) -> Start | None:
    """Find what the run starts from: what the reader named, or for x2 and x4 the shipped x3, or nothing."""
    from srutils.model_files.cards import model_path

    given = settings.start
    if given is None and track == "photo" and scale != 3 and model_path(FIRST).is_file():
        given = FIRST
    return Start.find(None if given == "none" else given, (".onnx", ".keras"))


def load_data(settings: Settings, options: dict) -> sources.PairsData:
    """Read the photographs, or read or simulate the lenses."""
    scale, track = options["scale"], options["track"]
    if track == "photo":
        data = sources.photographs(settings.data, scale, settings.seed)
        return replace(data, says=f"{data.says}; luma, 8 bits")
    n = None if settings.data else QUICK if settings.short else options["lenses"]
    return sources.lens_pairs(settings.data, track, scale, n, settings.seed)


def enlarged(lr: np.ndarray, scale: int) -> np.ndarray:
    """Enlarge an image by bicubic: what the network sees where it does not see LR itself."""
    from srutils.pairs import resize

    return resize(lr, (lr.shape[0] * scale, lr.shape[1] * scale))


def _grey(image: np.ndarray) -> np.ndarray:
    """Return the luma of a photograph of 8 bits, or a lens as it is: (H, W, 1), float32."""
    from srutils.metrics import luma, quantize

    return quantize(luma(image)) if image.dtype == np.uint8 else image


def make_feed(settings: Settings, options: dict, data: sources.PairsData, seen):
    """Return batches of what the network sees, and HR.

    Raises
    ------
    ValueError
        No image is as large as the patches that were asked for.
    """
    scale, photo = options["scale"], data.kind == "photo"
    # 16 bits hold an enlargement of 8-bit levels to a sixteenth of a level, in half the memory
    kind = np.float16 if photo else np.float32
    inputs = [seen(_grey(lr), scale).astype(kind) for lr in data.train[0]]
    targets = [_grey(hr).astype(kind) for hr in data.train[1]]
    grow, largest = targets[0].shape[0] // inputs[0].shape[0], max(min(x.shape[:2]) for x in inputs)
    side = settings.patch and settings.patch * scale // grow
    if side and side > largest:
        raise ValueError(f"--patch is {settings.patch}; expected at most {largest * grow // scale}")
    parts, batch = {scale: replace(data, train=(inputs, targets))}, settings.batch or options["batch"]
    more = {"tries": options.get("tries", 1), "seed": settings.seed}
    return photo_feeds(parts, side, options["patch"], batch, **more)[0][scale]


def new_network(track: str, scale: int):
    """Return the untrained network of a track."""
    from srutils.networks import srcnn

    if track == "deeplense":
        return srcnn.three_layers_on_lr(scale, (9, 5, 5), linear=9)
    return srcnn.three_layers()


def watch(data: sources.PairsData, seen):
    """Return a function from the network to its PSNR on validation images, large photographs cut."""
    from srutils.recipes.scores import middle

    chosen = []
    for lr, hr in zip(data.val[0][:WATCHED], data.val[1][:WATCHED], strict=True):
        lr, hr = middle(lr, hr, data.scale) if data.kind == "photo" else (lr, hr)
        chosen.append((seen(_grey(lr), data.scale)[None], _grey(hr)))
    return keras_loop.watch(chosen)


def card_facts(options: dict) -> dict:
    """Return what a card says of the network and its training."""
    photo, on_lr, rate = options["track"] == "photo", options["track"] == "deeplense", options["rate"]
    method = f"Adam, warm-up to {rate:g}, cosine to {rate / 100:g}, MSE"
    if on_lr:
        method += f"; beta_2 {options['beta_2']:g}, gradient norm clipped at {options['clip']:g}"
        method += "; 9-5-5 on LR with a linear 9 x 9 filter beside it, both times 0.1, added to LR, sub-pixel"
    else:
        method += ", added to the enlargement"
    found = {"task": "photographs" if photo else "lenses", "scale": options["scale"], "method": method}
    found |= {"channels": "luma" if photo else "gray", "edges": "repeat" if photo else "zero"}
    found |= {"input": "lr" if on_lr else "bicubic"}
    found |= {"back_projection": ROUNDS, "multiple": options["scale"]} if photo else {}
    tries = options.get("tries", 1)
    return found | ({"patches": f"the one with most contrast of {tries} random places"} if tries > 1 else {})
