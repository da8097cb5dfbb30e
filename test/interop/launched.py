"""Starts Servable on a directory of models that launch servers of others, and waits until it is ready."""

import json
import os
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

flags = ["--http-port", "0", "--grpc-port", "0", "--log-format", "json", "--no-banner"]


@contextmanager
def servable(models: Path):
    """Yields host and port of REST."""
    command = ["node", os.path.join(os.environ["SERVABLE_DIST"], "src", "cli", "main.js"), "serve", str(models), *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    limit = threading.Timer(180, process.kill)  # a model that fails leaves the server alive and not ready
    limit.start()
    try:
        address = None
        for line in process.stdout:
            lines.append(line)
            said = json.loads(line) if line.startswith("{") else {}
            if said.get("msg") == "listening":
                address = said["http"].removeprefix("http://")
            if said.get("msg") == "ready":
                break
        else:
            raise RuntimeError("the server ended: " + "".join(lines[-20:]))
        limit.cancel()
        yield address
    finally:
        limit.cancel()
        process.terminate()
        process.communicate(timeout=30)


def write_model(models: Path, name: str, yaml: dict, **files: str) -> Path:
    """A model of a directory of its own; YAML reads JSON."""
    directory = models / name
    directory.mkdir()
    (directory / "model.yaml").write_text(json.dumps(yaml))
    for file, text in files.items():
        (directory / file).write_text(text)
    return directory
