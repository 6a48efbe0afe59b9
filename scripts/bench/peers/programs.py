"""Programs that do one unit of work for every line they are given, and the machine they run on."""

import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time


class Program:
    """A process that does one unit of work for every line it is given."""

    def __init__(self, name, command, threads):
        self.name, self.cpu, self.wall, self.answers = name, [], [], []
        environment = dict(os.environ)
        for key in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[key] = str(threads)
        pipe = subprocess.PIPE
        self.log = open(pathlib.Path(tempfile.gettempdir(), f"tributary-bench-{os.getpid()}.log"), "a")
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self.log, text=True, env=environment)
        self.read()
        self.loading_kb = self.status("VmHWM")
        # 5 resets the high-water mark.
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} stopped; see {self.log.name}")
        return line.strip()

    def status(self, key):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
        raise KeyError(key)

    def processor_seconds(self):
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def work(self):
        before, started = self.processor_seconds(), time.monotonic()
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.answers.append(self.read())
        self.wall.append(time.monotonic() - started)
        self.cpu.append(self.processor_seconds() - before)

    def end(self):
        self.training_kb = self.status("VmHWM")
        self.process.stdin.close()
        self.process.wait()

    def seconds(self):
        """Medians after the first round."""
        return statistics.median(self.cpu[1:]), statistics.median(self.wall[1:])

    def peak_mb(self):
        return max(self.loading_kb, self.training_kb) / 1024, self.training_kb / 1024


def machine():
    with open("/proc/cpuinfo") as file:
        model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    flags = next(line for line in open("/proc/cpuinfo") if line.startswith("flags")).split()
    wide = [flag for flag in ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{model}, {os.cpu_count()} cores ({' '.join(wide)}), Linux {platform.release()}"
