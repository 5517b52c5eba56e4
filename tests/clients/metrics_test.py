"""/metrics as its readers take it: vLLM's dashboards and the Gateway API Inference Extension's endpoint picker."""

import re
import urllib.request

import pytest
from conftest import SERVED_NAME, TIMEOUT_S, Server

# What Grafana's dashboards of vLLM's repository ask for, by type.
DASHBOARDS = {
    "counter": """prompt_tokens_total generation_tokens_total request_success_total num_preemptions_total
        prefix_cache_queries_total prefix_cache_hits_total""",
    "gauge": "num_requests_running num_requests_waiting kv_cache_usage_perc cache_config_info",
    "histogram": """time_to_first_token_seconds inter_token_latency_seconds request_time_per_output_token_seconds
        e2e_request_latency_seconds request_queue_time_seconds request_prefill_time_seconds request_decode_time_seconds
        request_inference_time_seconds request_prompt_tokens request_generation_tokens
        request_prefill_kv_computed_tokens request_params_n request_params_max_tokens iteration_tokens_total""",
}
SERIES = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)$')


def scrape(server) -> tuple[dict, dict, dict]:
    """Types, helps, and values by name and labels."""
    with urllib.request.urlopen(server.url + "/metrics", timeout=TIMEOUT_S) as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = response.read().decode()
    types, helps, values = {}, {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"{name} twice"
            types[name] = kind
        elif line.startswith("# HELP "):
            helps[line.split(" ")[2]] = line.split(" ", 3)[3]
        else:
            name, labels, value = SERIES.match(line).groups()
            key = name, frozenset(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or ""))
            assert key not in values, f"{line}: twice"
            values[key] = float(value)
    return types, helps, values


def one(values: dict, name: str, **labels) -> float:
    found = [value for (series, its), value in values.items() if series == name and set(labels.items()) <= set(its)]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def test_dashboards_find_what_they_ask_for(server):
    types, helps, values = scrape(server)
    for kind, names in DASHBOARDS.items():
        for name in names.split():
            assert types[f"vllm:{name}"] == kind and helps[f"vllm:{name}"]
            suffix = "_count" if kind == "histogram" else ""
            assert any(series == f"vllm:{name}{suffix}" for series, _ in values), name
    assert set(types) == set(helps)


def test_histograms_add_up(server, client):
    client.completions.create(model=SERVED_NAME, prompt="Hello", max_tokens=3)
    types, _, values = scrape(server)
    for name in (name for name, kind in types.items() if kind == "histogram"):
        series = {}
        for (part, labels), value in values.items():
            if part in (name + "_bucket", name + "_count"):
                bound = dict(labels).get("le", "count")
                series.setdefault(frozenset(pair for pair in labels if pair[0] != "le"), {})[bound] = value
        for buckets in series.values():
            total = buckets.pop("count")
            assert buckets["+Inf"] == total
            counts = [buckets[bound] for bound in sorted(buckets, key=float)]
            assert counts == sorted(counts), name


def test_the_endpoint_picker_reads_its_signals(server):
    """The names and labels of its model server protocol."""
    _, _, values = scrape(server)
    assert one(values, "vllm:num_requests_waiting", model_name=SERVED_NAME) == 0
    assert 0 <= one(values, "vllm:kv_cache_usage_perc", model_name=SERVED_NAME) <= 1
    (labels,) = [dict(labels) for name, labels in values if name == "vllm:cache_config_info"]
    assert int(labels["block_size"]) > 0 and int(labels["num_gpu_blocks"]) > 0


def test_prefixes_that_were_found_are_counted(server, client):
    before = scrape(server)[2]
    usages = [
        client.completions.create(model=SERVED_NAME, prompt="A long way to the sea. " * 20, max_tokens=2, n=2).usage
        for _ in range(2)
    ]
    after = scrape(server)[2]

    def grown(name, **labels):
        return one(after, name, **labels) - one(before, name, **labels)

    assert grown("vllm:prefix_cache_queries_total") == sum(usage.prompt_tokens for usage in usages)
    cached = sum(usage.prompt_tokens_details.cached_tokens for usage in usages)
    assert grown("vllm:prefix_cache_hits_total") == cached > 0
    computed = grown("vllm:request_prefill_kv_computed_tokens_sum")
    assert computed == sum(usage.prompt_tokens for usage in usages) - cached
    assert grown("vllm:generation_tokens_total") == sum(usage.completion_tokens for usage in usages)


@pytest.fixture
def strict_server():
    running = Server("--slo", "ttft=1ms,tpot=1ms", "--price-per-hour", "3.6")
    yield running
    running.kill()


def test_costs_and_causes_of_what_is_slow(strict_server):
    """Where 1 ms was promised no answer keeps it: each is slow, and by one of the causes that there are."""
    server = strict_server
    server.client().completions.create(model=SERVED_NAME, prompt="Once", max_tokens=5, extra_body={"priority": "batch"})
    _, _, values = scrape(server)
    assert one(values, "pelton:slo_answers_total", kept="false", priority="batch") == 1
    slow = {dict(labels)["phase"]: dict(labels)["cause"] for (name, labels), count in values.items()
            if name == "pelton:slow_answers_total" and count == 1}
    assert set(slow) == {"first_token", "decode"}
    assert set(slow.values()) <= {"queue", "prompt", "decode", "machine"}, "nobody else was there"
    seconds = sum(value for (name, _), value in values.items() if name == "pelton:machine_seconds_total")
    assert seconds > 0 and abs(one(values, "pelton:request_cost_sum") - seconds * 3.6 / 3600) < 1e-9
    server.wait_for_log(lambda line: "slow: " in line and "phase=first_token" in line)
