"""Whole lenses in parallel on a CPU, one thread each."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def lens_pool(device):
    """On a CPU, a ``map`` in as many Python threads as torch has of its own, which then rest; else ``map``.

    torch's own threads wait for one another after each of hundreds of small steps, which is slow, and on a
    busy machine a hundred times slower still. Whole lenses in parallel do not wait; nor can the thread count
    change a byte.
    """
    import torch

    threads = torch.get_num_threads()
    if device.type != "cpu":
        yield map
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as executor:
            yield executor.map
    finally:
        torch.set_num_threads(threads)
