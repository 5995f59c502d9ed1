"""A small W&B of our own on loopback: takes runs from the real client, remembers them, and gives trouble when it is told to.

As W&B does, it refuses alerts with long titles, makes no new version of an artifact with the same files, and wants the bytes of
a file once, whichever artifact has it. `received` counts the bytes of files.

It answers the calls that wandb makes for runs, artifacts and its public API. `runs` is what it was told: rows by step, summary,
configuration. `trouble` is a status to answer with, `hang` (answers come when the server closes) or `reset` (the connection ends);
`spare` names calls that are answered all the same, so that trouble can begin in the middle of a run.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "5ec2e7" * 6 + "abcd"  # 40 hex digits, as the client wants them
ENTITY = "team"
PROJECT = "toys"


@dataclass
class ServedRun:
    """A run as the server has it."""

    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)  # the last words of name, group, tags, job type
    exit_code: int | None = None
    complete: bool = False
    times_opened: int = 0
    state: str = "finished"

    def rows(self) -> list[dict[str, Any]]:
        """What was logged, without W&B's own columns."""
        return [{name: value for name, value in row.items() if not name.startswith("_")} for row in self.history]


class Server(ThreadingHTTPServer):
    """The server. A context manager: listens while it lasts."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.runs: dict[str, ServedRun] = {}
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.views: dict[str, dict[str, str]] = {}
        self.uploads: dict[str, bytes] = {}
        self.received = 0  # bytes of files
        self.stored: set[str] = set()  # base64 MD5 of the files of artifacts
        self.pending: dict[str, str] = {}  # path of an upload -> the MD5 that was announced
        self.alerts: list[dict[str, Any]] = []
        self.refuses_charts = False
        self.charts: dict[str, dict[str, Any]] = {}  # entity/name -> display name, access and content
        self.calls: list[str] = []
        self.bodies: list[bytes] = []
        self.trouble: int | str | None = None
        self.spare: set[str] = set()
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def environment(self, key: str = KEY) -> dict[str, str]:
        """What a client needs to find it."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": key, "WANDB_PROJECT": PROJECT, "WANDB_MODE": "online"}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is not reported."""

    def __enter__(self) -> Server:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()


class Refused(Exception):
    """What GraphQL answers with an error of its own."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read what arrived, not a log."""

    def do_POST(self) -> None:
        body = self._body()
        stream = re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path)
        document = json.loads(body) if body else {}
        call = "file_stream" if stream else _name(document.get("query", ""))
        if self._troubled(call):
            return
        self.server.bodies.append(body)
        if stream:
            self._answer(_stream(self.server, stream[1], document))
        else:
            variables = {**(document.get("variables") or {}), **(document.get("variables") or {}).get("input", {})}
            try:
                self._answer({"data": _graphql(self.server, call, variables)})
            except Refused as error:
                self._answer({"errors": [{"message": str(error), "path": [call]}], "data": {}})

    def do_PUT(self) -> None:
        body = self._body()
        if not self._troubled("put"):
            name = self.path.removeprefix("/put/")
            digest = base64.b64encode(hashlib.md5(body).digest()).decode()
            if digest != self.server.pending.pop(name, digest):
                self._answer({"error": "the MD5 is not the announced one"}, 400)
                return
            if name.startswith("artifact/"):
                self.server.stored.add(digest)
            self.server.uploads[name] = body
            self.server.received += len(body)
            self._answer({})

    def do_GET(self) -> None:
        self._answer({})

    def _body(self) -> bytes:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data

    def _troubled(self, call: str) -> bool:
        self.server.calls.append(call)
        trouble = self.server.trouble
        if trouble is None or call in self.server.spare:
            return False
        if trouble == "hang":
            self.server.closing.wait()
        if isinstance(trouble, int):
            self._answer({"errors": [{"message": f"trouble {trouble}"}]}, trouble)
        else:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        return True

    def _answer(self, document: Mapping[str, Any], status: int = 200) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _name(query: str) -> str:
    found = re.search(r"(?:query|mutation)\s+(\w+)", query)
    return found[1] if found else "unnamed"


def _stream(server: Server, run_id: str, document: Mapping[str, Any]) -> dict[str, Any]:
    run = server.runs.setdefault(run_id, ServedRun())
    for name, chunk in document.get("files", {}).items():
        lines = [json.loads(line) for line in chunk["content"]] if name.endswith(("jsonl", "json")) else []
        if name == "wandb-history.jsonl":
            run.history[chunk["offset"] :] = lines
        elif name == "wandb-summary.json" and lines:
            run.summary = lines[-1]
    if document.get("complete"):
        run.complete, run.exit_code = True, document.get("exitcode")
    return {"exitcode": None, "limits": {}}


def _graphql(server: Server, call: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    project = {"id": "p", "name": PROJECT, "entity": {"id": "e", "name": ENTITY}}
    run = server.runs.get(variables.get("name") or "")
    if call in ("Viewer", "GetDefaultEntity"):
        teams = {"edges": [{"node": {"name": ENTITY}}]}
        person = {"id": "u", "entity": ENTITY, "username": "me", "email": "", "name": "me", "admin": False, "flags": "{}"}
        return {"viewer": {**person, "teams": teams}}
    if call == "ServerFeaturesQuery":
        return {"serverInfo": {"features": []}}
    if call == "RunResumeStatus":
        return {"model": {**project, "bucket": _resumed(variables["name"], run) if run else None}}
    if call == "UpsertBucket":
        return {"upsertBucket": {"bucket": _upsert(server, variables, project), "inserted": run is None}}
    if call == "CreateRunFiles":
        files = [{"name": name, "uploadUrl": f"{server.url}/put/{variables['run']}/{name}"} for name in variables["files"]]
        return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
    if call == "Runs":
        return {"project": _page(server, variables) if variables["project"] == PROJECT else None}
    if call in ("Run", "RunHistoryKeys"):
        return {"project": {"run": _described(variables["name"], run) if run else None}}
    if call == "NotifyScriptableRunAlert":
        return _alert(server, variables)
    if call == "CreateCustomChart":
        return _chart(server, variables)
    if call == "UpsertView2":
        name = variables["name"]
        server.views[name] = {"displayName": variables["displayName"], "spec": variables["spec"]}
        return {"upsertView": {"view": {"id": f"id of {name}", "name": name}, "inserted": True}}
    if call == "View":
        nodes = [view for name, view in server.views.items() if name == variables["viewName"]]
        return {"project": {"allViews": {"edges": [{"node": {"id": "v", **view}} for view in nodes]}}}
    return _artifact(server, call, variables)


def _alert(server: Server, variables: Mapping[str, Any]) -> dict[str, Any]:
    """One of the same title in the time to wait is dropped."""
    if len(variables["title"]) >= 64 or not variables["text"] or variables["runName"] not in server.runs:
        raise Refused("invalid alert")
    sent = {name: variables[name] for name in ("runName", "title", "text", "severity", "waitDuration")}
    known = any((each["runName"], each["title"]) == (sent["runName"], sent["title"]) for each in server.alerts)
    server.alerts += [] if known else [sent]
    return {"notifyScriptableRunAlert": {"success": True}}


def _chart(server: Server, variables: Mapping[str, Any]) -> dict[str, Any]:
    name = f"{variables['entity']}/{variables['chartName']}"
    if server.refuses_charts:
        raise Refused("the entity does not exist, or may have no charts")
    if name in server.charts:
        raise Refused(f"chart {name} already exists")
    json.loads(variables["spec"])
    server.charts[name] = {each: variables[each] for each in ("displayName", "chartType", "access", "spec")}
    return {"createCustomChart": {"chart": {"id": name}}}


def _resumed(run_id: str, run: ServedRun) -> dict[str, Any]:
    run.times_opened += 1
    counts = {"logLineCount": 0, "historyLineCount": len(run.history), "eventsLineCount": 0}
    tail = json.dumps([json.dumps(row) for row in run.history[-1:]])
    config = json.dumps({name: {"value": value} for name, value in run.config.items()})
    texts = {"summaryMetrics": json.dumps(run.summary), "historyTail": tail, "eventsTail": "[]", "config": config}
    told = {"displayName": run.told.get("displayName"), "tags": run.told.get("tags") or [], "notes": None}
    return {"id": "b", "name": run_id, **counts, **texts, **told, "wandbConfig": json.dumps({"t": {}})}


def _upsert(server: Server, variables: Mapping[str, Any], project: Mapping[str, Any]) -> dict[str, Any]:
    run = server.runs.setdefault(variables["name"], ServedRun())
    run.told |= {name: value for name, value in variables.items() if value is not None}
    config = json.loads(variables.get("config") or "{}")
    run.config |= {name: entry["value"] for name, entry in config.items()}
    known = {"id": "b", "name": variables["name"], "displayName": run.told.get("displayName"), "description": ""}
    return {**known, "config": "{}", "sweepName": None, "project": project, "historyLineCount": len(run.history)}


def _described(run_id: str, run: ServedRun) -> dict[str, Any]:
    told = {"displayName": run.told.get("displayName"), "tags": run.told.get("tags") or [], "group": run.told.get("groupName")}
    empty = dict.fromkeys(("sweepName", "commit", "description", "notes", "heartbeatAt", "createdAt", "jobType"))
    texts = {"config": "{}", "summaryMetrics": "{}", "systemMetrics": "{}", "state": "finished", "readOnly": False}
    history = {"historyLineCount": len(run.history), "historyKeys": {"lastStep": len(run.history) - 1, "keys": {}, "sets": []}}
    return {
        "id": "b",
        "name": run_id,
        "projectId": "1",
        **empty,
        **texts,
        **told,
        **history,
        "user": {"name": "me", "username": "me"},
    }


def _page(server: Server, variables: Mapping[str, Any]) -> dict[str, Any]:
    """As many runs as were asked for, from the cursor on."""
    begin = int(variables.get("cursor") or 0)
    end = min(begin + variables["perPage"], len(server.runs))
    edges = []
    for number, (run_id, run) in list(enumerate(server.runs.items(), 1))[begin:end]:
        config = json.dumps({name: {"value": value} for name, value in run.config.items()} | {"_wandb": {"value": {"t": {}}}})
        texts = {"config": config, "summaryMetrics": json.dumps(run.summary), "state": run.state}
        edges.append({"node": _described(run_id, run) | texts, "cursor": str(number)})
    page = {"endCursor": str(end), "hasNextPage": end < len(server.runs)}
    return {"internalId": "1", "runCount": len(server.runs), "readOnly": False, "runs": {"edges": edges, "pageInfo": page}}


def _artifact(server: Server, call: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    if call == "ArtifactType":
        return {"project": {"artifactType": {"name": "type"}, "artifact": None}}
    if call == "CreateArtifact":
        name = variables.get("artifactCollectionName") or variables.get("artifactCollectionNames", [""])[0]
        known = server.artifacts.get(name)
        same = (
            known is not None
            and known["committed"]
            and known["digest"] == variables["digest"]
            and variables["enableDigestDeduplication"]
        )
        if not same:
            words = {"type": variables.get("artifactTypeName"), "digest": variables["digest"]}
            said = {"metadata": json.loads(variables.get("metadata") or "{}"), "aliases": variables.get("aliases") or []}
            versions = (known["versions"] if known else 0) + 1
            server.artifacts[name] = {**words, **said, "committed": False, "versions": versions}
        sequence = {"id": "s", "latestArtifact": None}
        state = "COMMITTED" if same else "PENDING"
        return {"createArtifact": {"artifact": {"id": name, "state": state, "artifactSequence": sequence}}}
    if call == "CreateArtifactManifest":
        file = {"id": "m", "uploadUrl": f"{server.url}/put/manifest/{variables.get('artifactID')}", "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": "m", "file": {**file, "name": "m", "displayName": "m"}}}}
    if call == "CreateArtifactFiles":
        specs = variables.get("artifactFiles") or []
        edges = [{"node": _artifact_file(server, spec)} for spec in specs]
        return {"createArtifactFiles": {"files": {"edges": edges}}}
    if call == "ArtifactByID":
        return {"artifact": _committed(variables["id"], server.artifacts[variables["id"]]["type"])}
    if call == "CommitArtifact":
        server.artifacts[variables["artifactID"]]["committed"] = True
        return {"commitArtifact": {"artifact": {"id": variables["artifactID"], "digest": "d"}}}
    return {}


def _committed(name: str, kind: str) -> dict[str, Any]:
    project = {"id": "cDox", "internalId": "cDox", "name": PROJECT, "entity": {"name": ENTITY}}
    sequence = {"__typename": "ArtifactSequence", "name": name, "project": project}
    empty = dict.fromkeys(("description", "metadata", "historyStep", "commitHash", "updatedAt"))
    counts = {"versionIndex": 0, "ttlDurationSeconds": -2, "ttlIsInherited": False, "size": 1, "fileCount": 1}
    words = {"id": name, "state": "COMMITTED", "digest": "d", "createdAt": "2026-01-01T00:00:00Z", "tags": [], "aliases": []}
    return {**empty, **counts, **words, "artifactSequence": sequence, "artifactType": {"name": kind}}


def _artifact_file(server: Server, spec: Mapping[str, Any]) -> dict[str, Any]:
    place = f"artifact/{spec['artifactID']}/{spec['name']}"
    known = spec["md5"] in server.stored
    if not known:
        server.pending[place] = spec["md5"]
    where = {"uploadUrl": None if known else f"{server.url}/put/{place}", "uploadHeaders": []}
    parts = {"artifact": {"id": spec["artifactID"]}, "uploadMultipartUrls": None, "storagePath": spec["name"]}
    return {"id": "f", "name": spec["name"], "displayName": spec["name"], **where, **parts}
