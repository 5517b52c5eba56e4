"""`pelton classify`: encoders and decoders with a head of labels."""

import contextlib
import json
import math
import pathlib
import subprocess
import urllib.error
import urllib.request

import pytest

from conftest import GOLDEN, TIMEOUT_S
from safetensors_bytes import read_safetensors, write_safetensors
from tiny_chat_model import write_tiny_chat_model

LABELS = ["a", "b", "c"]


def write_classifier(folder: pathlib.Path, labels: list[str]) -> pathlib.Path:
    """The tiny chat model; its head is the rows of the output matrix that belong to the tokens of the labels."""
    write_tiny_chat_model(folder)
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["LlamaForSequenceClassification"]
    config["id2label"] = {str(i): label for i, label in enumerate(labels)}
    (folder / "config.json").write_text(json.dumps(config))
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    tensors = read_safetensors(folder / "model.safetensors")
    dtype, (_, width), data = tensors.pop("lm_head.weight")
    row_bytes = len(data) // tensors["model.embed_tokens.weight"][1][0]
    rows = [data[vocabulary[label] * row_bytes : (vocabulary[label] + 1) * row_bytes] for label in labels]
    tensors["score.weight"] = (dtype, [len(labels), width], b"".join(rows))
    write_safetensors(folder / "model.safetensors", tensors)
    return folder


def lines_of(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("text", ["say 3", "x", "a longer one, of more than a word " * 3])
def test_the_scores_are_the_logits_of_the_heads_rows(pelton, tmp_path, text):
    generator = write_tiny_chat_model(tmp_path / "generator")
    (report,) = lines_of(pelton("run", "-m", generator, "--activations", "f32", "--json", "--max-tokens", "1",
                                "--logprobs", "20", "--text", text))
    tops = {top["token"]: top["logprob"] for top in report["logprobs"][0]["top"]}
    labels = [token for token in tops if len(token) == 1 and token.isprintable() and token != " "][:3]
    assert len(labels) == 3
    model = write_classifier(tmp_path / "classifier", labels)
    (got,) = lines_of(pelton("classify", "-m", model, "--activations", "f32", "--json", text))
    assert list(got) == ["index", "tokens", "label", "scores", "probabilities"]
    first = labels[0]
    for label in labels:
        assert got["scores"][label] - got["scores"][first] == pytest.approx(tops[label] - tops[first], abs=2e-4)
        assert got["probabilities"][label] == pytest.approx(
            math.exp(tops[label]) / sum(math.exp(tops[other]) for other in labels), abs=1e-4)
    assert got["label"] == max(labels, key=tops.get)


def test_many_texts_give_what_each_gives_alone(pelton, tmp_path):
    model = write_classifier(tmp_path / "model", LABELS)
    texts = [f"text {n} " * (n % 7 + 1) for n in range(300)]
    (tmp_path / "texts.txt").write_text("".join(text + "\n" for text in texts))
    together = lines_of(pelton("classify", "-m", model, "--json", "--file", tmp_path / "texts.txt"))
    assert [line["index"] for line in together] == list(range(300))
    for n in (0, 6, 299):
        (alone,) = lines_of(pelton("classify", "-m", model, "--json", texts[n]))
        assert alone["scores"] == pytest.approx(together[n]["scores"], abs=1e-3)
    plain = pelton("classify", "-m", model, texts[0]).stdout.split()
    assert plain[0] == together[0]["label"]
    assert float(plain[1]) == pytest.approx(together[0]["probabilities"][plain[0]], abs=1e-3)


def test_a_reward_model_scores_a_chat(pelton, tmp_path):
    model = write_classifier(tmp_path / "model", ["a"])
    chat = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
    (tmp_path / "chat.json").write_text(json.dumps(chat))
    (of_chat,) = lines_of(pelton("classify", "-m", model, "--json", "--messages", tmp_path / "chat.json"))
    # The rendered text, without the beginning of another answer.
    rendered = "<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n"
    (of_text,) = lines_of(pelton("classify", "-m", model, "--json", rendered))
    assert of_chat == of_text
    assert of_chat["probabilities"]["a"] == pytest.approx(1 / (1 + math.exp(-of_chat["scores"]["a"])))


@contextlib.contextmanager
def serving(pelton, model):
    """Asks a server with this model: path and body → status and answer."""
    command = [pelton.program, "serve", "-m", model, "--port", "0", "--json", "--name", "served"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               env=pelton.environment)

    def ask(body: dict, path: str = "/classify") -> tuple[int, dict]:
        request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    try:
        url = json.loads(process.stdout.readline())["url"]
        yield ask
    finally:
        process.kill()
        process.communicate()


def test_over_http(pelton, tmp_path):
    """vLLM's /classify says what the command says."""
    model = write_classifier(tmp_path / "model", LABELS)
    texts = ["say 3", "x", "a longer one"]
    expected = lines_of(pelton("classify", "-m", model, "--json", *texts))
    with serving(pelton, model) as ask:
        status, answer = ask({"input": texts})
        assert status == 200 and answer["object"] == "list" and answer["model"] == "served", answer
        assert answer["id"].startswith("classify-") and answer["created"] > 1_700_000_000
        tokens = sum(line["tokens"] for line in expected)
        assert answer["usage"] == {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
        for index, (got, line) in enumerate(zip(answer["data"], expected, strict=True)):
            assert list(got) == ["index", "label", "probs", "num_classes"]
            assert got["index"] == index and got["label"] == line["label"] and got["num_classes"] == len(LABELS)
            assert got["probs"] == pytest.approx(list(line["probabilities"].values()), abs=1e-3)
        for field in ("use_activation", "activation"):
            _, raw = ask({"input": texts[0], field: False})
            assert raw["data"][0]["probs"] == pytest.approx(list(expected[0]["scores"].values()), abs=1e-3)

        chat = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
        (tmp_path / "chat.json").write_text(json.dumps(chat))
        (of_chat,) = lines_of(pelton("classify", "-m", model, "--json", "--messages", tmp_path / "chat.json"))
        _, got = ask({"messages": chat, "model": "served"})
        assert got["usage"]["prompt_tokens"] == of_chat["tokens"] and len(got["data"]) == 1
        assert got["data"][0]["probs"] == pytest.approx(list(of_chat["probabilities"].values()), abs=1e-3)

        for parameter, body in [("input", {}), ("input", {"input": "x", "messages": chat}), ("input", {"input": []}),
                                ("messages", {"messages": 3}), ("truncate", {"input": "x", "truncate": 5})]:
            status, refused = ask(body)
            assert status == 400 and refused["error"]["param"] == parameter, refused
        assert ask({"input": "x", "model": "other"})[0] == 404
        status, refused = ask({"prompt": "x"}, "/v1/completions")
        assert status == 400 and "/classify" in refused["error"]["message"]
    with serving(pelton, write_tiny_chat_model(tmp_path / "generator")) as ask:
        status, refused = ask({"input": "x"})
        assert status == 400 and "is no classifier" in refused["error"]["message"]


def test_encoders_too(pelton):
    model = GOLDEN / "encoder/bert-reranker"
    (got,) = lines_of(pelton("classify", "-m", model, "--json", "the cat"))
    assert list(got["scores"]) == ["LABEL_0"] and got["label"] == "LABEL_0"


def test_what_it_refuses(pelton, tmp_path):
    classifier = write_classifier(tmp_path / "classifier", LABELS)
    generator = write_tiny_chat_model(tmp_path / "generator")
    for word, arguments in [
        ("is no classifier", ["classify", "-m", generator, "x"]),
        ("pelton classify", ["run", "-m", classifier, "x"]),
        ("scores, not embeddings", ["embed", "-m", classifier, "x"]),
        ("an encoder", ["convert", GOLDEN / "encoder/bert-reranker", tmp_path / "out.gguf"]),
    ]:
        done = pelton(*arguments)
        assert done.returncode == 1 and word in done.stderr, done.stderr
    config = json.loads((classifier / "config.json").read_text())
    (classifier / "config.json").write_text(json.dumps(config | {"id2label": {"0": "a", "1": "b"}}))
    done = pelton("classify", "-m", classifier, "x")
    assert done.returncode == 1 and "score" in done.stderr
