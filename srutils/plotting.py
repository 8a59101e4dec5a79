"""The course's figures: image grids with zooms and residuals, curves, spectra, sliders.

Functions return a Matplotlib figure; `show` puts it into the notebook with a text for readers who cannot see
it.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import itertools
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from srutils.pairs import as_images, resize

# Okabe & Ito's eight colours (2008), told apart with any common kind of colour vision; black first, for the
# truth.
COLOURS = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#D55E00", "#0072B2", "#CC79A7", "#F0E442"]
DIVERGING = "RdBu_r"  # for differences: white is zero, red above, blue below


def use_style() -> None:
    """Set Matplotlib's defaults to the course's: legible sizes, colour-blind-safe lines, no boxes."""
    plt.rcParams.update(
        {
            "figure.dpi": 90,
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=COLOURS[:7]),
            "axes.grid": True,
            "grid.alpha": 0.25,
            "image.cmap": "inferno",
            "image.interpolation": "nearest",
            "legend.frameon": False,
        }
    )


def show(figure: Figure, alt: str, *, svg: bool = False) -> None:
    """Display a figure with alternative text, then close it; in a plain script only close it.

    Parameters
    ----------
    figure : matplotlib Figure
    alt : str
        One or two sentences that say what a reader who cannot see the figure would miss.
    svg : bool
        Show it as lines, sharp at any size, for drawings and curves; else as pixels, 150 an inch.
    """
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        kind, data = ("image/svg+xml", _svg(figure, alt)) if svg else ("image/png", _small_png(figure))
        display({kind: data, "text/plain": alt}, metadata={kind: {"alt": alt}}, raw=True)
    plt.close(figure)


def _svg(figure: Figure, alt: str) -> str:
    """Return a figure as SVG, the same text for the same figure, with `alt` for readers who cannot see it."""
    buffer = io.StringIO()
    with plt.rc_context({"svg.hashsalt": "srutils"}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Title": alt})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace("<svg", '<svg role="img"', 1)


def _small_png(figure: Figure) -> bytes:
    """Return a figure as PNG of 256 colours: a lesson with all its figures has to stay below 2 MB."""
    buffer, png = io.BytesIO(), io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", dpi=150)
    opaque = Image.open(buffer).convert("RGB")
    opaque.quantize(256, dither=Image.Dither.NONE).save(png, format="PNG", optimize=True)
    return png.getvalue()


def stretch(images, *, softening: float = 0.1, limits: tuple[float, float] | None = None) -> AsinhNorm:
    """One asinh colour scale for all of ``images``: linear near zero, logarithmic above, as in DS9.

    Parameters
    ----------
    images : array_like or sequence of array_like
    softening : float
        Where the scale turns from linear to logarithmic, as a fraction of the range.
    limits : (low, high), optional
        The 0.5th percentile and the maximum of all images by default.
    """
    if limits is None:
        values = np.concatenate([np.ravel(image) for image in images])
        limits = float(np.percentile(values, 0.5)), float(values.max())
    low, high = limits
    return AsinhNorm(linear_width=max(softening * (high - low), 1e-9), vmin=low, vmax=high)


def _draw(ax, image: np.ndarray, norm: Normalize | None, cmap: str):
    ax.set_axis_off()
    if image.shape[-1] == 3:
        return ax.imshow(np.clip(image, 0, 1))
    return ax.imshow(image[..., 0], cmap=cmap, norm=norm or Normalize(0, 1))


def image_grid(
    images: Mapping[str, np.ndarray] | Sequence[np.ndarray],
    *,
    columns: int = 4,
    norm: Normalize | None = None,
    cmap: str = "inferno",
    size: float = 2.2,
    colorbar: str | None = None,
) -> Figure:
    """Images side by side on one colour scale.

    Parameters
    ----------
    images : dict of title to (H, W, C), or sequence of (H, W, C)
        C = 3 is shown as RGB; C = 1 with ``cmap`` and ``norm`` (0 to 1 unless given).
    columns : int
    norm : matplotlib Normalize, optional
        Shared by all panels, so that they can be compared.
    size : float
        Width and height of a panel in inches.
    colorbar : str, optional
        Label (with its unit) of a colour bar.
    """
    panels = list(images.items()) if isinstance(images, Mapping) else [("", image) for image in images]
    if not panels:
        raise ValueError("image_grid got no images; expected at least one")
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    shape = size * columns, (size + 0.2) * rows
    figure, axes = plt.subplots(rows, columns, figsize=shape, squeeze=False, layout="constrained")
    shared = norm or Normalize(0, 1)  # one object: the colour bar speaks for every panel
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (title, image) in zip(axes.flat, panels, strict=False):
        drawn = _draw(ax, as_images(image, title or "image")[0], shared, cmap)
        ax.set_title(title)
    if colorbar:
        figure.colorbar(drawn, ax=axes, shrink=0.8, label=colorbar)
    return figure


def zoom_grid(
    images: Mapping[str, np.ndarray],
    reference: str,
    box: tuple[int, int, int, int],
    *,
    norm: Normalize | None = None,
    cmap: str = "inferno",
    residual_range: float | None = None,
    size: float = 2.2,
) -> Figure:
    """Whole image, the same zoom, and the residual from a reference, one column a method.

    Parameters
    ----------
    images : dict of title to (H, W, C)
        Smaller ones (LR) are enlarged by nearest neighbour, so that their pixels show; they have no residual.
    reference : str
        Key of the image that the others are subtracted from.
    box : (top, left, height, width) of the zoom, in pixels of the reference
    norm, cmap
        Colour scale of one-channel images, shared by all columns.
    residual_range : float, optional
        The residuals' colours span plus and minus this; by default their largest 99.5th percentile.
    """
    if reference not in images:
        raise ValueError(f"the reference {reference!r} is not among the images: {', '.join(images)}")
    target = as_images(images[reference], reference)[0]
    top, left, height, width = box
    same = {title: np.shape(image) == target.shape for title, image in images.items()}
    residuals = {
        t: (as_images(i)[0] - target).mean(-1) for t, i in images.items() if same[t] and t != reference
    }
    most = max((float(np.percentile(np.abs(r), 99.5)) for r in residuals.values()), default=1)
    span = residual_range or most or 1
    rows = 3 if residuals else 2
    shape = size * len(images) + (0.9 if residuals else 0), size * rows + 0.3
    figure, axes = plt.subplots(rows, len(images), figsize=shape, squeeze=False, layout="constrained")
    for ax in axes.flat:
        ax.set_axis_off()
    for column, (title, image) in zip(axes.T, images.items(), strict=True):
        image = as_images(image, title)[0]
        if not same[title]:
            image = resize(image, target.shape[:2], "nearest")
        _draw(column[0], image, norm, cmap)
        column[0].add_patch(
            Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor="white", linewidth=1.2)
        )
        column[0].set_title(title)
        _draw(column[1], image[top : top + height, left : left + width], norm, cmap)
        if title in residuals:
            drawn = column[2].imshow(residuals[title], cmap=DIVERGING, vmin=-span, vmax=span)
    if residuals:
        figure.colorbar(drawn, ax=axes[2], shrink=0.8, label=f"minus {reference}")
    return figure


def spectra_figure(
    spectra: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    nyquist: Mapping[str, float] | None = None,
    title: str = "",
) -> Figure:
    """Radial power spectra on one logarithmic axis, with Nyquist frequencies marked.

    Parameters
    ----------
    spectra : dict of label to (frequency in cycles per HR pixel, power)
    nyquist : dict of label to frequency, optional
        Vertical lines: beyond its Nyquist frequency an instrument records nothing, only aliases.
    """
    figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    for (label, (frequency, power)), colour in zip(spectra.items(), itertools.cycle(COLOURS), strict=False):
        ax.semilogy(frequency, power, label=label, color=colour, linewidth=1.6)
    for label, frequency in (nyquist or {}).items():
        ax.axvline(frequency, color="0.4", linestyle="--", linewidth=1)
        place = frequency, ax.get_ylim()[1]
        ax.text(*place, f" {label}", rotation=90, va="top", ha="right", color="0.3", fontsize=8)
    ax.set(xlabel="spatial frequency [cycles per HR pixel]", ylabel="power", title=title)
    ax.legend()
    return figure


def loss_curves(
    curves: Mapping[str, Sequence[float]],
    *,
    baseline: Mapping[str, float] | None = None,
    ylabel: str,
    x=None,
    xlabel="epoch",
) -> Figure:
    """Training curves, with horizontal lines for what they have to beat.

    Parameters
    ----------
    curves : dict of label to values
    baseline : dict of label to value, optional
    """
    figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for (label, values), colour in zip(curves.items(), itertools.cycle(COLOURS[1:]), strict=False):
        ax.plot(np.arange(1, len(values) + 1) if x is None else x, values, label=label, color=colour)
    styles = itertools.cycle(("--", ":", "-."))
    for (label, value), style in zip((baseline or {}).items(), styles, strict=False):
        ax.axhline(value, color="black", linestyle=style, linewidth=1, label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend()
    return figure


def _png(image, norm: Normalize | None, cmap: str) -> bytes:
    image = as_images(image)[0]
    rgb = np.clip(image, 0, 1)
    if image.shape[-1] == 1:
        rgb = plt.get_cmap(cmap)((norm or Normalize(0, 1))(image[..., 0]))[..., :3]
    buffer = io.BytesIO()
    plt.imsave(buffer, np.ascontiguousarray(rgb), format="png", metadata={"Software": None})
    return buffer.getvalue()


def compare_slider(
    before, after, labels=("before", "after"), *, width: int = 384, norm=None, cmap: str = "gray"
):
    """Two images under one draggable divider, as one self-contained piece of HTML.

    No widget, script or network: it works in JupyterLab, Colab and the built book. Where a viewer strips
    styles (GitHub's), the two images stand side by side.

    Parameters
    ----------
    before, after : array_like, (H, W, C), any sizes of the same aspect
    labels : two str
    width : int
        On screen, in pixels.

    Returns
    -------
    IPython.display.HTML
    """
    from IPython.display import HTML

    pngs = [_png(image, norm, cmap) for image in (before, after)]
    name = "slider-" + hashlib.sha256(b"".join(pngs)).hexdigest()[:12]  # the same images give the same output
    left, right = (f"data:image/png;base64,{base64.b64encode(png).decode()}" for png in pngs)
    a, b = (html.escape(label, quote=True) for label in labels)
    layer = "position:absolute;top:0;left:0"
    return HTML(f"""<style>
.{name} {{--cut:50%; position:relative; display:inline-block; width:{width}px; max-width:100%; line-height:0}}
.{name} img {{display:block; width:100% !important; margin:0 !important; image-rendering:pixelated}}
.{name} .left {{{layer}; clip-path:inset(0 calc(100% - var(--cut)) 0 0)}}
.{name}::after, .{name} b {{position:absolute; pointer-events:none}}
.{name}::after {{content:""; top:0; bottom:0; left:var(--cut); width:2px}}
.{name}::after {{background:#fff; box-shadow:0 0 3px #000}}
.{name} b {{top:6px; padding:2px 6px; font:12px/1.4 sans-serif; color:#fff; background:#000a}}
.{name} input {{display:block !important; {layer}; width:100%; height:100%; margin:0}}
.{name} input {{opacity:0; cursor:ew-resize}}
.{name} input:focus-visible {{opacity:.5}}
</style>
<div class="{name}"><img width="48%" alt="{b}" title="{b}" src="{right}">
<img class="left" width="48%" alt="{a}" title="{a}" src="{left}">
<b style="left:6px">{a}</b> <b style="right:6px">{b}</b>
<input type="range" min="0" max="100" value="50" hidden aria-label="divider between {a} and {b}"
 oninput="this.parentNode.style.setProperty('--cut', this.value + '%')"></div>""")


def knob(frames: Sequence[np.ndarray], labels: Sequence[str], *, start: int = 0, width: int = 560):
    """Pictures of one size, of which a slider shows one; made as `compare_slider` is.

    Where a viewer strips styles, all pictures stand side by side.

    Parameters
    ----------
    frames : sequence of array_like, (H, W, C), all of one shape
    labels : sequence of str
        One for each picture, shown above it.
    start : int
        Number of the picture that is shown first.
    width : int
        On screen, in pixels.
    """
    from IPython.display import HTML

    n = len(frames)
    if n != len(labels) or len({np.shape(frame) for frame in frames}) != 1:
        raise ValueError(f"knob got {n} pictures and {len(labels)} labels; expected as many, of one shape")
    png = _png(np.concatenate(frames, axis=1), None, "gray")
    texts = [html.escape(label, quote=True) for label in labels]
    name = "knob-" + hashlib.sha256(png).hexdigest()[:12]
    return HTML(f"""<style>
.{name} {{--k:{start}; width:{width}px; max-width:100%; overflow:hidden}} .{name} p {{display:flex}}
.{name} img, .{name} p {{width:{n}00% !important; max-width:none !important; margin:0 !important}}
.{name} img, .{name} p {{transform:translateX(calc(var(--k) * -100% / {n})); image-rendering:pixelated}}
.{name} b {{flex:1; text-align:center}} .{name} input {{display:block !important; width:100%}}
</style>
<div class="{name}"><p>{"".join(f"<b>{text}</b> " for text in texts)}</p>
<img width="100%" alt="{"; ".join(texts)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">
<input type="range" min="0" max="{n - 1}" value="{start}" hidden aria-label="{texts[0]} to {texts[-1]}"
 oninput="this.parentNode.style.setProperty('--k', this.value)"></div>""")
