#!/usr/bin/env python3
"""Measures transformers + PEFT on one device: what the program in test/Microsoft.ML.LoraInit.Benchmarks is compared with.

Needs torch, transformers, peft and tokenizers; downloads nothing. Random weights of a shape, LoRA r = 8 on query and value
plus the classification head, AdamW, gradients clipped to 1.0; the base in fp32 under bf16 autocast, or fp32 with TF32.

    python eng/benchmarks/peft_benchmark.py --json peft.json                                   # eager steps, inference
    python eng/benchmarks/peft_benchmark.py --parts compiled --json compiled.json              # under torch.compile
    python eng/benchmarks/peft_benchmark.py --parts epoch --data GLUE --tokenizer DIR --json epoch.json

then `dotnet run -c Release --project test/Microsoft.ML.LoraInit.Benchmarks -p:TorchBackend=cuda -- training --device cuda
--precision bf16 --python peft.json compiled.json` measures ours and prints the ratios. Rows join on equal benchmark and
configuration.

Parts
  training   forward, backward, clipping, AdamW and zeroing, eager, every row at the stated length
  compiled   the same under torch.compile with static shapes and fused AdamW: mode reduce-overhead (CUDA graphs) up to
             --graph-length, default above
  inference  the unmerged model over batches of ids at a stated length (peft_unmerged), the same from texts with a tokenizer
             (peft_unmerged_text, needs --tokenizer), and merged (peft_merged)
  epoch      one epoch over a GLUE task: tokenisation, shuffled batches padded to their longest row, eager
A part that fails is recorded under "errors" with its traceback, and the next one runs. The file is written after each row.

Batches of ids lie on the device before the clock starts, which favours this side. Peaks: peak_mb is the rise of the device's
used memory since the start, as ours is measured; peak_allocated_mb is what torch had allocated at most.
"""

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import time
import traceback

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

import torch

SHAPES = {"base": (768, 12, 12, 50265), "medium": (512, 8, 8, 8192), "mini": (256, 4, 4, 8192)}
CLASSES = 2
DISTINCT_BATCHES = 16
TASKS = {
    # file, header?, first text, second text or None, label, labels
    "mrpc": ("MRPC/train.tsv", True, 3, 4, 0, ["0", "1"]),
    "cola": ("CoLA/train.tsv", False, 3, None, 1, ["0", "1"]),
    "sst2": ("SST-2/train.tsv", True, 0, None, 1, ["0", "1"]),
    "rte": ("RTE/train.tsv", True, 1, 2, 3, ["entailment", "not_entailment"]),
}


def numbers(kind):
    return lambda text: [kind(part) for part in text.split(",")]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=lambda t: t.split(","), default=["training", "inference"], help="training,compiled,inference,epoch")
    parser.add_argument("--shape", choices=SHAPES, default="base")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=numbers(int), default=[32, 128, 512], help="of training and compiled")
    parser.add_argument("--inference-length", type=numbers(int), default=[128])
    parser.add_argument("--precision", type=lambda t: t.split(","), default=["bf16"], help="bf16,fp32")
    parser.add_argument("--dropout", type=numbers(float), default=[0.1], help="of hidden states, attention and head")
    parser.add_argument("--mask", type=lambda t: t.split(","), default=["ones"], help="ones: the attention mask that a tokenizer gives; none: no mask")
    parser.add_argument("--steps", type=int, default=50, help="steps of a timed block")
    parser.add_argument("--blocks", type=int, default=3, help="timed blocks, of which the median counts")
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--graph-length", type=int, default=128, help="longest rows for which compiled steps use CUDA graphs")
    parser.add_argument("--rows", type=int, default=2048, help="rows of inference")
    parser.add_argument("--repeats", type=int, default=2, help="passes of inference and epoch")
    parser.add_argument("--data", help="folder with the GLUE tasks' folders")
    parser.add_argument("--task", type=lambda t: t.split(","), default=["mrpc", "cola"], help=f"of epoch: {','.join(TASKS)}")
    parser.add_argument("--task-rows", type=int, help="the first so many rows of a task")
    parser.add_argument("--tokenizer", help="folder with vocab.json and merges.txt")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--json", help="result file")
    return parser.parse_args()


class Device:
    """The device's clock and memory; a CPU has no peak."""

    def __init__(self, name):
        self.name = name
        self.kind = name.split(":")[0]
        self.cuda = self.kind == "cuda"
        if self.cuda:
            torch.zeros(1, device=name)
            self.baseline = self._used()

    def _used(self):
        free, total = torch.cuda.mem_get_info(self.name)
        return total - free

    def start(self):
        """Gives back what earlier measurements kept."""
        gc.collect()
        if self.cuda:
            torch.cuda.synchronize(self.name)
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.name)

    def now(self):
        if self.cuda:
            torch.cuda.synchronize(self.name)
        return time.perf_counter()

    def peaks(self):
        if not self.cuda:
            return {}
        return {
            "peak_mb": (self._used() - self.baseline) / 1048576,
            "peak_allocated_mb": torch.cuda.max_memory_allocated(self.name) / 1048576,
        }


class Report:
    def __init__(self, args, device):
        self.path = args.json
        versions = {"python": platform.python_version(), "torch": torch.__version__, "cuda": str(torch.version.cuda)}
        for name in ("transformers", "peft", "tokenizers"):
            try:
                versions[name] = __import__(name).__version__
            except Exception as error:  # recorded: the parts that need it will say more
                versions[name] = f"missing: {error}"
        self.results = {
            "tool": "peft",
            "machine": {
                "device": device.name,
                "gpu": torch.cuda.get_device_name(device.name) if device.cuda else "none",
                "processors": str(os.cpu_count()),
                "torch_threads": str(torch.get_num_threads()),
                "operating_system": platform.platform(),
                "command": " ".join(sys.argv[1:]),
            },
            "versions": versions,
            "rows": [],
            "errors": [],
        }
        print(json.dumps({**self.results["machine"], **versions}), flush=True)

    def add(self, benchmark, variant, configuration, metrics):
        row = {"benchmark": benchmark, "variant": variant, "configuration": configuration, "metrics": metrics}
        self.results["rows"].append(row)
        print(f"{benchmark} {variant} {json.dumps(configuration)}\n    {json.dumps({k: round(v, 3) for k, v in metrics.items()})}", flush=True)
        self.write()

    def failed(self, what):
        text = traceback.format_exc()
        self.results["errors"].append({"what": what, "error": text})
        print(f"{what} FAILED\n{text}", flush=True)
        self.write()

    def write(self):
        if self.path:
            with open(self.path + ".tmp", "w", encoding="utf-8") as file:
                json.dump(self.results, file, indent=1)
            os.replace(self.path + ".tmp", self.path)


def make_model(shape, dropout, device):
    from peft import LoraConfig, get_peft_model
    from transformers import RobertaConfig, RobertaForSequenceClassification

    torch.manual_seed(0)
    hidden, layers, heads, vocabulary = SHAPES[shape]
    config = RobertaConfig(
        vocab_size=vocabulary, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * hidden, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5,
        pad_token_id=1, bos_token_id=0, eos_token_id=2, num_labels=CLASSES,
        hidden_dropout_prob=float(dropout), attention_probs_dropout_prob=float(dropout))
    config.problem_type = "single_label_classification"
    model = RobertaForSequenceClassification(config)
    lora = LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16, lora_dropout=0.0, target_modules=["query", "value"])
    return get_peft_model(model, lora).to(device)


def make_batches(shape, batch, length, mask, device, count=DISTINCT_BATCHES):
    generator = torch.Generator().manual_seed(1)
    batches = []
    for _ in range(count):
        ids = torch.randint(4, SHAPES[shape][3], (batch, length), generator=generator)
        ids[:, 0], ids[:, -1] = 0, 2
        item = {"input_ids": ids.to(device), "labels": torch.randint(0, CLASSES, (batch,), generator=generator).to(device)}
        if mask == "ones":
            item["attention_mask"] = torch.ones(batch, length, dtype=torch.long, device=device)
        batches.append(item)
    return batches


def autocast(device, precision):
    return torch.autocast(device.kind, dtype=torch.bfloat16, enabled=precision == "bf16")


def configuration(args, device, length, precision, dropout):
    return {"shape": args.shape, "batch": args.batch, "length": length, "precision": precision, "dropout": dropout, "device": device.kind}


def measure_steps(args, device, report, length, precision, dropout, mask, compiled):
    device.start()
    model = make_model(args.shape, dropout, device.name)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    batches = make_batches(args.shape, args.batch, length, mask, device.name)
    graphs = compiled and length <= args.graph_length
    run = model
    if compiled:
        torch.compiler.reset()
        run = torch.compile(model, dynamic=False, mode="reduce-overhead" if graphs else "default")
    optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.01, **({"fused": True} if compiled and device.cuda else {}))
    total = torch.zeros((), dtype=torch.float64, device=device.name)

    def step(index):
        if graphs:
            torch.compiler.cudagraph_mark_step_begin()
        with autocast(device, precision):
            loss = run(**batches[index % len(batches)]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    began = device.now()
    for index in range(args.warmup):
        step(index)
    warmup = device.now() - began
    times = []
    for block in range(args.blocks):
        began = device.now()
        for index in range(args.steps):
            total += step(args.warmup + block * args.steps + index)
        times.append(1000 * (device.now() - began) / args.steps)
    median = statistics.median(times)
    variant = ("peft_compiled" if compiled else "peft_eager") + ("" if mask == "ones" else "_nomask")
    report.add("training", variant, configuration(args, device, length, precision, dropout), {
        "step_ms": median, "step_ms_min": min(times), "step_ms_max": max(times), "samples_per_second": 1000 * args.batch / median,
        "steps": args.steps, "blocks": args.blocks, "warmup_s": warmup, "mean_loss": float(total) / (args.steps * args.blocks), **device.peaks()})


def training(args, device, report, compiled):
    for precision in args.precision:
        for dropout in args.dropout:
            for mask in args.mask:
                for length in args.length:
                    try:
                        measure_steps(args, device, report, length, precision, dropout, mask, compiled)
                    except Exception:
                        report.failed(f"{'compiled' if compiled else 'training'} {precision} {length} dropout {dropout} mask {mask}")


def make_tokenizer(folder, max_length):
    """The byte-level BPE of RoBERTa from its two files, with its special tokens; rows are padded by the caller."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    with open(os.path.join(folder, "vocab.json"), encoding="utf-8") as file:
        vocabulary = json.load(file)
    with open(os.path.join(folder, "merges.txt"), encoding="utf-8") as file:
        lines = file.read().split("\n")
    merges = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    tokenizer.enable_truncation(max_length=max_length)
    return tokenizer


def pad(rows, device):
    """Right-padded to the longest row, with its mask, in one copy each."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([row + [1] * (longest - len(row)) for row in rows])
    if device.cuda:
        ids = ids.pin_memory()
    ids = ids.to(device.name, non_blocking=True)
    return ids, ids.ne(1).long()


def inference(args, device, report):
    for precision in args.precision:
        for length in args.inference_length:
            for part in ("peft_unmerged", "peft_unmerged_text", "peft_merged"):
                if part == "peft_unmerged_text" and not args.tokenizer:
                    continue
                try:
                    measure_inference(args, device, report, length, precision, part)
                except Exception:
                    report.failed(f"inference {part} {precision} {length}")


def measure_inference(args, device, report, length, precision, part):
    device.start()
    model = make_model(args.shape, 0.0, device.name)
    if part == "peft_merged":
        model = model.merge_and_unload()
    model.eval()
    count = max(1, args.rows // args.batch)
    texts, batches = [], []
    if part == "peft_unmerged_text":
        with open(os.path.join(args.tokenizer, "vocab.json"), encoding="utf-8") as file:
            words = [" " + word[1:] for word in json.load(file) if len(word) > 3 and word[0] == "\u0120" and word[1:].isascii() and word[1:].islower() and word[1:].isalpha()]
        chosen = torch.randint(0, len(words), (count * args.batch, length), generator=torch.Generator().manual_seed(2)).tolist()
        texts = ["".join(words[i] for i in row) for row in chosen]
    else:
        batches = make_batches(args.shape, args.batch, length, "ones", device.name, count)

    def one_pass():
        outputs = []
        rows = [e.ids for e in make_tokenizer(args.tokenizer, length).encode_batch(texts)] if texts else []
        with torch.inference_mode(), autocast(device, precision):
            for index in range(count):
                if texts:
                    ids, mask = pad(rows[index * args.batch:(index + 1) * args.batch], device)
                else:
                    ids, mask = batches[index]["input_ids"], batches[index]["attention_mask"]
                outputs.append(model(input_ids=ids, attention_mask=mask).logits)
            return torch.cat(outputs).float().cpu()

    one_pass()
    times = []
    for _ in range(max(args.repeats, 3)):
        began = device.now()
        logits = one_pass()
        times.append(device.now() - began)
    assert logits.shape == (count * args.batch, CLASSES) and bool(torch.isfinite(logits).all())
    seconds = statistics.median(times)
    report.add("inference", part, {"shape": args.shape, "length": length, "precision": precision, "device": device.kind}, {
        "samples_per_second": count * args.batch / seconds, "rows": count * args.batch, "seconds": seconds, "batch_ms": 1000 * seconds / count, **device.peaks()})


def read_task(args, name):
    path, header, first, second, label, labels = TASKS[name]
    with open(os.path.join(args.data, path), encoding="utf-8-sig", newline="") as file:
        lines = [line.rstrip("\r\n").split("\t") for line in file]
    lines = lines[1 if header else 0:]
    if args.task_rows:
        lines = lines[:args.task_rows]
    texts = [(row[first], row[second]) if second is not None else row[first] for row in lines]
    return texts, torch.tensor([labels.index(row[label]) for row in lines])


def epoch(args, device, report):
    for name in args.task:
        for precision in args.precision:
            for dropout in args.dropout:
                try:
                    measure_epoch(args, device, report, name, precision, dropout)
                except Exception:
                    report.failed(f"epoch {name} {precision} dropout {dropout}")


def measure_epoch(args, device, report, name, precision, dropout):
    device.start()
    texts, labels = read_task(args, name)
    model = make_model(args.shape, dropout, device.name)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    rounds = []

    def run(texts, labels, seed):
        began = device.now()
        rows = [e.ids for e in make_tokenizer(args.tokenizer, 512).encode_batch(texts)]
        tokenised = time.perf_counter()
        optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.01)
        steps = (len(rows) + args.batch - 1) // args.batch
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: max(0.0, 1 - s / steps))
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).tolist()
        total = torch.zeros((), dtype=torch.float64, device=device.name)
        for start in range(0, len(order), args.batch):
            chosen = order[start:start + args.batch]
            ids, mask = pad([rows[i] for i in chosen], device)
            with autocast(device, precision):
                loss = model(input_ids=ids, attention_mask=mask, labels=labels[chosen].to(device.name)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            total += loss.detach()
        ended = device.now()
        return {"tokenizing_ms": 1000 * (tokenised - began), "epoch_ms": 1000 * (ended - began), "mean_loss": float(total) / steps}

    run(texts[:10 * args.batch], labels[:10 * args.batch], 0)
    for repeat in range(args.repeats):
        rounds.append(run(texts, labels, repeat + 1))
    median = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
    report.add("epoch", "peft_eager", {
        "task": name, "shape": args.shape, "batch": args.batch, "precision": precision, "epochs": 1, "device": device.kind, "dropout": dropout,
    }, {**median, "rows": len(texts), "samples_per_second": 1000 * len(texts) / median["epoch_ms"], **device.peaks()})


def main():
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    unknown = set(args.parts) - {"training", "compiled", "inference", "epoch"}
    if unknown or ("epoch" in args.parts and not (args.data and args.tokenizer)):
        sys.exit(f"unknown parts: {', '.join(unknown)}" if unknown else "epoch needs --data and --tokenizer")
    torch.set_float32_matmul_precision("high")  # TF32, as people run it
    device = Device(args.device)
    report = Report(args, device)
    parts = {
        "training": lambda: training(args, device, report, False),
        "compiled": lambda: training(args, device, report, True),
        "inference": lambda: inference(args, device, report),
        "epoch": lambda: epoch(args, device, report),
    }
    for part in args.parts:
        began = time.perf_counter()
        try:
            parts[part]()
        except Exception:
            report.failed(part)
        print(f"{part}: {time.perf_counter() - began:.1f} s", flush=True)
    report.write()
    sys.exit(1 if report.results["errors"] else 0)


if __name__ == "__main__":
    main()
