#!/usr/bin/env python3
"""What a job of /v1/fine_tuning/jobs costs those who ask meanwhile: the time per token (TPOT) of an interactive stream on an
idle server and while a job trains, taken in turns; the memory that is this process's own (PSS), by what it is; and how long after
a job's last step its adapter answers.

usage: fine_tuning_beside_answers.py PELTON MODEL [--rounds 4] [--tokens 256] [--steps 20] [--threads N] [--json]

Only on a quiet machine do the numbers mean anything. Needs Linux and no package.
"""

import argparse
import http.client
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

PROMPT = [{"role": "user", "content": "Tell me a long story about a river and the people who live beside it."}]


class Server:
    def __init__(self, program: str, model: str, folder: pathlib.Path, threads: int | None):
        command = [program, "serve", "-m", model, "--port", "0", "--json", "--name", "demo", "--fine-tuning", folder]
        if threads:
            command += ["--threads", str(threads)]
        self.folder = folder
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.host = urllib.parse.urlsplit(self.url).netloc

    def ask(self, method: str, path: str, body: bytes | dict | None = None, kind="application/json") -> dict:
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request(self.url + path, data, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def upload(self, records: list[dict]) -> str:
        contents = "".join(json.dumps(record) + "\n" for record in records)
        parts = [("purpose\"", "fine-tune"), ("file\"; filename=\"chats.jsonl\"", contents)]
        form = "".join(f"--bound\r\nContent-Disposition: form-data; name=\"{name}\r\n\r\n{text}\r\n" for name, text in parts)
        body = (form + "--bound--\r\n").encode()
        return self.ask("POST", "/v1/files", body, "multipart/form-data; boundary=bound")["id"]

    def create(self, file: str, steps: int) -> str:
        recipe = {"steps": steps, "checkpoint_steps": 1000}
        return self.ask("POST", "/v1/fine_tuning/jobs", {"model": "demo", "training_file": file, "recipe": recipe})["id"]

    def job(self, job: str) -> dict:
        return self.ask("GET", f"/v1/fine_tuning/jobs/{job}")

    def wait(self, job: str, status: str) -> None:
        while (found := self.job(job))["status"] != status:
            assert found["finished_at"] is None, found
            time.sleep(0.05)

    def gaps_ms(self, token_count: int) -> list[float]:
        """Between the tokens of one stream, as they arrive."""
        connection = http.client.HTTPConnection(self.host)
        body = {"messages": PROMPT, "max_tokens": token_count, "ignore_eos": True, "stream": True, "temperature": 0}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        response, times = connection.getresponse(), []
        for line in response:
            if line.startswith(b"data: {") and b'"content"' in line:
                times.append(time.perf_counter())
        connection.close()
        return [1000 * (after - before) for before, after in zip(times, times[1:])]

    def pss_mib(self, model: str) -> dict[str, float]:
        """By what is mapped: the model's file, what has no file, the rest."""
        found = {"model file": 0.0, "anonymous": 0.0, "other files": 0.0}
        kind = "anonymous"
        for line in pathlib.Path(f"/proc/{self.process.pid}/smaps").read_text().splitlines():
            fields = line.split()
            if "-" in fields[0] and not fields[0].endswith(":"):
                path = fields[5] if len(fields) > 5 else ""
                is_model = path.startswith("/") and str(pathlib.Path(model).resolve()) in path
                kind = "model file" if is_model else "other files" if path.startswith("/") else "anonymous"
            elif fields[0] == "Pss:":
                found[kind] += int(fields[1]) / 1024
        return found


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def seconds_from_last_step(server: Server, file: str, steps: int) -> float:
    """From when the last line of the run's log was written to the first answer of the job's adapter."""
    job = server.create(file, steps)
    name = f"ft:demo:{job.removeprefix('ftjob-')[:12]}"
    log = server.folder / "jobs" / job / "adapter.run" / "log.jsonl"
    last_step = 0.0
    is_over = threading.Event()

    def watch() -> None:
        nonlocal last_step
        while not is_over.is_set():
            try:
                last_step = log.stat().st_mtime
            except FileNotFoundError:
                pass
            time.sleep(0.0005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    server.wait(job, "running")
    body = {"model": name, "messages": PROMPT, "max_tokens": 1}
    while True:
        try:
            server.ask("POST", "/v1/chat/completions", body)
            break
        except urllib.error.HTTPError:
            time.sleep(0.002)
    answered = time.time()
    is_over.set()
    watcher.join()
    return answered - last_step


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    story = " ".join(f"The river was {word} that day." for word in ("wide", "cold", "loud", "low", "green") * 8)
    records = [
        {"messages": [{"role": "user", "content": f"Day {n}?"}, {"role": "assistant", "content": f"Day {n}. {story}"}]} for n in range(32)
    ]
    with tempfile.TemporaryDirectory() as folder:
        server = Server(options.program, options.model, pathlib.Path(folder), options.threads)
        try:
            file = server.upload(records)
            idle, busy = [], []
            server.gaps_ms(32)
            memory = {"idle": server.pss_mib(options.model)}
            for _ in range(options.rounds):
                idle += server.gaps_ms(options.tokens)
                job = server.create(file, 1_000_000)
                server.wait(job, "running")
                time.sleep(2)
                busy += server.gaps_ms(options.tokens)
                memory["while a job trains"] = server.pss_mib(options.model)
                server.ask("POST", f"/v1/fine_tuning/jobs/{job}/cancel")
                time.sleep(2)
            delay = seconds_from_last_step(server, file, options.steps)
        finally:
            server.process.terminate()
            server.process.wait()
    result = {
        "tpot_ms_p50": {"idle": statistics.median(idle), "while a job trains": statistics.median(busy)},
        "tpot_ms_p95": {"idle": p95(idle), "while a job trains": p95(busy)},
        "tpot_p95_ratio": p95(busy) / p95(idle),
        "pss_mib": memory,
        "last_step_to_answer_ms": 1000 * delay,
    }
    if options.json:
        print(json.dumps(result))
        return 0
    for name in ("tpot_ms_p50", "tpot_ms_p95"):
        print(f"{name:24} idle {result[name]['idle']:8.2f}   while a job trains {result[name]['while a job trains']:8.2f}")
    print(f"{'ratio of p95':24} {result['tpot_p95_ratio']:.2f} (promised: at most 1.5)")
    for state, parts in memory.items():
        print(f"{'PSS ' + state:24} " + ", ".join(f"{name} {size:.0f} MiB" for name, size in parts.items()))
    print(f"{'last step to answer':24} {result['last_step_to_answer_ms']:.0f} ms (promised: at most 200)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
