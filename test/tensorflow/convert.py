"""Converts what train.py exported by TensorFlow's own converter: the SavedModel to graph/, Keras's layers to keras/.

Usage: convert.py <folder>
"""

import os
import sys
import types
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


class Absent(types.ModuleType):
    """Stands in for packages that the converter imports and needs for models of other kinds only: they are large."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(name)

    def __call__(self, *_arguments, **_named):
        return self


for package in ("jax", "jax.experimental", "jax.experimental.jax2tf", "flax", "tensorflow_decision_forests", "tensorflow_hub"):
    sys.modules[package] = Absent(package)

from tensorflowjs.converters import converter

folder = Path(sys.argv[1])
saved_model = ["--input_format=tf_saved_model", "--signature_name=serving_default", "--saved_model_tags=serve"]
converter.convert([*saved_model, str(folder / "classifier" / "1"), str(folder / "graph")])
converter.convert(["--input_format=keras", str(folder / "classifier.h5"), str(folder / "keras")])
