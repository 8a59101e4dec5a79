"""Lesson 06: a judge that obeys eight symmetries, numbers that give the class away, and rare classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from srutils import pairs
from srutils.exercises import Verdict, nearly, right, wrong
from srutils.exercises.formulas import agree, results, slip


# ---------------------------------------------------------------- 1: eight views
def _judge(images) -> np.ndarray:
    """Probabilities (N, 3) that depend on where the light is: it knows no symmetry at all."""
    images = np.asarray(images, np.float64)
    if images.ndim != 4 or images.shape[1:] != (8, 8, 1):
        raise ValueError(f"the judge was given the shape {images.shape}; expected (N, 8, 8, 1)")
    weight = np.random.default_rng(1).standard_normal((64, 3))
    logits = np.square(images).reshape(len(images), 64) @ weight
    share = np.exp(logits - logits.max(1, keepdims=True))
    return share / share.sum(1, keepdims=True)


def _mean_over(*views: Callable) -> Callable:
    return lambda judge, images: np.mean([judge(view(images)) for view in views], 0)


def _turned(k: int, flip: Callable = lambda x: x) -> Callable:
    return lambda x: np.rot90(flip(x), k, axes=(1, 2))


def _geometric(judge, images):
    product = np.exp(np.mean([np.log(judge(view(images))) for view in EIGHT], 0))
    return product / product.sum(1, keepdims=True)


EIGHT = [lambda x, k=k: pairs.dihedral(x, k) for k in range(8)]
TURNS = [_turned(k) for k in range(4)]
MIRRORS = [lambda x: np.flip(x, 1), lambda x: np.flip(x, 2), lambda x: np.flip(x, (1, 2))]
MIRRORED = [_turned(k, flip) for flip in MIRRORS[:2] for k in range(4)]
ORDER = [_turned(k, lambda x: x[::-1]) for k in range(4)]
VIEW_SLIPS = [
    (lambda judge, images: judge(images), "That is the judge as it was: one view, not eight."),
    (_mean_over(*TURNS), "Your four views are the turns. Where are their mirror images?"),
    (
        _mean_over(lambda x: x, *MIRRORS),
        "Your four views are flips, and the half turn that two of them make. The quarter turns are missing.",
    ),
    (
        _mean_over(*TURNS, *MIRRORED),
        "Some of your views are the same: a flip up and down is a flip left and right and half a turn. So "
        "mirrored views count twice as much as the others.",
    ),
    (
        _mean_over(*TURNS, *ORDER),
        "You have turned round the *order* of the images, not the images: axis 0 counts them.",
    ),
    (
        lambda judge, images: 8 * _mean_over(*EIGHT)(judge, images),
        "That is the sum of eight answers. Probabilities have to add up to 1.",
    ),
    (
        _geometric,
        "You have averaged logarithms. That has the symmetry, too, but a single view that is quite sure "
        "outvotes the other seven; the mean of the probabilities is asked for.",
    ),
    (
        lambda judge, images: judge(np.mean([view(images) for view in EIGHT], 0)),
        "You have averaged the eight pictures, and asked once. Nature has no lens with eight-fold arcs: ask "
        "about each view, and average the answers.",
    ),
    (
        lambda judge, images: np.mean([np.eye(3)[judge(v(images)).argmax(1)] for v in EIGHT], 0),
        "Your views vote, and a narrow vote counts as much as a sure one. Average the probabilities.",
    ),
]


def exercise_1(eight_views: Callable) -> Verdict:
    """The function gives the mean of a judge's answers to the eight flips and turns of each image."""
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1)) / 256  # exact in float32, too
    cases = [(_judge, images), (_judge, images[:1])]
    answers = results(eight_views, cases)
    if agree(answers, _mean_over(*EIGHT), cases):
        return right(
            "This judge says the same of all eight views, whatever its network has learned: a symmetry that "
            "nobody has to train. The views of a lens turned by 45° all lie at 45° again, so for the angles "
            "between there is little to be had this way."
        )
    if known := slip(answers, VIEW_SLIPS, cases):
        return known
    if answers[0].shape != (5, 3):
        return wrong(
            "Five images have five answers of three probabilities each; yours has the shape "
            f"{answers[0].shape}. Over which axis did you average?"
        )
    turned = results(eight_views, [(_judge, view(images)) for view in EIGHT])
    if all(np.allclose(t, turned[0], 1e-6) for t in turned):
        return wrong("Your answer has the symmetry, but it is not the mean of the eight probabilities.")
    return wrong(
        "Your judge gives different answers to an image and to one of its eight views. Which views does it "
        "ask about? They are flips and quarter turns of axes 1 and 2."
    )


# ---------------------------------------------------------------- 2: which numbers give it away
SHIFTED, SPREAD = "theta_E", "center_x"
COLUMNS = ("theta_E", "gamma1", "gamma2", "source_x", "source_y", "source_e1", "source_e2")
COLUMNS += ("center_x", "center_y", "sky", "psf")


def suspects(n: int = 1500) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A sample of lenses by a simulator that was not careful: some of its numbers give the class away.

    Parameters
    ----------
    n : int
        Number of lenses.

    Returns
    -------
    table : dict of str to ndarray (n,), float64
        Lens and source as in `lens_priors.draw`; center_x, center_y: where the lens lies in its picture,
        arcsec; sky: photons a pixel; psf: its width, arcsec.
    kinds : ndarray (n,), int
        The classes, 0 to 2.
    """
    from srutils.lensing import priors

    kinds, rng = np.arange(n) % 3, np.random.default_rng(8)
    drawn = priors.draw("deeplense", (0, 2, 108), np.arange(n), kinds)
    table = {name: drawn[name] for name in COLUMNS[:7]}
    table[SHIFTED] = table[SHIFTED] + 0.06 * (kinds == 0)
    table["center_x"] = rng.normal(0, np.where(kinds == 2, 0.045, 0.03))
    table["center_y"] = rng.normal(0, 0.03, n)
    table["sky"] = rng.normal(10, 0.4, n)
    table["psf"] = rng.normal(0.2, 0.006, n)
    return table, kinds


def exercise_2(names: Iterable[str]) -> Verdict:
    """The names of the columns of `suspects` whose distribution is not the same for all classes."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        return wrong('A list of names is expected, such as ["sky", "psf"].')
    named = {str(name) for name in names}
    if unknown := sorted(named - set(COLUMNS)):
        return wrong(f"The table has no column {unknown[0]}; it has {', '.join(COLUMNS)}.")
    missing, innocent = {SHIFTED, SPREAD} - named, named - {SHIFTED, SPREAD}
    chance = (
        "With 11 numbers and three classes there are 33 AUCs, and one or two of them lie two standard errors "
        "from one half by chance. How far out must one lie before you accuse it?"
    )
    if not missing and not innocent:
        return right(
            "The rings of one class are larger, and its AUC shows that. The other number is not larger in "
            "any class, it only scatters more in one of them: no AUC of the number itself sees that, but a "
            "network would. An AUC of one half is no proof of innocence."
        )
    if not missing:
        return nearly(f"Those that give the class away are among them, but not all are guilty. {chance}")
    if innocent:
        return wrong(f"Some of those you name are innocent, and one that is not is missing. {chance}")
    if missing == {SPREAD}:
        return nearly(
            "Guilty, but not alone. AUC asks whether a number is *larger* in one class. In what other way "
            "may two histograms differ?"
        )
    if missing == {SHIFTED}:
        return nearly(
            "You have found the one that hides best. But there is a plain one, too: a number that is larger "
            "in one class than in the others."
        )
    return wrong("An empty list says that nothing gives the class away. Compare the classes' histograms.")


# ---------------------------------------------------------------- 3: the rare class
def _rates(table):
    return table / table.sum(1, keepdims=True)


def _purity(table, shares):
    expected = _rates(table) * np.asarray(shares)[:, None]
    return np.diag(expected) / expected.sum(0)


PURITY_SLIPS = [
    (
        lambda table, shares: np.diag(table) / table.sum(0),
        "That is the purity in the test set itself, as if nature had the shares of the test set. Where do "
        "`shares` come in?",
    ),
    (
        lambda table, shares: np.diag(_rates(table)) / _rates(table).sum(0),
        "That is the purity if all classes were equally common. Where do `shares` come in?",
    ),
    (
        lambda table, shares: np.diag(_rates(table)),
        "That is the completeness: of all lenses of a class, the part that is called so. Purity asks it the "
        "other way round: of all that are called so, the part that is.",
    ),
    (
        lambda table, shares: np.diag(table) * shares / (table * np.asarray(shares)[:, None]).sum(0),
        "You weight the counts, but the test set has more lenses of one class than of another. Turn each row "
        "into rates first.",
    ),
    (
        lambda table, shares: _purity(table.T, shares),
        "Rows and columns have changed places: a row is what lenses *are*, a column what they are called.",
    ),
    (
        lambda table, shares: np.diag(_rates(table)) * shares,
        "That is the part of all lenses that are of a class and called so. Which part of all lenses is "
        "called so, whatever they are?",
    ),
]


def exercise_3(purity: Callable) -> Verdict:
    """The function gives, for each class, how many of the lenses that are called so are so."""
    one = np.array([[80, 15, 5], [10, 150, 40], [1, 4, 45]])
    cases = [(one, np.array([0.7, 0.2, 0.1])), (one[::-1, ::-1], np.array([0.6, 0.399, 0.001]))]
    found = results(purity, [(table.copy(), shares.copy()) for table, shares in cases])
    if agree(found, _purity, cases):
        return right(
            "For a rare class the false alarms of the common ones decide, and hardly the AUC. And rates "
            "below one in a thousand cannot be measured with a thousand lenses, so a test set of equal "
            "shares cannot promise purity."
        )
    if known := slip(found, PURITY_SLIPS, cases):
        return known
    if found[0].shape != (3,):
        return wrong(
            f"One purity for each of the three classes is asked for; yours has the shape {found[0].shape}."
        )
    return wrong(
        "Imagine 1,000 lenses with these shares. How many of each class are called a vortex? Which of these "
        "are vortices?"
    )
