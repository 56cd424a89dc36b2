"""What the live pages keep between two requests, bounded by bytes: what was not used for longest is dropped first."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")

_LOCKS = 64


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
    """Finished pages: many readers of one page cost one rendering each time it changes."""

    def __init__(self, most: int) -> None:
        """most: bytes of all pages."""
        self._kept: Kept[_Versioned] = Kept(most, lambda kept: len(kept.page.body) + 1000 if kept.page else 0)
        self._locks = [Lock() for _ in range(_LOCKS)]

    def get(self, key: Hashable, version: Hashable, render: Callable[[], bytes]) -> Page:
        """Return the page of a key, rendered where its version is another one. Readers who come meanwhile wait for it."""
        kept = self._kept.get(key, _Versioned)
        with self._locks[hash(key) % _LOCKS]:
            if kept.page is None or kept.version != version:
                kept.page, kept.version = Page(render()), version
                self._kept.drop_old()
            return kept.page


class _Versioned:
    page: Page | None = None
    version: Hashable = None
