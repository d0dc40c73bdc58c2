"""A program of the user that answers each line of JSON with one."""

from __future__ import annotations

import json
import os
import queue
import shlex
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any


class Silent(Exception):
    """No answer came in time."""


class Garbled(Exception):
    """The program ended, or said what is no JSON object."""


class Talk:
    """A process that is started when it is first asked, and again after it failed.

    What it writes to standard error goes to ours.
    """

    def __init__(self, command: str, timeout: float, *, again: bool = False) -> None:
        """`timeout`: seconds for one answer, 0 for any time. `again`: one that ended after an
        answer is started again for the next question; else that is an error."""
        self.command = command
        self.again = again
        self.timeout = timeout
        self.process: subprocess.Popen[str] | None = None
        self.lines: queue.Queue[str | None] = queue.Queue()

    def ask(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to a message. Raises Silent and Garbled; the program is ended then."""
        if self.again and self.process is not None and self.process.poll() is not None:
            self.close()
        process = self.process or self._start()
        try:
            said = json.dumps(message) + "\n"
            threading.Thread(target=_write, args=(process, said), daemon=True).start()
            line = self.lines.get(timeout=self.timeout or None)
        except queue.Empty:
            self.close()
            raise Silent(f"no answer in {self.timeout:g} s") from None
        if line is None:
            self.close()
            raise Garbled(f"{self.command} ended with {process.returncode}")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            self.close()
            raise Garbled(f"the answer is no JSON object: {line.strip()[:100]}")
        return answer

    def close(self) -> None:
        """End the program, and what it started where it has a session of its own."""
        if self.process is not None:
            with suppress(OSError):
                if os.getsid(self.process.pid) == self.process.pid:
                    os.killpg(self.process.pid, signal.SIGKILL)
                self.process.kill()
            self.process.wait()
            self.process = None

    def _start(self) -> subprocess.Popen[str]:
        try:
            process = subprocess.Popen(
                shlex.split(self.command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                errors="replace",
                bufsize=1,
                # Ctrl-C is for us. A worker has a session already, and what it starts ends with it.
                start_new_session=os.getsid(0) != os.getpid(),
            )
        except (OSError, ValueError) as problem:
            raise Garbled(f"{self.command} does not start: {problem}") from None
        self.process, self.lines = process, queue.Queue()
        threading.Thread(target=_read, args=(process, self.lines), daemon=True).start()
        return process

    def __del__(self) -> None:
        self.close()


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    """Lines as they come, and None behind the last: from a thread, so that waiting can end."""
    assert process.stdout is not None
    with suppress(OSError, ValueError):  # it is closed
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _write(process: subprocess.Popen[str], said: str) -> None:
    """From a thread of its own: a program that does not read would hold us up for ever."""
    assert process.stdin is not None
    with suppress(OSError, ValueError):  # it ended; its last line says so
        process.stdin.write(said)
        process.stdin.flush()
