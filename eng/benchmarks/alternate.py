#!/usr/bin/env python3
"""Runs two benchmark commands in turns and prints the ratios of their medians: fair where other programs use the machine too.

    python3 eng/benchmarks/alternate.py --times 5 --json both.json \\
        --ours "dotnet LoraInit.Benchmarks.dll training --shape mini --length 32,128 --dropout 0 --threads 1 --variant ours" \\
        --other "python3 eng/benchmarks/roberta_cpu.py training --model DIR --shape mini --length 32,128"

Each command is given --json FILE. Rows of equal benchmark and configuration are compared by samples a second and by processor
time a sample; the median of each metric over the runs counts.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import tempfile


def key(row):
    pairs = sorted((k, float(v) if isinstance(v, (int, float)) else v) for k, v in row["configuration"].items())
    return (row["benchmark"], json.dumps(pairs))


def summarise(args, turns, collected, programs):
    """Prints the ratios so far and writes them: a run that is cut short has measured something."""
    print(f"after {turns} of {args.times} turns", flush=True)
    rows = []
    for entry in collected.values():
        rows.append({
            **entry,
            "range": {n: [min(v), max(v)] for n, v in entry["metrics"].items()},
            "metrics": {n: statistics.median(v) for n, v in entry["metrics"].items()},
        })
    for ours in (r for r in rows if r["variant"] == "ours"):
        for other in (r for r in rows if r["variant"] != "ours" and key(r) == key(ours)):
            a, b = ours["metrics"], other["metrics"]
            line = f"{other['variant']:22} speed {a['samples_per_second'] / b['samples_per_second']:.2f}"
            if "cpu_ms_per_sample" in a and "cpu_ms_per_sample" in b:
                line += f", by processor time {b['cpu_ms_per_sample'] / a['cpu_ms_per_sample']:.2f} ({a['cpu_ms_per_sample']:.2f} against {b['cpu_ms_per_sample']:.2f} ms a sample)"
            print(line, ours["benchmark"], json.dumps(ours["configuration"]), flush=True)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"commands": [args.ours, args.other], "turns": turns, "programs": programs, "rows": rows}, file, indent=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True)
    parser.add_argument("--other", required=True)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json")
    args = parser.parse_args()
    collected, results = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(args.times):
            for command in (args.ours, args.other):
                path = os.path.join(folder, "result.json")
                subprocess.run(shlex.split(command) + ["--json", path], check=True, stdout=subprocess.DEVNULL)
                with open(path, encoding="utf-8") as file:
                    result = json.load(file)
                results[result["tool"]] = {k: result[k] for k in ("machine", "versions")}
                for row in result["rows"]:
                    entry = collected.setdefault((key(row), row["variant"]), {**row, "metrics": {}})
                    for name, value in row["metrics"].items():
                        entry["metrics"].setdefault(name, []).append(value)
            summarise(args, turn + 1, collected, results)


if __name__ == "__main__":
    main()
