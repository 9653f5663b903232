"""python benchmarks/faults.py [--quick] [--only NAME ...]: what is lost when something goes wrong.

Each fault is really made: real processes of ``python -m paddle_gans.train`` are killed, small disks
fill up, files vanish. Where training goes on, its weights have to be those of an undisturbed run,
bit by bit. Printed are what was tried, how often, and what was lost; the last line is one JSON
object. Small disks need the right to mount; without it those faults are listed as not tried. The
20,000 steps of the long run take a few minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from faulty_runs import (
    CLOCK,
    POISON,
    Lost,
    NotTried,
    check,
    fill,
    finish,
    logged,
    long_run,
    newest,
    newest_listed,
    pictures,
    same,
    small_disk,
    start,
    wait_for,
)  # fmt: skip

# The faults. Each gets an empty folder, and returns how often it was tried and what was seen.


def kills(place: Path, quick: bool) -> tuple[int, str]:
    """kill -9 at random moments, most of them while a checkpoint is written."""
    times, draw = 3 if quick else 20, random.Random(0)
    data = pictures(place / "data")
    flags = ("--steps", str(12 * times), "--save-every", "1", "--sample-every", "7", "--keep", "2")
    finish(start(data, place / "quiet", *flags), 0)
    out, writing = place / "run", 0
    for kill in range(times):
        before = newest(out)
        process = start(data, out, *flags)
        if kill % 5 == 4:
            time.sleep(draw.uniform(0, 4))  # while it starts
        else:
            wait_for(lambda: logged(out) > before, process)  # noqa: B023
            time.sleep(draw.uniform(0, 0.3))
        process.kill()
        process.communicate()
        writing += bool(list(out.rglob("*.part")))
        check(newest(out) >= before, "a checkpoint that was whole is gone")
        check(newest(out) >= logged(out) - 1, "more than the step at work was lost")
    finish(start(data, out, *flags), 0)
    same(out, place / "quiet")
    return times, f"{writing} of them in the middle of a file; ends with the quiet run's bytes"


def sigterm(place: Path, quick: bool) -> tuple[int, str]:
    """SIGCONT and SIGTERM to the process group, as schedulers send them."""
    times = 1 if quick else 5
    data, out = pictures(place / "data"), place / "run"
    flags = ("--steps", str(10 * times + 40), "--save-every", "1000")
    for _ in range(times):
        before, process = logged(out), start(data, out, *flags)
        wait_for(lambda: logged(out) > before + 2, process)  # noqa: B023
        for signum in (signal.SIGCONT, signal.SIGTERM):
            os.killpg(process.pid, signum)
        finish(process, 143)
        check(newest(out) == logged(out), "steps were not saved")
    finish(start(data, out, *flags), 0)
    finish(start(data, place / "quiet", *flags), 0)
    same(out, place / "quiet")
    return times, "exit code 143, every step saved"


def full_disk(place: Path, quick: bool) -> tuple[int, str]:
    """A disk that is full while saving: stop, go on and get space, go on and get none."""
    data, flags = pictures(place / "data"), ("--steps", "40", "--save-every", "2", "--keep", "1")
    finish(start(data, place / "quiet", *flags), 0)
    with small_disk(place / "disk") as disk:
        for name, more in (("stop", ()), ("without", ("--on-full-disk", "go-on"))):
            out = disk / name
            process = start(data, out, *flags, *more)
            wait_for(lambda: newest_listed(out) >= 4, process)  # noqa: B023
            fill(disk)
            said = finish(process, 2)
            check("No space left on device" in said, f"it does not say why: {said[-300:]}")
            check(newest(out) >= 4, "the last checkpoint is gone")
            (disk / "filler").unlink()
            finish(start(data, out, *flags), 0)
            same(out, place / "quiet")
            shutil.rmtree(out)
        out = disk / "again"
        process = start(data, out, *flags, "--on-full-disk", "go-on", "--steps", "120")
        wait_for(lambda: newest_listed(out) >= 4, process)
        fill(disk)
        said = ""
        while "training continues" not in said and process.poll() is None:
            said += process.stdout.readline()
        (disk / "filler").unlink()
        finish(process, 0)
        check(newest(out) == 120, "the last checkpoint is not there")
    return 3, "said, exit code 2 or goes on as the flag says; the last checkpoint stays"


def bad_files(place: Path, quick: bool) -> tuple[int, str]:
    """A picture that vanishes, and one that is cut short, while a run trains."""

    def vanish(path: Path) -> None:
        path.unlink()

    def shorten(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:300])

    for fault in (vanish, shorten):
        for choice, code in (("stop", 2), ("skip", 0)):
            data = pictures(place / f"{fault.__name__}_{choice}" / "data")
            out = data.parent / "run"
            process = start(data, out, "--steps", "80", "--on-bad-file", choice)
            wait_for(lambda: logged(out) >= 3, process)  # noqa: B023
            fault(data / "trainA" / "5.png")
            said = finish(process, code)
            check("trainA/5.png" in said, f"it is not named: {said[-300:]}")
            check(newest(out) == (80 if choice == "skip" else logged(out)), "steps are lost")
    return 4, "named; stopped with every step saved, or another picture taken"


def second_trainer(place: Path, quick: bool) -> tuple[int, str]:
    """A second trainer in the same folder, and one after a kill -9 of the first."""
    data, out = pictures(place / "data"), place / "run"
    flags = ("--steps", "5000", "--save-every", "5")
    process = start(data, out, *flags)
    wait_for(lambda: newest_listed(out) >= 5, process)
    said = finish(start(data, out, *flags), 2)
    check("another trainer" in said, said[-300:])
    check(process.poll() is None, "the first one was disturbed")
    process.kill()
    process.communicate()
    finish(start(data, out, "--steps", str(logged(out) + 2)), 0)
    return 2, "refused while the first lives; the lock went with it"


def clock(place: Path, quick: bool) -> tuple[int, str]:
    """The clock is set back by an hour while a run trains, and file times lie when it goes on."""
    if not shutil.which("gcc"):
        raise NotTried("without gcc the clock of a process alone cannot be set")
    data, library = pictures(place / "data"), place / "clock.so"
    (place / "clock.c").write_text(CLOCK)
    words = ["gcc", "-shared", "-fPIC", "-o", str(library), str(place / "clock.c"), "-ldl"]
    subprocess.run(words, check=True)
    out, flags = place / "run", ("--steps", "600", "--save-every", "50", "--sample-every", "9999")
    said = finish(start(data, out, *flags, LD_PRELOAD=str(library)), 0)
    rates = [float(rate) for rate in re.findall(r"([-\d.]+) images/s", said)]
    check(rates and min(rates) > 0, "a rate is not above 0")
    seconds = [json.loads(x)["seconds"] for x in (out / "log.jsonl").read_text().splitlines()]
    check(seconds == sorted(seconds), "seconds go back")
    for age, path in enumerate(sorted((out / "checkpoints").iterdir())):
        os.utime(path, (1e9 - age, 1e9 - age))
    said = finish(start(data, out, "--steps", "602"), 0)
    check("resuming from" in said and "step 600" in said, "not from the newest checkpoint")
    return 1, "rates and durations stay right; the newest checkpoint is used"


def read_only(place: Path, quick: bool) -> tuple[int, str]:
    """A run folder that cannot be written to."""
    data = pictures(place / "data")
    with small_disk(place / "disk") as disk:
        finish(start(data, disk / "run", "--steps", "2"), 0)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for name in ("run", "new"):
            said = finish(start(data, disk / name, "--steps", "4"), 2)
            check("cannot be written to" in said, said[-300:])
            check("step 3" not in said, "steps were trained that cannot be saved")
        check(newest(disk / "run") == 2, "the checkpoint is gone")
    return 2, "exit code 2 before the first step"


def flipped_byte(place: Path, quick: bool) -> tuple[int, str]:
    """One bit of a file of the newest checkpoint flips."""
    times, draw = 2 if quick else 10, random.Random(1)
    data, quiet = pictures(place / "data"), place / "quiet"
    flags = ("--save-every", "2", "--keep", "3")
    finish(start(data, quiet, "--steps", "8", *flags), 0)
    for turn in range(times):
        out = place / f"run{turn}"
        shutil.copytree(quiet, out)
        path = draw.choice(sorted((out / "checkpoints" / "000008").glob("*.pd*")))
        content = bytearray(path.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        said = finish(start(data, out, "--steps", "8", *flags), 0)
        check(f"{path.name} is damaged" in said, "it is not named")
        check(
            "using the previous checkpoint" in said and "step 6" in said, "not from the one before"
        )
        same(out, quiet)
    return times, "named, the one before used; ends with the quiet run's bytes"


def not_finite(place: Path, quick: bool) -> tuple[int, str]:
    """Pictures that are not finite, so that losses are not."""
    data, flags = pictures(place / "data"), ("--save-every", "2", "--steps", "9", "--on-nan")
    for choice, code, step in (("stop", 2, 4), ("skip", 0, 9)):
        out = place / choice
        said = finish(start(data, out, *flags, choice, code=POISON), code)
        named = r"step 5(;| is skipped:).*batch:? .*trainA"
        check("loss" in said and re.search(named, said), f"it is not named: {said[-300:]}")
        check((out / "not_finite" / "000005" / "batch.npz").exists(), "the batch is not saved")
        check(newest(out) == step, "a checkpoint is missing")
    check("2 steps were skipped" in said, said[-300:])
    return 2, "named with step and files; batch, state and the last checkpoint stay"


def long_steps(place: Path, quick: bool) -> tuple[int, str]:
    """Thousands of steps: memory, file handles, threads, time per step."""
    words = [sys.executable, __file__, "--long-run", "3000" if quick else "20000"]
    done = subprocess.run([*words, str(place)], capture_output=True, text=True, check=True)
    f = json.loads(done.stdout.splitlines()[-1])
    check(f["memory_growth"] < 0.01, f"memory grows: {f}")
    check(f["handles"][0] == f["handles"][1], f"handles grow: {f}")
    check(f["threads"][0] == f["threads"][1], f"threads grow: {f}")
    return f["steps"], (
        f"memory {f['memory_growth']:+.2%} since step 1000 ({f['memory_mib'][1]} MiB), "
        f"{f['handles'][1]} handles, {f['threads'][1]} threads; "
        f"{f['ms_per_step'][0]} ms a step then, {f['ms_per_step'][1]} at the end"
    )


def worker(place: Path, quick: bool) -> tuple[int, str]:
    """A worker that is killed."""
    raise NotTried("cannot happen: readers are threads of the trainer, no processes to be killed")


FAULTS = {
    "kill -9": kills,
    "SIGTERM": sigterm,
    "disk full": full_disk,
    "bad file": bad_files,
    "worker killed": worker,
    "second trainer": second_trainer,
    "clock goes back": clock,
    "read-only folder": read_only,
    "flipped bit": flipped_byte,
    "not finite": not_finite,
    "long run": long_steps,
}


def main() -> int:
    """Make every fault, or those of --only."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="each a few times, a short long run")
    parser.add_argument("--only", nargs="+", choices=FAULTS, metavar="NAME", help="these alone")
    parser.add_argument("--long-run", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.long_run:
        steps, place = arguments.long_run
        print(json.dumps(long_run(Path(place), int(steps))))
        return 0
    from data_reader import framework

    framework.prepare()
    rows, lost = {}, []
    print(f"{'fault':<18}{'times':>6}  {'lost':<8} what was seen", flush=True)
    for name in arguments.only or FAULTS:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as place:
            try:
                times, seen = FAULTS[name](Path(place), arguments.quick)
                result = "nothing"
            except NotTried as reason:
                times, result, seen = 0, "-", str(reason)
            except Lost as what:
                times, result, seen = 1, "LOST", str(what)
                lost.append(name)
        rows[name] = {"times": times, "lost": result, "seen": seen}
        seconds = time.monotonic() - begun
        print(f"{name:<18}{times:>6}  {result:<8} {seen} ({seconds:.0f} s)", flush=True)
    print(json.dumps({"quick": arguments.quick, "lost": lost, "faults": rows}))
    return bool(lost)


if __name__ == "__main__":
    sys.exit(main())
