"""Keys and addresses of servers: who gets a key, what leaves this machine with a request, and what is read of a reply."""

import gzip
import json
import shutil
import socket
import threading

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from helpers.judges import JUDGED
from helpers.runs import Silent
from helpers.server import completion, echo
from outgrow.config import load_recipe
from outgrow.core.addresses import is_loopback, is_served, parse_address, public_model, public_values, shown_model, shown_toml
from outgrow.core.changes import arrow
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.engines import ChatRequest, OpenAIServer
from outgrow.engines.server_client import MAX_REPLY
from outgrow.engines.server_key import BINDINGS, key_for
from outgrow.policy import Sampling
from outgrow.report import write_report
from outgrow.report.live import application
from outgrow.runs.resolve_model import resolve_model
from outgrow.train.loop import resume, train

KEY = "sk-secret-of-a-person"
ENVIRONMENT = {
    "OPENAI_API_KEY": f"{KEY}\r\n",  # as a file of secrets may end
    "OPENAI_ORG_ID": "org-secret",
    "OPENAI_PROJECT_ID": "proj-secret",
    "OPENAI_ADMIN_KEY": "sk-admin-secret",
    "OPENAI_CUSTOM_HEADERS": "X-Own: secret\nAuthorization: Bearer secret",
    "OPENAI_BASE_URL": "https://secret.example.com/v1",
}
ADDRESS = "https://person:secret@judge.example.com/account-17/v1?key=secret#qwen"


@pytest.fixture
def secrets(monkeypatch):
    """An environment full of keys."""
    monkeypatch.delenv(BINDINGS, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def ask(server):
    [[answer]] = server.answer(ChatRequest([server.conversation("1+1=?")], 1, Sampling(max_tokens=20), [0]))
    return answer.text or answer.refused


def test_a_server_gets_no_secret_and_nothing_of_this_machine_unless_a_person_says_so(serve, secrets):
    stub = serve()
    warned = []
    ask(OpenAIServer(stub.url, warn=warned.append))
    [headers] = stub.headers
    assert not [name for name, value in headers.items() if "secret" in value]
    expected = {"host", "content-type", "content-length", "accept", "accept-encoding", "connection", "user-agent"}
    assert {name.lower() for name in headers} == expected
    assert headers["user-agent"] == "outgrow" and warned == []


def test_a_bound_key_goes_to_its_host_and_port_only_and_the_person_is_told(serve, secrets):
    bound, other = serve(), serve()
    secrets.setenv(BINDINGS, f"api.example.com=OTHER_KEY {bound.host}=JUDGE_KEY")
    secrets.setenv("JUDGE_KEY", "sk-judge")
    warned = []
    for stub in (bound, other):
        ask(OpenAIServer(stub.url, warn=warned.append))
    assert (bound.keys, other.keys) == (["Bearer sk-judge"], [None])
    assert "openai-organization" not in bound.headers[0], "the account belongs to api.openai.com"
    [notice] = warned
    assert bound.host in notice and "JUDGE_KEY" in notice and "sk-judge" not in notice


def test_openais_own_variables_hold_for_openai(secrets):
    key = key_for("api.openai.com")
    assert key.headers == {
        "Authorization": f"Bearer {KEY}", "OpenAI-Organization": "org-secret", "OpenAI-Project": "proj-secret",
    }  # fmt: skip
    assert KEY not in repr(key)
    others = ("api.openai.com.", "api.openai.com:8443", "api.openai.com.example.com", "openai.com", "localhost:8000", "127.0.0.1")
    assert [host for host in others if key_for(host)] == []
    secrets.delenv("OPENAI_API_KEY")
    assert key_for("api.openai.com") is None
    secrets.setenv(BINDINGS, "api.openai.com:443=SECOND")
    secrets.setenv("SECOND", "sk-second")
    assert key_for("api.openai.com").secret == "sk-second"


@pytest.mark.parametrize(
    ("bindings", "named"),
    [
        (KEY, BINDINGS),
        (f"host={KEY}", BINDINGS),
        ("https://host/v1=OPENAI_API_KEY", BINDINGS),
        ("host=", BINDINGS),
        ("host=abcdef0123456789abcdef", "host"),  # a key in place of a variable's name
        ("host=BAD_KEY", "host"),
    ],
)
def test_a_wrong_binding_is_told_without_its_text(secrets, bindings, named):
    secrets.setenv(BINDINGS, bindings)
    secrets.setenv("BAD_KEY", "sk-\nключ")
    with pytest.raises(UsageError, match=named) as error:
        key_for("host")
    assert KEY not in str(error.value) and "abcdef" not in str(error.value) and "sk-" not in str(error.value)


@pytest.mark.parametrize("others", ["", "api.example.com=OTHER_KEY"])
def test_a_server_that_asks_for_a_key_names_the_line_to_type(serve, secrets, others):
    secrets.setenv(BINDINGS, others)
    secrets.setenv("OTHER_KEY", "other")
    stub = serve(lambda body: (401, {"error": {"message": "who are you"}}))
    with pytest.raises(OutgrowError) as error:
        ask(OpenAIServer(stub.url))
    line = str(error.value).partition(f"export {BINDINGS}=")[2].strip('"')
    secrets.setenv(BINDINGS, line.replace(f"${BINDINGS}", others))
    stub.answer = echo
    ask(OpenAIServer(stub.url))
    assert stub.keys == [None, f"Bearer {KEY}"], "what the line says is what helps"


@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_a_key_that_a_server_repeats_is_not_told(serve, secrets, status):
    stub = serve(lambda body: (status, {"error": {"message": f"wrong: {KEY}"}} if status > 200 else completion(f"wrong: {KEY}")))
    secrets.setenv(BINDINGS, f"{stub.host}=OPENAI_API_KEY")
    try:
        told = ask(OpenAIServer(stub.url))
    except OutgrowError as error:
        told = str(error)
    assert stub.keys == [f"Bearer {KEY}"] and KEY not in told
    assert "wrong: …" in told or status == 401


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(serve, secrets, status):
    other = serve()
    stub = serve(lambda body: (status, {}, {"location": f"{other.url}/chat/completions?secret"}))
    secrets.setenv(BINDINGS, f"{stub.host}=OPENAI_API_KEY {other.host}=OPENAI_API_KEY")
    with pytest.raises(OutgrowError, match=str(status)) as error:
        ask(OpenAIServer(stub.url))
    assert (len(stub.bodies), other.bodies) == (1, []) and "secret" not in str(error.value)


def test_a_proxy_gets_nothing_that_is_for_this_machine(serve, monkeypatch):
    proxy, stub = serve(), serve()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{proxy.host}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    ask(OpenAIServer(stub.url))
    assert (len(stub.bodies), proxy.bodies) == (1, [])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("http://", "http://localhost:8000/v1"),
        ("http://localhost:80a0/v1", "localhost:80a0"),
        ("http://localhost:99999/v1", "localhost:99999"),
        ("http://localhost:0/v1", "localhost:0"),
        ("ftp://localhost/v1", "ftp://localhost/v1"),
        ("https://host/v1/../\x1b[31m", "https://host/v1"),
        ("https://hоst/v1", "https://hоst/v1"),  # a Cyrillic letter
        ("https://host%2eexample.com/v1", "host%2e"),
        (r"https://api.openai.com\@example.com/v1", "password"),
        (r"https://api.openai.com\.example.com/v1", "example.com"),
        ("https://api.openai.com\t.example.com/v1", "example.com"),
        ("https://person:secret@host/v1", "password"),
        ("https://secret@host/v1", "password"),
        ("https://host/v1?key=secret", "query"),
        ("https://host?key=secret", "query"),
        ("http://host:8000/v1", "ssh -L 8000:localhost:8000 host"),
        ("http://10.0.0.7/v1", "ssh -L 80:localhost:80 10.0.0.7"),
        ("http://localhost.example.com/v1", "https"),
        ("http://0.0.0.0:8000/v1", "http://localhost:8000/v1"),
        ("http://127.1/v1", "https"),
        ("http://2130706433/v1", "https"),
        ("http://[::2]/v1", "https"),
    ],
)
def test_addresses_that_are_refused(text, named):
    with pytest.raises(UsageError) as error:
        OpenAIServer(text)
    assert named in str(error.value) and "secret" not in str(error.value) and str(error.value).isprintable()
    if is_served(text):
        with pytest.raises(UsageError):
            resolve_model(text)  # before a run is made


@pytest.mark.parametrize(
    ("text", "host", "model"),
    [
        ("http://localhost:8000/v1", "localhost:8000", ""),
        ("HTTP://LocalHost/v1#Org/Name", "localhost", "Org/Name"),
        ("http://127.0.0.2:80/v1", "127.0.0.2", ""),
        ("http://[::1]:8000/v1", "[::1]:8000", ""),
        ("https://API.example.com:443/v1#m", "api.example.com", "m"),
        ("https://host_1:8443", "host_1:8443", ""),
        ("https://api.example.com/a-b/v1/~x%20", "api.example.com", ""),
    ],
)
def test_addresses_that_are_accepted(text, host, model):
    address = parse_address(text)
    assert (address.host, address.model) == (host, model)
    assert resolve_model(text).served


PARTS = st.sampled_from(
    ["https:", "http:", "//", "/", "\\", "@", ":", "?", "#", "%", ".", "..", "localhost", "127.0.0.1", "[::1]", "a.example", "evil",
     "443", "80", "\t", "\n", " ", "ü", "。", "%2f", "%40", "0x7f.1", ";", "&", "v1"]
)  # fmt: skip


@given(st.lists(PARTS, min_size=1, max_size=8).map(lambda parts: "https://" + "".join(parts)) | st.text().map("https://{}".format))
def test_the_http_library_sends_to_the_host_that_the_key_was_looked_up_for(text):
    try:
        address = parse_address(text)
    except UsageError:
        return
    url = httpx2.URL(address.url)
    assert url.netloc.decode() == address.host and url.scheme == "https" and not url.userinfo and not url.query


@given(st.ip_addresses(v=4))
def test_plain_http_goes_to_this_machine_only(ip):
    assert is_loopback(str(ip)) == (str(ip).split(".")[0] == "127")


@pytest.mark.parametrize("kind", ["long", "endless", "compressed"])
def test_a_reply_is_bounded_in_bytes(serve, kind):
    long = json.dumps(completion("a" * MAX_REPLY)).encode()
    sent = {"long": long, "endless": b" " * (3 * MAX_REPLY), "compressed": gzip.compress(long)}[kind]
    stub = serve(lambda body: (200, sent, {"content-encoding": "gzip"} if kind == "compressed" else {}))
    with pytest.raises(OutgrowError, match="compressed" if kind == "compressed" else "8 MB"):
        ask(OpenAIServer(f"{stub.url}#m"))
    assert len(stub.bodies) == 1, "what is too long once is not asked again"


def test_a_reply_is_bounded_in_time():
    """A server that sends a byte now and then is never silent."""
    listening, stop = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def drip():
        while not stop.is_set():
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
                while not stop.wait(0.02):
                    try:
                        connection.sendall(b" ")
                    except OSError:
                        break

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        with pytest.raises(OutgrowError, match=r"0\.2 s"):
            ask(OpenAIServer(f"http://127.0.0.1:{listening.getsockname()[1]}/v1#m", timeout_s=0.2))
    finally:
        stop.set()
        listening.close()


def test_what_is_shown_of_an_address():
    assert (shown_model(ADDRESS), public_model(ADDRESS)) == ("judge.example.com#qwen", "server#qwen")
    sentence = "https://example.com holds the data set"
    for name in ("micro-base", "runs/first", "org/model", sentence):
        assert shown_model(name) == public_model(name) == name
    values = {"judge": {"model": ADDRESS, "watch": {"canaries": 8, "models": [ADDRESS, "m"]}}, "description": sentence}
    assert public_values(values) == {
        "judge": {"model": "server#qwen", "watch": {"canaries": 8, "models": ["server#qwen", "m"]}}, "description": sentence,
    }  # fmt: skip
    assert shown_toml(f'[judge]\nmodel = "{ADDRESS}"') == '[judge]\nmodel = "judge.example.com#qwen"\n'
    assert "secret" not in arrow(ADDRESS, "micro-base") and "judge.example.com#qwen" in arrow(ADDRESS, "micro-base")


def test_a_run_with_a_served_judge_shows_its_address_nowhere(serve, tmp_path):
    """Two judges, each at an address with an account in its path; the run is continued with the second."""
    first, second = (serve(lambda body: (200, completion(r"\boxed{0.5}"))) for _ in range(2))
    addresses = [f"http://{stub.host}/account-17/v1#qwen" for stub in (first, second)]
    run = tmp_path / "runs" / "judged"
    rewards = 'rewards=[{type="accuracy"},{type="judge_score",weight=0.1}]'
    how = [*JUDGED, "learn.steps=2", 'judge.rubric="{completion}"', rewards, 'run.trackers=["tensorboard"]']
    train(load_recipe("micro", [*how, f"judge.model={addresses[0]}"]), run, Silent())
    assert resume(run, [f"judge.model={addresses[1]}", "learn.steps=3"], Silent())
    assert first.bodies and second.bodies
    write_report(run)
    shutil.copytree(run, run.parent / "other")
    (run.parent / "other" / "recipe.toml").write_text((run / "recipe.toml").read_text().replace(second.host, "localhost:1"))
    client = TestClient(application(run.parent), base_url="http://127.0.0.1")
    pages = ["/", "/runs/judged", "/runs/judged/report", "/compare?run=judged&run=other"]
    written = {
        **{str(file.relative_to(run)): file.read_bytes() for file in run.rglob("*") if file.is_file()},
        **{page: client.get(page).content for page in pages},
    }
    assert {name for name, content in written.items() if b"account-17" in content} == {"recipe.toml", "judge.sqlite"}
    hosts = [stub.host.encode() for stub in (first, second)]
    with_host = [name for name, content in written.items() if any(host in content for host in hosts)]
    leaving = [name for name in with_host if "tensorboard" in name or "policy" in name]
    assert leaving == [], "what is pushed, and what trackers get, does not even show the host"
    card = (run / "checkpoints" / "latest" / "policy" / "README.md").read_text()
    assert 'model = "server#qwen"' in card
    assert hosts[1] in written["report.html"] and hosts[1] in written["/compare?run=judged&run=other"]
