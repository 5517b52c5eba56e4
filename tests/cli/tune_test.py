"""`pelton tune`: recipes and data in, an adapter out, whatever happens in between."""

import fcntl
import json
import random
import signal
import struct
import subprocess
import termios
import time

import pytest

from conftest import GOLDEN, find_demo_model
from tiny_chat_model import write_tiny_chat_model

CHATS = [
    [("user", f"say {n}"), ("assistant", f"number {n}"), ("user", "again"), ("assistant", f"{n}, I said")] for n in range(7)
]


def write_lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def model(tmp_path):
    return write_tiny_chat_model(tmp_path / "model")


@pytest.fixture
def demo_model():
    path = find_demo_model()
    if path is None:
        pytest.skip("no demo model; scripts/fetch-demo-model gets it")
    return path


@pytest.fixture
def chats(tmp_path):
    messages = [[{"role": role, "content": content} for role, content in chat] for chat in CHATS]
    return write_lines(tmp_path / "chats.jsonl", [{"messages": chat} for chat in messages])


@pytest.fixture
def recipe(tmp_path, model, chats):
    text = f"model: {model}\ndata: {chats}\noutput: {tmp_path}/out\nrank: 4\nlearning_rate: 1e-2\nbatch_size: 2\nsteps: 12\n"
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_an_adapter_that_helps(pelton, tmp_path, model, recipe):
    done = pelton("tune", recipe)
    assert done.returncode == 0, done.stderr
    assert "7 records (7 chat)" in done.stderr
    log = lines_of(done.stdout)
    assert [line["step"] for line in log] == list(range(1, 13))
    assert list(log[0])[:6] == ["step", "loss", "learning_rate", "tokens", "tokens_per_second", "grad_norm"]
    assert log[-1]["loss"] < 0.8 * log[0]["loss"]
    out = tmp_path / "out"
    assert sorted(file.name for file in out.iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors", "events.out.tfevents.0.pelton", "log.jsonl", "manifest.json",
        "report.html"
    ]
    assert lines_of((out / "log.jsonl").read_text()) == log
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["recipe"]["beta2"] == 0.999 and manifest["data"]["records"] == {"chat": 7} and manifest["steps"] == 12
    config = json.loads((out / "adapter_config.json").read_text())
    assert config["r"] == 4 and config["lora_alpha"] == 32 and sorted(config["target_modules"]) == [
        "k_proj", "o_proj", "q_proj", "v_proj"
    ]
    assert not (tmp_path / "out.run").exists()
    run = ["run", "-m", model, "--temperature", "0", "--max-tokens", "8", "say 3"]
    with_adapter = pelton(*run, "--adapter", out)
    assert with_adapter.returncode == 0, with_adapter.stderr
    assert with_adapter.stdout != pelton(*run).stdout
    again = pelton("tune", recipe)
    assert again.returncode == 1 and "is there already" in again.stderr


def test_going_on_from_an_adapter(pelton, tmp_path, recipe):
    first = lines_of(pelton("tune", recipe).stdout)
    more = pelton("tune", recipe, "--init-adapter", tmp_path / "out", "--output", tmp_path / "more", "--steps", "2")
    assert more.returncode == 0, more.stderr
    assert lines_of(more.stdout)[0]["loss"] < 0.9 * first[0]["loss"]
    for option in (("--rank", "8"), ("--alpha", "8"), ("--targets", "q,v"), ("--targets", "all-linear")):
        other = pelton("tune", recipe, "--init-adapter", tmp_path / "out", "--output", tmp_path / "other", *option)
        assert other.returncode == 1 and "init_adapter has" in other.stderr


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_same_seed_gives_the_same_bytes(pelton, tmp_path, recipe, threads):
    weights = []
    for name, options in [("a", []), ("b", ["--threads", threads]), ("c", ["--seed", "1"])]:
        done = pelton("tune", recipe, "--output", tmp_path / name, *options)
        assert done.returncode == 0, done.stderr
        weights.append((tmp_path / name / "adapter_model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_checkpointing_changes_memory_and_no_byte(pelton, tmp_path, recipe):
    for name in ("none", "layer"):
        done = pelton("tune", recipe, "--output", tmp_path / name, "--activation-checkpointing", name)
        assert done.returncode == 0, done.stderr
        assert "of memory were used" in done.stderr
    weights = [(tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("none", "layer")]
    assert weights[0] == weights[1]
    other = pelton("tune", recipe, "--output", tmp_path / "other", "--activation-checkpointing", "some")
    assert other.returncode == 1 and "none, layer" in other.stderr


def test_packed_records_learn_as_alone(pelton, tmp_path, recipe):
    # A step with all seven records, in whatever groups, has one loss and one gradient.
    packed = ["--packing", "true", "--sequence-length", "300", "--batch-size", "1"]
    logs = {}
    for name, options in [
        ("alone", ["--batch-size", "7"]), ("packed", [*packed, "--gradient-accumulation", "2"]), ("one", packed)
    ]:
        done = pelton("tune", recipe, *options, "--steps", "1", "-o", tmp_path / name)
        assert done.returncode == 0, done.stderr
        logs[name] = lines_of(done.stdout)[0]
    alone, together = logs["alone"], logs["packed"]
    assert 200 < logs["one"]["tokens"] <= 300 < alone["tokens"] <= 600
    assert together["tokens"] == alone["tokens"] and together["learnt_tokens"] == alone["learnt_tokens"]
    assert abs(together["loss"] - alone["loss"]) < 1e-5
    assert abs(together["grad_norm"] - alone["grad_norm"]) < 1e-4 * alone["grad_norm"]


def test_an_epoch_of_packs_sees_every_record_once(pelton, tmp_path, recipe):
    keys = {"steps: 12": "epochs: 1\npacking: true\nsequence_length: 150", "batch_size: 2": "batch_size: 1"}
    text = recipe.read_text()
    for old, new in keys.items():
        text = text.replace(old, new)
    recipe.write_text(text)
    done = pelton("tune", recipe)
    assert done.returncode == 0, done.stderr
    log = lines_of(done.stdout)
    assert all(line["tokens"] <= 150 for line in log) and len(log) == 4
    assert f": {sum(line['tokens'] for line in log)} tokens" in done.stderr
    for options in (["--group-by-length", "true"], ["--group-by-length", "true", "--packing", "false", "--shuffle", "false"]):
        refused = pelton("tune", recipe, "-o", tmp_path / "other", *options)
        assert refused.returncode == 1 and "group_by_length" in refused.stderr


def tensors_of(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return {
        name: data[8 + length + entry["data_offsets"][0] : 8 + length + entry["data_offsets"][1]]
        for name, entry in header.items()
    }


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_full_finetuning_writes_a_model(pelton, tmp_path, model, recipe, precision):
    full = ["--method", "full", "--precision", precision, "--learning-rate", "3e-3"]
    done = pelton("tune", recipe, *full)
    assert done.returncode == 0, done.stderr
    log = lines_of(done.stdout)
    assert log[-1]["loss"] < 0.8 * log[0]["loss"]
    out = tmp_path / "out"
    assert json.loads((out / "manifest.json").read_text())["kind"] == "model"
    before, after = tensors_of(model / "model.safetensors"), tensors_of(out / "model.safetensors")
    assert before.keys() == after.keys()
    # Going on from it begins where it ended: what was written is what was trained.
    more = pelton("tune", recipe, *full, "-m", out, "-o", tmp_path / "more", "--steps", "1")
    assert more.returncode == 0, more.stderr
    next_of_first = pelton("tune", recipe, *full, "-o", tmp_path / "longer", "--steps", "13")
    assert lines_of(next_of_first.stdout)[0]["loss"] == log[0]["loss"]
    run = pelton("run", "-m", out, "--temperature", "0", "--max-tokens", "8", "say 3")
    assert run.returncode == 0, run.stderr
    for threads in ("1", "3"):
        again = pelton("tune", recipe, *full, "-o", tmp_path / threads, "--threads", threads)
        assert again.returncode == 0, again.stderr
        assert (tmp_path / threads / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()


def test_some_weights_change_and_no_others(pelton, tmp_path, model, recipe):
    before = tensors_of(model / "model.safetensors")
    layers = {name.split(".")[2] for name in before if ".layers." in name}
    for options, is_trained in [
        (["--last-layers", "1"], lambda name: f".layers.{len(layers) - 1}." in name),
        (["--trained", "*norm*"], lambda name: "norm" in name),
        (["--trained", "*q_proj*,*.mlp.*", "--last-layers", "1"],
         lambda name: f".layers.{len(layers) - 1}." in name and ("q_proj" in name or ".mlp." in name)),
    ]:
        out = tmp_path / "-".join(options).replace("*", "")
        done = pelton("tune", recipe, "--method", "full", "--steps", "2", "-o", out, *options)
        assert done.returncode == 0, done.stderr
        after = tensors_of(out / "model.safetensors")
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {name for name in before if is_trained(name)}, options
    for options, word in [(["full", "--trained", "zebra"], "trained"), (["full", "--last-layers", "99"], "last_layers"),
                          (["lora", "--last-layers", "1"], "last_layers"), (["prefix"], "none of lora, ia3, full")]:
        refused = pelton("tune", recipe, "-o", tmp_path / "no", "--method", *options)
        assert refused.returncode == 1 and word in refused.stderr


def test_full_finetuning_goes_on_after_a_kill(pelton, tmp_path, recipe):
    length = ["--method", "full", "--precision", "bf16", "--learning-rate", "1e-3", "--steps", "40", "--checkpoint-steps", "3"]
    assert pelton("tune", recipe, *length, "--output", tmp_path / "whole").returncode == 0
    for survives in (7, 11, 5):
        process = subprocess.Popen(
            [pelton.program, "tune", str(recipe), *length],
            cwd=pelton.folder, env=pelton.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(survives):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "out").exists()
    last = pelton("tune", recipe, *length)
    assert last.returncode == 0 and "going on after step" in last.stderr
    assert (tmp_path / "out/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()


def test_merged_output_is_the_model_with_the_adapter(pelton, tmp_path, model, recipe):
    assert pelton("tune", recipe).returncode == 0
    done = pelton("tune", recipe, "--merge", "true", "-o", tmp_path / "model-out")
    assert done.returncode == 0 and "rounding by" in done.stderr and "the model is in" in done.stderr
    by_hand = pelton("merge", "adapter", model, tmp_path / "out", "-o", tmp_path / "by-hand")
    assert by_hand.returncode == 0, by_hand.stderr
    merged = (tmp_path / "model-out/model.safetensors").read_bytes()
    assert merged == (tmp_path / "by-hand/model.safetensors").read_bytes()
    assert merged != (model / "model.safetensors").read_bytes()
    refused = pelton("tune", recipe, "--merge", "true", "--method", "full", "-o", tmp_path / "no")
    assert refused.returncode == 1 and "merge" in refused.stderr


@pytest.fixture
def ia3_recipe(recipe):
    recipe.write_text(recipe.read_text().replace("rank: 4\n", "method: ia3\n").replace("1e-2", "5e-2"))
    return recipe


def test_factors_are_learnt_written_used_and_merged(pelton, tmp_path, model, ia3_recipe):
    done = pelton("tune", ia3_recipe)
    assert done.returncode == 0, done.stderr
    log = lines_of(done.stdout)
    assert log[-1]["loss"] < 0.9 * log[0]["loss"]
    config = json.loads((tmp_path / "out/adapter_config.json").read_text())
    assert config["peft_type"] == "IA3" and config["feedforward_modules"] == ["down_proj"]
    assert sorted(config["target_modules"]) == ["down_proj", "k_proj", "v_proj"]
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["recipe"]["method"] == "ia3" and manifest["recipe"]["targets"] == ["k", "v", "down"]

    run = ["run", "--temperature", "0", "--max-tokens", "8", "--activations", "f32", "--kv-type", "f32", "say 3", "-m"]
    beside = pelton(*run, model, "--adapter", tmp_path / "out")
    assert beside.returncode == 0, beside.stderr
    assert beside.stdout != pelton(*run, model).stdout
    assert pelton("merge", "adapter", model, tmp_path / "out", "-o", tmp_path / "by-hand").returncode == 0
    assert pelton(*run, tmp_path / "by-hand").stdout == beside.stdout
    merged = pelton("tune", ia3_recipe, "--merge", "true", "-o", tmp_path / "model-out")
    assert merged.returncode == 0 and "rounding by" in merged.stderr
    weights = (tmp_path / "model-out/model.safetensors").read_bytes()
    assert weights == (tmp_path / "by-hand/model.safetensors").read_bytes()

    more = pelton("tune", ia3_recipe, "--init-adapter", tmp_path / "out", "-o", tmp_path / "more", "--steps", "2")
    assert more.returncode == 0, more.stderr
    assert lines_of(more.stdout)[0]["loss"] < 0.95 * log[0]["loss"]
    for option, words in [(("--rank", "8"), "rank: is of LoRA's"), (("--dora", "true"), "dora: is of LoRA's"),
                          (("--init", "pissa"), "init: is of LoRA's"), (("--method", "lora"), "init_adapter is one of")]:
        refused = pelton("tune", ia3_recipe, "--init-adapter", tmp_path / "out", "-o", tmp_path / "no", *option)
        assert refused.returncode == 1 and words in refused.stderr, refused.stderr


def test_factors_go_on_after_kills(pelton, tmp_path, ia3_recipe):
    length = ["--steps", "40", "--checkpoint-steps", "3", "--activation-checkpointing", "layer"]
    whole = pelton("tune", ia3_recipe, *length, "-o", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    for survives in (8, 12):
        process = subprocess.Popen(
            [pelton.program, "tune", str(ia3_recipe), *length],
            cwd=pelton.folder, env=pelton.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(survives):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "out").exists()
    last = pelton("tune", ia3_recipe, *length)
    assert last.returncode == 0 and "going on after step" in last.stderr
    name = "adapter_model.safetensors"
    assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def without_speed(text):
    log = lines_of(text)
    for line in log:
        line.pop("tokens_per_second", None)
    return log


def test_the_best_evaluation_is_kept(pelton, tmp_path, model, recipe, chats):
    # It learns to answer otherwise than these: they get a little likelier, then far less so.
    answers = [[("user", f"say {n}"), ("assistant", "@@@@ @@@@")] for n in range(3)]
    messages = [[{"role": role, "content": content} for role, content in chat] for chat in answers]
    held_out = write_lines(tmp_path / "held.jsonl", [{"messages": chat} for chat in messages])
    options = ["--eval-data", held_out, "--eval-steps", "2", "--steps", "40"]
    done = pelton("tune", recipe, *options)
    assert done.returncode == 0, done.stderr
    log = lines_of(done.stdout)
    losses = {line["step"]: line["eval_loss"] for line in log if "eval_loss" in line}
    assert list(losses) == list(range(2, 41, 2))
    best = min(losses, key=losses.get)
    assert best < 40 and f"was after step {best}: that is what is written" in done.stderr
    page = (tmp_path / "out/report.html").read_text()
    assert "evaluation" in page and page.count("<svg") == 4
    stopped = pelton("tune", recipe, *options, "-o", tmp_path / "stopped", "--early-stop", "3")
    assert stopped.returncode == 0, stopped.stderr
    steps = [line["step"] for line in lines_of(stopped.stdout) if "loss" in line]
    assert len(steps) < 40 and "stopping early" in stopped.stderr
    # What is written is what was measured: from there on evaluated at a rate of nothing.
    more = pelton("tune", recipe, "--init-adapter", tmp_path / "out", "-o", tmp_path / "more", "--eval-data", held_out,
                  "--steps", "1", "--learning-rate", "1e-30")
    assert more.returncode == 0, more.stderr
    assert abs(lines_of(more.stdout)[-1]["eval_loss"] - losses[best]) < 1e-6
    last = pelton("tune", recipe, *options, "-o", tmp_path / "last", "--keep-best", "false")
    assert last.returncode == 0 and "that is what is written" not in last.stderr
    name = "adapter_model.safetensors"
    assert (tmp_path / "last" / name).read_bytes() != (tmp_path / "out" / name).read_bytes()


def test_evaluations_survive_kills(pelton, tmp_path, recipe, chats):
    held_out = write_lines(tmp_path / "held.jsonl", [{"text": f"number {n}, then {n + 1}"} for n in range(3)])
    options = ["--eval-data", held_out, "--eval-steps", "2", "--steps", "60", "--learning-rate", "2e-2", "--checkpoint-steps", "3"]
    whole = pelton("tune", recipe, *options, "-o", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    for survives in (9, 14, 6):
        process = subprocess.Popen(
            [pelton.program, "tune", str(recipe), *map(str, options)],
            cwd=pelton.folder, env=pelton.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(survives):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert pelton("tune", recipe, *options).returncode == 0
    for name in ["adapter_model.safetensors", "manifest.json"]:
        ours, theirs = ((tmp_path / folder / name).read_bytes() for folder in ("out", "whole"))
        assert ours == theirs.replace(b"/whole", b"/out"), name
    assert without_speed((tmp_path / "out/log.jsonl").read_text()) == without_speed((tmp_path / "whole/log.jsonl").read_text())


def test_sample_answers(pelton, tmp_path, model, recipe):
    """What it says now and then, and at the end what the output says."""
    prompts = ["say 3", "say 5, again"]
    recipe.write_text(recipe.read_text() + f"sample_prompts: {json.dumps(prompts)}\nsample_steps: 5\nsample_tokens: 8\n")
    done = pelton("tune", recipe, "--activation-checkpointing", "layer", "--dropout", "0.1")
    assert done.returncode == 0, done.stderr
    samples = [line for line in lines_of(done.stdout) if "samples" in line]
    assert [line["step"] for line in samples] == [5, 10, 12]
    assert all([sample["prompt"] for sample in line["samples"]] == prompts for line in samples)
    assert samples == [line for line in lines_of((tmp_path / "out/log.jsonl").read_text()) if "samples" in line]
    for sample in samples[-1]["samples"]:
        run = pelton("run", "-m", model, "--adapter", tmp_path / "out", "--activations", "f32", "--kv-type", "f32",
                     "--temperature", "0", "--max-tokens", "8", sample["prompt"])
        assert run.stdout.removesuffix("\n") == sample["answer"].removesuffix("\n")
    assert "What it says" in (tmp_path / "out/report.html").read_text()

    long = pelton("tune", recipe, "--output", tmp_path / "other", "--sample-prompts", "word " * 3000)
    assert long.returncode == 1 and "sample_prompts" in long.stderr


def test_a_loss_that_stands_out_names_its_records(pelton, tmp_path, model):
    records = [{"text": "number one and number two"}] * 90
    records[80] = {"text": "~{}^|#@!%&*=+<>/;:[]()~{}^|#@!%&*"}
    data = write_lines(tmp_path / "data.jsonl", records)
    done = pelton("tune", "-m", model, "--data", data, "-o", tmp_path / "out", "--shuffle", "false", "--batch-size", "1",
                  "--steps", "90", "--learning-rate", "1e-2")
    assert done.returncode == 0, done.stderr
    notes = [line for line in done.stderr.splitlines() if "stands out" in line]
    assert len(notes) == 1 and notes[0].startswith("step 81:") and "data.jsonl:81" in notes[0]


def test_killed_at_fifty_points_it_ends_with_the_same_bytes(pelton, tmp_path, recipe):
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    print("seed", seed)
    length = ["--steps", "240", "--checkpoint-steps", "3", "--schedule", "cosine", "--warmup-steps", "5"]
    whole = pelton("tune", recipe, *length, "--output", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    kills = 0
    while not (tmp_path / "out").exists():
        process = subprocess.Popen(
            [pelton.program, "tune", str(recipe), *length],
            cwd=pelton.folder, env=pelton.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        # At least one checkpoint a life, so that it gets on.
        survives = rng.randrange(3, 8) if kills < 50 else 1000
        for _ in range(survives):
            if not process.stdout.readline():
                break
        else:
            process.send_signal(signal.SIGKILL)
        errors = process.communicate()[1]
        assert process.returncode in (0, -signal.SIGKILL), errors
        kills += process.returncode != 0
    assert kills == 50
    for name in ["adapter_model.safetensors", "adapter_config.json"]:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    def steps(folder):
        log = lines_of((tmp_path / folder / "log.jsonl").read_text())
        for line in log:
            del line["tokens_per_second"]
        return log

    assert steps("out") == steps("whole")


def test_interrupted_it_says_how_to_go_on(pelton, tmp_path, recipe):
    process = subprocess.Popen(
        [pelton.program, "tune", str(recipe), "--steps", "100000"],
        cwd=pelton.folder, env=pelton.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    process.stdout.readline()
    other = pelton("tune", recipe, "--steps", "100000")
    assert other.returncode == 1 and "another process" in other.stderr
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "goes on from here" in errors
    changed = pelton("tune", recipe, "--steps", "100000", "--rank", "2")
    assert changed.returncode == 1 and "another recipe" in changed.stderr


def test_interrupted_while_nobody_reads_it_loses_no_line(pelton, recipe):
    process = subprocess.Popen(
        [pelton.program, "tune", str(recipe), "--steps", "100000"],
        cwd=pelton.folder, env=pelton.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    waiting_bytes = 0
    while waiting_bytes < 4096 - 300:  # one more line does not fit: the process waits in write()
        time.sleep(0.01)
        (waiting_bytes,) = struct.unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, b"    "))
    for _ in range(3):
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "goes on from here" in errors
    steps = [line["step"] for line in lines_of(output)]
    assert steps == list(range(1, len(steps) + 1))


def test_show_batch_marks_what_is_learnt(pelton, recipe):
    shown = pelton("tune", recipe, "--show-batch", "--shuffle", "false")
    assert shown.returncode == 0, shown.stderr
    assert "<|im_start|>assistant\n⟦number 0<|im_end|>⟧\n<|im_start|>user\nagain" in shown.stdout
    assert "⟦0, I said<|im_end|>⟧" in shown.stdout
    facts = lines_of(pelton("tune", recipe, "--show-batch", "--shuffle", "false", "--json").stdout)
    assert len(facts) == 2
    learnt = "".join(text for text, is_learnt in zip(facts[0]["texts"], facts[0]["learnt"]) if is_learnt)
    assert learnt == "number 0<|im_end|>0, I said<|im_end|>"


@pytest.mark.parametrize("objective", ["dpo", "dpo_hinge", "dpo_robust", "ipo", "orpo", "simpo"])
def test_preferences_move_the_margin(pelton, tmp_path, model, objective):
    pairs = [{"prompt": f"{n}? ", "chosen": f"yes {n}", "rejected": f"no {n}"} for n in range(4)]
    data = write_lines(tmp_path / "pairs.jsonl", pairs)
    options = ["--beta", "2"] if objective == "simpo" else []
    done = pelton("tune", "-m", model, "--data", data, "-o", tmp_path / "out", "--objective", objective, "--steps", "15",
                  "--learning-rate", "5e-3", *options)
    assert done.returncode == 0, done.stderr
    log = lines_of(done.stdout)
    assert log[-1]["margin"] > log[0]["margin"] + 0.01
    assert log[-1]["loss"] < log[0]["loss"]


def test_labelled_answers_move_apart(pelton, tmp_path, model):
    records = [{"prompt": f"{n}? ", "completion": text, "label": text == "yes"} for n in range(4) for text in ("yes", "no")]
    data = write_lines(tmp_path / "labelled.jsonl", records)
    done = pelton("tune", "-m", model, "--data", data, "-o", tmp_path / "out", "--objective", "kto", "--batch-size", "8", "--steps",
                  "15", "--learning-rate", "5e-3")
    assert done.returncode == 0, done.stderr
    last = lines_of(done.stdout)[-1]
    assert last["reward_desirable"] > last["reward_undesirable"] + 0.02


@pytest.mark.parametrize(
    "method", [["--method", "full"], ["--merge", "true"], ["--method", "ia3", "--merge", "true"]], ids=["full", "lora", "ia3"]
)
def test_a_reward_model_scores_what_it_has_seen(pelton, tmp_path, model, method):
    pairs = [{"prompt": f"say {n}", "chosen": f"number {n}", "rejected": f"no, not {n}"} for n in range(6)]
    pairs = [{key: [{"role": "user" if key == "prompt" else "assistant", "content": text}] for key, text in pair.items()}
             for pair in pairs]  # fmt: skip
    data = write_lines(tmp_path / "pairs.jsonl", pairs)
    tune = ["tune", "-m", model, "--data", data, "--output", tmp_path / "judge", "--objective", "reward"]
    refused = pelton(*tune)
    assert refused.returncode == 1 and "merge: true" in refused.stderr
    done = pelton(*tune, *method, "--learning-rate", "1e-2", "--steps", "20", "--batch-size", "3")
    assert done.returncode == 0, done.stderr
    log = lines_of(done.stdout)
    assert log[0]["loss"] == pytest.approx(0.6931, abs=1e-4)
    assert log[-1]["loss"] < 0.2 and log[-1]["accuracy"] == 1

    config = json.loads((tmp_path / "judge/config.json").read_text())
    assert config["architectures"] == ["LlamaForSequenceClassification"] and config["id2label"] == {"0": "LABEL_0"}
    scores = []
    for answer in ("chosen", "rejected"):
        chat = write_lines(tmp_path / f"{answer}.json", [pairs[0]["prompt"] + pairs[0][answer]])
        scored = pelton.json("classify", "-m", tmp_path / "judge", "--messages", chat)
        scores.append(scored["scores"]["LABEL_0"])
        assert scored["probabilities"] == scored["scores"], "a reward is a number as it is"
    assert scores[0] > scores[1] + 1


def test_bad_records_stop_or_are_counted(pelton, tmp_path, model):
    good = {"text": "a fine text"}
    data = write_lines(tmp_path / "data.jsonl", [good, {"messages": [{"role": "user", "content": "x"}]}, {"text": "y" * 200}])
    command = ["tune", "-m", model, "--data", data, "-o", tmp_path / "out", "--steps", "1"]
    stopped = pelton(*command)
    assert stopped.returncode == 1 and "data.jsonl:2: there is no message of the assistant" in stopped.stderr
    counted = pelton(*command, "--skip-bad-records", "true")
    assert counted.returncode == 0, counted.stderr
    assert "1 records (1 text)" in counted.stderr and "2 records skipped" in counted.stderr
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["data"]["skipped"] == 2
    long = write_lines(tmp_path / "long.jsonl", [{"text": "y" * 200}])
    too_long = pelton("tune", "-m", model, "--data", long, "-o", tmp_path / "o2", "--steps", "1")
    assert too_long.returncode == 1 and "long.jsonl:1: the record has 201 tokens" in too_long.stderr and "128" in too_long.stderr


def test_the_wrong_data_for_an_objective_is_named(pelton, tmp_path, model, chats):
    wrong = pelton("tune", "-m", model, "--data", chats, "-o", tmp_path / "out", "--objective", "dpo")
    assert wrong.returncode == 1 and "chats.jsonl:1: the objective dpo learns from" in wrong.stderr
    none = pelton("tune", "-m", model, "--data", tmp_path / "none.jsonl", "-o", tmp_path / "out")
    assert none.returncode == 1 and "none.jsonl" in none.stderr
    for option, words in [(("--targets", "q,zebra"), "zebra"), (("--precision", "tf32"), "no CPU"), (("--rank", "0"), "rank")]:
        refused = pelton("tune", "-m", model, "--data", chats, "-o", tmp_path / "out", *option)
        assert refused.returncode == 1 and words in refused.stderr


def test_a_rate_that_overflows_stops_with_the_records(pelton, tmp_path, model, chats):
    done = pelton("tune", "-m", model, "--data", chats, "-o", tmp_path / "out", "--learning-rate", "1e9", "--max-grad-norm",
                  "0", "--optimiser", "sgd", "--steps", "50")
    assert done.returncode == 1 and "chats.jsonl:" in done.stderr and "is " in done.stderr
    assert not (tmp_path / "out").exists()


def test_every_form_of_data(pelton, tmp_path, model):
    data = write_lines(tmp_path / "data.jsonl", [
        {"text": "some text"},
        {"prompt": "1 + 1 = ", "completion": "2"},
        {"prompt": [{"role": "user", "content": "hi"}], "completion": [{"role": "assistant", "content": "ho"}]},
        {"instruction": "Add.", "input": "1 2", "output": "3"},
        {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]},
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]},
    ])
    facts = lines_of(pelton("tune", "-m", model, "--data", data, "-o", tmp_path / "out", "--batch-size", "6", "--shuffle", "false",
                            "--show-batch", "--json").stdout)
    learnt = ["".join(text for text, learns in zip(fact["texts"], fact["learnt"]) if learns) for fact in facts]
    assert learnt == [
        "ome text<|im_end|>",  # nothing comes before the first token
        "2<|im_end|>",
        "ho<|im_end|>\n",
        "3<|im_end|>",
        "ho<|im_end|>",
        "ho<|im_end|>",
    ]


def test_the_demo_model_learns_as_with_peft(pelton, tmp_path, demo_model):
    """tests/golden/train: the losses that PEFT gives, from the seed on."""
    expected = json.loads((GOLDEN / "train/lora_sft.json").read_text())["log"]
    done = pelton("tune", "-m", demo_model, "--data", GOLDEN / "train/chats.jsonl", "-o", tmp_path / "out", "--shuffle", "false",
                  "--seed", "1234", "--learning-rate", "5e-4", "--steps", "2")
    assert done.returncode == 0, done.stderr
    for line, reference in zip(lines_of(done.stdout), expected):
        assert abs(line["loss"] - reference["loss"]) < 1e-4
