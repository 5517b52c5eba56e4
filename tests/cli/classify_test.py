"""`pelton classify`: encoders and decoders with a head of labels."""

import json
import math
import pathlib

import pytest

from conftest import GOLDEN
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
        ("a classifier", ["convert", classifier, tmp_path / "out.gguf"]),
    ]:
        done = pelton(*arguments)
        assert done.returncode == 1 and word in done.stderr, done.stderr
    config = json.loads((classifier / "config.json").read_text())
    (classifier / "config.json").write_text(json.dumps(config | {"id2label": {"0": "a", "1": "b"}}))
    done = pelton("classify", "-m", classifier, "x")
    assert done.returncode == 1 and "score" in done.stderr
