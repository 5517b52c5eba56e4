#!/usr/bin/env python3
"""Writes tiny random encoders as folders, with what they must give: bert, modernbert, roberta, and a reranker of each.

usage: make_encoders.py [NAME...]   needs numpy, autograd and tokenizers (PyPI)

The definitions of the papers and of transformers' modules in float64, differentiated by `autograd`: nothing in common with what
is tested. reference_encoder.py beside the long test runs the same Encoder on published weights.
"""

import json
import math
import pathlib
import sys

import autograd.numpy as np
import numpy
import tokenizers
from autograd import value_and_grad
from autograd.extend import defvjp, primitive

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from safetensors_file import write_safetensors  # noqa: E402

WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] the a of and in cafe naive uber red blue green cat dog bird fish sat ran on mat "
    "##s ##ed ##ing ##er play run eat sleep water fire 1 2 3 ##4 ##5 . , ! ? ' - 中 国 un ##able ##re do ##n t "
    "i you we they is are was hello world"
).split()
TEXTS = [
    "The cat sat on the mat.",
    "Café NAÏVE über!",
    "Hello, world? Hello... 中国!",
    "they played and ran; we eat fish in the water, un-doable",
    "",
    "don't 12345 xyzzy the bird's fire " + "blue green red " * 9,
]
PAIRS = [["the cat", "sat on the mat"], ["do you play?", "they are running in the fire"], ["fish", ""]]
COMMON = {"vocab_size": len(WORDS), "hidden_size": 48, "num_attention_heads": 4, "intermediate_size": 64}
BERT = COMMON | {
    "model_type": "bert", "architectures": ["BertModel"], "num_hidden_layers": 3, "max_position_embeddings": 64,
    "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "position_embedding_type": "absolute",
}  # fmt: skip
MODERN = COMMON | {
    "model_type": "modernbert", "architectures": ["ModernBertModel"], "num_hidden_layers": 5,
    "max_position_embeddings": 128, "norm_eps": 1e-5, "hidden_activation": "gelu", "attention_bias": False,
    "mlp_bias": False, "norm_bias": False, "classifier_bias": False, "local_attention": 8, "global_attn_every_n_layers": 3,
    "global_rope_theta": 160000.0, "local_rope_theta": 10000.0, "classifier_pooling": "cls", "classifier_activation": "gelu",
}  # fmt: skip
ROBERTA = BERT | {"max_position_embeddings": 66, "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1}
ONE_LABEL = {"id2label": {"0": "LABEL_0"}}
FOLDERS = {
    "bert": (BERT, "mean"),
    "modernbert": (MODERN, "cls"),
    "bert-reranker": (BERT | ONE_LABEL | {"architectures": ["BertForSequenceClassification"]}, None),
    "modernbert-reranker": (MODERN | ONE_LABEL | {"architectures": ["ModernBertForSequenceClassification"]}, None),
    "roberta": (ROBERTA | {"model_type": "xlm-roberta", "architectures": ["XLMRobertaModel"]}, "cls"),
    "roberta-reranker": (
        ROBERTA | ONE_LABEL | {"model_type": "roberta", "architectures": ["RobertaForSequenceClassification"],
                               "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}},
        None,
    ),
}  # fmt: skip
PREFIXES = {"bert": "bert.", "modernbert": "model.", "roberta": "roberta.", "xlm-roberta": "roberta."}


erf = primitive(numpy.vectorize(math.erf, otypes=[float]))
defvjp(erf, lambda _, x: lambda g: g * 2 / math.sqrt(math.pi) * np.exp(-x * x))


def gelu(x):
    return x / 2 * (1 + erf(x / math.sqrt(2)))


def softmax(x):
    weights = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return weights / np.sum(weights, axis=-1, keepdims=True)


class Encoder:
    """Hidden states [T, D] of one sequence."""

    def __init__(self, config):
        self.c = config
        self.heads = config["num_attention_heads"]
        self.head = config["hidden_size"] // self.heads

    def linear(self, w, x, name):
        y = x @ w[name + ".weight"].T
        return y + w[name + ".bias"] if name + ".bias" in w else y

    def norm(self, w, x, name):
        centred = x - np.mean(x, axis=-1, keepdims=True)
        epsilon = self.c.get("layer_norm_eps") or self.c["norm_eps"]
        y = centred / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + epsilon) * w[name + ".weight"]
        return y + w[name + ".bias"] if name + ".bias" in w else y

    def attend(self, q, k, v, rotation=None, reach=None):
        count = len(q)
        q, k, v = (np.transpose(y.reshape(count, self.heads, self.head), (1, 0, 2)) for y in (q, k, v))
        if rotation is not None:
            q, k = rotate(q, *rotation), rotate(k, *rotation)
        scores = q @ np.transpose(k, (0, 2, 1)) / math.sqrt(self.head)
        if reach is not None:
            distance = numpy.abs(numpy.arange(count)[:, None] - numpy.arange(count))
            scores = np.where(distance > reach, -1e30, scores)
        return np.transpose(softmax(scores) @ v, (1, 0, 2)).reshape(count, -1)

    def hidden(self, w, ids, types):
        return self.modern(w, ids) if self.c["model_type"] == "modernbert" else self.bert(w, ids, types)

    def bert(self, w, ids, types):
        first = self.c["pad_token_id"] + 1 if "roberta" in self.c["model_type"] else 0  # positions start behind padding's
        positions = w["embeddings.position_embeddings.weight"][first : first + len(ids)]
        x = w["embeddings.word_embeddings.weight"][ids] + positions
        x = self.norm(w, x + w["embeddings.token_type_embeddings.weight"][types], "embeddings.LayerNorm")
        for layer in range(self.c["num_hidden_layers"]):
            name = f"encoder.layer.{layer}."
            q, k, v = (self.linear(w, x, f"{name}attention.self.{part}") for part in ("query", "key", "value"))
            y = self.linear(w, self.attend(q, k, v), name + "attention.output.dense")
            x = self.norm(w, x + y, name + "attention.output.LayerNorm")
            y = self.linear(w, gelu(self.linear(w, x, name + "intermediate.dense")), name + "output.dense")
            x = self.norm(w, x + y, name + "output.LayerNorm")
        return x

    def modern(self, w, ids):
        x = self.norm(w, w["embeddings.tok_embeddings.weight"][ids], "embeddings.norm")
        for layer in range(self.c["num_hidden_layers"]):
            name = f"layers.{layer}."
            is_local = layer % self.c["global_attn_every_n_layers"] != 0
            theta = self.c["local_rope_theta" if is_local else "global_rope_theta"]
            angles = numpy.arange(len(ids))[:, None] * theta ** (-numpy.arange(0, self.head, 2) / self.head)
            rotation = numpy.cos(angles), numpy.sin(angles)
            reach = self.c["local_attention"] // 2 if is_local else None
            n = x if layer == 0 else self.norm(w, x, name + "attn_norm")
            q, k, v = np.split(self.linear(w, n, name + "attn.Wqkv"), 3, axis=-1)
            x = x + self.linear(w, self.attend(q, k, v, rotation, reach), name + "attn.Wo")
            gate, up = np.split(self.linear(w, self.norm(w, x, name + "mlp_norm"), name + "mlp.Wi"), 2, axis=-1)
            x = x + self.linear(w, gelu(gate) * up, name + "mlp.Wo")
        return self.norm(w, x, "final_norm")

    def score(self, w, hidden):
        """Logits [labels] of a classifier, from the names without the prefix."""
        if "roberta" in self.c["model_type"]:
            return self.linear(w, np.tanh(self.linear(w, hidden[0], "classifier.dense")), "classifier.out_proj")
        if self.c["model_type"] == "bert":
            pooled = np.tanh(self.linear(w, hidden[0], "pooler.dense"))
        else:
            pooled = self.norm(w, gelu(self.linear(w, hidden[0], "head.dense")), "head.norm")
        return self.linear(w, pooled, "classifier")

    def loss(self, w, sequences, targets):
        """Cross-entropy as if hidden states were logits: only to have a gradient of everything."""
        rows = np.concatenate([self.hidden(w, ids, numpy.zeros_like(ids)) for ids in sequences])
        peak = np.max(rows, axis=-1, keepdims=True)
        log_sum = peak[:, 0] + np.log(np.sum(np.exp(rows - peak), axis=-1))
        return np.mean(log_sum - rows[numpy.arange(len(rows)), targets])


def rotate(x, cosines, sines):
    half = cosines.shape[1]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cosines - b * sines, b * cosines + a * sines], axis=-1)


def shapes(config):
    """Names without prefix, and shapes."""
    width, feed_forward = config["hidden_size"], config["intermediate_size"]

    def norm(name):
        yield name + ".weight", (width,)
        if config["model_type"] != "modernbert":
            yield name + ".bias", (width,)

    def dense(name, rows, columns):
        yield name + ".weight", (rows, columns)
        yield name + ".bias", (rows,)

    is_roberta = "roberta" in config["model_type"]
    if config["model_type"] != "modernbert":
        yield "embeddings.word_embeddings.weight", (config["vocab_size"], width)
        yield "embeddings.position_embeddings.weight", (config["max_position_embeddings"], width)
        yield "embeddings.token_type_embeddings.weight", (config["type_vocab_size"], width)
        yield from norm("embeddings.LayerNorm")
        for layer in range(config["num_hidden_layers"]):
            name = f"encoder.layer.{layer}."
            for part in ("self.query", "self.key", "self.value", "output.dense"):
                yield from dense(f"{name}attention.{part}", width, width)
            yield from norm(name + "attention.output.LayerNorm")
            yield from dense(name + "intermediate.dense", feed_forward, width)
            yield from dense(name + "output.dense", width, feed_forward)
            yield from norm(name + "output.LayerNorm")
        if not (is_roberta and "id2label" in config):
            yield from dense("pooler.dense", width, width)  # without a classifier nobody reads it, and files have it
    else:
        yield "embeddings.tok_embeddings.weight", (config["vocab_size"], width)
        yield from norm("embeddings.norm")
        for layer in range(config["num_hidden_layers"]):
            name = f"layers.{layer}."
            if layer > 0:
                yield from norm(name + "attn_norm")
            yield name + "attn.Wqkv.weight", (3 * width, width)
            yield name + "attn.Wo.weight", (width, width)
            yield from norm(name + "mlp_norm")
            yield name + "mlp.Wi.weight", (2 * feed_forward, width)
            yield name + "mlp.Wo.weight", (width, feed_forward)
        yield from norm("final_norm")
        if "id2label" in config:
            yield "head.dense.weight", (width, width)
            yield from norm("head.norm")
    if "id2label" in config and is_roberta:
        yield from dense("classifier.dense", width, width)
        yield from dense("classifier.out_proj", 1, width)
    elif "id2label" in config:
        yield from dense("classifier", 1, width)


def random_weights(config, rng):
    weights = {}
    for name, shape in shapes(config):
        value = rng.standard_normal(shape) * (0.3 if "embedd" in name else 1.6 / math.sqrt(shape[-1]))
        if "norm" in name.lower() and name.endswith(".weight"):
            value = 1 + 0.2 * rng.standard_normal(shape)
        elif name.endswith(".bias"):
            value = 0.2 * rng.standard_normal(shape)
        weights[name] = value.astype(numpy.float32)
    return weights


def file_name(config, name):
    """As the class saves it: a bare model without a prefix, one with a classifier with it."""
    if "id2label" not in config or name.startswith(("classifier", "head.")):
        return name
    return PREFIXES[config["model_type"]] + name


def make_tokenizer(kind):
    if kind == "xlm-roberta":
        return make_unigram()
    return make_byte_level() if kind == "roberta" else make_wordpiece()


SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]  # RoBERTa's, by id
PLAIN_WORDS = [word for word in WORDS if not word.startswith(("[", "##"))]


def make_unigram():
    """As XLM-RoBERTa's: pieces with U+2581 for a space, and a template."""
    letters = sorted(set("".join(PLAIN_WORDS)) | set("▁ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    pieces = [(piece, 0.0) for piece in SPECIAL]
    pieces += [("▁" + word, -3.0 - 0.05 * i) for i, word in enumerate(PLAIN_WORDS)]
    pieces += [(letter, -9.0 - 0.01 * i) for i, letter in enumerate(letters)]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    tokenizer.decoder = tokenizers.decoders.Metaspace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def make_byte_level():
    """As RoBERTa's: bytes, merges, and a post-processor that is no template."""
    vocabulary = dict.fromkeys(SPECIAL + sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()))
    merges = {}
    for word in PLAIN_WORDS:
        if word.isascii() and word.isalpha():
            word = "Ġ" + word
            for end in range(2, len(word) + 1):
                merges[word[: end - 1], word[end - 1]] = vocabulary[word[:end]] = None
    vocabulary = {token: index for index, token in enumerate(vocabulary)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, list(merges)))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.post_processor = tokenizers.processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def make_wordpiece():
    vocabulary = {word: index for index, word in enumerate(WORDS)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = tokenizers.decoders.WordPiece()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return tokenizer


def embed(rows, pooling):
    pooled = rows[0] if pooling == "cls" else rows.mean(axis=0)
    return pooled / numpy.linalg.norm(pooled)


def write_folder(name, config, pooling, rng):
    folder = HERE / name
    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(config["model_type"])
    config = config | {"vocab_size": tokenizer.get_vocab_size()}
    weights = random_weights(config, rng)
    encoder, w = Encoder(config), {key: value.astype(numpy.float64) for key, value in weights.items()}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    write_safetensors(folder / "model.safetensors", {file_name(config, key): value for key, value in weights.items()})
    tokenizer.save(str(folder / "tokenizer.json"))

    expected = {}
    if pooling is None:
        (folder / "1_Pooling").rmdir()
        encodings = [tokenizer.encode(*pair) for pair in PAIRS]
        scores = [encoder.score(w, encoder.hidden(w, numpy.array(e.ids), numpy.array(e.type_ids))) for e in encodings]
        expected["scores"] = numpy.array(scores)
        expected["token_types"] = numpy.concatenate([e.type_ids for e in encodings]).astype(numpy.int64)
    else:
        modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
        modules = [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (kind, path) in enumerate(modules)
        ]
        (folder / "modules.json").write_text(json.dumps(modules, indent=1) + "\n")
        modes = {f"pooling_mode_{key}": key.startswith(pooling) for key in ("cls_token", "mean_tokens", "max_tokens")}
        pooling_config = {"word_embedding_dimension": config["hidden_size"], **modes}
        (folder / "1_Pooling/config.json").write_text(json.dumps(pooling_config, indent=1) + "\n")
        (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 60, "do_lower_case": false}\n')
        encodings = [tokenizer.encode(text) for text in TEXTS]
        sequences = [numpy.array(e.ids, numpy.int64) for e in encodings]
        rows = [encoder.hidden(w, ids, numpy.zeros_like(ids)) for ids in sequences]
        targets = rng.integers(0, config["hidden_size"], sum(map(len, sequences)))
        loss, gradients = value_and_grad(encoder.loss)(w, sequences, targets)
        expected |= {"hidden": numpy.concatenate(rows), "loss": numpy.array(loss), "targets": targets.astype(numpy.int64)}
        expected["embeddings"] = numpy.stack([embed(row, pooling) for row in rows])
        expected |= {"grad." + key: gradients[key] for key in weights if not key.startswith("pooler")}
    expected["input_ids"] = numpy.concatenate([e.ids for e in encodings]).astype(numpy.int64)
    expected["offsets"] = numpy.cumsum([0] + [len(e.ids) for e in encodings]).astype(numpy.int64)
    write_safetensors(
        folder / "expected.safetensors",
        {key: value if value.dtype == numpy.int64 else value.astype(numpy.float32) for key, value in expected.items()},
    )
    print(name, "written;", len(expected["input_ids"]), "tokens")


def main():
    (HERE / "texts.json").write_text(json.dumps({"texts": TEXTS, "pairs": PAIRS}, ensure_ascii=False, indent=1) + "\n")
    for seed, (name, (config, pooling)) in enumerate(FOLDERS.items()):
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        write_folder(name, config, pooling, numpy.random.default_rng(seed))


if __name__ == "__main__":
    main()
