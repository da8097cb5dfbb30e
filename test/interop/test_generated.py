"""Clients that grpcio-tools generates from proto/, the standard health service and server reflection."""

import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

PROTO = Path(__file__).resolve().parents[2] / "proto"
SETOSA = [5.1, 3.5, 1.4, 0.2]


@pytest.fixture(scope="module")
def channel(rpc):
    with grpc.insecure_channel(rpc) as channel:
        yield channel


@pytest.fixture(scope="module")
def stubs(tmp_path_factory):
    """The modules inference_pb2 and inference_pb2_grpc."""
    folder = tmp_path_factory.mktemp("generated")
    command = ["-m", "grpc_tools.protoc", f"-I{PROTO}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    files = [file.name for file in PROTO.glob("*.proto")]
    subprocess.run([sys.executable, *command, *files], check=True)
    sys.path.insert(0, str(folder))
    import inference_pb2
    import inference_pb2_grpc

    yield inference_pb2, inference_pb2_grpc
    sys.path.remove(str(folder))


def iris(messages, **fields):
    contents = messages.InferTensorContents(fp32_contents=SETOSA)
    tensor = messages.ModelInferRequest.InferInputTensor(name="X", datatype="FP32", shape=[1, 4], contents=contents)
    return messages.ModelInferRequest(model_name="iris", inputs=[tensor], **fields)


def test_health_and_metadata(stubs, channel):
    messages, services = stubs
    stub = services.GRPCInferenceServiceStub(channel)
    assert stub.ServerLive(messages.ServerLiveRequest()).live
    assert stub.ServerReady(messages.ServerReadyRequest()).ready
    assert stub.ModelReady(messages.ModelReadyRequest(name="iris")).ready
    assert not stub.ModelReady(messages.ModelReadyRequest(name="nope")).ready
    assert stub.ServerMetadata(messages.ServerMetadataRequest()).name == "servable"
    metadata = stub.ModelMetadata(messages.ModelMetadataRequest(name="iris"))
    assert [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in metadata.inputs] == [("X", "FP32", [-1, 4])]


def test_infer_with_typed_contents(stubs, channel):
    messages, services = stubs
    answer = services.GRPCInferenceServiceStub(channel).ModelInfer(iris(messages, id="r1"))
    assert (answer.id, answer.model_name, answer.model_version) == ("r1", "iris", "1")
    assert [output.name for output in answer.outputs] == ["label", "probabilities"]
    assert answer.raw_output_contents[0] == bytes(8)


def test_stream(stubs, channel):
    messages, services = stubs
    requests = [iris(messages, id=str(index)) for index in range(3)]
    answers = list(services.GRPCInferenceServiceStub(channel).ModelStreamInfer(iter(requests)))
    assert [answer.infer_response.id for answer in answers] == ["0", "1", "2"]
    assert not any(answer.error_message for answer in answers)


def test_error(stubs, channel):
    messages, services = stubs
    request = iris(messages)
    request.inputs[0].shape[:] = [1, 3]
    with pytest.raises(grpc.RpcError) as refused:
        services.GRPCInferenceServiceStub(channel).ModelInfer(request)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "X" in refused.value.details()


def test_standard_health(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    for service in ("", "inference.GRPCInferenceService"):
        assert stub.Check(health_pb2.HealthCheckRequest(service=service)).status == serving
    assert next(iter(stub.Watch(health_pb2.HealthCheckRequest()))).status == serving
    with pytest.raises(grpc.RpcError) as refused:
        stub.Check(health_pb2.HealthCheckRequest(service="nope"))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_reflection(channel):
    """A client that knows no .proto file finds the service, makes a request and is answered."""
    database = ProtoReflectionDescriptorDatabase(channel)
    assert {"inference.GRPCInferenceService", "grpc.health.v1.Health"} <= set(database.get_services())
    pool = DescriptorPool(database)
    method = pool.FindServiceByName("inference.GRPCInferenceService").FindMethodByName("ModelReady")
    request = GetMessageClass(method.input_type)(name="iris")
    call = channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    assert call(request).ready
