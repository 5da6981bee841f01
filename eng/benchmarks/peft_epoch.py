#!/usr/bin/env python3
"""Measures an epoch of a GLUE task with transformers + PEFT in the ways that PyTorch has today: beside `bench epoch`.

    python eng/benchmarks/peft_epoch.py --data GLUE --tokenizer DIR --json ways.json
    bench epoch --shape base --precision bf16 --device cuda --data GLUE --task mrpc cola --tokenizer DIR --python ways.json

Ways
  padded             shuffled batches padded to their longest row, eager (peft_benchmark.py's epoch)
  sorted             the same with batches of rows of like length, as ours makes them
  varlen             no padding: a batch is one row of all its tokens, attention stops at each text's ends
                     (FlashAttention's kernel for rows of several lengths, aten::_flash_attention_forward, which
                     torch.nn.attention.varlen calls; called itself here since only it takes the attention's dropout)
  padded_compiled    padded under torch.compile with dynamic shapes, rows padded to multiples of 16
  varlen_compiled    varlen under torch.compile with dynamic shapes
RoBERTa's positions count from padding_idx + 1 within each text. The base lies in the device's memory in bf16 for every way with
--base bf16 (the adapters stay in fp32), else in fp32 under autocast. AdamW is PyTorch's fused one. The first epoch, in which
kernels are chosen and code is compiled, is reported as warmup_s and does not count.
"""

import argparse
import os
import statistics
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import torch
from peft_benchmark import Device, Report, make_model, make_tokenizer, numbers, read_task

WAYS = ["padded", "sorted", "varlen", "padded_compiled", "varlen_compiled"]
FIRST_POSITION = 2  # RoBERTa's padding_idx + 1


class Bounds:
    """Where the texts of the packed row begin; read by the attention that transformers calls."""

    starts = None
    longest = 0


def varlen_attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **_):
    # [1, heads, tokens, d] to [tokens, heads, d] and back to [1, tokens, heads, d]
    q, k, v = (part[0].transpose(0, 1).contiguous() for part in (query, key, value))
    out = torch.ops.aten._flash_attention_forward(
        q, k, v, Bounds.starts, Bounds.starts, Bounds.longest, Bounds.longest, dropout, False, False, scale=scaling)[0]
    return out.unsqueeze(0), None


def register():
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register("texts_in_a_row", varlen_attention)
    AttentionMaskInterface.register("texts_in_a_row", lambda *args, **kwargs: None)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", type=lambda t: t.split(","), default=WAYS, help=",".join(WAYS))
    parser.add_argument("--shape", choices=["base", "medium", "mini"], default="base")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--base", type=lambda t: t.split(","), default=["fp32", "bf16"], help="what the base's weights lie in: fp32,bf16")
    parser.add_argument("--dropout", type=numbers(float), default=[0.1])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--data", required=True, help="folder with the GLUE tasks' folders")
    parser.add_argument("--task", type=lambda t: t.split(","), default=["mrpc", "cola"])
    parser.add_argument("--task-rows", type=int)
    parser.add_argument("--tokenizer", required=True, help="folder with vocab.json and merges.txt")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json")
    return parser.parse_args()


def order_of(rows, batch, seed, sort):
    """Shuffled batches; of like length where sort."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(rows), generator=generator).tolist()
    if sort:
        order.sort(key=lambda i: len(rows[i]))
    batches = [order[i:i + batch] for i in range(0, len(order), batch)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()] if sort else batches


def to_device(values, device):
    tensor = torch.tensor(values)
    return (tensor.pin_memory() if device.cuda else tensor).to(device.name, non_blocking=True)


def padded_logits(model, rows, device, multiple):
    longest = max(len(row) for row in rows)
    longest += -longest % multiple
    ids = to_device([row + [1] * (longest - len(row)) for row in rows], device)
    if multiple > 1:
        torch._dynamo.maybe_mark_dynamic(ids, 1)
    return lambda: model(input_ids=ids, attention_mask=ids.ne(1).long()).logits


def varlen_logits(parts, rows, device):
    roberta, head = parts
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row))
    ids = to_device([[token for row in rows for token in row]], device)
    positions = to_device([[FIRST_POSITION + i for row in rows for i in range(len(row))]], device)
    bounds = to_device(starts, device).to(torch.int32)
    longest = max(len(row) for row in rows)
    Bounds.starts, Bounds.longest = bounds, longest + -longest % 128  # it sizes the kernel's grid: few values, few compilations
    torch._dynamo.maybe_mark_dynamic(ids, 1)
    torch._dynamo.maybe_mark_dynamic(positions, 1)

    def run():
        hidden = roberta(input_ids=ids, position_ids=positions, token_type_ids=torch.zeros_like(ids))[0][0]
        return head(hidden[bounds[:-1]].unsqueeze(1))

    return run


def measure(args, device, report, task, way, base, dropout):
    device.start()
    torch.compiler.reset()
    texts, labels = read_task(args, task)
    model = make_model(args.shape, dropout, device.name)
    if base == "bf16":
        for parameter in model.parameters():
            if not parameter.requires_grad:
                parameter.data = parameter.data.to(torch.bfloat16)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    compiled = way.endswith("_compiled")
    if way.startswith("varlen"):
        inner = model.base_model.model
        inner.config._attn_implementation = "texts_in_a_row"
        parts = (torch.compile(inner.roberta, dynamic=True) if compiled else inner.roberta, inner.classifier)
    run_model = torch.compile(model, dynamic=True) if compiled and not way.startswith("varlen") else model

    def run(seed):
        began = device.now()
        rows = [e.ids for e in make_tokenizer(args.tokenizer, 512).encode_batch(texts)]
        tokenised = time.perf_counter()
        batches = order_of(rows, args.batch, seed, way == "sorted")
        optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.01, fused=device.cuda)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: max(0.0, 1 - s / len(batches)))
        total = torch.zeros((), dtype=torch.float64, device=device.name)
        for chosen in batches:
            picked = [rows[i] for i in chosen]
            logits = varlen_logits(parts, picked, device) if way.startswith("varlen") else padded_logits(run_model, picked, device, 16 if compiled else 1)
            target = to_device(labels[chosen].tolist(), device)
            with torch.autocast(device.kind, dtype=torch.bfloat16, enabled=args.precision == "bf16"):
                loss = torch.nn.functional.cross_entropy(logits().float(), target)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            total += loss.detach()
        ended = device.now()
        return {"tokenizing_ms": 1000 * (tokenised - began), "epoch_ms": 1000 * (ended - began), "mean_loss": float(total) / len(batches)}

    warm = run(0)
    rounds = [run(repeat + 1) for repeat in range(args.repeats)]
    median = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
    report.add("epoch", f"peft_{way}_{base}base", {
        "task": task, "shape": args.shape, "batch": args.batch, "precision": args.precision, "epochs": 1, "device": device.kind, "dropout": dropout,
    }, {**median, "warmup_s": warm["epoch_ms"] / 1000, "rows": len(texts), "samples_per_second": 1000 * len(texts) / median["epoch_ms"], **device.peaks()})


def main():
    args = arguments()
    unknown = set(args.way) - set(WAYS)
    if unknown:
        sys.exit(f"unknown ways: {', '.join(sorted(unknown))}; there are {', '.join(WAYS)}")
    torch.set_float32_matmul_precision("high")
    register()
    device = Device(args.device)
    report = Report(args, device)
    for task in args.task:
        for way in args.way:
            for base in args.base:
                for dropout in args.dropout:
                    try:
                        measure(args, device, report, task, way, base, dropout)
                    except Exception:
                        report.failed(f"{task} {way} {base} dropout {dropout}")
    report.write()
    sys.exit(1 if report.results["errors"] else 0)


if __name__ == "__main__":
    main()
