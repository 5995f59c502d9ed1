"""The server over real sockets: pages, documents, and requests that attack it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from examples import toy_rows, write_log, write_run
from serving import Clock, document, get, raw, served

from harness import write_report
from harness.errors import InputError
from harness.experiment.plan import Plan
from harness.serving.server import Server
from harness.store.records import Store

PlanMaker = Callable[..., Plan]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, toy_plans: PlanMaker) -> Path:
    """A finished plan with a report, and things that are nobody's business."""
    root = tmp_path_factory.mktemp("served") / "results"
    store = Store.open(root)
    plan = toy_plans({"base": {}, "better": {"effect": 2.0}})
    store.save_plan(plan)
    for run, score in zip(plan.runs, (50.0, 52.0), strict=True):
        write_run(store, plan, run, toy_rows(score), state="completed")
        write_log(store, run, "hello <script>alert(1)</script>\n")
    write_report("toys", root)
    (store.paths.run(plan.runs[0].id).folder / "checkpoint.pt").write_text("secret")
    (root / ".env").write_text("SECRET=secret")
    (root.parent / "secret.html").write_text("secret")
    (root / "reports" / "out.html").symlink_to("../../secret.html")
    return root


@pytest.fixture(scope="module")
def server(results: Path) -> Iterator[Server]:
    with served(results, drawing=False) as found:
        yield found


@pytest.fixture(scope="module")
def run_id(results: Path) -> str:
    return sorted(path.name for path in (results / "runs").iterdir())[0]


def test_the_first_page_is_the_scoreboard(server: Server) -> None:
    status, headers, _ = get(server, "/")
    assert (status, headers["location"]) == (302, "/reports/index.html")
    status, headers, body = get(server, headers["location"])
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b'href="toys/index.html"' in body


@pytest.mark.parametrize("path", ["/reports/toys", "/reports/toys/"])
def test_a_report_has_short_addresses(server: Server, path: str) -> None:
    assert get(server, path)[1]["location"] == "/reports/toys/index.html"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/reports/toys/index.html", "text/html; charset=utf-8"),
        ("/reports/toys/figures/main.svg", "image/svg+xml"),
        ("/reports/toys/figures/main.png", "image/png"),
        ("/reports/toys/report.md", "text/plain; charset=utf-8"),
        ("/reports/toys/runs.csv", "text/plain; charset=utf-8"),
        ("/reports/toys/verdicts.json", "application/json"),
        ("/plans/toys.json", "application/json"),
        ("/now", "text/html; charset=utf-8"),
        ("/assets/now.js", "text/javascript; charset=utf-8"),
        ("/assets/chart.js", "text/javascript; charset=utf-8"),
        ("/assets/served.js", "text/javascript; charset=utf-8"),
        ("/assets/style.css", "text/css; charset=utf-8"),
        ("/assets/served.css", "text/css; charset=utf-8"),
        ("/api/state", "application/json"),
        ("/api/report/toys", "application/json"),
        ("/api/report", "application/json"),
    ],
)
def test_what_there_is_is_sent_with_its_type_and_never_guessed_or_framed(server: Server, path: str, kind: str) -> None:
    status, headers, body = get(server, path)
    assert (status, headers["content-type"]) == (200, kind)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert len(body) == int(headers["content-length"]) > 0


def test_every_link_of_the_report_is_answered(server: Server) -> None:
    import re
    from urllib.parse import urljoin

    body = get(server, "/reports/toys/index.html")[2].decode()
    targets = {urljoin("/reports/toys/index.html", link.partition("#")[0]) for link in re.findall(r'href="([^"#][^"]*)"', body)}
    targets = {target for target in targets if target.startswith("/")}
    assert len(targets) > 8
    assert {target: get(server, target)[0] for target in targets} == dict.fromkeys(targets, 200)


def test_the_page_of_a_run_reads_its_document(server: Server, run_id: str) -> None:
    assert get(server, f"/runs/{run_id}")[1]["location"] == f"/runs/{run_id}/"
    assert get(server, f"/runs/{run_id}/")[0] == 200
    run = document(server, f"/api/run/{run_id}")
    assert (run["state"], run["log"]) == ("completed", "hello <script>alert(1)</script>")
    assert get(server, f"/runs/{run_id}/log.txt")[1]["content-type"] == "text/plain; charset=utf-8"


def test_a_page_allows_its_own_scripts_only(server: Server) -> None:
    for path in ("/now", "/reports/toys/index.html", "/reports/compare.html"):
        policy = get(server, path)[1]["content-security-policy"]
        assert "unsafe" not in policy
        assert "*" not in policy
    assert "script-src" not in get(server, "/reports/toys/figures/main.svg")[1]["content-security-policy"]


def test_the_policy_of_a_tampered_report_is_not_taken_over(server: Server, results: Path) -> None:
    page = results / "reports" / "tampered.html"
    page.write_text(
        '<!doctype html><head><meta http-equiv="Content-Security-Policy" content="script-src * \'unsafe-inline\'"></head><body></body>'
    )
    (results / "reports" / "tampered").mkdir()
    shutil.move(page, results / "reports" / "tampered" / "index.html")
    _, headers, body = get(server, "/reports/tampered/index.html")
    assert "unsafe" not in headers["content-security-policy"]
    assert b"unsafe" not in body


def test_what_has_not_changed_is_not_sent_again(server: Server) -> None:
    for path in ("/api/state", "/now", "/reports/toys/index.html", "/reports/toys/report.md", "/assets/now.js"):
        tag = get(server, path)[1]["etag"]
        status, headers, body = get(server, path, If_None_Match=tag)
        assert (status, body, headers["etag"]) == (304, b"", tag)
        assert get(server, path, If_None_Match='"other"')[0] == 200


def test_head_is_get_without_its_body(server: Server) -> None:
    status, headers, body = get(server, "/api/state", method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0


def test_a_connection_serves_several_requests(server: Server) -> None:
    request = f"GET /api/report HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    assert (
        raw(server, 2 * request + request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).count(b"HTTP/1.1 200 OK") == 3
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "X"])
def test_other_methods_are_refused_and_the_connection_ends(server: Server, method: str) -> None:
    answer = raw(server, f"{method} / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\nGET / HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 405")
    assert b"Allow: GET, HEAD" in answer
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "{port}", "localhost:{port}x"]
)
def test_a_rebound_name_is_refused(server: Server, host: str) -> None:
    name = host.format(port=server.port)
    answer = raw(server, f"GET /api/state HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"evil" not in answer
    assert b"progress" not in answer


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /api/state HTTP/1.0\r\n\r\n",
        b"GET /api/state\r\n\r\n",
        b"GET /api/state HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nHost: evil.example\r\n\r\n",
        b"GET http://127.0.0.1:PORT/api/state HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"GET /api/state HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: 5\r\n\r\nGET /",
        b"GET /api/state HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /api/state HTTP/9.9\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"GET  \r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /api/state HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
def test_a_request_that_is_not_plain_http_gets_no_document(server: Server, request_line: bytes) -> None:
    answer = raw(server, request_line.replace(b"PORT", str(server.port).encode()))
    assert b"progress" not in answer
    assert not answer.startswith(b"HTTP/1.1 200")
    assert get(server, "/api/state")[0] == 200  # and the server goes on


@pytest.mark.parametrize(
    "path",
    [
        "/.env",
        "/%2eenv",
        "/../secret.html",
        "/reports/../../secret.html",
        "/reports/%2e%2e/%2e%2e/secret.html",
        "/reports/..%2f..%2fsecret.html",
        "/reports/%252e%252e%252fsecret.html",
        "/reports/out.html",
        "/reports/toys/figures/",
        "/reports/toys/figures",
        "/runs/",
        "/runs",
        "/plans/",
        "/runs/RUN/checkpoint.pt",
        "/runs/RUN/files/x",
        "/ledger/ledger.json",
        "/cache/frames/ended.arrow",
        "/assets/../server.py",
        "/assets/server.py",
        "/api/run/..",
        "/api/run/0123456789ab",
        "/api/state/x",
        "/favicon.ico",
        "/reports/nothing/index.html",
        "/reports/%3Cscript%3E/index.html",
    ],
)
def test_nothing_else_exists_and_the_answer_repeats_nothing(server: Server, run_id: str, path: str) -> None:
    status, headers, body = get(server, path.replace("RUN", run_id))
    assert status in (400, 404)
    assert b"secret" not in body
    assert b"script" not in body
    assert headers["content-type"] == "text/plain; charset=utf-8"


def test_the_query_is_not_reflected(server: Server) -> None:
    for path in ("/now", "/reports/toys/index.html", "/api/report/toys", "/nothing"):
        assert b"zebra" not in get(server, f"{path}?zebra=zebra#zebra")[2]


def test_a_failure_of_the_server_shows_nothing_of_itself(
    server: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the details")

    monkeypatch.setattr(server.app, "respond", broken)
    status, _, body = get(server, "/now")
    assert (status, b"details" in body) == (500, False)
    assert "the details" in capfd.readouterr().err


def test_a_server_only_listens_to_this_machine(server: Server) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    with pytest.raises(InputError, match=r"--host 0.0.0.0: only this machine's loopback"):
        Server(server.app, "0.0.0.0", 0)


def test_a_port_that_is_taken_is_named_with_a_free_one(server: Server) -> None:
    with pytest.raises(InputError, match=rf"--port {server.port}: another program .* --port \d+$") as error:
        Server(server.app, "127.0.0.1", server.port)
    free = int(str(error.value).rpartition(" ")[2])
    with Server(server.app, "127.0.0.1", free) as other:
        assert other.port == free > server.port


def test_runs_that_vanish_while_they_are_looked_at_leave_the_server_alive(results: Path) -> None:
    copy = results.parent / "copy"
    shutil.copytree(results, copy, symlinks=True)
    with served(copy, clock := Clock(), drawing=False) as server:
        assert document(server, "/api/state")["progress"][0]["done"] == 2
        shutil.rmtree(copy)
        clock.advance()
        assert b"is being drawn" in get(server, "/reports/toys/index.html")[2]
        assert "moved or unmounted" in document(server, "/api/report/toys")["problem"]
        status, _, body = get(server, "/api/state")
        assert status == 200
        assert json.loads(body)["progress"][0]["name"] == "toys"
        assert get(server, "/now")[0] == 200
