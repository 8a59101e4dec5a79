"""Answers to the exercises of lesson 06: the right ones, and the slips that have to be told apart."""

import numpy as np

from srutils import pairs


def over(*views):
    """A function that averages a judge's answers over some views."""
    return lambda judge, images: sum(judge(view(images)) for view in views) / len(views)


EIGHT = [lambda x, k=k: pairs.dihedral(x, k) for k in range(8)]
TURNS = EIGHT[:4]


def all_at_once(judge, images):
    """The eight views as one batch."""
    answers = judge(np.concatenate([view(images) for view in EIGHT]))
    return answers.reshape(8, len(images), -1).mean(0)


def by_transposing(judge, images):
    """The mirror images made by exchanging rows and columns."""
    turned = [np.rot90(images, k, (1, 2)) for k in range(4)]
    return np.mean([judge(x) for x in turned + [x.swapaxes(1, 2) for x in turned]], axis=0)


def flipped_twice(judge, images):
    """Turns of the image and of both its flips: each mirrored view comes twice."""
    both = images, np.flip(images, 1), np.flip(images, 2)
    return np.mean([judge(np.rot90(x, k, (1, 2))) for x in both for k in range(4)], axis=0)


def order_turned(judge, images):
    """`images[::-1]` taken for a flip."""
    return np.mean([judge(np.rot90(x, k, (1, 2))) for x in (images, images[::-1]) for k in range(4)], axis=0)


def geometric(judge, images):
    product = np.prod([judge(view(images)) for view in EIGHT], axis=0) ** (1 / 8)
    return product / product.sum(1, keepdims=True)


def votes(judge, images):
    answers = [judge(view(images)) for view in EIGHT]
    return np.mean([answer == answer.max(1, keepdims=True) for answer in answers], axis=0)


def rates(table):
    return table / table.sum(axis=1, keepdims=True)


def purity(table, shares):
    called = shares @ rates(table)
    return shares * np.diag(rates(table)) / called


ANSWERS = [
    (1, "the mean of eight", (over(*EIGHT),), "right", "nobody has to train"),
    (1, "eight in one batch", (all_at_once,), "right", "nobody has to train"),
    (1, "mirrors by transposing", (by_transposing,), "right", "nobody has to train"),
    (1, "the judge itself", (over(EIGHT[0]),), "nearly", "as it was"),
    (1, "turns only", (over(*TURNS),), "nearly", "mirror images"),
    (1, "flips only", (over(EIGHT[0], EIGHT[2], EIGHT[4], EIGHT[6]),), "nearly", "quarter turns are missing"),
    (1, "mirrored twice", (flipped_twice,), "nearly", "count twice"),
    (1, "the images' order", (order_turned,), "nearly", "*order*"),
    (1, "a sum", (lambda j, x: 8 * over(*EIGHT)(j, x),), "nearly", "add up to 1"),
    (1, "logarithms", (geometric,), "nearly", "logarithms"),
    (1, "one mean picture", (lambda j, x: j(sum(v(x) for v in EIGHT) / 8),), "nearly", "eight-fold arcs"),
    (1, "votes", (votes,), "nearly", "views vote"),
    (1, "mean over images", (lambda j, x: over(*EIGHT)(j, x).mean(0),), "wrong", "has the shape (3,)"),
    (1, "wrong axes", (lambda j, x: j(np.rot90(x)),), "wrong", "ValueError: the judge was given the shape"),
    (1, "the greatest", (lambda j, x: np.max([j(v(x)) for v in EIGHT], 0),), "wrong", "has the symmetry"),
    (1, "two views", (over(EIGHT[0], EIGHT[1]),), "wrong", "Which views does it ask about"),
    (1, "no function", (np.zeros((5, 3)),), "wrong", "A function is expected"),
    (2, "both", (["theta_E", "center_x"],), "right", "no proof of innocence"),
    (2, "both, as a set", ({"center_x", "theta_E"},), "right", "no proof of innocence"),
    (2, "what an AUC sees", (["theta_E"],), "nearly", "In what other way"),
    (2, "what it does not see", (["center_x"],), "nearly", "a plain one"),
    (2, "one too many", (["theta_E", "center_x", "gamma1"],), "nearly", "33 AUCs"),
    (2, "every AUC that is off", (["theta_E", "gamma1"],), "wrong", "one that is not is missing"),
    (2, "none", ([],), "wrong", "nothing gives the class away"),
    (2, "no such column", (["theta_E", "flux"],), "wrong", "no column flux"),
    (2, "a string", ("theta_E",), "wrong", "A list of names"),
    (2, "a number", (2,), "wrong", "A list of names"),
    (3, "by rates", (purity,), "right", "false alarms of the common ones"),
    (3, "of the test set", (lambda t, s: np.diag(t) / t.sum(0),), "nearly", "in the test set itself"),
    (3, "equal shares", (lambda t, s: purity(t, np.ones(3)),), "nearly", "equally common"),
    (3, "completeness", (lambda t, s: np.diag(t) / t.sum(1),), "nearly", "completeness"),
    (3, "counts weighted", (lambda t, s: s * np.diag(t) / (s @ t),), "nearly", "Turn each row into rates"),
    (3, "rows for columns", (lambda t, s: purity(t.T, s),), "nearly", "changed places"),
    (3, "not divided", (lambda t, s: s * np.diag(rates(t)),), "nearly", "is called so, whatever they are"),
    (3, "the vortex only", (lambda t, s: purity(t, s)[2],), "wrong", "has the shape ()"),
    (3, "ones", (lambda t, s: np.ones(3),), "wrong", "Imagine 1,000 lenses"),
    (3, "words", (lambda t, s: "pure",), "wrong", "return numbers"),
]  # fmt: skip
