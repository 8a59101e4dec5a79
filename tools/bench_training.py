"""Measure lesson 05's training step against a plain loop over the same network, side by side on this machine.

The lesson's way is Accelerate, channels last, bfloat16 where the hardware computes with it, and averaged
weights. The plain loop is NCHW in float32, without the average. Both cut the gradient and use Adam.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "notebooks" / "scripts" / "05_srgan.py"
RATE, SHORTEN = 5e-4, 0.1  # of Adam; to what length the gradient is cut
ROUNDING = {"no": 1e-4, "bf16": 0.02, "fp16": 0.02}  # by how much the two losses may differ


def bench(lesson=None, *, width=64, blocks=16, batch=16, patch=32, side=2048, repeats=5) -> list[dict]:
    """Measure one training step at x4 on RGB both ways, several times in turn.

    Parameters
    ----------
    lesson : module, optional
        The lesson's definitions, by `srutils.lesson_code.load`.
    width, blocks, batch, patch : int
        Maps and blocks of the network, patches a step, LR pixels a side.
    side : int
        Rows and columns of the matrices whose product is the yardstick.
    repeats : int
        Steps that are timed each way; two more warm up.

    Returns
    -------
    list of dict
        what was measured, ours and other in patches a second (medians), their ratio (median of the ratios of
        neighbouring steps), and the unit; the precision of ours; the fastest matrix product in that precision
        and in float32, in GFLOP/s (``peak``, ``other_peak``); each step's share of it (``share``,
        ``other_share``), a step counting as three forward passes; and by how much the losses differ.

    Raises
    ------
    RuntimeError
        If the losses of any step disagree beyond rounding.
    """
    import numpy as np
    import torch

    from srutils import pairs

    if lesson is None:
        from srutils.lesson_code import load

        lesson = load(SCRIPT)
    torch.manual_seed(0)
    network = lesson.SRResNet(4, 3, width, blocks)
    hr = pairs.resize(np.random.default_rng(0).random((batch, patch, patch, 3), np.float32), (4 * patch,) * 2)
    lr = pairs.resize(hr, (patch, patch))
    other = plain_step(network, lr, hr, lesson.course.device())  # it copies the network
    ours, precision = lesson_step(lesson, network, lr, hr)
    multiply = (
        matmul(side, torch.bfloat16 if precision == "bf16" else torch.float32),
        matmul(side, torch.float32),
    )
    work = 3 * forward_flops(lesson.SRResNet(4, 3, width, blocks), lr)

    speeds, losses, products = [], [], []
    for k in range(2 + repeats):
        (our_loss, our_seconds), (other_loss, other_seconds) = timed(ours), timed(other)
        losses.append((our_loss, other_loss))
        products.append([min(timed(product)[1] for _ in range(3)) for product in multiply])
        if k >= 2:
            speeds.append((batch / our_seconds, batch / other_seconds))
    worst = max(abs(a / b - 1) for a, b in losses)
    if worst > ROUNDING[precision]:
        raise RuntimeError(f"the losses differ by {worst:.1%}; expected at most {ROUNDING[precision]:.1%}")
    ours, other = (statistics.median(column) for column in zip(*speeds, strict=True))
    peak, other_peak = (2 * side**3 / min(column) for column in zip(*products, strict=True))
    return [
        {
            "what": f"training step, {blocks} blocks of {width} maps, {batch} patches of {patch} px, x4",
            "ours": ours,
            "other": other,
            "ratio": statistics.median(x / y for x, y in speeds),
            "unit": "patches/s",
            "precision": "float32" if precision == "no" else precision,
            "peak": peak / 1e9,
            "other_peak": other_peak / 1e9,
            "share": work * ours / batch / peak,
            "other_share": work * other / batch / other_peak,
            "loss_difference": worst,
        }
    ]


def lesson_step(lesson, network, lr, hr):
    """The lesson's training step at the full preset, a function that returns the loss, and its precision."""
    before = os.environ.get("SR_PRESET")
    os.environ["SR_PRESET"] = "full"  # the quick one never uses bfloat16
    try:
        run = lesson.Run("bench", network, 1000, RATE)
    finally:
        del os.environ["SR_PRESET"]
        if before is not None:
            os.environ["SR_PRESET"] = before
    for group in run.optimisers[0].param_groups:
        group["lr"] = RATE
    update = lesson.pixel_update(lesson.pixel_loss("photo"))

    def step():
        figures = update(run, *(lesson.to_torch(images, run.accelerator.device) for images in (lr, hr)))
        run.average.update_parameters(run.accelerator.unwrap_model(run.generator))
        return figures["pixel"]

    return step, run.accelerator.mixed_precision


def plain_step(network, lr, hr, device):
    """The loop that one would write first, over a copy of the network; a function that returns the loss."""
    import copy

    import torch

    network = copy.deepcopy(network).to(device)
    adam = torch.optim.Adam(network.parameters(), RATE, betas=(0.9, 0.99))
    lr, hr = (torch.from_numpy(x).permute(0, 3, 1, 2).contiguous() for x in (lr, hr))

    def step():
        adam.zero_grad()
        loss = torch.nn.functional.l1_loss(network(lr.to(device)), hr.to(device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), SHORTEN)
        adam.step()
        return loss

    return step


def matmul(side, dtype):
    """A product of two square matrices, as a function."""
    import torch

    from srutils import course

    a, b = torch.rand(2, side, side, dtype=dtype, device=course.device())
    return lambda: (a @ b)[0, 0]


def forward_flops(network, lr) -> int:
    """Floating point operations of one forward pass."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.from_numpy(lr).permute(0, 3, 1, 2))
    return counter.get_total_flops()


def timed(function) -> tuple[float, float]:
    """The number that a function returns, and its seconds; reading the number waits for a GPU."""
    start = time.perf_counter()
    value = float(function().detach())
    return value, time.perf_counter() - start


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # a script finds its neighbours, not the package that it is in
    for row in bench():
        figures = f"lesson 05 {row['ours']:.1f}, plain float32 loop {row['other']:.1f} {row['unit']}"
        print(f"{row['what']}: {figures}, {row['ratio']:.2f} times as fast")
        for who, how, peak, share in (
            ("lesson 05", row["precision"], row["peak"], row["share"]),
            ("plain loop", "float32", row["other_peak"], row["other_share"]),
        ):
            print(f"  {who:10} {how:8} {share:4.0%} of the {peak:.0f} GFLOP/s of a matrix product")
        if row["precision"] == "float32":
            print(
                "  no bfloat16: the machine does not compute with it, or ACCELERATE_MIXED_PRECISION says no"
            )
