"""Triton's HTTP client: tritonclient.http and tritonclient.http.aio."""

import asyncio
import json
import os

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from triton_cases import (
    BFLOAT16,
    COUNTING,
    ONES,
    SETOSA,
    add_sub,
    check_add_sub,
    check_every_datatype,
    every_datatype,
    input_of,
)


@pytest.fixture(scope="module")
def client(rest):
    with triton.InferenceServerClient(rest, concurrency=4) as client:
        yield client


@pytest.fixture(scope="module")
def program(program_rest):
    """A client of the server whose models are written in a program."""
    with triton.InferenceServerClient(program_rest) as client:
        yield client


def test_health(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("add-sub")
    assert client.is_model_ready("add-sub", "1")
    assert not client.is_model_ready("nope")
    assert not client.is_model_ready("add-sub", "99")


def test_metadata(client):
    server = client.get_server_metadata()
    assert server["name"] == "servable"
    assert "binary_tensor_data" in server["extensions"]
    model = client.get_model_metadata("add-sub", "1")
    assert model["versions"] == ["1"]
    assert [(tensor["name"], tensor["datatype"], tensor["shape"]) for tensor in model["inputs"]] == [
        ("INPUT0", "INT32", [-1, 16]),
        ("INPUT1", "INT32", [-1, 16]),
    ]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_infer_binary_and_json(client, binary_in, binary_out):
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("OUTPUT0", "OUTPUT1")]
    result = client.infer("add-sub", add_sub(triton, binary_data=binary_in), outputs=outputs, request_id="r1")
    check_add_sub(result)
    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("r1", "add-sub", "1")


def test_infer_without_outputs_named(client):
    check_add_sub(client.infer("add-sub", add_sub(triton)))


def test_one_output(client):
    result = client.infer("add-sub", add_sub(triton), outputs=[triton.InferRequestedOutput("OUTPUT1")])
    assert result.as_numpy("OUTPUT0") is None
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), COUNTING - 1)


def test_every_datatype_binary(client):
    check_every_datatype(client.infer("identity-all-dtypes", every_datatype(triton)))


def test_bytes_as_json(client):
    words = np.array([["one", "späť"]], dtype=np.object_)
    result = client.infer(
        "identity-bytes",
        [input_of(triton, "INPUT0", "BYTES", words, binary_data=False)],
        outputs=[triton.InferRequestedOutput("OUTPUT0", binary_data=False)],
    )
    assert [word.decode() if isinstance(word, bytes) else word for word in result.as_numpy("OUTPUT0")[0]] == ["one", "späť"]


def test_bytes_that_are_no_text(program):
    picture = np.array([[b"\x89PNG\x00\xff"]], dtype=np.object_)
    result = program.infer("identity-bytes", [input_of(triton, "IN", "BYTES", picture)])
    assert result.as_numpy("OUT").tolist() == [[b"\x89PNG\x00\xff"]]


def test_bfloat16(program):
    result = program.infer("identity-bf16", [input_of(triton, "IN", "BF16", BFLOAT16)])
    np.testing.assert_array_equal(result.as_numpy("OUT"), BFLOAT16)


def test_no_elements(client):
    result = client.infer("identity-fp32", [input_of(triton, "INPUT0", "FP32", np.zeros((0, 3), np.float32))])
    assert result.as_numpy("OUTPUT0").shape == (0, 3)


def test_large_tensor(client):
    picture = np.random.default_rng(7).random((1, 600_000), dtype=np.float32)
    result = client.infer("identity-fp32", [input_of(triton, "INPUT0", "FP32", picture)])
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), picture)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression_both_ways(client, algorithm):
    result = client.infer(
        "add-sub",
        add_sub(triton),
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    check_add_sub(result)


def test_parameters_and_headers(client):
    result = client.infer(
        "add-sub",
        add_sub(triton),
        priority=1,
        timeout=10_000_000,
        parameters={"text": "a", "flag": True, "number": 2},
        headers={"X-Request-Id": "from-the-header"},
    )
    check_add_sub(result)


def test_calls_side_by_side(client):
    calls = [client.async_infer("add-sub", add_sub(triton)) for _ in range(16)]
    for call in calls:
        check_add_sub(call.get_result())


@pytest.mark.parametrize(
    ("model", "inputs", "status", "text"),
    [
        ("nope", lambda: add_sub(triton), "404", "nope"),
        ("add-sub", lambda: add_sub(triton)[:1], "400", "INPUT1"),
        ("add-sub", lambda: [input_of(triton, "INPUT0", "FP32", ONES.astype(np.float32)), *add_sub(triton)[1:]], "400", "FP32"),
        ("add-sub", lambda: [input_of(triton, "INPUT0", "INT32", ONES[:, :15]), *add_sub(triton)[1:]], "400", "INPUT0"),
    ],
)
def test_errors(client, model, inputs, status, text):
    with pytest.raises(InferenceServerException) as refused:
        client.infer(model, inputs())
    assert status in str(refused.value.status())
    assert text in refused.value.message()


def test_asyncio(rest):
    async def run():
        async with triton_aio.InferenceServerClient(rest) as client:
            assert await client.is_server_ready()
            assert not await client.is_model_ready("nope")
            results = await asyncio.gather(*(client.infer("add-sub", add_sub(triton_aio)) for _ in range(8)))
            for result in results:
                check_add_sub(result)
            check_every_datatype(await client.infer("identity-all-dtypes", every_datatype(triton_aio)))

    asyncio.run(run())


def test_classification(client):
    outputs = [triton.InferRequestedOutput("probabilities", class_count=2)]
    result = client.infer("iris", [input_of(triton, "X", "FP32", SETOSA)], outputs=outputs)
    classes = result.as_numpy("probabilities")
    assert classes.shape == (1, 2)
    value, index = classes[0][0].decode().split(":")[:2]
    assert (float(value) > 0.9, index) == (True, "0")


def test_model_configuration(client):
    config = client.get_model_config("add-sub")
    assert config["name"] == "add-sub"
    first = config["input"][0]
    assert (first["name"], first["data_type"]) == ("INPUT0", "TYPE_INT32")


def test_statistics(client):
    before = statistics_of(client)
    client.infer("add-sub", add_sub(triton))
    after = statistics_of(client)
    assert int(after["inference_count"]) == int(before["inference_count"]) + 1
    assert int(after["inference_stats"]["success"]["count"]) == int(before["inference_stats"]["success"]["count"]) + 1


def statistics_of(client):
    [statistics] = client.get_inference_statistics("add-sub")["model_stats"]
    assert (statistics["name"], statistics["version"]) == ("add-sub", "1")
    return statistics


def test_model_control(client):
    def state():
        return {model["name"]: model.get("state") for model in client.get_model_repository_index()}["slow-5ms"]

    assert state() == "READY"
    client.unload_model("slow-5ms")
    assert not client.is_model_ready("slow-5ms")
    assert state() == "UNAVAILABLE"
    client.load_model("slow-5ms")
    assert client.is_model_ready("slow-5ms")
    assert state() == "READY"


def test_load_with_config_and_files(client):
    """A model that lies in no repository: its configuration and its file come with the load."""
    path = os.path.join(os.path.dirname(__file__), "..", "fixtures", "models", "identity-fp32", "model.onnx")
    with open(path, "rb") as file:
        content = file.read()
    config = json.dumps({"backend": "onnxruntime", "version_policy": {"specific": {"versions": [3]}}})
    client.load_model("sent", config=config, files={"file:3/model.onnx": content, "file:4/model.onnx": content})
    try:
        assert client.is_model_ready("sent", "3")
        assert not client.is_model_ready("sent", "4")
    finally:
        client.unload_model("sent")
    assert not client.is_model_ready("sent")


def test_log_and_trace_settings(client):
    assert "log_verbose_level" in client.get_log_settings()
    assert "trace_level" in client.get_trace_settings()
    settings = client.update_trace_settings("add-sub", {"trace_level": ["TIMESTAMPS"], "trace_rate": "10"})
    assert (settings["trace_level"], settings["trace_rate"]) == (["TIMESTAMPS"], "10")
    settings = client.update_trace_settings("add-sub", {"trace_level": None, "trace_rate": None})
    assert (settings["trace_level"], settings["trace_rate"]) == (["OFF"], "1000")


def test_shared_memory_is_free_and_refused(client):
    """Triton's examples begin by freeing all regions."""
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    assert client.get_system_shared_memory_status() == []
    assert client.get_cuda_shared_memory_status() == []
    with pytest.raises(InferenceServerException):
        client.register_system_shared_memory("region", "/region", 64)
