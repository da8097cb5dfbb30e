"""A scikit-learn model by MLServer, which Servable launches and asks over REST and over gRPC."""

import json
import urllib.error
import urllib.request

import joblib
import pytest
from launched import servable, write_model
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

rows, classes = load_iris(return_X_y=True)
model = LogisticRegression(max_iter=1000).fit(rows, classes)
expected = model.predict(rows)


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    for name, upstreams in {"rest": {}, "grpc": {"upstreams": ["grpc://127.0.0.1:{grpc_port}"]}}.items():
        settings = {
            "name": name,
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": "./model.joblib"},
        }
        options = {"profile": "mlserver", "launch": {"start_timeout_seconds": 120}, **upstreams}
        directory = write_model(
            models,
            name,
            {"format": "proxy", "options": options},
            **{"model-settings.json": json.dumps(settings), "settings.json": '{"parallel_workers": 0}'},
        )
        joblib.dump(model, directory / "model.joblib")
    with servable(models) as found:
        yield found


def post(url: str, body: dict) -> dict:
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode())) as response:
        return json.load(response)


@pytest.mark.parametrize("name", ["rest", "grpc"])
def test_answers_by_v2_as_the_model_itself(address, name):
    data = [float(value) for value in rows.reshape(-1)]
    inputs = [{"name": "predict", "datatype": "FP32", "shape": list(rows.shape), "data": data}]
    [output] = post(f"http://{address}/v2/models/{name}/infer", {"inputs": inputs})["outputs"]
    assert output["data"] == expected.tolist()


@pytest.mark.parametrize(
    ("name", "status", "words"),
    # MLServer answers such a mistake by the traceback of its middleware over REST.
    [("rest", 500, "answered 500"), ("grpc", None, "3 features")],
)
def test_tells_of_mistakes_in_mlservers_words(address, name, status, words):
    inputs = [{"name": "predict", "datatype": "FP32", "shape": [1, 3], "data": [1.0, 2.0, 3.0]}]
    with pytest.raises(urllib.error.HTTPError) as told:
        post(f"http://{address}/v2/models/{name}/infer", {"inputs": inputs})
    assert words in told.value.read().decode()
    assert status in (None, told.value.code)


@pytest.mark.parametrize("name", ["rest", "grpc"])
def test_is_ready(address, name):
    with urllib.request.urlopen(f"http://{address}/v2/models/{name}/ready") as response:
        assert response.status == 200
