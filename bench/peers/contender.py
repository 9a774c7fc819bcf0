"""A process that does one piece of work on command, ours or a peer's; see worker.py."""

import os
import selectors
import statistics
import subprocess
import time

LIMIT_S = 300
UNAVAILABLE = 3  # exit status of a program of ours that cannot do this on this build
# What glibc does by default costs page faults in every large allocation of a peer. With
# these settings memory stays with the process, in huge pages: the fair bar.
TUNED = ("glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=30000000000:"
         "glibc.malloc.hugetlb=1")


class Failed(Exception):
    """A contender that could not do its work, and why."""


class Contender:
    """Group: "ours", "peer" (tuned malloc), "default" (default malloc), "other"."""

    def __init__(self, group, label, command):
        self.group, self.label, self.command = group, label, command
        self.rounds = []  # seconds of a run, by round
        self.pace = 0  # seconds of a run, lately
        self.memory = 0
        self.process = None
        self.parameters = 0

    def start(self):
        """False if it is ours and cannot be done on this build."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        env.pop("GLIBC_TUNABLES", None)
        if self.group in ("peer", "other"):
            env["GLIBC_TUNABLES"] = TUNED
        try:
            self.process = subprocess.Popen(self.command, env=env, text=True, bufsize=1,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as e:
            raise Failed("%s: %s" % (self.label, e)) from e
        line = self._line()
        if not line and self.process.wait() == UNAVAILABLE:
            return False
        if not line.startswith("ready "):
            raise Failed("%s: %s did not start" % (self.label, " ".join(self.command)))
        self.parameters = int(line.split()[1])
        return True

    def _line(self):
        with selectors.DefaultSelector() as s:
            s.register(self.process.stdout, selectors.EVENT_READ)
            if not s.select(LIMIT_S):
                raise Failed("%s: no answer in %d s" % (self.label, LIMIT_S))
        return self.process.stdout.readline()

    def ask(self, what):
        """The numbers of its answer."""
        try:
            self.process.stdin.write(what + "\n")
            numbers = [float(word) for word in self._line().split()]
        except (OSError, ValueError) as e:
            raise Failed("%s: %s" % (self.label, e)) from e
        if not numbers:
            raise Failed("%s: ended early" % self.label)
        return numbers

    def turn(self, seconds):
        """As many runs as fit in so many seconds, one at least; their median."""
        if not self.rounds:
            self.pace = self.ask("run 1")[0]
        fit = max(1, min(200, round(seconds / self.pace)))
        self.pace = statistics.median(self.ask("run %d" % fit))
        self.rounds.append(self.pace)
        time.sleep(0.02)  # until its threads have gone to sleep

    def stop(self):
        """Note its memory and end it."""
        if self.process and self.process.poll() is None:
            self.memory = self.ask("memory")[0]
            self.process.stdin.close()
            self.process.wait(LIMIT_S)

    def kill(self):
        """End it, whatever it does."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
