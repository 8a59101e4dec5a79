"""How well probabilities tell classes apart: AUC, bootstrap intervals, calibration."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from srutils.lensing.priors import CLASSES


def macro_auc(labels, probability) -> float:
    """Average the AUC of each class against the rest.

    The AUC is how often a case outscores a non-case; a tie counts half (Mann & Whitney 1947,
    doi:10.1214/aoms/1177730491).

    Parameters
    ----------
    labels : array_like (N,) of int
        0 to K - 1; every class must occur.
    probability : array_like (N, K)

    Raises
    ------
    ValueError
        If shapes do not fit, a probability is NaN or a class is missing.
    """
    return float(np.mean(class_aucs(labels, probability)))


def class_aucs(labels, probability) -> list[float]:
    """Compute the AUC of each class against the rest; parameters as in `macro_auc`."""
    from sklearn.metrics import roc_auc_score  # a slow import

    labels, probability = _together(labels, probability)
    return [float(roc_auc_score(labels == k, probability[:, k])) for k in range(probability.shape[1])]


def micro_auc(labels, probability) -> float:
    """Compute the AUC of all N x K answers "image i is of class k" together; parameters as in `macro_auc`."""
    from sklearn.metrics import roc_auc_score

    labels, probability = _together(labels, probability)
    is_of_class = labels[:, None] == np.arange(probability.shape[1])
    return float(roc_auc_score(is_of_class.ravel(), probability.ravel()))


def _together(labels, probability):
    labels, probability = np.asarray(labels), np.asarray(probability)
    if labels.ndim != 1 or probability.ndim != 2 or len(labels) != len(probability):
        raise ValueError(
            f"labels have shape {labels.shape} and probability {probability.shape}; expected (N,) and (N, K)"
        )
    missing = set(range(probability.shape[1])) - set(labels.tolist())
    if missing:
        raise ValueError(f"no image of class {', '.join(map(str, sorted(missing)))}; AUC needs every class")
    return labels, probability


def bootstrap(
    statistic: Callable[..., float], labels, probability, n: int = 500, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Estimate the interval of a statistic by drawing images with replacement, class by class (Efron 1979).

    Parameters
    ----------
    statistic : callable
        Of labels and probability, such as `macro_auc`.
    labels : array_like (N,) of int
    probability : array_like (N, K)
    n : int
        Number of draws.
    level : float
        Share of the draws inside the interval.
    seed : int

    Returns
    -------
    low, high : float
    """
    labels, probability = _together(labels, probability)
    rng, members = np.random.default_rng(seed), [np.flatnonzero(labels == k) for k in np.unique(labels)]
    values = []
    for _ in range(n):
        drawn = np.concatenate([rng.choice(rows, len(rows)) for rows in members])
        values.append(statistic(labels[drawn], probability[drawn]))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def calibration(labels, probability, bins: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Compare confidence with success: is what is said with 80 % right in 80 % of cases?

    See Guo et al. 2017, arXiv:1706.04599.

    Parameters
    ----------
    labels, probability
        As in `macro_auc`.
    bins : int
        Of equal width, of the probability of the most probable class.

    Returns
    -------
    confidence, accuracy : ndarray (M,)
        Their means in each bin that holds an image.
    count : ndarray (M,), int
    error : float
        Expected calibration error: mean of ``|accuracy - confidence|``, weighted by count.
    """
    labels, probability = _together(labels, probability)
    top, right = probability.max(1), probability.argmax(1) == labels
    which = np.minimum((top * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    used = count > 0
    confidence = np.bincount(which, top, bins)[used] / count[used]
    accuracy = np.bincount(which, right, bins)[used] / count[used]
    error = float((np.abs(accuracy - confidence) * count[used]).sum() / count.sum())
    return confidence, accuracy, count[used], error


def evaluate(model: str, data: str, n: int | None = None, seed: int = 0) -> dict:
    """Score a classifier, as ``srutils evaluate lens-classifier`` does.

    Parameters
    ----------
    model : str
        Name of a classifier, or the path of its .onnx file.
    data : str
        "deeplense" (lenses drawn fresh from `seed`, from the test split, the classes in equal parts), or a
        folder with one folder a class (see `classifier.read_folders`).
    n : int, optional
        Number of images: of lenses 1,500 by default, of a folder all.
    seed : int

    Returns
    -------
    dict
        model, data, n, auc_macro, auc ({class: AUC against the rest}), accuracy.

    Raises
    ------
    ValueError, FileNotFoundError
        For a model that is no classifier, `n` below 3, or data that cannot be used.
    """
    from srutils.lensing import classifier

    trained = classifier.Classifier.load(model)
    if n is not None and n < len(CLASSES):
        raise ValueError(f"n is {n}; expected at least {len(CLASSES)}, one image of each class")
    if data == "deeplense":
        from srutils.lensing.simulator import simulate

        n = n or classifier.LENSES
        lenses = simulate("deeplense", n, classes=CLASSES, seed=seed, split="test")
        images, labels = lenses.hr, lenses.labels
    elif data == "telescope":
        raise ValueError(f"{trained.name} knows deeplense images only; got 'telescope'")
    else:
        images, labels = classifier.read_folders(data, n, trained.card["size"])
    probability = trained(images)
    areas = class_aucs(labels, probability)
    return {
        "model": trained.name,
        "data": data,
        "n": len(labels),
        "auc_macro": float(np.mean(areas)),
        "auc": dict(zip(CLASSES, areas, strict=True)),
        "accuracy": float((probability.argmax(1) == labels).mean()),
    }
