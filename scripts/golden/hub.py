#!/usr/bin/env python3
"""Checks that the cache is the one of Python's huggingface_hub, in both directions, against a Hub on 127.0.0.1.

    python scripts/golden/hub.py --tool .build/debug/swift-peft

Writes Tests/HubTests/Golden/python-cache, a cache with one small model as huggingface_hub leaves it, which HubTests
read. Needs huggingface_hub and transformers; no network.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# tokenizers.py beside this file is not the library.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
ROOT = Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "Tests/HubTests/Golden/python-cache"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Handler(BaseHTTPRequestHandler):
    files: dict = {}
    requests: list = []

    def log_message(self, *_):
        pass

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @staticmethod
    def tag(name, data):
        if name.endswith(".safetensors"):
            return hashlib.sha256(data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    def do_GET(self):
        Handler.requests.append((self.command, self.path))
        path = self.path.split("?")[0].removeprefix("/")
        prefix = "owner/tiny/resolve/"
        if path.startswith("api/models/owner/tiny/tree/"):
            entries = []
            for name, data in self.files.items():
                entry = {"type": "file", "path": name, "size": len(data), "oid": self.tag(name, data)}
                if name.endswith(".safetensors"):
                    entry["lfs"] = {"oid": self.tag(name, data), "size": len(data), "pointerSize": 134}
                entries.append(entry)
            return self.answer(200, {"Content-Type": "application/json"}, json.dumps(entries).encode())
        if path.startswith("api/models/owner/tiny"):
            info = {"id": "owner/tiny", "sha": COMMIT, "siblings": [{"rfilename": name} for name in self.files]}
            return self.answer(200, {"Content-Type": "application/json"}, json.dumps(info).encode())
        if not path.startswith(prefix):
            return self.answer(404, {"X-Error-Code": "RepoNotFound"})
        name = path.removeprefix(prefix).split("/", 1)[1]
        if name not in self.files:
            return self.answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        data = self.files[name]
        headers = {"ETag": f'"{self.tag(name, data)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        given = self.headers.get("Range")
        if given and self.command == "GET":
            first, last = (given.removeprefix("bytes=") + "-").split("-")[:2]
            first, last = int(first), int(last or len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            return self.answer(206, headers, data[first:last + 1])
        self.answer(200, headers, data)

    do_HEAD = do_GET


def python(code, cache, endpoint, offline=False):
    environment = os.environ | {"HF_HUB_CACHE": str(cache), "HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": str(int(offline)),
                                "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def tool(program, arguments, cache, endpoint, directory, offline=False):
    environment = os.environ | {"HF_HUB_CACHE": str(cache), "HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": str(int(offline))}
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, cwd=directory)
    assert done.returncode == 0, done.stderr
    return done.stdout


SNAPSHOT = "from huggingface_hub import snapshot_download; print(snapshot_download('owner/tiny'))"
FILES = """
from huggingface_hub import hf_hub_download
for name in ['config.json', 'tokenizer.json', 'model.safetensors']:
    print(hf_hub_download('owner/tiny', name))
try:
    hf_hub_download('owner/tiny', 'merges.txt')
except Exception as error:
    print(type(error).__name__)
"""
LOAD = """
from transformers import AutoModel, AutoTokenizer
model = AutoModel.from_pretrained('owner/tiny'); AutoTokenizer.from_pretrained('owner/tiny')
print(sum(p.numel() for p in model.parameters()))
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True, type=Path)
    program = str(parser.parse_args().tool.resolve())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    scratch = Path(tempfile.mkdtemp())

    Handler.files = {
        path.name: path.read_bytes() for path in sorted((ROOT / "Tests/TrainingTests/Golden/bert-tiny").iterdir())
        if path.name in ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "model.safetensors")}

    # What we download, Python uses without the network.
    ours = scratch / "ours"
    directory = tool(program, ["download", "owner/tiny", "--quiet"], ours, endpoint, scratch).strip()
    assert directory == str(ours / "models--owner--tiny/snapshots" / COMMIT), directory
    assert python(SNAPSHOT, ours, endpoint, offline=True) == directory
    print("ok     our download, loaded by transformers offline:", python(LOAD, ours, endpoint, offline=True), "numbers")
    before = len(Handler.requests)
    python(FILES, ours, endpoint)
    fetched = [request for request in Handler.requests[before:] if request[0] == "GET" and "/resolve/" in request[1]]
    assert not fetched, fetched
    print("ok     our download: Python downloads nothing again")

    # What Python downloads, we use without the network.
    for name, code in {"snapshot_download": SNAPSHOT, "hf_hub_download": FILES}.items():
        theirs = scratch / name
        python(code, theirs, endpoint)
        ids = tool(program, ["compare-params", "owner/tiny", "--r", "2", "--format", "csv"], theirs, endpoint, scratch, True)
        assert ids.count("\n") > 5, ids
        again = tool(program, ["download", "owner/tiny", "--quiet", "--json"], theirs, endpoint, scratch)
        wanted = 0 if name == "snapshot_download" else sum(
            len(data) for file, data in Handler.files.items() if file in ("tokenizer_config.json", "vocab.txt"))
        assert json.loads(again)["downloaded_bytes"] == wanted, again
        print(f"ok     the cache of {name} is used: {wanted} bytes were missing")

    # The fixture: small files, but everything that Python leaves.
    Handler.files = {"config.json": b'{"model_type": "bert"}\n', "tokenizer.json": b"{}\n",
                     "model.safetensors": b"\x02\0\0\0\0\0\0\0{}"}
    shutil.rmtree(FIXTURE, ignore_errors=True)
    python(SNAPSHOT, FIXTURE, endpoint)
    python(FILES, FIXTURE, endpoint)
    shutil.rmtree(FIXTURE / ".locks", ignore_errors=True)
    for path in FIXTURE.rglob("*"):
        print("fixture", path.relative_to(FIXTURE), "->" if path.is_symlink() else "", os.readlink(path) if path.is_symlink() else "")
    shutil.rmtree(scratch)


main()
