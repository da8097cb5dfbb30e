"""Requests that schemathesis makes from /openapi.json: whatever is sent, the server never fails and answers as described."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("schemathesis"))
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"

# Paths as schemathesis makes them up, and those of a model that is there, so that its inputs are reached.
PARAMETERS = {
    "any model": "",
    "add-sub": '[parameters]\n"path.model" = "add-sub"\n"path.version" = "1"\n',
    "identity-all-dtypes": '[parameters]\n"path.model" = "identity-all-dtypes"\n"path.version" = "1"\n',
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_schemathesis(rest, tmp_path, name):
    config = tmp_path / "schemathesis.toml"
    config.write_text(PARAMETERS[name])
    options = [
        f"--checks={CHECKS}",
        "--phases=coverage,fuzzing",
        "--max-examples=25",
        "--seed=1",
        "--request-timeout=10",
        "--generation-database=none",
        "--exclude-path-regex=repository",  # would unload what the other tests ask
        "--no-color",
    ]
    result = subprocess.run(
        [COMMAND, f"--config-file={config}", "run", f"http://{rest}/openapi.json", *options],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr[-2_000:]
