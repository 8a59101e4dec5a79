"""LR/HR image pairs: one container for every data set, how LR is made, splits, patches.

Images are float32, nominally in [0, 1], ``(H, W, C)`` or ``(N, H, W, C)`` with C = 1 (luma, grey, a lens) or
3 (RGB).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

METHODS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def as_images(x, name: str = "image") -> np.ndarray:
    """Validate images and bring them to the one form that the course uses.

    Parameters
    ----------
    x : array_like, (H, W, C) or (N, H, W, C), C = 1 or 3
        Floats are taken as they are, uint8 is divided by 255 and uint16 by 65535; other integers must lie in
        0..255 and count as 8-bit. Floats may leave [0, 1]: noise does.
    name : str
        What to call the array in an error message.

    Returns
    -------
    ndarray, (N, H, W, C), float32

    Raises
    ------
    ValueError
        For another rank or number of channels, an empty array, NaN or Inf, integers out of range, or a dtype
        that holds no numbers.
    """
    x = np.asarray(x)
    x = x.astype(x.dtype.newbyteorder("="), copy=False)  # big-endian uint16 is uint16, too
    if x.ndim not in (3, 4):
        raise ValueError(f"{name} has shape {x.shape}; expected (H, W, C) or (N, H, W, C)")
    if x.size == 0:
        raise ValueError(f"{name} is empty: shape {x.shape}")
    if x.shape[-1] not in (1, 3):
        raise ValueError(
            f"{name} has {x.shape[-1]} channels (shape {x.shape}); expected 1 or 3, channels last"
        )
    if x.dtype.kind in "iu":
        top = 65535 if x.dtype == np.uint16 else 255
        if x.min() < 0 or x.max() > top:
            raise ValueError(
                f"{name} holds {x.dtype} from {x.min()} to {x.max()}; expected 0 to 255, uint16 or floats"
            )
        x = x.astype(np.float32) / top
    elif x.dtype.kind != "f":
        raise ValueError(f"{name} holds {x.dtype}; expected floats or unsigned integers")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes Inf, which is refused below
        x = x.astype(np.float32, copy=False)
    if not np.isfinite([x.min(), x.max()]).all():  # NaN passes through both; no mask as large as the images
        raise ValueError(f"{name} holds NaN or Inf; expected finite values")
    return x if x.ndim == 4 else x[None]


@dataclass(frozen=True, eq=False)  # `==` on arrays has no single answer
class ImagePairs:
    """N low-resolution images and their high-resolution counterparts.

    Attributes
    ----------
    lr : ndarray, (N, h, w, C), float32
    hr : ndarray, (N, h * scale, w * scale, C), float32
        What the high-resolution instrument recorded, noise included.
    scale : int
    name : str
    truth : ndarray like ``hr``, or None
        The noise-free scene, where it is known (simulations).
    labels : ndarray, (N,), int64, or None
        Class of each image (0 no substructure, 1 subhalo, 2 vortex).
    params : dict of str to ndarray (N, ...), or None
        What each image was made from.

    Raises
    ------
    ValueError
        If the scale is no positive integer, or shapes disagree: different N or C, HR not exactly ``scale``
        times LR, truth unlike HR, a label or parameter too few.
    """

    lr: np.ndarray
    hr: np.ndarray
    scale: int
    name: str
    truth: np.ndarray | None = None
    labels: np.ndarray | None = None
    params: dict[str, np.ndarray] | None = None

    def __post_init__(self):
        put = lambda key, value: object.__setattr__(self, key, value)  # noqa: E731  (the dataclass is frozen)
        put("lr", as_images(self.lr, "lr"))
        put("hr", as_images(self.hr, "hr"))
        if not isinstance(self.scale, int | np.integer) or self.scale < 1:
            raise ValueError(f"scale is {self.scale!r}; expected a positive integer")
        n, h, w, c = self.lr.shape
        expected = (n, h * self.scale, w * self.scale, c)
        if self.hr.shape != expected:
            raise ValueError(
                f"hr has shape {self.hr.shape}; expected {expected}: {self.scale} times lr {self.lr.shape}"
            )
        if self.truth is not None:
            put("truth", as_images(self.truth, "truth"))
            if self.truth.shape != self.hr.shape:
                raise ValueError(f"truth has shape {self.truth.shape}; expected hr's, {self.hr.shape}")
        if self.labels is not None:
            put("labels", np.asarray(self.labels, np.int64))
        if self.params is not None:
            put("params", {key: np.asarray(values) for key, values in self.params.items()})
        for key, values in {"labels": self.labels, **(self.params or {})}.items():
            if values is not None and values.shape[:1] != (n,):
                raise ValueError(f"{key} has shape {values.shape}; expected {n} entries, one an image")

    def __len__(self) -> int:
        return len(self.lr)

    def __getitem__(self, index) -> ImagePairs:
        """A slice, an index array or a boolean mask gives ImagePairs again; one integer keeps N = 1."""
        if isinstance(index, int | np.integer):
            if not -len(self) <= index < len(self):  # IndexError also ends `for pair in pairs`
                raise IndexError(f"index {index} is out of range for {len(self)} pairs")
            index = [index]
        return self._select(index, lambda images, scale: images[index])

    def __iter__(self) -> Iterator[ImagePairs]:
        return (self[i] for i in range(len(self)))

    @property
    def target(self) -> np.ndarray:
        """What an upscaler is scored against: the noise-free truth where it is known, else HR.

        On ``deeplense`` it is HR, noise and all, although the truth is known: so the real test scores.
        """
        return self.hr if self.truth is None or self.name.startswith("deeplense") else self.truth

    def split(self, fractions=(0.8, 0.1, 0.1), seed: int = 0) -> tuple[ImagePairs, ...]:
        """Shuffle once and cut into parts that share no image, and no lens (80/10/10 by default).

        Images with the same ``params["lens"]`` (matched triplets) stay together. No part is empty.

        Parameters
        ----------
        fractions : sequence of float
            Positive, with a sum of one.
        seed : int

        Returns
        -------
        tuple of ImagePairs, one a fraction
        """
        fractions = np.asarray(fractions, float)
        if (fractions <= 0).any() or abs(fractions.sum() - 1) > 1e-6:
            raise ValueError(f"fractions are {fractions.tolist()}; expected positive numbers with a sum of 1")
        lenses, which = np.unique((self.params or {}).get("lens", np.arange(len(self))), return_inverse=True)
        n, steps = len(lenses), np.arange(1, len(fractions))
        if n < len(fractions):
            raise ValueError(f"{n} separate images cannot be split into {len(fractions)} parts")
        cuts = np.round(np.cumsum(fractions)[:-1] * n).astype(int)
        # no part is empty
        cuts = np.clip(np.maximum.accumulate(cuts - steps) + steps, steps, n - steps[::-1])
        order = np.random.default_rng(seed).permutation(n)
        return tuple(self[np.isin(which, part)] for part in np.split(order, cuts))

    def patches(self, lr_size: int, n: int, rng: np.random.Generator) -> ImagePairs:
        """Cut ``n`` random square patches: ``lr_size`` pixels from LR and the same field from HR.

        Raises
        ------
        ValueError
            If ``lr_size`` is larger than an LR image, or no patch is asked for.
        """
        if n < 1:
            raise ValueError(f"n is {n}; expected at least one patch")
        n_images, h, w, _ = self.lr.shape
        if not 0 < lr_size <= min(h, w):
            raise ValueError(f"lr_size is {lr_size}; expected 1 to {min(h, w)}, the side of the LR images")
        which = rng.integers(n_images, size=n)
        top, left = rng.integers(h - lr_size + 1, size=n), rng.integers(w - lr_size + 1, size=n)

        def cut(images, s):
            squares = (lr_size * s, lr_size * s)
            view = np.lib.stride_tricks.sliding_window_view(images, squares, axis=(1, 2))
            return np.ascontiguousarray(view[which, top * s, left * s].transpose(0, 2, 3, 1))

        return self._select(which, cut)

    def _select(self, index, cut) -> ImagePairs:
        """Take labels and parameters by `index`, and of images what ``cut(images, their scale)`` gives."""
        return replace(
            self,
            lr=cut(self.lr, 1),
            hr=cut(self.hr, self.scale),
            truth=None if self.truth is None else cut(self.truth, self.scale),
            labels=None if self.labels is None else self.labels[index],
            params=None if self.params is None else {k: v[index] for k, v in self.params.items()},
        )


def dihedral(x: np.ndarray, k: int) -> np.ndarray:
    """Make one of the eight flips and turns of a square, on the two axes before the last: no pixel is lost.

    Parameters
    ----------
    x : ndarray, (..., H, W, C)
    k : int, 0 to 7
        ``k % 4`` quarter turns, after a left-right flip when ``k >= 4``.
    """
    if k >= 4:
        x = x[..., :, ::-1, :]
    return np.rot90(x, k % 4, axes=(-3, -2))


def resize(image, size: tuple[int, int], method: str = "bicubic") -> np.ndarray:
    """Resize with Pillow, channel by channel, in float32: no rounding and no clipping.

    Reducing, Pillow widens the kernel by the scale (antialiasing), as MATLAB's ``imresize`` does; "nearest"
    has no kernel to widen. Its bicubic is Keys' kernel with a = -0.5 (R. Keys 1981, IEEE TASSP 29, 1153),
    MATLAB's too.

    Parameters
    ----------
    image : array_like, (H, W, C) or (N, H, W, C)
    size : (height, width) of the result
    method : "nearest", "bilinear", "bicubic" or "lanczos"

    Returns
    -------
    ndarray, (height, width, C) or (N, height, width, C), float32
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; expected one of {', '.join(METHODS)}")
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(f"size is {tuple(size)}; expected at least 1 x 1")
    images = as_images(image)
    out = np.empty((len(images), height, width, images.shape[-1]), np.float32)
    for source, target in zip(images, out, strict=True):
        for c in range(images.shape[-1]):
            plane = Image.fromarray(np.ascontiguousarray(source[..., c]))  # float32 gives mode F
            target[..., c] = plane.resize((width, height), METHODS[method])
    return out if np.ndim(image) == 4 else out[0]


def crop_to_multiple(hr, scale: int) -> np.ndarray:
    """Crop rows and columns at the bottom and right so that both sides are multiples of ``scale``."""
    hr = np.asarray(hr)
    if hr.ndim < 3 or scale < 1:
        raise ValueError(
            f"cannot crop hr of shape {hr.shape} for scale {scale}; expected (H, W, C) and 1 or more"
        )
    h, w = (side // scale * scale for side in hr.shape[-3:-1])
    if h == 0 or w == 0:
        raise ValueError(f"hr is {hr.shape[-3]} x {hr.shape[-2]}; expected at least {scale} pixels a side")
    return hr[..., :h, :w, :]


def degrade(hr, scale: int) -> np.ndarray:
    """Make LR from HR by the benchmark protocol: antialiased bicubic, in float32.

    Parameters
    ----------
    hr : array_like, (H, W, C) or (N, H, W, C)
    scale : int

    Returns
    -------
    ndarray, (H / scale, W / scale, C) or (N, H / scale, W / scale, C), float32

    Raises
    ------
    ValueError
        If a side of HR is not a multiple of ``scale``: crop it first (`crop_to_multiple`).
    """
    h, w = np.shape(hr)[-3:-1] if np.ndim(hr) in (3, 4) else as_images(hr, "hr").shape[1:3]
    if scale < 1 or h % scale or w % scale:
        raise ValueError(f"hr is {h} x {w}; expected sides that are multiples of the scale, {scale}")
    return resize(hr, (h // scale, w // scale), "bicubic")
