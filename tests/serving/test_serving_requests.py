"""Which requests are answered: methods, names of this machine, paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.serving.requests import Refused, check_host, check_method, is_loopback, path_parts
from harness.store.paths import NAME


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", ""])
def test_a_request_that_could_change_something_is_refused(method: str) -> None:
    with pytest.raises(Refused) as refused:
        check_method(method)
    assert refused.value.status == 405


@pytest.mark.parametrize("host", ["localhost:8008", "127.0.0.1:8008", "[::1]:8008", "LOCALHOST:8008"])
def test_the_names_of_the_loopback_with_the_port_are_answered(host: str) -> None:
    check_host([host], 8008, "127.0.0.1")


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["localhost"],
        ["localhost:80"],
        ["evil.example:8008"],
        ["127.0.0.1.evil.example:8008"],
        ["localhost:8008.evil.example"],
        ["user@localhost:8008"],
        ["localhost:8008", "evil.example"],
        ["10.0.0.1:8008"],
        ["0.0.0.0:8008"],
    ],
)
def test_other_names_are_refused_as_they_may_be_rebound(hosts: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        check_host(hosts, 8008, "127.0.0.1")
    assert refused.value.status == 403


def test_the_refusal_does_not_repeat_the_name() -> None:
    with pytest.raises(Refused) as refused:
        check_host(["<script>:1"], 8008, "127.0.0.1")
    assert "script" not in refused.value.text


def test_an_address_of_the_loopback_that_the_server_is_bound_to_is_its_name_too() -> None:
    check_host(["127.0.0.2:9000"], 9000, "127.0.0.2")


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("/", ("",)),
        ("/now", ("now",)),
        ("/now?run=1#x", ("now",)),
        ("/reports/toys%40smoke/index.html", ("reports", "toys@smoke", "index.html")),
        ("/reports/a%20b/", ("reports", "a b", "")),
    ],
)
def test_a_path_is_split_and_decoded_once(target: str, parts: tuple[str, ...]) -> None:
    assert path_parts(target) == parts


@pytest.mark.parametrize(
    "target",
    [
        "/../etc/passwd",
        "/reports/../../etc/passwd",
        "/reports/%2e%2e/x",
        "/reports/%2E%2E%2F%2E%2E/x",
        "/reports/%252e%252e/x",
        "/reports/..%2f..%2fetc/passwd",
        "/reports/a%5c..%5cb",
        "/reports/a\\b",
        "/reports//index.html",
        "//etc/passwd",
        "/.env",
        "/reports/.hidden",
        "/reports/a%00.html",
        "/reports/a%0d%0aSet-Cookie:x",
        "/reports/%ff",
        "/reports/%c0%ae%c0%ae/x",
        "http://evil.example/",
        "*",
        "",
        "/" + "a/" * 9,
        "/" + "a" * 3000,
        "/reports/a:b",
        "/reports/~root",
    ],
)
def test_a_path_with_anything_but_names_is_refused(target: str) -> None:
    with pytest.raises(Refused) as refused:
        path_parts(target)
    assert refused.value.status in (400, 404)


@given(st.text(st.sampled_from("/.%2eEfF5cC0\\a?#~ :"), max_size=40))
def test_whatever_the_path_its_parts_are_names(path: str) -> None:
    try:
        parts = path_parts(f"/{path}")
    except Refused:
        return
    assert all(NAME.fullmatch(part) for part in parts[:-1])
    assert not parts[-1] or NAME.fullmatch(parts[-1])


@pytest.mark.parametrize(("host", "answer"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.9.9.9", True)])
def test_loopback_addresses_may_be_served(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "", "localhost.evil.example"])
def test_addresses_that_others_can_reach_may_not_be_served(host: str) -> None:
    assert not is_loopback(host)
