"""`pelton bench` says what it measured. How fast anything is, no test says: other work may share the machine."""

import json
import signal
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from conftest import GOLDEN, ROOT

TINY = GOLDEN / "arch/llama"
QUICK = ["-p", 16, "-n", 4, "--repeat", 1, "--context", 8]
CONTRACT = {
    *("model", "threads", "batch", "phase", "tokens", "tokens_per_second", "bytes_per_token"),
    *("achieved_gb_per_second", "achieved_gop_per_second", "limit_share", "verdict"),
}


def test_model_gives_the_results_of_every_phase(pelton):
    results = pelton.json("bench", "model", "-m", TINY, *QUICK, "-b", "1,3", "-t", "1,2")["results"]
    assert [(row["threads"], row["phase"], row["batch"], row["tokens"]) for row in results] == [
        *[(1, "prefill", 1, 16), (1, "decode", 1, 4), (1, "decode", 3, 4)],
        *[(2, "prefill", 1, 16), (2, "decode", 1, 4), (2, "decode", 3, 4)],
    ]
    for row in results:
        assert CONTRACT <= row.keys()
        rate = row["tokens_per_second"]
        assert 0 < rate["min"] <= rate["median"] <= rate["max"]
        expected = rate["median"] * row["bytes_per_token"] / 1e9
        assert row["achieved_gb_per_second"] == pytest.approx(expected)
        assert row["limit_share"] > 0
        assert row["verdict"].startswith(("bandwidth-bound", "compute-bound")) and "\n" not in row["verdict"]


def test_model_of_the_demo_counts_its_bytes(pelton, model):
    (decode,) = pelton.json("bench", "model", "-m", model, "-p", 0, "-n", 4, "--repeat", 1, "--context", 16)["results"]
    # Every matrix once, the embedding table being the output matrix; keys and values of 16 to 20 positions in BF16.
    tensors = pelton.json("inspect", model)["memory"]["weights_bytes"]
    key_value_bytes = 2 * 30 * 3 * 64 * 2 * 20
    assert tensors < decode["bytes_per_token"] < tensors + 2 * key_value_bytes


def test_model_says_how_good_the_timed_computation_is(pelton, model):
    text = GOLDEN / "eval/perplexity.txt"
    quick = ["-m", model, "-p", 8, "-n", 2, "--repeat", 1, "--context", 4]
    results = pelton.json("bench", "model", *quick, "--text", text, "--chunks", 1)["results"]
    expected = pelton.json("eval", "perplexity", "-m", model, text, "--chunks", 1, "--reference", "f32")
    for row in results:
        assert row["quality"]["perplexity"] == expected["perplexity"]
        assert row["quality"]["mean_kl"] == expected["kl"]["mean"]
    assert pelton.json("bench", "model", *quick)["results"][0]["quality"] is None
    (pelton.folder / "empty.txt").write_text("")
    assert "empty" in pelton.json("bench", "model", *quick, "--text", "empty.txt", code=1)["error"]["message"]


def test_model_prints_a_table_and_draws_a_picture(pelton):
    done = pelton("bench", "model", "-m", TINY, *QUICK, "--plot", "out.svg")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["phase", "threads", "batch", "tokens"]
    assert lines[1].startswith("prefill") and lines[2].startswith("decode")
    picture = xml.etree.ElementTree.parse(pelton.folder / "out.svg").getroot()
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert any(text.startswith("DRAM") for text in texts)
    assert any(text.startswith("prefill") for text in texts) and any(text.startswith("decode") for text in texts)


def test_hardware_is_measured_once(pelton):
    first = pelton.json("bench", "hardware")
    assert first["levels"][-1]["name"] == "DRAM"
    assert {"f32"} <= {peak["type"] for peak in first["peaks"]}
    assert first["energy"] in ("rapl", "unknown")
    (cached,) = (pelton.folder / "cache/hardware").iterdir()
    written_at = cached.stat().st_mtime_ns
    again = pelton.json("bench", "hardware")
    assert [peak["gop_per_second"] for peak in again["peaks"]] == pytest.approx(
        [peak["gop_per_second"] for peak in first["peaks"]], rel=1e-12
    ), "the second comes from the cache folder"
    assert cached.stat().st_mtime_ns == written_at
    cached.write_text("{")
    assert pelton.json("bench", "hardware")["cpu"] == first["cpu"], "a broken file is measured again"
    assert json.loads(cached.read_text())["cpu"] == first["cpu"]
    assert "DRAM" in pelton("bench", "hardware").stdout


@pytest.mark.parametrize("rows", [["-b", 2, "--context", 8], ["-p", 16]])
def test_kernels_list_every_call_of_the_model(pelton, rows):
    found = pelton.json("bench", "kernels", "-m", TINY, "--steps", 2, *rows)
    kinds = {kernel["call"].split()[0] for kernel in found["kernels"]}
    # What a step runs is the fused list.
    assert {"linear", "add_rms_norm", "query_key_value_write", "paged_attention", "gated_linear", "add", "embedding"} <= kinds
    assert not {"rope", "silu_gate"} & kinds
    (attention,) = [kernel for kernel in found["kernels"] if kernel["call"].startswith("paged_attention")]
    assert attention["kernel"].startswith("int8"), "keys and values in 8 bits are multiplied as such"
    assert all(kernel["bound"] in ("memory", "L2", "compute") for kernel in found["kernels"])
    assert sum(kernel["share"] for kernel in found["kernels"]) + found["between_calls_share"] < 1.5


def test_linear_measures_every_path_that_a_matrix_allows(pelton, model):
    found = pelton.json("bench", "linear", "-m", TINY, "-r", "1,9", "--repeat", 1)["results"]
    assert {row["rows"] for row in found} == {1, 9}
    for row in found:  # F32 weights
        assert [path["path"] for path in row["paths"]] == ["dots", "gemm"]
        assert all(path["activations"] == "f32" and path["gop_per_second"]["median"] > 0 for path in row["paths"])
    shown = pelton("bench", "linear", "-m", model, "-r", 2, "--repeat", 1).stdout
    assert "576 → 1536, q4_1" in shown and "int8" in shown and "tiles" in shown


@pytest.mark.parametrize(
    "arguments, code",
    [
        (["bench"], 2),
        (["bench", "model"], 2),
        (["bench", "model", "-m", TINY, "-b", "0"], 2),
        (["bench", "model", "-m", TINY, "-t", "1,x"], 2),
        (["bench", "model", "-m", TINY, "-p", 100_000], 1),
        (["bench", "model", "-m", "no-such-model"], 1),
        (["bench", "model", "-m", TINY, *QUICK, "--plot", "no/such/folder/out.svg"], 1),
        (["bench", "model", "-m", TINY, "--peer", "no-such-peer"], 2),
        (["bench", "model", "-m", TINY, "--peer", "llama.cpp"], 1),  # a folder, which peers do not read
        (["bench", "kernels", "-m", TINY, "--context", 100_000], 1),
        (["bench", "linear", "-m", TINY, "-r", "0"], 2),
        (["bench", "simulate", "--slo", "fast"], 1),
        (["bench", "simulate", "--kv-tokens", 100], 1),
        (["bench", "simulate", "--machine", TINY / "config.json"], 1),
    ],
)
def test_refusals(pelton, arguments, code):
    assert pelton.json(*arguments, code=code)["error"]["message"]



def test_a_peer_that_is_not_installed_says_how_to_get_it(tmp_path):
    tree = tmp_path / "tree/bench/peers"
    tree.mkdir(parents=True)
    for file in (ROOT / "bench/peers").glob("*.py"):
        (tree / file.name).write_bytes(file.read_bytes())
    done = subprocess.run(
        [sys.executable, "-B", tree / "compare.py", "-m", "x.gguf"], capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 1 and "--install" in done.stderr and "llama.cpp" in done.stderr


def test_interrupt_ends_it_cleanly(pelton, tmp_path):
    command = [pelton.program, "bench", "model", "-m", str(TINY), *map(str, QUICK), "--repeat", "10000", "--json"]
    command.remove("1")  # QUICK's own --repeat
    command.remove("--repeat")
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=pelton.environment
    )
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert output == "" and "stopped" in errors


def test_comparison_marks_what_was_disturbed():
    probe = (
        "import compare\n"
        "steady, disturbed = compare.Engine('pelton', []), compare.Engine('peer', [])\n"
        "steady.rates[('decode', 1, 2)] = [440.0, 450.0, 460.0]\n"
        "disturbed.rates[('decode', 1, 2)] = [2.0, 150.0, 180.0]\n"
        "rows = compare.rows_of([steady, disturbed])\n"
        "steady.read({'results': [{'phase': 'decode', 'batch': 1, 'threads': 2, 'quality': {'perplexity': 9.0},\n"
        "    'tokens_per_second': {'median': 450.0}}]})\n"
        "disturbed.read({'results': [], 'perplexity': 9.5})\n"
        "print([row['perplexity'] for row in compare.rows_of([steady, disturbed])])\n"
        "print([(row['engine'], row['ratio'], row['is_steady']) for row in rows])\n"
        "print(compare.load_note(0.0), compare.load_note(1000.0) is None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", probe], capture_output=True, encoding="utf-8", cwd=ROOT / "bench/peers"
    )
    assert done.stdout.splitlines() == ["[9.0, 9.5]", "[('pelton', 1.0, True), ('peer', 3.0, False)]", "None False"], done.stderr


def test_simulate_compares_policies(pelton):
    load = ["--requests", 3000, "--rate", 5, "--seed", 7]
    first = pelton.json("bench", "simulate", *load)
    names = [policy["name"] for policy in first["policies"]]
    assert names == ["static", "dynamic", "continuous", "continuous, with service level"]
    static, _, continuous, _ = first["policies"]
    assert continuous["ttft"]["p50_ms"] < static["ttft"]["p50_ms"]
    assert all(0 <= policy["goodput_share"] <= 1 for policy in first["policies"])
    assert pelton.json("bench", "simulate", *load) == first, "the same seed"


def test_simulate_reads_a_benchmark(pelton, tmp_path):
    bench = pelton.json("bench", "model", "-m", TINY, *QUICK, "-b", "1,3", "-t", 1)
    machine = tmp_path / "machine.json"
    machine.write_text(json.dumps(bench))
    described = pelton.json("bench", "simulate", "--machine", machine, "--requests", 100)["machine"]
    prefill = next(row for row in bench["results"] if row["phase"] == "prefill")
    step_ms = 1000 * prefill["tokens"] / prefill["tokens_per_second"]["median"]
    predicted = described["fixed_ms"] + prefill["tokens"] * described["prompt_row_ms"]
    assert predicted == pytest.approx(step_ms) or described["prompt_row_ms"] == 0
