"""`pelton data pilot`: finetuning on growing parts of the data, and what it says of more of them."""

import json
import signal
import subprocess
import time

import pytest
from tiny_chat_model import write_tiny_chat_model
from tune_test import write_lines


def chats(word, numbers):
    turns = [[("user", f"{word} {n}"), ("assistant", f"no {n % 10}")] for n in numbers]
    return [{"messages": [{"role": role, "content": content} for role, content in chat]} for chat in turns]


@pytest.fixture
def arguments(tmp_path):
    """Of a small pilot: 4 sizes and 2 seeds, some seconds."""
    model = write_tiny_chat_model(tmp_path / "model")
    a = write_lines(tmp_path / "a.jsonl", chats("say", range(100, 140)))
    write_lines(tmp_path / "b.jsonl", chats("tell", range(100, 140)))
    held_out = write_lines(tmp_path / "eval.jsonl", chats("say", range(200, 220)))
    return ["data", "pilot", "--model", model, "--data", a, "--eval", held_out, "--sizes", "4,8,16,32", "--seeds", "2",
            "--rank", "4", "--learning-rate", "5e-3", "--batch-size", "2", "--output", tmp_path / "out"]


def changed(arguments, **values):
    """With other values of options."""
    arguments = list(arguments)
    for name, value in values.items():
        arguments[arguments.index(f"--{name}") + 1] = value
    return arguments


def runs_of(tmp_path):
    """Finished ones, not what is being written."""
    return {file.name: file.stat().st_ino for file in (tmp_path / "out/runs").glob("*.json")}


def test_text_json_and_page(pelton, tmp_path, arguments):
    done = pelton(*arguments)
    assert done.returncode == 0, done.stderr
    for text in ["20 records", "without finetuning", "95 % interval", "loss, predicted", "seems worth it", "with 64 examples (2 times"]:
        assert text in done.stdout, text
    assert done.stderr.count("seed 1: loss") == 5 and "report.html" in done.stderr
    ended = [line for line in done.stderr.splitlines() if ": loss " in line]
    assert len(ended) == 11 and all(line.endswith(" left") for line in ended[:-1]) and " left" not in ended[-1]
    runs = runs_of(tmp_path)
    assert len(runs) == 1 + 2 + 4 * 2
    report = pelton.json(*arguments)
    assert runs_of(tmp_path) == runs, "what is there is not done again"
    assert report == json.loads((tmp_path / "out/report.json").read_text())
    assert report["sizes"] == [4, 8, 16, 32] and report["seeds"] == [0, 1]
    assert report["eval"] == {"records": 20, "answer_tokens": 100, "short_answers": 20}
    (data,) = report["data"]
    assert data["records"] == 40 and data["leaked"] == 0 and data["verdict"] == "better"
    few_shot = data["few_shot"]
    # The model's context takes four of these chats.
    assert few_shot["shots"] == 5 and few_shot["mean_shots"] == 3 and len(few_shot["loss_by_seed"]) == 2
    assert data["from_best_baseline"]["loss"]["high"] < 0
    losses = [size["loss"]["value"] for size in data["sizes"]]
    assert losses[-1] < losses[0] < report["base"]["loss"]["value"]
    for size in data["sizes"]:
        assert size["loss"]["low"] <= size["loss"]["value"] <= size["loss"]["high"]
        assert abs(sum(size["loss_by_seed"]) / 2 - size["loss"]["value"]) < 1e-9
        assert 0 <= size["exact_match"]["value"] <= 1
    assert [prediction["examples"] for prediction in data["curve"]["predictions"]] == [40, 64, 320]
    assert data["from_base"]["loss"]["high"] < 0
    page = (tmp_path / "out/report.html").read_text()
    assert page.count("<svg") == 2 and "loss(n) =" in page and "<script" not in page
    assert report["recipe"]["epochs"] == 3 and "eval_steps" not in report["recipe"]


def test_goes_on_after_kills(pelton, tmp_path, arguments):
    whole = pelton.json(*changed(arguments, output=tmp_path / "whole"))
    for survives in (2, 5):
        process = subprocess.Popen([pelton.program, *map(str, arguments)], cwd=pelton.folder, env=pelton.environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (tmp_path / "out/runs").exists() or len(runs_of(tmp_path)) < survives:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = runs_of(tmp_path)
    last = pelton(*arguments, "--json")
    assert last.returncode == 0 and f"{len(before)} of 11 runs are there already" in last.stderr
    assert before.items() <= runs_of(tmp_path).items()
    assert json.loads(last.stdout) == whole


def test_two_sets_against_each_other(pelton, tmp_path, arguments):
    assert pelton(*arguments).returncode == 0
    both = pelton(*arguments, "--data", tmp_path / "b.jsonl", "--json")
    assert both.returncode == 0 and "11 of 21 runs are there already" in both.stderr
    report = json.loads(both.stdout)
    first, second = report["data"]
    # The first asks as the eval does.
    assert [difference["examples"] for difference in second["from_first"]] == [4, 8, 16, 32]
    assert any("against" in sentence and "teach" in sentence for sentence in report["sentences"])
    again = pelton(*arguments, "--data", tmp_path / "a.jsonl", "--json")
    (_, same) = json.loads(again.stdout)["data"]
    assert all(difference["loss"]["value"] == 0 == difference["loss"]["high"] for difference in same["from_first"])


def test_a_recipe_and_flags_that_win(pelton, tmp_path, arguments):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("model: other\ndata: other.jsonl\noutput: other\nrank: 2\nsteps: 3\ntargets: [q, v]\neval_steps: 5\n")
    report = pelton.json(*changed(arguments, sizes="2,4", seeds="1"), "--recipe", recipe)
    assert report["recipe"]["rank"] == 4 and report["recipe"]["steps"] == 3 and report["recipe"]["targets"] == ["q", "v"]
    assert report["data"][0]["curve"] is None
    assert any("a curve needs 3 sizes" in sentence for sentence in report["sentences"])
    assert any("one seed" in sentence for sentence in report["sentences"])


def test_what_the_eval_has_is_left_out(pelton, tmp_path, arguments):
    write_lines(tmp_path / "a.jsonl", chats("say", range(190, 230)))
    done = pelton(*changed(arguments, sizes="2,4", seeds="1"))
    assert done.returncode == 0 and "20 records that the eval has too are left out" in done.stderr
    write_lines(tmp_path / "a.jsonl", chats("SAY,", range(190, 230)))
    nearly = pelton.json(*changed(arguments, sizes="2,4", seeds="1"))
    assert nearly["data"][0]["leaked"] == 20 == nearly["data"][0]["nearly_leaked"]
    refused = pelton(*arguments)
    assert refused.returncode == 1
    assert "has 20 records to learn from, without 20 that the eval has too; 32 are needed" in refused.stderr


def test_without_examples_shown(pelton, tmp_path, arguments):
    done = pelton(*changed(arguments, sizes="2,4", seeds="1"), "--shots", "0", "--json")
    assert done.returncode == 0, done.stderr
    assert len(runs_of(tmp_path)) == 3
    (data,) = json.loads(done.stdout)["data"]
    assert data["few_shot"] is None and data["from_best_baseline"] == data["from_base"]
    two = pelton.json(*changed(arguments, sizes="2,4", seeds="1"), "--shots", "2")
    assert two["data"][0]["few_shot"]["shots"] == 2 and len(runs_of(tmp_path)) == 4


def test_errors_say_what_is_wrong(pelton, tmp_path, arguments):
    few = pelton(*changed(arguments, sizes="4,80"))
    assert few.returncode == 1 and "has 40 records to learn from; 80 are needed" in few.stderr
    for wrong, word in [([*arguments, "--objective", "dpo"], "--objective"), (changed(arguments, sizes="0"), "--sizes"),
                        (changed(arguments, seeds="0"), "--seeds"), ([*arguments, "--shots", "-1"], "--shots")]:
        refused = pelton(*wrong)
        assert refused.returncode == 2 and word in refused.stderr, refused.stderr
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("objective: dpo\n")
    other = pelton(*arguments, "--recipe", recipe, "--json")
    assert other.returncode == 1 and "objective" in json.loads(other.stdout)["error"]["message"]
    missing = pelton(*changed(arguments, data=tmp_path / "none.jsonl"))
    assert missing.returncode == 1 and "none.jsonl" in missing.stderr
    (tmp_path / "model/tokenizer.json").unlink()
    blind = pelton(*arguments)
    assert blind.returncode == 1 and "tokenizer" in blind.stderr
    for required in ("--model", "--data", "--eval"):
        at = arguments.index(required)
        assert pelton(*arguments[:at], *arguments[at + 2:]).returncode == 2
    assert not (tmp_path / "out").exists()
