"""Trains the classifiers of the examples switch/, ensemble/ and splitter/ and writes them as ONNX.

    pip install scikit-learn==1.9.1 skl2onnx==1.20.0
    python train.py

The data is what scikit-learn ships: Fisher's iris (1936) and the wines of Forina and others (1991), both from the UCI Machine Learning
Repository, CC BY 4.0. 30 % of each is held out for the accuracy that is printed. Every model answers with one output, the name of
the class.
"""
from pathlib import Path

from skl2onnx import to_onnx
from sklearn.datasets import load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

here = Path(__file__).parent


def train(name, output, data, classifier, rows):
    inputs, labels = data.data.astype("float32"), data.target_names[data.target].astype(str)
    seen, held_out, seen_labels, held_out_labels = train_test_split(inputs, labels, test_size=0.3, random_state=1, stratify=labels)
    classifier.fit(seen, seen_labels)
    print(f"{name}: {classifier.score(held_out, held_out_labels):.3f} of {len(held_out)} held out")
    options = {id(classifier): {"zipmap": False}}
    model = to_onnx(classifier, seen[:1], options=options, target_opset={"": 17, "ai.onnx.ml": 3})
    del model.opset_import[2:]  # said twice
    keep_label(model.graph, output, rows)
    folder = here / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def keep_label(graph, name, rows):
    """Leaves the label as the only output, under a name that says what it is."""
    label, *others = graph.output
    for other in others:
        graph.output.remove(other)
    for node in graph.node:
        node.output[:] = [name if each == label.name else each for each in node.output]
    label.name = name
    for value in (graph.input[0], label):
        value.type.tensor_type.shape.dim[0].dim_param = rows


iris, wine = load_iris(), load_wine()
train("iris-logistic", "species", iris, make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)), "flowers")
train("iris-forest", "species", iris, RandomForestClassifier(n_estimators=15, max_depth=3, random_state=0), "flowers")
train("iris-tree", "species", iris, DecisionTreeClassifier(max_depth=2, random_state=0), "flowers")
train("wine", "cultivar", wine, make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)), "wines")
