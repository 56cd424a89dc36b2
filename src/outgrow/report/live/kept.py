"""What the live pages keep between two requests, bounded by bytes: what was not used for longest is dropped first."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from .stamps import Pause

V = TypeVar("V")


class Kept(Generic[V]):
    """Values by key. Safe to use from several threads."""

    def __init__(self, most: int, nbytes: Callable[[V], int]) -> None:
        """most: bytes of all values; the value used last is kept whatever its size. nbytes: of a value, now."""
        self._most, self._nbytes = most, nbytes
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Return the value of a key, made where it is not kept."""
        with self._lock:
            value = self._values.get(key)
            if value is None:
                value = self._values[key] = make()
            self._values.move_to_end(key)
            return value

    def drop_old(self) -> None:
        """Drop what was not used for longest, until the values fit."""
        with self._lock:
            total = sum(map(self._nbytes, self._values.values()))
            while total > self._most and len(self._values) > 1:
                _, dropped = self._values.popitem(last=False)
                total -= self._nbytes(dropped)


class Page:
    """A finished page, with the tag by which a browser asks whether it has changed."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'


class Pages:
    """Finished pages: many readers of one page cost one rendering each time it changes.

    Where a page changes faster than it can be rendered, readers get the last one: they ask again in a few seconds.
    """

    def __init__(self, most: int, share: float = 1.0) -> None:
        """most: bytes of all pages. share: of a core, for rendering one page again and again (see `Pause`)."""
        self._share = share
        self._kept: Kept[_Versioned] = Kept(most, lambda kept: len(kept.page.body) + 1000 if kept.page else 0)

    def get(self, key: Hashable, version: Hashable, render: Callable[[], bytes]) -> Page:
        """Return the page of a key, rendered where its version is another one.

        While it is rendered, others who ask for it get the last one; they wait only for the first.
        """
        kept = self._kept.get(key, lambda: _Versioned(Pause(self._share)))
        page = kept.page
        if page and (kept.version == version or not kept.pause.over() or kept.lock.locked()):
            return page
        with kept.lock:
            if kept.page is None or kept.version != version:
                with kept.pause.look():
                    kept.page, kept.version = Page(render()), version
                self._kept.drop_old()
            return kept.page


class _Versioned:
    def __init__(self, pause: Pause) -> None:
        self.page: Page | None = None
        self.version: Hashable = None
        self.pause, self.lock = pause, Lock()
