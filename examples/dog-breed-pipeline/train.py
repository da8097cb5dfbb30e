"""Trains both classifiers of this example and writes them as ONNX.

    pip install scikit-learn==1.9.1 skl2onnx==1.20.0
    python train.py

breeds.csv has the height at the withers and the weight that grown animals of each breed usually have. Animals are drawn from these
ranges, the weight in step with the height, with a tenth of each range as noise; a fifth of them is held out for the accuracy that
is printed. The models answer with one output, so that V1 gives {"predictions": ["dog"]}, as the condition of the graph wants it.
"""
import csv
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

here = Path(__file__).parent
random = np.random.default_rng(2022)
PER_BREED = 400


def animals(row):
    place, noise = random.random(PER_BREED), random.normal(0, 0.1, (2, PER_BREED))
    spans = [(float(row[f"{name}_min_{unit}"]), float(row[f"{name}_max_{unit}"])) for name, unit in (("height", "cm"), ("weight", "kg"))]
    columns = [low + (high - low) * np.clip(place + shift, 0, 1) for (low, high), shift in zip(spans, noise)]
    return np.stack(columns, axis=1).astype(np.float32)


def train(name, output, inputs, labels):
    seen, held_out, seen_labels, held_out_labels = train_test_split(inputs, labels, test_size=0.2, random_state=0, stratify=labels)
    tree = DecisionTreeClassifier(max_leaf_nodes=16, random_state=0).fit(seen, seen_labels)
    print(f"{name}: {tree.score(held_out, held_out_labels):.3f} of {len(held_out)} held-out animals")
    model = to_onnx(tree, seen[:1], options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3})
    del model.opset_import[2:]  # said twice
    keep_label(model.graph, output)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "animals"
    folder = here / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def keep_label(graph, name):
    """Leaves the label as the only output, under a name that says what it is."""
    label, *others = graph.output
    for other in others:
        graph.output.remove(other)
    for node in graph.node:
        node.output[:] = [name if each == label.name else each for each in node.output]
    label.name = name
    label.type.tensor_type.shape.dim[0].dim_param = "animals"


with open(here / "breeds.csv", newline="") as file:
    rows = list(csv.DictReader(file))
drawn = [animals(row) for row in rows]
every = np.concatenate(drawn)
train("cat-dog-classifier", "species", every, np.repeat([row["species"] for row in rows], PER_BREED))
dogs = [(row["breed"], each) for row, each in zip(rows, drawn) if row["species"] == "dog"]
train("dog-breed-classifier", "breed", np.concatenate([each for _, each in dogs]), np.repeat([breed for breed, _ in dogs], PER_BREED))
