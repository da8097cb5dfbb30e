"""TensorFlow Serving's gRPC client: its package tensorflow-serving-api, or stubs of the same names generated from proto/."""

import subprocess
import sys
from pathlib import Path

import grpc
import numpy as np
import pytest

PROTO = Path(__file__).resolve().parents[2] / "proto"
SETOSA = np.array([[5.1, 3.5, 1.4, 0.2]], dtype=np.float32)


def has_package() -> bool:
    try:
        import tensorflow_serving.apis  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.fixture(scope="module", autouse=True)
def stubs(tmp_path_factory):
    """Makes tensorflow_serving.apis importable."""
    if has_package():
        yield
        return
    folder = tmp_path_factory.mktemp("generated")
    files = [str(file.relative_to(PROTO)) for root in ("tensorflow", "tensorflow_serving") for file in (PROTO / root).rglob("*.proto")]
    command = ["-m", "grpc_tools.protoc", f"-I{PROTO}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    subprocess.run([sys.executable, *command, *files], check=True)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def prediction(rpc):
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    with grpc.insecure_channel(rpc) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def program(program_rpc):
    """A stub for the server that has half_plus_two."""
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    with grpc.insecure_channel(program_rpc) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def models(rpc):
    from tensorflow_serving.apis import model_service_pb2_grpc

    with grpc.insecure_channel(rpc) as channel:
        yield model_service_pb2_grpc.ModelServiceStub(channel)


def tensor_of(array):
    """A TensorProto as TensorFlow makes it; by hand where TensorFlow is not installed."""
    try:
        from tensorflow import make_tensor_proto
    except ImportError:  # generated modules have the package's name, but not its functions
        return by_hand(array)
    return make_tensor_proto(array)


def by_hand(array):
    from tensorflow.core.framework import tensor_pb2

    message = tensor_pb2.TensorProto(dtype=NUMBERS[array.dtype.name])
    for size in array.shape:
        message.tensor_shape.dim.add(size=size)
    if array.dtype == object:
        message.string_val.extend(array.ravel())
    else:
        message.tensor_content = array.tobytes()
    return message


# DataType of TensorFlow (types.proto) by numpy's names, and the field that holds the elements.
NUMBERS = {"float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "object": 7, "int64": 9, "bool": 10}
NUMBERS |= {"uint16": 17, "float16": 19, "uint32": 22, "uint64": 23}
FIELDS = {1: "float_val", 2: "double_val", 3: "int_val", 4: "int_val", 5: "int_val", 6: "int_val", 7: "string_val"}
FIELDS |= {9: "int64_val", 10: "bool_val", 17: "int_val", 19: "half_val", 22: "uint32_val", 23: "uint64_val"}


def array_of(message):
    """The numpy array of a TensorProto."""
    try:
        from tensorflow import make_ndarray
    except ImportError:
        name = next(name for name, number in NUMBERS.items() if number == message.dtype)
        shape = [dimension.size for dimension in message.tensor_shape.dim]
        if message.tensor_content:
            return np.frombuffer(message.tensor_content, dtype=name).reshape(shape)
        values = getattr(message, FIELDS[message.dtype])
        if name == "float16":
            return np.array(list(values), np.uint16).view(np.float16).reshape(shape)
        return np.array(list(values), dtype=name).reshape(shape)
    return make_ndarray(message)


def predict_request(model, inputs, **fields):
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest(**fields)
    request.model_spec.name = model
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(tensor_of(array))
    return request


def test_predict(program):
    answer = program.Predict(predict_request("half_plus_two", {"x": np.array([2, 4], np.float32)}), timeout=10)
    np.testing.assert_array_equal(array_of(answer.outputs["y"]), np.array([3, 4], np.float32))
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("half_plus_two", 123)
    assert answer.model_spec.signature_name == "serving_default"


def test_predict_of_an_onnx_model(prediction):
    answer = prediction.Predict(predict_request("iris", {"X": SETOSA}), timeout=10)
    assert array_of(answer.outputs["label"]).tolist() == [0]
    assert array_of(answer.outputs["probabilities"]).shape == (1, 3)


def test_output_filter(prediction):
    answer = prediction.Predict(predict_request("iris", {"X": SETOSA}, output_filter=["label"]), timeout=10)
    assert list(answer.outputs) == ["label"]


def test_every_datatype(prediction):
    arrays = {
        "BOOL": np.array([[True, False]]),
        "UINT8": np.array([[0, 255]], np.uint8),
        "UINT16": np.array([[0, 65535]], np.uint16),
        "UINT32": np.array([[0, 2**32 - 1]], np.uint32),
        "UINT64": np.array([[0, 2**64 - 1]], np.uint64),
        "INT8": np.array([[-128, 127]], np.int8),
        "INT16": np.array([[-(2**15), 2**15 - 1]], np.int16),
        "INT32": np.array([[-(2**31), 2**31 - 1]], np.int32),
        "INT64": np.array([[-(2**63), 2**53 + 1]], np.int64),
        "FP16": np.array([[1.5, 65504]], np.float16),
        "FP32": np.array([[1.5, -0.0]], np.float32),
        "FP64": np.array([[1.5, 1.7e308]], np.float64),
        "BYTES": np.array([[b"text", "späť".encode()]], np.object_),
    }
    request = predict_request("identity-all-dtypes", {f"IN_{name}": array for name, array in arrays.items()})
    answer = prediction.Predict(request, timeout=10)
    for name, array in arrays.items():
        output = array_of(answer.outputs[f"OUT_{name}"])
        assert output.dtype == array.dtype, name
        np.testing.assert_array_equal(output, array, err_msg=name)


@pytest.mark.parametrize(
    ("model", "inputs", "code"),
    [
        ("nope", {"X": SETOSA}, grpc.StatusCode.NOT_FOUND),
        ("iris", {"Y": SETOSA}, grpc.StatusCode.INVALID_ARGUMENT),
        ("iris", {"X": SETOSA[:, :3]}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_errors(prediction, model, inputs, code):
    with pytest.raises(grpc.RpcError) as refused:
        prediction.Predict(predict_request(model, inputs), timeout=10)
    assert refused.value.code() == code


def test_metadata(prediction):
    from tensorflow_serving.apis import get_model_metadata_pb2

    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "iris"
    answer = prediction.GetModelMetadata(request, timeout=10)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    signature = signatures.signature_def["serving_default"]
    assert [dimension.size for dimension in signature.inputs["X"].tensor_shape.dim] == [-1, 4]
    assert set(signature.outputs) == {"label", "probabilities"}


def test_model_status(models):
    from tensorflow_serving.apis import get_model_status_pb2

    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "iris"
    [status] = models.GetModelStatus(request, timeout=10).model_version_status
    assert (status.version, status.state) == (1, get_model_status_pb2.ModelVersionStatus.AVAILABLE)


def test_regress(program):
    from tensorflow_serving.apis import regression_pb2

    request = regression_pb2.RegressionRequest()
    request.model_spec.name = "half_plus_two"
    for value in (2.0, 4.0):
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(value)
    answer = program.Regress(request, timeout=10)
    assert [regression.value for regression in answer.result.regressions] == [3.0, 4.0]


def test_signatures_by_name(program):
    """A signature that parses examples gets the very bytes that the client has."""
    from tensorflow_serving.apis import get_model_metadata_pb2, regression_pb2

    request = regression_pb2.RegressionRequest()
    request.model_spec.name = "signed"
    request.model_spec.signature_name = "regress_bytes"
    for value in (2.0, 4.0):
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(value)
    answer = program.Regress(request, timeout=10)
    sizes = [example.ByteSize() for example in request.input.example_list.examples]
    assert [regression.value for regression in answer.result.regressions] == sizes
    assert answer.model_spec.signature_name == "regress_bytes"
    request.model_spec.signature_name = "nope"
    with pytest.raises(grpc.RpcError, match="No signature was found with the name: nope") as refused:
        program.Regress(request, timeout=10)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT

    described = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    described.model_spec.name = "signed"
    found = get_model_metadata_pb2.SignatureDefMap()
    program.GetModelMetadata(described, timeout=10).metadata["signature_def"].Unpack(found)
    methods = {name: signature.method_name for name, signature in found.signature_def.items()}
    assert methods == {"serving_default": "tensorflow/serving/predict", "regress_bytes": "tensorflow/serving/regress"}


def test_reload_of_the_configuration(models, prediction):
    """The same models as before, which are not loaded anew; one of them gets a label."""
    from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2

    names = ["iris", "iris-labels", "digits", "add-sub"]
    names += ["identity-all-dtypes", "identity-bytes", "identity-fp32", "slow-5ms", "slow-100ms"]
    request = model_management_pb2.ReloadConfigRequest()
    for name in names:
        request.config.model_config_list.config.add(name=name, model_platform="tensorflow")
    request.config.model_config_list.config[0].version_labels["stable"] = 1
    assert models.HandleReloadConfigRequest(request, timeout=30).status.error_code == 0
    labelled = predict_request("iris", {"X": SETOSA})
    labelled.model_spec.version_label = "stable"
    assert prediction.Predict(labelled, timeout=10).model_spec.version.value == 1
    labelled.model_spec.version_label = "other"
    with pytest.raises(grpc.RpcError) as refused:
        prediction.Predict(labelled, timeout=10)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "add-sub"
    [state] = models.GetModelStatus(status, timeout=10).model_version_status
    assert state.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
