"""`pelton chat`: through a pipe, and as a person at a terminal."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

import pytest

from conftest import TIMEOUT_S

GREEDY = ["--temperature", "0", "--activations", "f32"]
QUESTION = "What is the capital of France? Answer in one sentence."
ANSWER = "The capital of France is Paris."
LONG = "Write a very long story about the sea."


# --- Through a pipe


def test_each_line_gets_an_answer(pelton, model):
    done = pelton("chat", "-m", model, *GREEDY, input=f"{QUESTION}\n\n  \n{QUESTION}")
    assert done.returncode == 0
    assert done.stdout.startswith(ANSWER + "\n")
    assert len(done.stdout) > len(ANSWER) + 1, "the last line needs no newline"
    assert done.stderr == "" and ">" not in done.stdout.splitlines()[0], "no prompt, no hints"


def test_json_gives_one_line_an_answer(pelton, model):
    done = pelton("chat", "-m", model, *GREEDY, "--json", "--logprobs", 1, input=f"{QUESTION}\nThank you!\n")
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["text"], first["finish_reason"]) == (ANSWER, "stop")
    assert len(first["logprobs"]) == len(first["token_ids"])
    assert second["usage"]["prompt_tokens"] > first["usage"]["total_tokens"], "the second prompt holds the first turn"


def saved(folder, name="chat.json"):
    return json.loads((folder / name).read_text())["messages"]


def test_slash_commands(pelton, model, tmp_path):
    lines = ["/help", "/dance now", "/system Be brief.", QUESTION, "/save chat.json", "/reset", "/save reset.json",
             "/system", "/save none.json", "/save", "/save no/such/folder/x.json", "/exit", "never read"]
    done = pelton("chat", "-m", model, *GREEDY, "--system", "Be kind.", "--max-tokens", 3, input="\n".join(lines))
    assert done.returncode == 0
    for command in ("/help", "/system", "/reset", "/save", "/exit"):
        assert len(re.findall(rf"^  {command}\b", done.stderr, re.MULTILINE)) == 2, "/help, and after the unknown command"
    assert "/dance" in done.stderr
    assert "which file?" in done.stderr and "no/such/folder" in done.stderr
    assert done.stdout.count("\n") == 1, "one answer"
    system, user, assistant = saved(tmp_path)
    assert system == {"role": "system", "content": "Be brief."}
    assert user == {"role": "user", "content": QUESTION}
    assert assistant == {"role": "assistant", "content": done.stdout.rstrip("\n")}
    assert saved(tmp_path, "reset.json") == [{"role": "system", "content": "Be kind."}]
    assert saved(tmp_path, "none.json") == []


def test_what_was_saved_runs(pelton, model, tmp_path):
    pelton("chat", "-m", model, *GREEDY, "--max-tokens", 3, input=f"{QUESTION}\n/save chat.json\n")
    answer = pelton.json("run", "-m", model, "--messages", "chat.json", "--max-tokens", 1)
    assert answer["token_ids"]


def test_messages_of_several_lines(pelton, model, tmp_path):
    text = 'one\\\ntwo\n"""\nthree\n\n/four\n"""\n/save chat.json\n'
    pelton("chat", "-m", model, *GREEDY, "--max-tokens", 1, input=text)
    users = [message["content"] for message in saved(tmp_path) if message["role"] == "user"]
    assert users == ["one\ntwo", "three\n\n/four"]


def test_a_message_that_does_not_fit_is_taken_back(pelton, model, tmp_path):
    text = f"Hi\n{'word ' * 200}\nHi again\n/save chat.json\n"
    done = pelton("chat", "-m", model, *GREEDY, "--max-tokens", 2, "--context", 128, input=text)
    assert done.returncode == 1, "a message got no answer"
    assert "context" in done.stderr and "taken back" in done.stderr
    users = [message["content"] for message in saved(tmp_path) if message["role"] == "user"]
    assert users == ["Hi", "Hi again"]


def test_an_answer_that_fills_the_context_says_so(pelton, model):
    done = pelton("chat", "-m", model, *GREEDY, "--ignore-eos", "--context", 48, input="Hi\n")
    assert "context is full" in done.stderr
    done = pelton("chat", "-m", model, *GREEDY, "--ignore-eos", "--max-tokens", 2, input="Hi\n")
    assert "cut off at --max-tokens" in done.stderr


def chat_with_bad_lines(pelton, model, *arguments):
    return subprocess.run(
        [pelton.program, "chat", "-m", model, *GREEDY, "--max-tokens", "2", *arguments],
        input=b"\xff\nHi\n/system \xff\n/save chat.json\n", capture_output=True, env=pelton.environment,
        cwd=pelton.folder, timeout=TIMEOUT_S,
    )


def test_a_bad_line_does_not_end_the_chat(pelton, model, tmp_path):
    done = chat_with_bad_lines(pelton, model)
    assert done.returncode == 1, "a message got no answer"
    assert done.stderr.count(b"UTF-8") == 2 and done.stdout.count(b"\n") == 1
    assert [message["role"] for message in saved(tmp_path)] == ["user", "assistant"]


def test_json_has_a_line_for_each_message_that_failed(pelton, model):
    first, second, third = map(json.loads, chat_with_bad_lines(pelton, model, "--json").stdout.splitlines())
    assert first["error"]["code"] == third["error"]["code"] == "invalid_argument"
    assert "UTF-8" in first["error"]["message"]
    assert second["text"]
    done = pelton("chat", "-m", model, *GREEDY, "--context", 16, "--json", input="word " * 100)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "context_length_exceeded"


def test_saving_counts_messages_in_good_english(pelton, model):
    done = pelton("chat", "-m", model, *GREEDY, "--system", "Be kind.", input="/save chat.json\n/system\n/save chat.json\n")
    assert "Saved 1 message to" in done.stderr and "Saved 0 messages to" in done.stderr


# --- At a terminal


class Terminal:
    """The program on a pseudo-terminal."""

    def __init__(self, pelton, *arguments, env=None):
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (24, 200))
        self.before = termios.tcgetattr(self.slave)
        environment = {**pelton.environment, "TERM": "xterm", "NO_COLOR": "1", **(env or {})}
        self.process = subprocess.Popen(
            [pelton.program, "chat", *arguments], stdin=self.slave, stdout=self.slave, stderr=self.slave,
            env=environment, cwd=pelton.folder, preexec_fn=self._take_terminal,
        )
        self.output = ""
        self.pending = b""

    def _take_terminal(self):
        os.setsid()
        import fcntl

        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def type(self, text: str):
        os.write(self.master, text.encode())

    def wait_for(self, pattern: str) -> re.Match:
        """The first match in what came since the last wait; everything up to its end is consumed."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            match = re.search(pattern, self.output)
            if match:
                self.output = self.output[match.end():]
                return match
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.output!r}"
            if select.select([self.master], [], [], 1)[0]:
                try:
                    self.pending += os.read(self.master, 4096)
                except OSError as error:  # the other side is closed
                    raise AssertionError(f"it ended; no {pattern!r} in {self.output!r}") from error
                text = self.pending.decode(errors="ignore")
                self.output += text
                self.pending = self.pending[len(text.encode()):]

    def wait_for_end(self) -> int:
        """After a Ctrl-D that was typed at a prompt. One that comes before the prompt reads keys is lost: it is repeated."""
        for _ in range(TIMEOUT_S):
            try:
                code = self.process.wait(timeout=1)
                break
            except subprocess.TimeoutExpired:
                self.type(CTRL_D)
        else:
            raise AssertionError("it did not end")
        assert termios.tcgetattr(self.slave) == self.before, "the terminal is as it was"
        return code

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(pelton, model):
    opened = []

    def open_terminal(*arguments, **options):
        opened.append(Terminal(pelton, "-m", model, *GREEDY, *arguments, **options))
        opened[-1].wait_for("/help lists the commands")
        opened[-1].wait_for("> ")
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


CTRL_C, CTRL_D, UP = "\x03", "\x04", "\x1b[A"


def test_talks_and_leaves_by_ctrl_d(terminal):
    chat = terminal()
    chat.type(QUESTION + "\n")
    chat.wait_for(re.escape(ANSWER) + "\r\n")
    chat.wait_for("> ")
    chat.type(CTRL_D)
    assert chat.wait_for_end() == 0


def test_the_prompt_comes_when_the_terminal_is_ready(terminal):
    chat = terminal()
    assert termios.tcgetattr(chat.slave)[3] & (termios.ICANON | termios.ECHO) == 0, "what is typed now is echoed once"
    chat.type(CTRL_D)
    assert chat.wait_for_end() == 0


def test_ctrl_c_stops_the_answer_and_not_the_program(terminal, tmp_path):
    chat = terminal("--ignore-eos")
    chat.type(LONG + "\n")
    chat.wait_for(re.escape(LONG) + r"\r+\n")  # the echo
    chat.wait_for(r"\w+ \w+ \w+")
    chat.type(CTRL_C)
    chat.wait_for(r"\(stopped\)")
    chat.wait_for("> ")
    chat.type("/save chat.json\n")
    chat.wait_for("Saved 2 messages")
    user, assistant = saved(tmp_path)
    assert user["content"] == LONG
    assert assistant["role"] == "assistant" and len(assistant["content"]) > 5, "what is there stays"
    chat.type("/exit\n")
    assert chat.wait_for_end() == 0


def test_ctrl_c_at_the_prompt_clears_the_line(terminal, tmp_path):
    chat = terminal("--max-tokens", "1")
    chat.type("never sent")
    chat.wait_for("never sent")
    chat.type(CTRL_C)
    chat.wait_for("Ctrl-D")
    chat.wait_for("> ")
    chat.type("two\\\n")
    chat.wait_for(r"\. ")
    chat.type(CTRL_C)  # in the middle of a message
    chat.wait_for("Ctrl-D")
    chat.wait_for("> ")
    chat.type("sent\n")
    chat.wait_for("cut off")
    chat.type("/save chat.json\n")
    chat.wait_for("Saved 2 messages")
    assert saved(tmp_path)[0]["content"] == "sent"


def test_system_multi_line_and_unicode(terminal, tmp_path):
    chat = terminal("--max-tokens", "1")
    chat.type("/system Sprich Deutsch, bitte: äöü\n")
    chat.wait_for("system message")
    chat.type('"""\n')
    chat.wait_for(r"\. ")
    chat.type("日本語 👩\n")
    chat.wait_for(r"\. ")
    chat.type('Größe"""\n')
    chat.wait_for("cut off")
    chat.type("ab\x7fc\n")  # a backspace
    chat.wait_for("cut off")
    chat.type("/save chat.json\n")
    chat.wait_for("Saved 5 messages")
    messages = saved(tmp_path)
    assert messages[0] == {"role": "system", "content": "Sprich Deutsch, bitte: äöü"}
    assert messages[1]["content"] == "日本語 👩\nGröße"
    assert messages[3]["content"] == "ac"


def test_history_outlives_the_program(terminal, pelton, tmp_path):
    history = tmp_path / "cache/chat_history"
    chat = terminal("--max-tokens", "1")
    chat.type("erste Frage: ä\n")
    chat.wait_for("cut off")
    chat.wait_for("> ")
    chat.type(CTRL_D)
    assert chat.wait_for_end() == 0
    assert history.read_text() == "erste Frage: ä\n"
    assert history.stat().st_mode & 0o777 == 0o600
    again = terminal("--max-tokens", "1")
    again.type(UP)
    again.wait_for("erste Frage: ä")
    again.type("!\n")
    again.wait_for("cut off")
    again.wait_for("> ")
    again.type(CTRL_D)
    assert again.wait_for_end() == 0
    assert history.read_text() == "erste Frage: ä\nerste Frage: ä!\n"


def test_sigterm_leaves_the_terminal_sane(terminal):
    chat = terminal()
    chat.process.send_signal(signal.SIGTERM)
    assert chat.wait_for_end() == 143


def test_colours_only_where_wanted(terminal):
    plain = terminal("--max-tokens", "1")
    plain.type("Hi\n")
    assert "\x1b[1;32m" not in plain.wait_for(r"(?s).*cut off").group(0)
    coloured = terminal("--max-tokens", "1", env={"NO_COLOR": ""})
    coloured.type("Hi\n")
    coloured.wait_for("\x1b\\[2m.*cut off")
    coloured.wait_for(re.escape("\x1b[1;32m"))
