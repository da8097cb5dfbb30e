"""Inputs that both of Triton's clients send, and what must come back."""

import ml_dtypes
import numpy as np

COUNTING = np.arange(16, dtype=np.int32).reshape(1, 16)
ONES = np.ones((1, 16), dtype=np.int32)
SETOSA = np.array([[5.1, 3.5, 1.4, 0.2]], dtype=np.float32)

# One array for each datatype that numpy knows; the model answers each as it came.
OF_EVERY_DATATYPE = {
    "BOOL": np.array([[True, False, True]]),
    "UINT8": np.array([[0, 1, 255]], dtype=np.uint8),
    "UINT16": np.array([[0, 1, 65535]], dtype=np.uint16),
    "UINT32": np.array([[0, 1, 2**32 - 1]], dtype=np.uint32),
    "UINT64": np.array([[0, 2**53 + 1, 2**64 - 1]], dtype=np.uint64),
    "INT8": np.array([[-128, 0, 127]], dtype=np.int8),
    "INT16": np.array([[-(2**15), 0, 2**15 - 1]], dtype=np.int16),
    "INT32": np.array([[-(2**31), 0, 2**31 - 1]], dtype=np.int32),
    "INT64": np.array([[-(2**63), 2**53 + 1, 2**63 - 1]], dtype=np.int64),
    "FP16": np.array([[1.5, -0.0, 65504]], dtype=np.float16),
    "FP32": np.array([[1.5, -0.0, 3.4e38]], dtype=np.float32),
    "FP64": np.array([[1.5, -0.0, 1.7e308]], dtype=np.float64),
    "BYTES": np.array([[b"text", "späť".encode(), b""]], dtype=np.object_),
}

BFLOAT16 = np.array([[1.0, -2.5, 0.0]], dtype=ml_dtypes.bfloat16)


def input_of(module, name, datatype, array, **options):
    """An input of one of Triton's two client modules."""
    tensor = module.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, **options)
    return tensor


def add_sub(module, **options):
    """Both inputs of the model add-sub."""
    return [
        input_of(module, "INPUT0", "INT32", COUNTING, **options),
        input_of(module, "INPUT1", "INT32", ONES, **options),
    ]


def every_datatype(module, **options):
    """All inputs of the model identity-all-dtypes."""
    return [
        input_of(module, f"IN_{datatype}", datatype, array, **options)
        for datatype, array in OF_EVERY_DATATYPE.items()
    ]


def check_add_sub(result):
    """The sum and the difference of what add_sub() sends."""
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), COUNTING + 1)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), COUNTING - 1)


def check_every_datatype(result, datatypes=OF_EVERY_DATATYPE):
    """Each output equals its input, bit for bit."""
    for datatype in datatypes:
        output = result.as_numpy(f"OUT_{datatype}")
        expected = OF_EVERY_DATATYPE[datatype]
        assert output.dtype == expected.dtype, datatype
        np.testing.assert_array_equal(output, expected, err_msg=datatype)
