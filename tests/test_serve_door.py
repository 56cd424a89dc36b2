"""Who gets into the live pages: the Host header, the token and its cookie, guesses, half-open connections, what a page may run."""

import http.client
import re
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.report import evaluation, save, write_recipe, write_steps
from helpers.serving import ask, servers
from outgrow.report import write_report
from outgrow.report.live.guesses import GuessLimit
from outgrow.report.live.server import Connection

TOKEN = "the-token"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    run = tmp_path_factory.mktemp("door") / "runs" / "good"
    write_recipe(run)
    write_steps(run, 4)
    save(run, "before", evaluation({1: 0.4, 2: 0.2}, seed=1))
    save(run, "after", evaluation({1: 0.6, 2: 0.5}, seed=2))
    write_report(run)
    return run.parent


@pytest.fixture(scope="module")
def serving():
    with servers() as start:
        yield start


@pytest.fixture(scope="module")
def port(folder, serving):
    return serving(folder)


def raw(port, *lines):
    """Send a request as it is written here; return the status of the answer, None where the connection is ended without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall("\r\n".join((*lines, "connection: close", "", "")).encode())
        answer = http.client.HTTPResponse(connection)
        try:
            answer.begin()
        except ConnectionError:
            return None
        return answer.status


@pytest.mark.parametrize(
    "host", ["localhost:{}", "LOCALHOST:{}", "127.0.0.1:{}", "127.0.0.2:{}", "[::1]:{}", "localhost", "127.0.0.1:9"]
)
def test_this_machine_is_answered_without_a_token(port, host):
    """At another port, too, as through a tunnel."""
    assert raw(port, "GET / HTTP/1.1", f"host: {host.format(port)}") == 200


@pytest.mark.parametrize(
    "host",
    [
        "elsewhere.example", "localhost.elsewhere.example", "elsewhere.example:{}", "127.0.0.1.elsewhere.example",
        "127.0.0.1:{}.example", "elsewhere.example@localhost:{}", "localhost:{}@elsewhere.example", "localhost:{}/elsewhere",
        "localhost:{}?", "localhost:{}#", "localhost:port", "localhost:", "localhost:999999", "localhost localhost",
        "localhost,elsewhere.example", "0.0.0.0:{}", "10.0.0.7", "[::1", "::1", "[::1]elsewhere", "2130706433", "127.1", "",
        "lоcalhost",
    ],
)  # fmt: skip
def test_any_other_host_is_refused(port, host):
    assert raw(port, "GET / HTTP/1.1", f"host: {host.format(port)}") in (400, 403)


def test_one_host_is_asked_for(port, folder, serving):
    for line in ("GET / HTTP/1.0", "GET http://localhost/ HTTP/1.0"):
        assert raw(port, line) == 403, "missing"
    assert raw(port, "GET / HTTP/1.1") == 400
    assert raw(port, "GET / HTTP/1.1", "host: localhost", "host: elsewhere.example") == 400
    assert raw(serving(folder, TOKEN), "GET / HTTP/1.0", f"cookie: outgrow_token_80={TOKEN}") == 403


def test_from_elsewhere_the_token_is_asked_for_and_kept_in_a_cookie_of_this_port(folder, serving):
    port, other = serving(folder, TOKEN), serving(folder, "another-token")
    here, there = f"lab.example:{port}", f"lab.example:{other}"
    assert ask(port, "/runs/good", Host=here)[0] == 401
    assert ask(port, "/?token=wrong", Host=here)[0] == 401
    status, _, headers = ask(port, f"/runs/good?token={TOKEN}", Host=here)
    assert status == 303 and headers["Location"] == "/runs/good"
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    second = ask(other, "/?token=another-token", Host=there)[2]["Set-Cookie"]
    names = [text.partition("=")[0] for text in (cookie, second)]
    assert names == [f"outgrow_token_{port}", f"outgrow_token_{other}"]
    both = "; ".join(text.partition(";")[0] for text in (cookie, second))  # as a browser sends them, to all ports of a host
    assert ask(port, "/runs/good", Host=here, Cookie=both)[0] == 200
    assert ask(other, "/runs/good", Host=there, Cookie=both)[0] == 200
    assert ask(port, "/runs/good", Host=here, Cookie=f"{names[0]}=another-token")[0] == 401


def test_guesses_are_counted_and_refused_also_where_one_is_right(folder, serving):
    port = serving(folder, TOKEN)
    cookie = f"outgrow_token_{port}"
    host = f"lab.example:{port}"
    for _ in range(30):  # a page that was left open, of a server that has been started again
        assert ask(port, "/", Host=host, Cookie=f"{cookie}=old")[0] == 401
    assert ask(port, "/", Host=host, Cookie=f"{cookie}={TOKEN}")[0] == 200
    statuses = [ask(port, f"/?token={number}", Host=host)[0] for number in range(6)]
    statuses += [ask(port, "/", Host=host, Cookie=f"{cookie}=c{number}")[0] for number in range(6)]
    assert statuses == [401] * 9 + [429] * 3, "with the old one, ten"
    status, _, headers = ask(port, f"/?token={TOKEN}", Host=host)
    assert status == 429 and 0 < int(headers["Retry-After"]) <= 60
    assert ask(port, "/", Host=host)[0] == 401, "nothing was guessed"


@given(
    st.lists(
        st.tuples(st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"]), st.integers(0, 14), st.integers(0, 9))
    )
)
def test_the_limit_is_that_of_a_second_count(events):
    """events: client, guess, seconds since the last event. Counted again from the whole history."""
    now, history = 0.0, {}
    limit = GuessLimit(lambda: now)
    for client, guess, gap in events:
        now += gap
        network = "v6" if ":" in client else client
        began, guesses = history.get(network, (now, set()))
        locked = len(guesses) >= 10 and now < began + 60
        assert (limit.seconds_left(client) > 0) == locked
        if not locked:
            began, guesses = (now, set()) if now >= began + 60 else (began, guesses)
            history[network] = (began, guesses | {guess})
            limit.count(client, str(guess))


def test_the_memory_of_guesses_is_bounded():
    limit = GuessLimit(lambda: 0.0)
    for number in range(3000):
        limit.count(f"10.0.{number // 256}.{number % 256}", "guess")
    assert len(limit._wrong) == 1024


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nhost: localhost\r\n", b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n" * 2 + b"GET"]
)
def test_a_half_open_connection_is_dropped(folder, monkeypatch, sent):
    monkeypatch.setattr(Connection, "request_s", 0.3)
    with servers() as start, socket.create_connection(("127.0.0.1", start(folder)), timeout=30) as connection:
        connection.sendall(sent)
        received = b""
        try:
            while part := connection.recv(2**16):
                received += part
                connection.sendall(b"X-A: 1\r\n" if sent and not sent.endswith(b"GET") else b"")  # it goes on, and gets nowhere
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert received.count(b"HTTP/1.1 200") == sent.count(b"\r\n\r\n")


def test_a_connection_that_takes_nothing_is_dropped_and_no_other(folder, monkeypatch):
    monkeypatch.setattr(Connection, "response_s", 0.5)
    with servers() as start, socket.socket() as stuck:
        port = start(folder)
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", port))
        stuck.sendall(b"GET /plotly.js HTTP/1.1\r\nhost: localhost\r\n\r\n" * 40)  # more than the buffers on the way hold
        for _ in range(300):
            if stuck.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or _is_closed(stuck):
                break
            time.sleep(0.2)
        else:
            pytest.fail("still open")
        assert ask(port, "/")[0] == 200


def _is_closed(connection):
    try:
        connection.send(b"G")
    except OSError:
        return True
    return False


def test_no_page_allows_inline_scripts_or_styles(folder, port):
    report = (folder / "good" / "report.html").read_text()
    policies = {
        "report": re.search(r'Content-Security-Policy" content="([^"]*)"', report)[1].replace("&#39;", "'"),
        **{path: ask(port, path)[2]["Content-Security-Policy"] for path in ("/", "/runs/good", "/runs/good/problems", "/nothing")},
    }
    for page, policy in policies.items():
        assert "unsafe" not in policy and "default-src 'none'" in policy, page
    for page in (report, *(ask(port, path)[1] for path in ("/", "/runs/good", "/runs/good/problems", "/compare?run=good"))):
        tags = re.findall(r"<[a-z][^<>]*>", re.sub(r"<(script|style|pre)\b.*?</\1>", "", page, flags=re.DOTALL))
        assert [tag for tag in tags if re.search(r"\s(style|on[a-z]+)=", tag)] == []


@pytest.mark.parametrize("kind", ["live page", "report", "report in the live pages"])
def test_a_browser_draws_everything_under_the_policy(browser, folder, port, kind):
    address = {
        "live page": f"http://127.0.0.1:{port}/runs/good",
        "report": (folder / "good" / "report.html").as_uri(),
        "report in the live pages": f"http://127.0.0.1:{port}/runs/good/report",
    }[kind]
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script("addEventListener('securitypolicyviolation', (e) => (window.refused ??= []).push(e.violatedDirective))")
    page.goto(address)
    page.wait_for_selector(".chart-tools")
    page.evaluate("() => document.querySelectorAll('details').forEach((part) => (part.open = true))")
    page.wait_for_function("() => [...document.querySelectorAll('.plot')].every((plot) => plot.data)")
    assert page.evaluate("() => window.refused ?? []") == []
    assert page.evaluate("() => document.getElementById('plotly.js-style-global').sheet.cssRules.length") > 10, (
        "plotly's own styles"
    )
    plot = page.evaluate("() => getComputedStyle(document.querySelector('.main-svg')).position")
    assert plot == "absolute"
    if kind != "live page":
        fills = page.evaluate(
            "() => [...document.querySelectorAll('.heat td.share')].map((td) => [td.className.match(/v(\\d+)/)[1],"
            " getComputedStyle(td).getPropertyValue('--v')])"
        )
        assert fills and all(shown == f"{strength}%" for strength, shown in fills)
        assert page.evaluate("() => document.querySelector('.track .value').getBoundingClientRect().width") > 5
    written = (
        "<style>body{color:red}</style><p id='own' style='color:red' onclick='window.owned=1'></p><script>window.owned=1</script>"
    )
    page.evaluate("(text) => document.body.append(document.createRange().createContextualFragment(text))", written)
    page.evaluate("() => document.getElementById('own').click()")
    page.wait_for_function("() => (window.refused ?? []).length >= 4")
    assert set(page.evaluate("() => window.refused")) == {"style-src-elem", "style-src-attr", "script-src-attr", "script-src-elem"}
    assert page.evaluate("() => window.owned") is None, "what a model could have written neither runs nor changes how a page looks"
    page.close()
