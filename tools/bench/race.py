"""Time several ways to do the same work, in turn, and say how many times as fast as the first each is."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """A line of the table: how fast one way was.

    Attributes
    ----------
    what, way : str
        The work, and who does it how.
    unit : str
        Of the speeds, such as "lenses/s".
    speeds : list of float
        One of each round; empty for a way that is not installed.
    ratios : list of float
        In each round, this way's speed divided by the first way's; empty where there is nothing to compare.
    note : str
    """

    what: str
    way: str
    unit: str = ""
    speeds: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    note: str = ""

    def markdown(self) -> str:
        """The line of the table."""
        ratio = "1" if self.ratios and set(self.ratios) == {1.0} else median_and_range(self.ratios)
        speed = f"{median_and_range(self.speeds)} {self.unit}" if self.speeds else ""
        return f"| {self.what} | {self.way} | {speed} | {ratio} | {self.note} |"


HEAD = "| Work | Way | Speed | Times as fast as the first way | Remarks |\n| --- | --- | --- | --- | --- |"


def median_and_range(values: list[float]) -> str:
    """The median and, in brackets, the least and the greatest, to three digits; empty for no values."""
    if not values:
        return ""
    low, middle, high = (
        f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"
        for value in (min(values), statistics.median(values), max(values))
    )
    return f"{middle} ({low} to {high})"


def race(
    what: str,
    unit: str,
    ways: dict[str, tuple[float, Callable[[], object]]],
    rounds: int,
    differ: Callable[[object, object], float] | None = None,
    limits: dict[str, float] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Row]:
    """Let every way work once in each round, after one round to warm up.

    Ratios are taken within a round, so a machine that is slower for some seconds is so for both sides; and
    every second round is run backwards, so that nobody always comes right after the same neighbour.

    Parameters
    ----------
    what, unit : str
        As in `Row`.
    ways : dict
        Name -> (units of work in a call, function). The others are compared with the first.
    rounds : int
        At least 1.
    differ : callable, optional
        How far two answers are apart, one number: the first way's answer, and another's of the same round.
    limits : dict, optional
        Name -> how far apart is allowed, for every way but the first; needed with `differ`.
    clock : callable
        Seconds.

    Raises
    ------
    RuntimeError
        If an answer is further from the first way's than is allowed: then the two did not do the same work.
    """
    first, *others = ways
    speeds, apart = {name: [] for name in ways}, dict.fromkeys(others, 0.0)
    for number in range(rounds + 1):
        answers = {}
        for name in list(ways)[:: -1 if number % 2 else 1]:
            amount, work = ways[name]
            start = clock()
            answers[name] = work()
            seconds = clock() - start
            if number:
                speeds[name].append(amount / seconds)
        for name in others if differ else ():
            away = float(differ(answers[first], answers[name]))
            if not away <= limits[name]:  # NaN, too
                far = f"{name} is {away:.1e} away from {first}; expected at most {limits[name]:g}"
                raise RuntimeError(f"{what}: {far}")
            apart[name] = max(apart[name], away)
    return [
        Row(
            what,
            name,
            unit,
            speeds[name],
            [ours / theirs for ours, theirs in zip(speeds[name], speeds[first], strict=True)],
            f"differs by {apart[name]:.0e} at most" if apart.get(name) else "",
        )
        for name in ways
    ]


class Worker:
    """A function in a process of its own, ready to be called; the answer stays there until it is wanted.

    Parameters
    ----------
    make : callable
        Of a module, not of a function: it is found by name in the new process, and returns the function.
    arguments
        Of `make`.
    """

    def __init__(self, make: Callable, *arguments):
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, make, arguments), daemon=True)
        self._process.start()
        other.close()  # else a process that has died would be waited for
        self._ask(None)  # until it is ready

    def run(self) -> Worker:
        """Call the function."""
        self._ask("run")
        return self

    def answer(self):
        """What the last call returned."""
        return self._ask("answer")

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()
        self._pipe.close()

    def _ask(self, order):
        try:
            if order is not None:
                self._pipe.send(order)
            error, answer = self._pipe.recv()
        except (EOFError, BrokenPipeError):
            raise RuntimeError("a process of the benchmark has died; is there enough memory?") from None
        if error:
            raise RuntimeError(error)
        return answer


def _serve(pipe, make: Callable, arguments: tuple) -> None:
    """Be the process of a `Worker`: make the function, then obey; an error is sent, and is the end."""
    answer = None
    try:
        function = make(*arguments)
        pipe.send((None, None))
        while True:
            if pipe.recv() == "run":
                answer = function()
                pipe.send((None, None))
            else:
                pipe.send((None, answer))
    except Exception as error:
        pipe.send((f"{type(error).__name__}: {error}", None))
