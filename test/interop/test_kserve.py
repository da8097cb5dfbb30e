"""KServe's own clients: InferenceRESTClient over V1 and V2, InferenceGRPCClient."""

import asyncio

import grpc
import httpx
import numpy as np
import pytest
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

SETOSA = np.array([[5.1, 3.5, 1.4, 0.2]], dtype=np.float32)
COUNTING = np.arange(16, dtype=np.int32).reshape(1, 16)

ARRAYS = {
    "BOOL": np.array([[True, False]]),
    "UINT8": np.array([[0, 255]], dtype=np.uint8),
    "UINT16": np.array([[0, 65535]], dtype=np.uint16),
    "UINT32": np.array([[0, 2**32 - 1]], dtype=np.uint32),
    "UINT64": np.array([[0, 2**64 - 1]], dtype=np.uint64),
    "INT8": np.array([[-128, 127]], dtype=np.int8),
    "INT16": np.array([[-(2**15), 2**15 - 1]], dtype=np.int16),
    "INT32": np.array([[-(2**31), 2**31 - 1]], dtype=np.int32),
    "INT64": np.array([[-(2**63), 2**53 + 1]], dtype=np.int64),
    "FP16": np.array([[1.5, 65504]], dtype=np.float16),
    "FP32": np.array([[1.5, -0.0]], dtype=np.float32),
    "FP64": np.array([[1.5, 1.7e308]], dtype=np.float64),
    "BYTES": np.array([[b"text", "späť".encode()]], dtype=np.object_),
}


def input_of(name, datatype, array, binary):
    tensor = InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def add_sub(binary, **options):
    inputs = [input_of(name, "INT32", COUNTING, binary) for name in ("INPUT0", "INPUT1")]
    return InferRequest("add-sub", inputs, **options)


def every_datatype(binary, leave_out=()):
    inputs = [
        input_of(f"IN_{datatype}", datatype, array, binary or datatype in leave_out)
        for datatype, array in ARRAYS.items()
    ]
    return InferRequest("identity-all-dtypes", inputs)


def check_add_sub(response):
    np.testing.assert_array_equal(response.get_output_by_name("OUTPUT0").as_numpy(), COUNTING * 2)


def check_every_datatype(response):
    for datatype, array in ARRAYS.items():
        output = response.get_output_by_name(f"OUT_{datatype}").as_numpy()
        if datatype == "BYTES":
            output = np.array([[word if isinstance(word, bytes) else word.encode() for word in output.ravel()]], object)
        np.testing.assert_array_equal(output, array, err_msg=datatype)


def over_rest(rest, protocol, work):
    async def run():
        async with InferenceRESTClient(RESTConfig(protocol=protocol, retries=0)) as client:
            return await work(client, f"http://{rest}")

    return asyncio.run(run())


def over_grpc(rpc, work):
    async def run():
        async with InferenceGRPCClient(url=rpc, retries=0) as client:
            return await work(client)

    return asyncio.run(run())


def test_v2_health(rest):
    async def work(client, url):
        assert await client.is_server_live(url) is True
        assert await client.is_server_ready(url) is True
        assert await client.is_model_ready(url, "add-sub") is True
        assert await client.is_model_ready(url, "nope") is False

    over_rest(rest, "v2", work)


@pytest.mark.parametrize("binary", [True, False])
def test_v2_infer(rest, binary):
    async def work(client, url):
        response = await client.infer(url, add_sub(binary, request_id="r1"), model_name="add-sub")
        assert (response.id, response.model_name) == ("r1", "add-sub")
        check_add_sub(response)

    over_rest(rest, "v2", work)


def test_v2_binary_outputs(rest):
    async def work(client, url):
        outputs = [RequestedOutput("OUTPUT0", {"binary_data": True})]
        response = await client.infer(url, add_sub(True, request_outputs=outputs), model_name="add-sub")
        assert [output.name for output in response.outputs] == ["OUTPUT0"]
        check_add_sub(response)

    over_rest(rest, "v2", work)


def test_v2_every_datatype_binary(rest):
    async def work(client, url):
        request = every_datatype(True)
        request.parameters = {"binary_data_output": True}
        check_every_datatype(await client.infer(url, request, model_name="identity-all-dtypes"))

    over_rest(rest, "v2", work)


def test_v2_error(rest):
    async def work(client, url):
        with pytest.raises(httpx.HTTPStatusError) as refused:
            await client.infer(url, add_sub(False), model_name="nope")
        assert refused.value.response.status_code == 404
        assert "nope" in str(refused.value)

    over_rest(rest, "v2", work)


def test_v1(rest):
    async def work(client, url):
        assert await client.is_server_live(url) is True
        answer = await client.infer(url, {"instances": SETOSA.tolist()}, model_name="iris")
        assert answer["predictions"][0]["label"] == 0
        with pytest.raises(httpx.HTTPStatusError) as refused:
            await client.infer(url, {"instances": [[1.0]]}, model_name="iris")
        assert refused.value.response.status_code == 400

    over_rest(rest, "v1", work)


def test_v1_model_ready(rest):
    async def work(client, url):
        return await client.is_model_ready(url, "iris")

    ready = over_rest(rest, "v1", work)
    assert ready is True


def test_grpc_health(rpc):
    async def work(client):
        assert await client.is_server_live() is True
        assert await client.is_server_ready() is True
        assert await client.is_model_ready("add-sub") is True
        assert await client.is_model_ready("nope") is False

    over_grpc(rpc, work)


@pytest.mark.parametrize("binary", [True, False])
def test_grpc_infer(rpc, binary):
    async def work(client):
        response = await client.infer(add_sub(binary, request_id="r1"), headers=(("x-request-id", "r1"),))
        assert (response.id, response.model_name, response.model_version) == ("r1", "add-sub", "1")
        check_add_sub(response)

    over_grpc(rpc, work)


@pytest.mark.parametrize("binary", [True, False])
def test_grpc_every_datatype(rpc, binary):
    async def work(client):
        # Typed contents have no field for FP16, and a request is raw or typed as a whole.
        if binary:
            check_every_datatype(await client.infer(every_datatype(True)))
            return
        words = InferRequest("identity-bytes", [input_of("INPUT0", "BYTES", ARRAYS["BYTES"], False)])
        [output] = (await client.infer(words)).outputs
        assert output.shape == [1, 2]

    over_grpc(rpc, work)


def test_grpc_error(rpc):
    async def work(client):
        request = add_sub(True)
        request.model_name = "nope"
        with pytest.raises(grpc.RpcError) as refused:
            await client.infer(request)
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND

    over_grpc(rpc, work)
