"""Trains a small classifier with TensorFlow, exports it, and writes what TensorFlow itself predicts.

Usage: train.py <folder>

Written there: classifier/1 (a SavedModel with two signatures: numbers, and lines of text), exported/1 (Keras's own export),
classifier.h5 (Keras's own file), weights.json (of the layers, for TensorFlow.js) and golden.json.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
import tensorflow as tf

FOLDER = Path(sys.argv[1])
FEATURES, HIDDEN, ROWS = 4, 16, 600
NAMES = ["setosa", "versicolor", "größer"]
CENTRES = np.array([[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]], np.float32)
RANDOM = np.random.default_rng(11)


def flowers(rows):
    """Rows around three centres, and the number of the centre of each."""
    labels = RANDOM.integers(0, len(CENTRES), rows)
    return (CENTRES[labels] + RANDOM.normal(scale=0.25, size=(rows, FEATURES))).astype(np.float32), labels


def train():
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((FEATURES,), name="features"),
            keras.layers.Dense(HIDDEN, activation="relu", name="hidden"),
            keras.layers.Dense(len(CENTRES), activation="softmax", name="probabilities"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.02), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, labels = flowers(ROWS)
    model.fit(x, labels, epochs=25, batch_size=32, verbose=0)
    accuracy = model.evaluate(*flowers(ROWS), verbose=0)[1]
    print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}: trained to an accuracy of {accuracy:.3f}")
    if accuracy < 0.9:
        sys.exit("the training did not succeed")
    return model


class Classifier:
    """The model with a signature for numbers and one for lines of text: '5.1,3.5,1.4,0.2'."""

    def __init__(self, model):
        self.model = model

    def classify(self, features):
        probabilities = self.model(features, training=False)
        return {"probabilities": probabilities, "label": tf.argmax(probabilities, axis=-1)}

    def classify_lines(self, lines):
        fields = tf.strings.split(lines, ",").to_tensor("0", shape=[None, FEATURES])
        result = self.classify(tf.strings.to_number(fields))
        return {"probabilities": result["probabilities"], "name": tf.gather(tf.constant(NAMES), result["label"])}

    def export(self, folder):
        archive = keras.export.ExportArchive()
        archive.track(self.model)
        numbers = tf.TensorSpec([None, FEATURES], tf.float32, "features")
        archive.add_endpoint("serving_default", self.classify, input_signature=[numbers])
        archive.add_endpoint("lines", self.classify_lines, input_signature=[tf.TensorSpec([None], tf.string, "lines")])
        archive.write_out(str(folder), verbose=False)


def cases(classifier):
    for rows in (1, 5, 64):
        x, _ = flowers(rows)
        result = classifier.classify(tf.constant(x))
        lines = [",".join(f"{value:.4f}" for value in row) for row in x]
        by_lines = classifier.classify_lines(tf.constant(lines))
        yield {
            "features": x.tolist(),
            "probabilities": result["probabilities"].numpy().tolist(),
            "label": result["label"].numpy().tolist(),
            "lines": lines,
            "line_probabilities": by_lines["probabilities"].numpy().tolist(),
            "name": [name.decode() for name in by_lines["name"].numpy()],
        }


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    model = train()
    classifier = Classifier(model)
    classifier.export(FOLDER / "classifier" / "1")
    model.export(str(FOLDER / "exported" / "1"), verbose=False)
    model.save(FOLDER / "classifier.h5")
    weights = [{"shape": weight.shape, "values": weight.flatten().tolist()} for weight in model.get_weights()]
    (FOLDER / "weights.json").write_text(json.dumps(weights))
    (FOLDER / "golden.json").write_text(json.dumps(list(cases(classifier))))


main()
