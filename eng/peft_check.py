#!/usr/bin/env python3
"""Prints the logits that Python computes for folders written by `lorainit adapter export` and `adapter merge`.

Needs torch, transformers and, for adapters, peft. Runs on the CPU in fp32, offline.

    python eng/peft_check.py --base DIR --adapter DIR (--ids FILE | --text TEXT [--text2 TEXT])
    python eng/peft_check.py --merged DIR             (--ids FILE | --text TEXT [--text2 TEXT])

  --base DIR      the untouched base in the Hugging Face layout (config.json, model.safetensors, vocabulary)
  --adapter DIR   an adapter folder (adapter_config.json, adapter_model.safetensors); its head sets the number of labels
  --merged DIR    a merged model instead of --base and --adapter
  --ids FILE      JSON: a list of rows of token ids without padding, special tokens included, such as [[0, 345, 2]]
  --text TEXT     a text to tokenise with the vocabulary beside the base or the merged model (tests the tokenizer too)
  --text2 TEXT    the second text of a pair
  --expect FILE   JSON with "logits" as printed here; exits with 1 where any differs by more than --tolerance
  --tolerance X   default 1e-4

The tests write such folders with their expected logits for every initialisation:

    LORAINIT_PEFT_OUT=DIR dotnet test test/Microsoft.ML.LoraInit.Tests --filter FullyQualifiedName~PeftExchangeTests
    for d in DIR/*/; do python eng/peft_check.py --base BASE --adapter $d/adapter --ids $d/ids.json --expect $d/expected_adapter.json; done
    for d in DIR/*/; do python eng/peft_check.py --merged $d/merged --ids $d/ids.json --expect $d/expected.json; done

where BASE is the mini model's folder. expected.json holds the logits of the trained model, expected_adapter.json those of
the adapter written: the same within rounding, unless it had to be compressed (LoftQ).

Prints one JSON object: {"versions": {...}, "ids": [[...]], "logits": [[...]], "largest_difference": null or number}.
Exit codes: 0 equal or nothing to compare with; 1 different; 2 wrong arguments, or tensors that Python did not load.
"""

import argparse
import json
import os
import sys
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers
from safetensors import safe_open


def fail(message):
    print(message, file=sys.stderr)
    sys.exit(2)


def labels_of(adapter):
    """The number of logits of an adapter's head."""
    with safe_open(os.path.join(adapter, "adapter_model.safetensors"), "pt") as file:
        for name in file.keys():
            if name.endswith("classifier.out_proj.bias"):
                return file.get_slice(name).get_shape()[0]
    fail(f"{adapter} has no classification head")


def check_loaded(model, adapter):
    """Every stored tensor must have arrived in the model under PEFT's own naming, bit for bit."""
    from peft import get_peft_model_state_dict

    loaded = get_peft_model_state_dict(model)
    with safe_open(os.path.join(adapter, "adapter_model.safetensors"), "pt") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}
    missing, surplus = sorted(stored.keys() - loaded.keys()), sorted(loaded.keys() - stored.keys())
    different = [n for n in stored.keys() & loaded.keys() if not torch.equal(stored[n], loaded[n].cpu())]
    if missing or surplus or different:
        fail(json.dumps({"not_loaded": missing, "not_stored": surplus, "different": different}))


def load(arguments):
    classes = transformers.AutoModelForSequenceClassification
    if arguments.merged:
        model, report = classes.from_pretrained(arguments.merged, dtype=torch.float32, output_loading_info=True)
        if any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")):
            fail({kind: sorted(map(str, keys)) for kind, keys in report.items() if keys})
        return model
    from peft import PeftModel

    base = classes.from_pretrained(arguments.base, num_labels=labels_of(arguments.adapter), dtype=torch.float32)
    model = PeftModel.from_pretrained(base, arguments.adapter)
    check_loaded(model, arguments.adapter)
    return model


def token_ids(arguments):
    if arguments.ids:
        with open(arguments.ids, encoding="utf-8") as file:
            return json.load(file)
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.merged or arguments.base)
    return [tokenizer(arguments.text, arguments.text2, truncation=True)["input_ids"]]


def versions():
    found = {"torch": torch.__version__, "transformers": transformers.__version__}
    if "peft" in sys.modules:
        found["peft"] = sys.modules["peft"].__version__
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("base", "adapter", "merged", "ids", "text", "text2", "expect"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    if bool(arguments.merged) == bool(arguments.base and arguments.adapter):
        parser.error("give either --base with --adapter, or --merged")
    if bool(arguments.ids) == bool(arguments.text):
        parser.error("give either --ids or --text")

    warnings.simplefilter("ignore")
    model = load(arguments).eval()
    rows = token_ids(arguments)
    with torch.no_grad():
        # One row at a time: nothing is padded, so nothing depends on how padding is treated.
        logits = [model(input_ids=torch.tensor([row])).logits[0].tolist() for row in rows]

    worst = None
    if arguments.expect:
        with open(arguments.expect, encoding="utf-8") as file:
            expected = json.load(file)["logits"]
        if [len(row) for row in expected] != [len(row) for row in logits]:
            fail(f"{arguments.expect} has other rows or labels than the model gives")
        worst = max(abs(a - b) for x, y in zip(expected, logits) for a, b in zip(x, y))
    print(json.dumps({"versions": versions(), "ids": rows, "logits": logits, "largest_difference": worst}))
    sys.exit(1 if worst is not None and not worst <= arguments.tolerance else 0)


if __name__ == "__main__":
    main()
