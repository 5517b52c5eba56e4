"""Adapters beside one base, LoRA and IA³: given at the start, loaded and unloaded while it serves, chosen by `model`."""

import array
import concurrent.futures
import json
import pathlib
import random
import struct
import urllib.error
import urllib.request

import openai
import pytest
from conftest import SERVED_NAME, TIMEOUT_S, Server

WIDTH, KEY_VALUE_WIDTH, FEED_FORWARD_WIDTH, LAYERS, RANK = 576, 192, 1536, 30, 4  # of the demo model


def write_safetensors(path: pathlib.Path, tensors: dict[str, tuple[list[int], array.array]]) -> None:
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        end = len(data) + 4 * len(values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), end]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_adapter(folder: pathlib.Path, seed: int) -> pathlib.Path:
    """PEFT's folder of an adapter of noise, large enough to change what is said."""
    rng = random.Random(seed)

    def matrix(rows: int, columns: int, size: float) -> tuple[list[int], array.array]:
        return [rows, columns], array.array("f", (size * rng.uniform(-1, 1) for _ in range(rows * columns)))

    tensors = {}
    for layer in range(0, LAYERS, 6):
        for name, rows in (("q_proj", WIDTH), ("v_proj", KEY_VALUE_WIDTH)):
            prefix = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            tensors[f"{prefix}.lora_A.weight"] = matrix(RANK, WIDTH, 0.1)
            tensors[f"{prefix}.lora_B.weight"] = matrix(rows, RANK, 0.5)
    folder.mkdir()
    write_safetensors(folder / "adapter_model.safetensors", tensors)
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK, "target_modules": ["q_proj", "v_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def write_ia3_adapter(folder: pathlib.Path) -> pathlib.Path:
    """The same of IA³: factors between 0 and 2."""
    rng = random.Random(3)
    tensors = {}
    for layer in range(0, LAYERS, 6):
        prefix = f"base_model.model.model.layers.{layer}"
        factors = lambda count: array.array("f", (rng.uniform(0, 2) for _ in range(count)))
        tensors[f"{prefix}.self_attn.v_proj.ia3_l"] = [KEY_VALUE_WIDTH, 1], factors(KEY_VALUE_WIDTH)
        tensors[f"{prefix}.mlp.down_proj.ia3_l"] = [1, FEED_FORWARD_WIDTH], factors(FEED_FORWARD_WIDTH)
    folder.mkdir()
    write_safetensors(folder / "adapter_model.safetensors", tensors)
    config = {"peft_type": "IA3", "target_modules": ["v_proj", "down_proj"], "feedforward_modules": ["down_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


class Adapted:
    def __init__(self, folder: pathlib.Path):
        adapters = {
            "one": write_adapter(folder / "first", 1),
            "two": write_adapter(folder / "second", 2),
            "three": write_ia3_adapter(folder / "third"),
        }
        given = [word for name, path in adapters.items() for word in ("--adapter", f"{name}={path}")]
        self.server = Server(*given, "--adapter-folder", str(folder))
        self.client = openai.OpenAI(base_url=self.server.url + "/v1", api_key="-", max_retries=0, timeout=TIMEOUT_S)

    def say(self, model: str) -> str:
        answer = self.client.completions.create(model=model, prompt="Once upon a time", max_tokens=12, temperature=0)
        assert answer.model == model
        return answer.choices[0].text

    def post(self, path: str, body: dict) -> str:
        request = urllib.request.Request(
            self.server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return response.read().decode()


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    adapted = Adapted(tmp_path_factory.mktemp("adapters"))
    yield adapted
    adapted.server.kill()


def test_model_chooses_the_adapter(adapted):
    models = {model.id: model for model in adapted.client.models.list()}
    assert sorted(models) == sorted([SERVED_NAME, "one", "two", "three"])
    assert models["one"].parent == SERVED_NAME and models["one"].root == "first"
    alone = {name: adapted.say(name) for name in models}
    assert len(set(alone.values())) == 4
    names = list(models) * 4
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        assert list(pool.map(adapted.say, names)) == [alone[name] for name in names]


def test_every_form_of_a_chat_has_the_adapter(adapted):
    chat = [{"role": "user", "content": "Name a river."}]

    def texts_of(model: str) -> list[str]:
        body = {"model": model, "temperature": 0}
        ask = lambda path, more: json.loads(adapted.post(path, body | more))
        plain = ask("/v1/chat/completions", {"messages": chat, "max_tokens": 12})
        message = ask("/v1/messages", {"messages": chat, "max_tokens": 12})
        response = ask("/v1/responses", {"input": chat, "max_output_tokens": 12})
        return [plain["choices"][0]["message"]["content"], message["content"][0]["text"], response["output"][0]["content"][0]["text"]]

    for model in (SERVED_NAME, "one"):
        first, *others = texts_of(model)
        assert others == [first, first]
    assert texts_of("one") != texts_of(SERVED_NAME)


def test_adapters_come_and_go(adapted):
    loaded = adapted.post("/v1/load_lora_adapter", {"lora_name": "late", "lora_path": "first"})
    assert loaded == "Success: LoRA adapter 'late' added successfully."
    assert adapted.say("late") == adapted.say("one")
    assert "removed" in adapted.post("/v1/unload_lora_adapter", {"lora_name": "late"})
    with pytest.raises(openai.NotFoundError, match="there is demo, one, three, two"):
        adapted.say("late")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        adapted.post("/v1/load_lora_adapter", {"lora_name": "x", "lora_path": "../../etc"})
    with urllib.request.urlopen(adapted.server.url + "/metrics", timeout=TIMEOUT_S) as response:
        assert "vllm:lora_requests_info{" in response.read().decode()
