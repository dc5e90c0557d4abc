"""What long runs share: one progress bar, and moments that Ctrl-C must not split."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = bool | Callable[[float], None]


@contextmanager
def bar(total: float, unit: str, progress: Progress, done: float = 0.0) -> Iterator[Callable[[float], Any]]:
    """Yields ``advance(amount)``. ``progress`` is True (a bar on stderr after 3 seconds), False,
    or a function that is told the fraction done."""
    if callable(progress):
        state = done

        def advance(amount: float) -> None:
            nonlocal state
            state += amount
            progress(min(1.0, state / total))

        yield advance
        return
    from tqdm import tqdm

    pause = 0.3 if sys.stderr.isatty() else 20.0  # a log file wants few lines
    with tqdm(
        total=total, initial=done, unit=unit, unit_scale=True, delay=3, mininterval=pause, disable=not progress, leave=False
    ) as shown:
        yield shown.update


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C inside the block is answered at its end. Other threads never receive it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed and callable(before):
        before(signal.SIGINT, None)  # which raises KeyboardInterrupt, unless somebody has set another; ignored it stays ignored
