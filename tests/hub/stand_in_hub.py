"""A stand-in of a hub's HTTP API, as far as huggingface_hub asks it about models, with faults that a test sets.

`python tests/hub/stand_in_hub.py 8123` serves one until it is stopped; then HF_ENDPOINT=http://127.0.0.1:8123.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import importlib
import json
import re
import sys
import threading
import urllib.parse

TOKENS = {"writer": "ada", "reader": "ada"}  # token to user; "reader" may not write
LARGE = (".safetensors", ".png")  # files that are kept as LFS objects


def git_name(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class StandInHub(http.server.ThreadingHTTPServer):
    """What it holds, what it was asked, and how it misbehaves.

    Attributes:
        commits: Of each repository by name, a list of (name, files), the newest last; files are bytes by path.
        private: Repositories that only a token opens.
        objects: LFS objects by SHA-256.
        asked: Method and path of every request.
        damaged: Files whose bytes are changed on their way.
        cut: Files whose connection ends after so many bytes.
        sizes: Sizes that are stated instead of the true ones.
        status: By a part of a path, the status that it is answered with.
    """

    daemon_threads = True

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.commits, self.private, self.objects, self.asked = {}, set(), {}, []
        self.damaged, self.cut, self.sizes, self.status = set(), {}, {}, {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def objects_url(self):
        """Of another host, as a hub has it, where huggingface_hub sends no token."""
        return f"http://localhost:{self.server_port}/objects"

    def commit(self, repository, files):
        """Adds a commit that changes these files; None removes one."""
        history = self.commits.setdefault(repository, [])
        whole = {**(history[-1][1] if history else {}), **files}
        whole = {path: content for path, content in whole.items() if content is not None}
        name = hashlib.sha1(f"{repository} {len(history)}".encode()).hexdigest()
        history.append((name, whole))
        return name

    def files(self, repository):
        """Those of the newest commit."""
        return self.commits[repository][-1][1] if self.commits.get(repository) else {}

    def find(self, repository, revision):
        """Name and files of a commit; None where there is none."""
        history = self.commits[repository]
        if not history:
            return ("0" * 40, {})
        if revision == "main":
            return history[-1]
        return next((commit for commit in history if commit[0] == revision), None)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(self.path_parts())

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, *_):
        pass

    def path_parts(self):
        self.server.asked.append(f"{self.command} {self.path}")
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)

    @property
    def token(self):
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def answer(self, path):
        for part, status in self.server.status.items():
            if part in self.path:
                return self.refuse(status, "as the test says")
        if self.token and self.token not in TOKENS:
            return self.refuse(401, "Invalid credentials in Authorization header")
        for method, pattern, handle in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and self.command in method:
                return handle(self, *match.groups())
        return self.refuse(404, f"no such page: {path}")

    def refuse(self, status, message, code=""):
        headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
        self.reply(status, json.dumps({"error": message}).encode(), headers)

    def reply(self, status, body=b"", headers=None, cut=None):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True

    def plain(self, value):
        self.reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def whoami(self):
        if not self.token:
            return self.refuse(401, "no token")
        return self.plain({"type": "user", "name": TOKENS[self.token], "orgs": []})

    def create(self):
        wanted = json.loads(self.body)
        repository = f"{wanted.get('organization') or TOKENS.get(self.token)}/{wanted['name']}"
        if self.token != "writer" or not repository.startswith("ada/"):
            return self.refuse(403, "You don't have the rights to create a model under this namespace")
        page = {"url": f"{self.server.url}/{repository}", "name": repository}
        if repository in self.server.commits:
            return self.reply(409, json.dumps({**page, "error": "You already created this model repo"}).encode())
        self.server.commits[repository] = []
        if wanted.get("visibility") == "private":
            self.server.private.add(repository)
        return self.plain(page)

    def missing(self, repository):
        """Whether a repository is not there, for who asks; answered then."""
        there = repository in self.server.commits and (repository not in self.server.private or self.token)
        if not there:
            self.refuse(404 if self.token else 401, "Repository not found", "RepoNotFound")
        return not there

    def model(self, repository, revision=None):
        if self.missing(repository):
            return None
        found = self.server.find(repository, revision or "main")
        if found is None:
            return self.refuse(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        name, files = found
        siblings = []
        for path, content in files.items():
            size = self.server.sizes.get(path, len(content))
            file = {"rfilename": path, "size": size, "blobId": git_name(content)}
            if path.endswith(LARGE):
                file["lfs"] = {"size": size, "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 134}
            siblings.append(file)
        private = repository in self.server.private
        return self.plain({"id": repository, "sha": name, "private": private, "tags": [], "siblings": siblings})

    def resolve(self, repository, revision, path):
        if self.missing(repository):
            return None
        found = self.server.find(repository, revision)
        if found is None:
            return self.refuse(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        name, files = found
        if path not in files:
            return self.refuse(404, "Entry not found", "EntryNotFound")
        content = files[path]
        if not path.endswith(LARGE):
            return self.send(path, content, {"ETag": f'"{git_name(content)}"', "X-Repo-Commit": name})
        oid = hashlib.sha256(content).hexdigest()
        self.server.objects[oid] = content
        headers = {
            "Location": f"{self.server.objects_url}/{oid}/{path}",
            "X-Linked-Etag": f'"{oid}"',
            "X-Linked-Size": len(content),
            "X-Repo-Commit": name,
        }
        return self.reply(302, b"", headers)

    def send(self, path, content, headers=None):
        if path in self.server.damaged:
            content = bytes([content[0] ^ 1]) + content[1:]
        start = int(match[1]) if (match := re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
        if start:
            headers = {**(headers or {}), "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        self.reply(206 if start else 200, content[start:], headers, self.server.cut.get(path))

    def get_object(self, oid, path):
        if self.token:
            return self.refuse(400, "a token came to another host")
        return self.send(path, self.server.objects[oid])

    def put_object(self, oid, _):
        if hashlib.sha256(self.body).hexdigest() != oid:
            return self.refuse(400, "the object has another checksum")
        self.server.objects[oid] = self.body
        return self.reply(200)

    def preupload(self, repository, _):
        if self.missing(repository):
            return None
        files = self.server.files(repository)
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
                "oid": self.known_name(files, file["path"]),
            }
            for file in json.loads(self.body)["files"]
        ]
        return self.plain({"files": modes})

    @staticmethod
    def known_name(files, path):
        if path not in files:
            return None
        return hashlib.sha256(files[path]).hexdigest() if path.endswith(LARGE) else git_name(files[path])

    def lfs_batch(self, _):
        objects = []
        for wanted in json.loads(self.body)["objects"]:
            upload = {"upload": {"href": f"{self.server.url}/objects/{wanted['oid']}/x"}}
            there = wanted["oid"] in self.server.objects
            objects.append({**wanted, **({} if there else {"actions": upload})})
        self.plain({"transfer": "basic", "objects": objects})

    def validate(self):
        text = json.loads(self.body)["content"]
        if "license: no-such-licence" in text:
            message = '"license" must be one of [apache-2.0, mit, ...]'
            return self.reply(400, json.dumps({"errors": [{"message": message}], "warnings": []}).encode())
        return self.plain({"errors": [], "warnings": []})

    def make_commit(self, repository, _):
        if self.missing(repository):
            return None
        if self.token != "writer":
            return self.refuse(403, "Forbidden")
        files = {}
        for line in self.body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            elif entry["key"] == "lfsFile":
                files[entry["value"]["path"]] = self.server.objects[entry["value"]["oid"]]
            else:
                self.server.message = entry["value"]["summary"]
        name = self.server.commit(repository, files)
        return self.plain({"commitUrl": f"{self.server.url}/{repository}/commit/{name}", "commitOid": name})


_REPOSITORY = r"([\w.-]+/[\w.-]+)"
ROUTES = (
    (("GET",), "/api/whoami-v2", Handler.whoami),
    (("POST",), "/api/repos/create", Handler.create),
    (("POST",), "/api/validate-yaml", Handler.validate),
    (("GET",), rf"/api/models/{_REPOSITORY}", Handler.model),
    (("GET",), rf"/api/models/{_REPOSITORY}/revision/(.+)", Handler.model),
    (("POST",), rf"/api/models/{_REPOSITORY}/preupload/(.+)", Handler.preupload),
    (("POST",), rf"/api/models/{_REPOSITORY}/commit/(.+)", Handler.make_commit),
    (("POST",), rf"/{_REPOSITORY}\.git/info/lfs/objects/batch", Handler.lfs_batch),
    (("PUT",), r"/objects/(\w+)/(.+)", Handler.put_object),
    (("GET", "HEAD"), r"/objects/(\w+)/(.+)", Handler.get_object),
    (("GET", "HEAD"), rf"/{_REPOSITORY}/resolve/([^/]+)/(.+)", Handler.resolve),
)


@contextlib.contextmanager
def running_hub(port=0):
    """A hub that answers while the block runs."""
    with StandInHub(port) as hub:
        threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True).start()
        yield hub
        hub.shutdown()


@contextlib.contextmanager
def hub_of_this_process(monkeypatch, home, token="writer"):
    """A hub that huggingface_hub asks in this process, with an empty cache, as with HF_ENDPOINT and HF_HOME."""
    constants = importlib.import_module("huggingface_hub.constants")
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HOME", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", token)
    with running_hub() as hub:
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield hub


if __name__ == "__main__":
    with StandInHub(int(sys.argv[1])) as served:
        print(served.url, flush=True)
        served.serve_forever()
