"""Trains random models over all objectives, and writes each with random inputs and what the library predicts for them.

Usage: make_models.py <folder> <seed>
"""

import json
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import xgboost as xgb

FOLDER = Path(sys.argv[1])
RANDOM = np.random.default_rng(int(sys.argv[2]))
ROWS, FEATURES = 300, 6
CATEGORICAL = [1, 4]


def features(rows, categories=40):
    x = RANDOM.normal(size=(rows, FEATURES)).round(RANDOM.integers(1, 4))
    x[:, 3] = np.where(RANDOM.random(rows) < 0.5, 0.0, x[:, 3])
    for column in CATEGORICAL:
        x[:, column] = RANDOM.integers(0, categories, rows)
    x[RANDOM.random(x.shape) < 0.1] = np.nan
    return x


def probes(x, thresholds):
    """Rows like those of the training, rows at thresholds and beside them, and odd values in every column."""
    rows = [features(40, 60)]
    at = x[RANDOM.integers(0, len(x), 40)].copy()
    for row in at:
        for column in range(FEATURES):
            if len(thresholds) > 0 and RANDOM.random() < 0.7:
                value = np.float64(thresholds[RANDOM.integers(len(thresholds))])
                row[column] = [value, np.nextafter(value, -np.inf), np.nextafter(value, np.inf), np.float32(value)][
                    RANDOM.integers(4)
                ]
    rows.append(at)
    odd = [0.0, -0.0, 1e-35, -1e-35, 1e-40, -0.5, 0.5, -1.0, 2.7, 31.9, 32.0, 63.0, 1e9, -1e9, np.nan]
    rows.append(np.array([[odd[RANDOM.integers(len(odd))] for _ in range(FEATURES)] for _ in range(60)]))
    found = np.concatenate(rows)
    return np.where(np.abs(found) > 1e30, 1e30, found)


def target(x, kind):
    filled = np.nan_to_num(x)
    score = filled[:, 0] + np.sin(filled[:, 1]) + 0.5 * filled[:, 2] * filled[:, 5] + (filled[:, 4] % 3)
    if kind == "positive":
        return np.exp(score / 4)
    if kind == "binary":
        return (score > 1).astype(int)
    if kind == "classes":
        return np.digitize(score, [0.0, 1.5])
    if kind == "rank":
        return np.clip(np.digitize(score, [0.0, 1.0, 2.0]), 0, 3)
    if kind == "share":
        return 1 / (1 + np.exp(-score))
    return score


def numbers(values):
    return [None if np.isnan(value) else float(value) for value in np.asarray(values, dtype=np.float64).ravel()]


def write(name, extension, save, inputs, expected, options=None):
    folder = FOLDER / name
    folder.mkdir(parents=True)
    save(str(folder / f"model.{extension}"))
    case = {
        "file": f"model.{extension}",
        "options": options or {},
        "shape": list(inputs.shape),
        "inputs": numbers(inputs),
        "outputs": {
            output: {"shape": list(np.shape(values)), "data": numbers(values)} for output, values in expected.items()
        },
    }
    (folder / "case.json").write_text(json.dumps(case))


XGBOOST = {
    "reg:squarederror": "real", "reg:squaredlogerror": "positive", "reg:logistic": "share",
    "reg:pseudohubererror": "real", "reg:absoluteerror": "real", "reg:quantileerror": "real", "reg:gamma": "positive",
    "reg:tweedie": "positive", "count:poisson": "positive", "survival:cox": "positive", "binary:logistic": "binary",
    "binary:logitraw": "binary", "binary:hinge": "binary", "multi:softmax": "classes", "multi:softprob": "classes",
    "rank:pairwise": "rank", "rank:ndcg": "rank", "rank:map": "binary", "survival:aft": "positive",
}  # fmt: skip


def xgboost_thresholds(booster):
    document = json.loads(booster.save_raw("json"))
    inner = document["learner"]["gradient_booster"]
    model = inner["gbtree"]["model"] if "gbtree" in inner else inner["model"]
    return np.concatenate([tree["split_conditions"] for tree in model["trees"]])


def xgboost_matrix(x, y=None, is_categorical=False, **more):
    types = ["c" if is_categorical and index in CATEGORICAL else "q" for index in range(FEATURES)]
    return xgb.DMatrix(x, y, feature_types=types, enable_categorical=is_categorical, **more)


def xgboost_model(name, objective, kind, changes, rounds=12, is_categorical=False, outputs=1):
    x = features(ROWS)
    y = target(x, kind)
    if outputs > 1:
        y = np.stack([y + index for index in range(outputs)], axis=1)
    parameters = {"objective": objective, "max_depth": int(RANDOM.integers(2, 7)), "eta": 0.3, "nthread": 1,
                  "seed": int(RANDOM.integers(1e6)), **changes}  # fmt: skip
    if kind == "classes":
        parameters["num_class"] = 3
    if objective == "reg:quantileerror":
        parameters.setdefault("quantile_alpha", 0.4)
    more = {"group": [60] * (ROWS // 60)} if objective.startswith("rank:") else {}
    matrix = xgboost_matrix(x, y, is_categorical, **more)
    if objective == "survival:aft":
        matrix.set_float_info("label_lower_bound", y)
        matrix.set_float_info("label_upper_bound", y)
    booster = xgb.train(parameters, matrix, rounds)
    inputs = probes(x, xgboost_thresholds(booster)).astype(np.float32)
    if is_categorical:
        # The library refuses categories that no float can hold.
        inputs[:, CATEGORICAL] = np.where(np.abs(inputs[:, CATEGORICAL]) > 1e6, 1000, inputs[:, CATEGORICAL])
        inputs[:, CATEGORICAL] = np.abs(inputs[:, CATEGORICAL])
    expected = {"predict": booster.predict(xgboost_matrix(inputs, None, is_categorical))}
    if objective == "binary:logistic":
        expected["predict_proba"] = np.stack([1 - expected["predict"], expected["predict"]], axis=1)
    for extension in ["json", "ubj"]:
        write(f"xgboost-{name}-{extension}".replace(":", "-"), extension, booster.save_model, inputs, expected)
    return booster, inputs, is_categorical


def early_stopped():
    x = features(ROWS)
    y = target(x, "real") + RANDOM.normal(size=ROWS) * 3
    train, test = xgboost_matrix(x[:200], y[:200]), xgboost_matrix(x[200:], y[200:])
    parameters = {"eta": 0.5, "max_depth": 6, "num_parallel_tree": 2, "subsample": 0.7, "seed": 3}
    booster = xgb.train(parameters, train, 60, evals=[(test, "test")], early_stopping_rounds=8, verbose_eval=False)
    inputs = features(50).astype(np.float32)
    best = booster.predict(xgboost_matrix(inputs), iteration_range=(0, booster.best_iteration + 1))
    write("xgboost-best", "json", booster.save_model, inputs, {"predict": best})
    write("xgboost-all", "ubj", booster.save_model, inputs, {"predict": booster.predict(xgboost_matrix(inputs))},
          {"rounds": "all"})  # fmt: skip


LIGHTGBM = {
    "regression": "real", "regression_l1": "real", "huber": "real", "fair": "real", "quantile": "real", "mape": "real",
    "poisson": "positive", "gamma": "positive", "tweedie": "positive", "binary": "binary", "multiclass": "classes",
    "multiclassova": "classes", "cross_entropy": "share", "cross_entropy_lambda": "share", "lambdarank": "rank",
    "rank_xendcg": "rank",
}  # fmt: skip


def lightgbm_model(name, objective, kind, changes, rounds=12, is_categorical=False):
    x = features(ROWS)
    y = target(x, kind)
    parameters = {"objective": objective, "num_leaves": int(RANDOM.integers(4, 40)), "min_data_in_leaf": 3, "min_data_per_group": 3, "cat_smooth": 1, "max_cat_threshold": 64,
                  "verbosity": -1, "num_threads": 1, "seed": int(RANDOM.integers(1e6)), **changes}  # fmt: skip
    if kind == "classes":
        parameters["num_class"] = 3
    group = [60] * (ROWS // 60) if kind == "rank" else None
    data = lgb.Dataset(x, y, group=group, categorical_feature=CATEGORICAL if is_categorical else [], free_raw_data=False)
    booster = lgb.train(parameters, data, rounds)
    trees = booster.dump_model()["tree_info"]
    inputs = probes(x, np.array([value for tree in trees for value in thresholds_in(tree["tree_structure"])]))
    predicted = booster.predict(inputs)
    expected = {"predict": predicted}
    if objective == "binary":
        expected["predict_proba"] = np.stack([1 - predicted, predicted], axis=1)
    if kind == "classes":
        expected["predict_proba"] = predicted
    write(f"lightgbm-{name}", "txt", booster.save_model, inputs, expected)


def thresholds_in(node):
    if "threshold" not in node:
        return []
    inner = thresholds_in(node["left_child"]) + thresholds_in(node["right_child"])
    return inner if isinstance(node["threshold"], str) else [node["threshold"], *inner]


for objective, kind in XGBOOST.items():
    xgboost_model(objective, objective, kind, {})
for base_score in [0.2, 0.9]:
    xgboost_model(f"base-{base_score}", "binary:logistic", "binary", {"base_score": base_score})
xgboost_model("base-gamma", "reg:gamma", "positive", {"base_score": 2.5})
for kind, objective in [("binary", "binary:logistic"), ("classes", "multi:softprob"), ("real", "reg:squarederror")]:
    xgboost_model(f"categorical-{kind}", objective, kind, {"tree_method": "hist"}, is_categorical=True)
    xgboost_model(f"one-hot-{kind}", objective, kind, {"tree_method": "hist", "max_cat_to_onehot": 100}, is_categorical=True)
    xgboost_model(f"dart-{kind}", objective, kind, {"booster": "dart", "rate_drop": 0.3, "skip_drop": 0.2})
    xgboost_model(f"forest-{kind}", objective, kind, {"num_parallel_tree": 3, "subsample": 0.6})
xgboost_model("targets", "reg:squarederror", "real", {"tree_method": "hist"}, outputs=3)
xgboost_model("stump", "reg:squarederror", "real", {"max_depth": 1}, rounds=1)
xgboost_model("many", "reg:squarederror", "real", {"max_depth": 8}, rounds=300)
early_stopped()

for objective, kind in LIGHTGBM.items():
    lightgbm_model(objective, objective, kind, {})
for name, changes in {
    "zero": {"zero_as_missing": True}, "none": {"use_missing": False}, "sqrt": {"reg_sqrt": True},
    "dart": {"boosting": "dart", "drop_rate": 0.4}, "goss": {"data_sample_strategy": "goss"},
    "forest": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7},
}.items():  # fmt: skip
    lightgbm_model(name, "regression", "real", changes)
    lightgbm_model(f"{name}-categorical", "regression", "real", changes, is_categorical=True)
lightgbm_model("sigmoid", "binary", "binary", {"sigmoid": 0.6})
lightgbm_model("ova-sigmoid", "multiclassova", "classes", {"sigmoid": 1.7})
lightgbm_model("forest-binary", "binary", "binary", {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7})
lightgbm_model("categorical-binary", "binary", "binary", {}, is_categorical=True)
lightgbm_model("one-hot", "multiclass", "classes", {"max_cat_to_onehot": 100}, is_categorical=True)
lightgbm_model("many", "regression", "real", {"learning_rate": 0.05}, rounds=400)
print(f"{len(list(FOLDER.iterdir()))} models")
