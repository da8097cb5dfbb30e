"""Requests that schemathesis makes from /openapi.json: whatever is sent, the server never fails and answers as described."""

import subprocess
import sys
from pathlib import Path


def test_schemathesis(rest):
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"http://{rest}/openapi.json",
        "--checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--phases=examples,coverage,fuzzing",
        "--max-examples=25",
        "--seed=1",
        "--request-timeout=10",
        "--generation-database=none",
        "--no-color",
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr[-2_000:]
