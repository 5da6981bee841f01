#!/usr/bin/env python3
"""Runs ONNX files that this library wrote in ONNX Runtime and compares with the logits that the library computed.

Needs onnxruntime and numpy; uses onnx too where it is installed, to check the file against the format's rules. Offline, CPU.

    python eng/onnx_check.py DIR [DIR ...] [--tolerance X] [--json FILE]

  DIR             a folder with model.onnx and expected.json, or a folder of such folders
  --tolerance X   the largest difference allowed, default 1e-4
  --json FILE     write the results there too

The tests write such folders:

    LORAINIT_ONNX_OUT=DIR dotnet test test/Microsoft.ML.LoraInit.Tests --filter FullyQualifiedName~OnnxExportTests

expected.json has "rows" (token ids, special tokens included, no padding), "logits", "score" (the name of the second output),
"scores" and "pad_token_id". Each model is run with 1, 8 and all rows at a time, padded on the right to the longest of the
batch, and with a batch filled up by rows of nothing but padding.

Prints a line for each model and batch size. Exit codes: 0 all equal; 1 a difference; 2 wrong arguments or a file that cannot be used.
"""

import argparse
import json
import os
import sys
import time

import numpy as np
import onnxruntime


def fail(message):
    print(message, file=sys.stderr)
    sys.exit(2)


def folders(paths):
    for path in paths:
        if os.path.isfile(os.path.join(path, "model.onnx")):
            yield path
            continue
        below = [os.path.join(path, n) for n in sorted(os.listdir(path))] if os.path.isdir(path) else []
        found = [p for p in below if os.path.isfile(os.path.join(p, "model.onnx"))]
        if not found:
            fail(f"there is no model.onnx in {path}")
        yield from found


def check_format(path):
    """Names, types and shapes by the rules of the format; None where the onnx package is not installed."""
    try:
        import onnx
    except ImportError:
        return None
    onnx.checker.check_model(path, full_check=True)
    return onnx.__version__


def inputs(rows, padding, count):
    """A batch padded on the right; rows beyond those given are all padding."""
    length = max(len(row) for row in rows)
    ids = np.full((count, length), padding, dtype=np.int64)
    mask = np.zeros((count, length), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def worst(expected, actual):
    """The largest difference; infinite where the shapes differ or a number is missing."""
    expected = np.asarray(expected, dtype=np.float64)
    if expected.shape != actual.shape or not np.isfinite(actual).all():
        return float("inf")
    return float(np.abs(expected - actual).max())


def run(session, expected, batch, filler):
    rows, padding = expected["rows"], expected["pad_token_id"]
    names = {"logits": expected["logits"], expected["score"]: expected["scores"]}
    differences, seconds = dict.fromkeys(names, 0.0), 0.0
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        feed = inputs(part, padding, len(part) + filler)
        began = time.perf_counter()
        outputs = session.run(list(names), feed)
        seconds += time.perf_counter() - began
        for (name, values), output in zip(names.items(), outputs):
            found = worst(values[start : start + batch], output[: len(part)])
            if not np.isfinite(output).all():
                found = float("inf")
            differences[name] = max(differences[name], found)
    return differences, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="DIR")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()

    results, good = [], True
    for folder in folders(arguments.folders):
        path = os.path.join(folder, "model.onnx")
        with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
            expected = json.load(file)
        checker = check_format(path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        if [i.name for i in session.get_inputs()] != ["input_ids", "attention_mask"]:
            fail(f"{path} has the inputs {[i.name for i in session.get_inputs()]}")
        lengths = [len(row) for row in expected["rows"]]
        for batch, filler in ((1, 0), (8, 0), (len(lengths), 0), (8, 3)):
            differences, seconds = run(session, expected, batch, filler)
            ok = all(d <= arguments.tolerance for d in differences.values())
            good = good and ok
            results.append({
                "model": folder, "batch": batch, "filler_rows": filler, "rows": len(lengths), "shortest": min(lengths), "longest": max(lengths),
                "largest_differences": differences, "seconds": seconds, "onnx_checker": checker, "ok": ok,
                "metadata": session.get_modelmeta().custom_metadata_map,
            })
            text = ", ".join(f"{name} {d:.2e}" for name, d in differences.items())
            print(f"{'ok       ' if ok else 'DIFFERENT'} {folder}: batch {batch}{f' + {filler} of padding' if filler else ''}, {len(lengths)} rows of {min(lengths)} to {max(lengths)} ids: {text}; {seconds:.2f} s")
    print(f"onnxruntime {onnxruntime.__version__}; onnx checker {results[0]['onnx_checker'] or 'not installed'}; tolerance {arguments.tolerance:g}")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"onnxruntime": onnxruntime.__version__, "tolerance": arguments.tolerance, "results": results}, file, indent=1)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
