"""What the live pages keep: bounded, rendered once a version, and looked at no more often than a share of a core allows."""

import threading
import time

import pytest

from outgrow.report.live.kept import Kept, Pages
from outgrow.report.live.stamps import Pause, stamp_of


def test_what_was_used_last_stays_within_the_bytes():
    made = []

    def make(name):
        return lambda: made.append(name) or bytearray(40)

    kept = Kept(100, len)
    for name in ("a", "b", "a", "c", "a"):
        kept.get(name, make(name))
        kept.drop_old()
    assert made == ["a", "b", "c"]  # b was dropped, a was used after it
    kept.get("b", make("b"))
    assert made == ["a", "b", "c", "b"]
    kept.get("a", make("a")).extend(bytes(1000))
    kept.drop_old()
    assert len(kept.get("a", make("a again"))) == 1040 and made[-1] == "b", "the last one stays, whatever its size"


def test_many_readers_cost_one_rendering_a_version():
    pages, rendered, ready = Pages(10_000), [], threading.Barrier(20)

    def render():
        rendered.append(1)
        time.sleep(0.05)
        return b"page %d" % len(rendered)

    def read(version, seen):
        ready.wait()
        seen.append(pages.get("/", version, render).body)

    for version in (1, 2):
        pages, rendered[:] = Pages(10_000), rendered[: version - 1]
        seen = []
        readers = [threading.Thread(target=read, args=(version, seen)) for _ in range(20)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        assert set(seen) == {b"page %d" % version} and len(rendered) == version


def test_while_a_page_is_rendered_again_others_get_the_last_one():
    pages, begun, go_on = Pages(1000), threading.Event(), threading.Event()
    assert pages.get("/", 1, lambda: b"old").body == b"old"

    def render():
        begun.set()
        assert go_on.wait(20)
        return b"new"

    first = threading.Thread(target=lambda: pages.get("/", 2, render))
    first.start()
    assert begun.wait(20)
    assert pages.get("/", 2, lambda: b"never").body == b"old"
    go_on.set()
    first.join()
    assert pages.get("/", 2, lambda: b"never").body == b"new"


def test_a_page_that_keeps_changing_is_rendered_for_its_share_of_time(monkeypatch):
    now, pages, rendered = [0.0], Pages(1000, share=0.25), []
    monkeypatch.setattr("outgrow.report.live.stamps.time.monotonic", lambda: now[0])

    def render():
        now[0] += 0.1
        rendered.append(now[0])
        return b"%d" % len(rendered)

    for version in range(1000):
        pages.get("/", version, render)
        now[0] += 0.01
    assert 0.2 <= 0.1 * len(rendered) / now[0] <= 0.25


def test_a_page_that_could_not_be_rendered_is_tried_again():
    pages = Pages(1000)
    with pytest.raises(ZeroDivisionError):
        pages.get("/", 1, lambda: bytes(1 // 0))
    assert pages.get("/", 1, lambda: b"whole").body == b"whole"


def test_a_pause_is_as_long_as_its_share_says(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("outgrow.report.live.stamps.time.monotonic", lambda: now[0])
    pause = Pause(0.02)
    assert pause.over()
    with pause.look():
        now[0] += 0.1
    assert not pause.over()
    now[0] += 4.89
    assert not pause.over()
    now[0] += 0.02
    assert pause.over()  # 0.1 s is 2% of 5 s
    always = Pause(1.0)
    with always.look():
        now[0] += 3
    assert always.over()


def test_whatever_exists_has_a_stamp(tmp_path):
    import os

    file = tmp_path / "file"
    file.write_bytes(b"1")
    first = stamp_of(file)
    file.write_bytes(b"12")
    assert first and stamp_of(file) != first
    os.mkfifo(tmp_path / "pipe")
    assert stamp_of(tmp_path / "pipe") and stamp_of(tmp_path) and stamp_of(tmp_path / "none") is None
