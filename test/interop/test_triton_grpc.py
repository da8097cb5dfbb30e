"""Triton's gRPC client: tritonclient.grpc and tritonclient.grpc.aio."""

import asyncio
import json
import os
import queue

import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
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
def client(rpc):
    with triton.InferenceServerClient(rpc) as client:
        yield client


@pytest.fixture(scope="module")
def program(program_rpc):
    """A client of the server whose models are written in a program."""
    with triton.InferenceServerClient(program_rpc) as client:
        yield client


def test_health(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("add-sub")
    assert client.is_model_ready("add-sub", "1")
    assert not client.is_model_ready("nope")
    assert not client.is_model_ready("add-sub", "99")


def test_metadata(client):
    server = client.get_server_metadata(as_json=True)
    assert server["name"] == "servable"
    model = client.get_model_metadata("add-sub", "1")
    assert list(model.versions) == ["1"]
    assert [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in model.outputs] == [
        ("OUTPUT0", "INT32", [-1, 16]),
        ("OUTPUT1", "INT32", [-1, 16]),
    ]


def test_infer(client):
    result = client.infer("add-sub", add_sub(triton), request_id="r1")
    check_add_sub(result)
    response = result.get_response()
    assert (response.id, response.model_name, response.model_version) == ("r1", "add-sub", "1")
    assert len(response.raw_output_contents) == len(response.outputs) == 2


def test_one_output(client):
    result = client.infer("add-sub", add_sub(triton), outputs=[triton.InferRequestedOutput("OUTPUT1")])
    assert result.as_numpy("OUTPUT0") is None
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), COUNTING - 1)


def test_every_datatype(client):
    check_every_datatype(client.infer("identity-all-dtypes", every_datatype(triton)))


def test_bfloat16(program):
    result = program.infer("identity-bf16", [input_of(triton, "IN", "BF16", BFLOAT16)])
    np.testing.assert_array_equal(result.as_numpy("OUT"), BFLOAT16)


def test_bytes_that_are_no_text(program):
    picture = np.array([[b"\x89PNG\x00\xff"]], dtype=np.object_)
    result = program.infer("identity-bytes", [input_of(triton, "IN", "BYTES", picture)])
    assert result.as_numpy("OUT").tolist() == [[b"\x89PNG\x00\xff"]]


def test_no_elements(client):
    result = client.infer("identity-fp32", [input_of(triton, "INPUT0", "FP32", np.zeros((0, 3), np.float32))])
    assert result.as_numpy("OUTPUT0").shape == (0, 3)


def test_large_tensor(client):
    picture = np.random.default_rng(7).random((1, 600_000), dtype=np.float32)
    result = client.infer("identity-fp32", [input_of(triton, "INPUT0", "FP32", picture)])
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), picture)


def test_compression(client):
    check_add_sub(client.infer("add-sub", add_sub(triton), compression_algorithm="gzip"))


def test_parameters_and_metadata(client):
    result = client.infer(
        "add-sub",
        add_sub(triton),
        priority=1,
        timeout=10_000_000,
        parameters={"text": "a", "flag": True, "number": 2, "fraction": 0.5},
        headers={"x-request-id": "from-the-metadata"},
    )
    check_add_sub(result)


def test_calls_side_by_side(client):
    answers = queue.Queue()
    for _ in range(16):
        client.async_infer("add-sub", add_sub(triton), lambda result, error: answers.put((result, error)))
    for _ in range(16):
        result, error = answers.get(timeout=10)
        assert error is None
        check_add_sub(result)


@pytest.mark.parametrize(
    ("model", "inputs", "status", "text"),
    [
        ("nope", lambda: add_sub(triton), "NOT_FOUND", "nope"),
        ("add-sub", lambda: add_sub(triton)[:1], "INVALID_ARGUMENT", "INPUT1"),
        (
            "add-sub",
            lambda: [input_of(triton, "INPUT0", "FP32", ONES.astype(np.float32)), *add_sub(triton)[1:]],
            "INVALID_ARGUMENT",
            "FP32",
        ),
    ],
)
def test_errors(client, model, inputs, status, text):
    with pytest.raises(InferenceServerException) as refused:
        client.infer(model, inputs())
    assert status in str(refused.value.status())
    assert text in refused.value.message()


def test_client_timeout(client):
    slow = input_of(triton, "INPUT0", "FP32", np.zeros((1, 512), np.float32))
    with pytest.raises(InferenceServerException) as refused:
        client.infer("slow-100ms", [slow], client_timeout=0.02)
    assert "DEADLINE_EXCEEDED" in str(refused.value.status())
    assert client.infer("slow-100ms", [slow]).as_numpy("OUTPUT0").shape == (1, 512)


def test_stream_answers_in_order(client):
    answers = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    for index in range(8):
        client.async_stream_infer("add-sub", add_sub(triton), request_id=str(index))
    for index in range(8):
        result, error = answers.get(timeout=10)
        assert error is None
        assert result.get_response().id == str(index)
        check_add_sub(result)
    client.stop_stream()


def test_stream_outlives_an_error(client):
    answers = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    client.async_stream_infer("add-sub", add_sub(triton), request_id="1")
    client.async_stream_infer("nope", add_sub(triton), request_id="2")
    client.async_stream_infer("add-sub", add_sub(triton), request_id="3")
    (first, _), (_, error), (third, _) = (answers.get(timeout=10) for _ in range(3))
    assert first.get_response().id == "1"
    assert "nope" in error.message()
    assert third.get_response().id == "3"
    client.stop_stream()


def test_stream_of_a_model_with_many_answers(program):
    answers = queue.Queue()
    program.start_stream(callback=lambda result, error: answers.put((result, error)))
    prompt = np.array([b"one two three"], dtype=np.object_)
    program.async_stream_infer(
        "words", [input_of(triton, "prompt", "BYTES", prompt)], enable_empty_final_response=True, request_id="w"
    )
    words = []
    while True:
        result, error = answers.get(timeout=10)
        assert error is None
        response = result.get_response()
        if response.parameters["triton_final_response"].bool_param:
            break
        words.append(result.as_numpy("word")[0])
    assert words == [b"one", b"two", b"three"]
    program.stop_stream()


def test_asyncio(rpc):
    async def run():
        async with triton_aio.InferenceServerClient(rpc) as client:
            assert await client.is_server_ready()
            assert not await client.is_model_ready("nope")
            results = await asyncio.gather(*(client.infer("add-sub", add_sub(triton_aio)) for _ in range(8)))
            for result in results:
                check_add_sub(result)

            async def requests():
                for index in range(4):
                    yield {"model_name": "add-sub", "inputs": add_sub(triton_aio), "request_id": str(index)}

            ids = []
            async for result, error in client.stream_infer(requests()):
                assert error is None
                check_add_sub(result)
                ids.append(result.get_response().id)
            assert ids == ["0", "1", "2", "3"]

    asyncio.run(run())


def test_classification(client):
    outputs = [triton.InferRequestedOutput("probabilities", class_count=2)]
    result = client.infer("iris", [input_of(triton, "X", "FP32", SETOSA)], outputs=outputs)
    classes = result.as_numpy("probabilities")
    assert classes.shape == (1, 2)
    value, index = classes[0][0].decode().split(":")[:2]
    assert (float(value) > 0.9, index) == (True, "0")


def test_model_configuration(client):
    config = client.get_model_config("add-sub").config
    assert config.name == "add-sub"
    assert (config.input[0].name, list(config.input[0].dims)[-1]) == ("INPUT0", 16)


def test_statistics(client):
    before = statistics_of(client)
    client.infer("add-sub", add_sub(triton))
    after = statistics_of(client)
    assert after.inference_count == before.inference_count + 1
    assert after.inference_stats.success.count == before.inference_stats.success.count + 1


def statistics_of(client):
    [statistics] = client.get_inference_statistics("add-sub").model_stats
    assert (statistics.name, statistics.version) == ("add-sub", "1")
    return statistics


def test_model_control(client):
    def state():
        return {model.name: model.state for model in client.get_model_repository_index().models}["slow-5ms"]

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
    assert "log_verbose_level" in client.get_log_settings(as_json=True)["settings"]
    assert "trace_level" in client.get_trace_settings(as_json=True)["settings"]
    settings = client.update_trace_settings("add-sub", {"trace_level": ["TIMESTAMPS"], "trace_rate": "10"}, as_json=True)
    assert settings["settings"]["trace_rate"]["value"] == ["10"]
    settings = client.update_trace_settings("add-sub", {"trace_level": None, "trace_rate": None}, as_json=True)
    assert settings["settings"]["trace_level"]["value"] == ["OFF"]


def test_shared_memory_is_free_and_refused(client):
    """Triton's examples begin by freeing all regions."""
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    assert not client.get_system_shared_memory_status(as_json=True).get("regions")
    assert not client.get_cuda_shared_memory_status(as_json=True).get("regions")
    with pytest.raises(InferenceServerException) as refused:
        client.register_system_shared_memory("region", "/region", 64)
    assert "UNIMPLEMENTED" in str(refused.value.status())
