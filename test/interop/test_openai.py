"""OpenAI's own client against Servable in front of llama.cpp's server, which Servable launches itself."""

import json
import os
import sys
import time
import urllib.request
from pathlib import Path

import openai
import pytest
from launched import servable, write_model

folder = Path(os.environ["SERVABLE_SHARED"]) / "models" / "own" / "llama-wordnet-gguf"
pytestmark = pytest.mark.skipif(not folder.exists(), reason=f"there is no model in {folder}")
goldens = json.loads((folder / "llm_golden.json").read_text())["cases"] if folder.exists() else []
chats = [case for case in goldens if case["kind"] == "chat"]
completions = [case for case in goldens if case["kind"] == "completion"]


def name_of(case: dict) -> str:
    return case["name"]


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    script = str(Path(__file__).parent / "llama_server.py")
    command = [sys.executable, script, str(folder / "wordnet-llama-1m.F16.gguf"), "{port}"]
    options = {"profile": "llamacpp", "launch": {"command": command, "ready": "/health"}}
    write_model(models, "wordnet", {"format": "proxy", "options": options})
    with servable(models) as found:
        yield found


@pytest.fixture(scope="session")
def client(address):
    with openai.OpenAI(base_url=f"http://{address}/v1", api_key="none", max_retries=0) as opened:
        yield opened


def metric(address: str, name: str, label: str = "") -> float:
    text = urllib.request.urlopen(f"http://{address}/metrics").read().decode()
    found = [line for line in text.splitlines() if line.startswith(name) and 'model="wordnet"' in line and label in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in found)


def test_lists_the_model(client):
    assert [model.id for model in client.models.list()] == ["wordnet"]
    assert client.models.retrieve("wordnet").object == "model"


@pytest.mark.parametrize("case", chats, ids=name_of)
def test_chats(client, case):
    limit = len(case["greedy_ids"]) if case["finish"] == "length" else 200
    answer = client.chat.completions.create(model="wordnet", messages=case["messages"], temperature=0, max_tokens=limit)
    assert answer.choices[0].message.content.strip() == case["greedy_text"].strip()
    assert answer.usage.prompt_tokens == len(case["prompt_ids"])


@pytest.mark.parametrize("case", chats[:5], ids=name_of)
def test_chats_in_a_stream(client, case):
    stream = client.chat.completions.create(
        model="wordnet", messages=case["messages"], temperature=0, max_tokens=200, stream=True
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert len(pieces) > 3
    assert "".join(pieces).strip() == case["greedy_text"].strip()


@pytest.mark.parametrize("case", completions, ids=name_of)
def test_completes(client, case):
    limit = len(case["greedy_ids"]) - 1
    answer = client.completions.create(model="wordnet", prompt=case["prompt"], temperature=0, max_tokens=limit)
    assert answer.choices[0].text.strip() == case["greedy_text"].strip()


@pytest.mark.parametrize("case", completions, ids=name_of)
def test_generates(address, case):
    limit = len(case["greedy_ids"]) - 1
    body = {"text_input": case["prompt"], "parameters": {"temperature": 0, "max_tokens": limit}}
    request = urllib.request.Request(f"http://{address}/v2/models/wordnet/generate", json.dumps(body).encode())
    with urllib.request.urlopen(request) as response:
        answer = json.load(response)
    assert answer["text_output"].strip() == case["greedy_text"].strip()
    assert answer["completion_tokens"] == limit


def test_stops_computing_when_the_caller_leaves(client, address):
    def ask(**more):
        return client.completions.create(model="wordnet", prompt="any of various", max_tokens=200, **more)

    # What a whole one costs, then one that is left after its first token: the next request finds a free server.
    ignoring_the_end = {"extra_body": {"ignore_eos": True}}
    started = time.perf_counter()
    ask(**ignoring_the_end)
    whole = time.perf_counter() - started
    for _ in range(6):
        with ask(stream=True, **ignoring_the_end) as stream:
            next(iter(stream))
    started = time.perf_counter()
    client.completions.create(model="wordnet", prompt="any of various", max_tokens=1)
    # Two slots: three more whole ones would run before it, had the six gone on.
    assert time.perf_counter() - started < max(1.5 * whole, 1)
    assert metric(address, "servable_requests_total", 'code="cancelled"') >= 1


def test_measures_tokens(address):
    assert metric(address, "servable_generation_tokens_total") > 100
    assert metric(address, "servable_prompt_tokens_total") > 100
    assert metric(address, "servable_time_to_first_token_seconds_count") >= 5
    assert metric(address, "servable_inter_token_latency_seconds_count") > 20


def test_tells_of_an_unknown_model(client):
    with pytest.raises(openai.NotFoundError) as told:
        client.completions.create(model="nope", prompt="x")
    assert told.value.code == "model_not_found"


def test_tells_of_the_upstreams_own_error(client):
    with pytest.raises(openai.BadRequestError, match="messages"):
        client.chat.completions.create(model="wordnet", messages="x")
