#!/usr/bin/env python3
"""LoRA fine-tuning of RoBERTa in plain PyTorch, written to compare CPU training with: needs torch and numpy alone.

What a PyTorch user would write: modules, torch.optim.AdamW, clip_grad_norm_, no transformers. Debian's python3-torch is the same
libtorch that a build of TorchSharp on that system uses, so that what differs is the program.

    python3 eng/benchmarks/roberta_cpu.py training --model DIR --shape mini --batch 32 --length 32,128 --json python.json
    python3 eng/benchmarks/roberta_cpu.py epoch --rows ids.json --model DIR --json python.json

  training  steps on rows of the stated length, as `training` of the benchmark program measures ours (variant python)
  epoch     one epoch over token ids that the program's `epoch --export ids.json` wrote: once over the very batches that ours
            trains on (python_same_batches), once shuffled and padded to the longest row of each batch (python_shuffled).
            Tokenisation is in ours and not in this.

--model is a folder with config.json and model.safetensors. eng/benchmarks/alternate.py runs both in turns.
"""

import argparse
import json
import math
import os
import platform
import statistics
import time

import numpy
import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 2
RANK = 8
ALPHA = 16


def read_safetensors(path):
    """The tensors of a safetensors file, as fp32."""
    types = {"F16": numpy.float16, "F32": numpy.float32}
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
        tensors = {}
        for name, entry in header.items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                file.seek(start + begin)
                array = numpy.frombuffer(file.read(end - begin), dtype=types[entry["dtype"]])
                tensors[name] = torch.from_numpy(array.astype(numpy.float32)).reshape(entry["shape"])
        return tensors


class LoraLinear(nn.Module):
    def __init__(self, weight, bias):
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.lora_a = nn.Parameter(torch.empty(RANK, weight.shape[1]))
        self.lora_b = nn.Parameter(torch.zeros(weight.shape[0], RANK))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, x):
        return F.linear(x, self.weight, self.bias) + F.linear(F.linear(x, self.lora_a), self.lora_b) * (ALPHA / RANK)


class FrozenLinear(nn.Module):
    def __init__(self, weight, bias):
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


class FrozenNorm(FrozenLinear):
    def forward(self, x):
        return F.layer_norm(x, self.bias.shape, self.weight, self.bias, 1e-5)


class Layer(nn.Module):
    def __init__(self, tensors, index, heads, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        name = f"roberta.encoder.layer.{index}"
        attention = f"{name}.attention.self"

        def make(kind, module):
            return kind(tensors[f"{module}.weight"], tensors[f"{module}.bias"])

        self.query = make(LoraLinear, f"{attention}.query")
        self.key = make(FrozenLinear, f"{attention}.key")
        self.value = make(LoraLinear, f"{attention}.value")
        self.output = make(FrozenLinear, f"{name}.attention.output.dense")
        self.norm = make(FrozenNorm, f"{name}.attention.output.LayerNorm")
        self.up = make(FrozenLinear, f"{name}.intermediate.dense")
        self.down = make(FrozenLinear, f"{name}.output.dense")
        self.last = make(FrozenNorm, f"{name}.output.LayerNorm")

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def attend(self, x, bias):
        query, key, value = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        if hasattr(F, "scaled_dot_product_attention"):
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=self.dropout)
        else:
            scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])
            if bias is not None:
                scores = scores + bias
            mixed = F.dropout(scores.softmax(-1), self.dropout) @ value
        return mixed.transpose(1, 2).reshape(x.shape)

    def forward(self, x, bias):
        x = self.norm(F.dropout(self.output(self.attend(x, bias)), self.dropout) + x)
        return self.last(F.dropout(self.down(F.gelu(self.up(x))), self.dropout) + x)


class Roberta(nn.Module):
    def __init__(self, folder, dropout):
        super().__init__()
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        tensors = read_safetensors(os.path.join(folder, "model.safetensors"))
        hidden = config["hidden_size"]
        self.vocabulary, self.dropout = config["vocab_size"], dropout
        embeddings = "roberta.embeddings"
        self.register_buffer("words", tensors[f"{embeddings}.word_embeddings.weight"])
        self.register_buffer("positions", tensors[f"{embeddings}.position_embeddings.weight"])
        self.register_buffer("types", tensors[f"{embeddings}.token_type_embeddings.weight"])
        self.norm = FrozenNorm(tensors[f"{embeddings}.LayerNorm.weight"], tensors[f"{embeddings}.LayerNorm.bias"])
        self.layers = nn.ModuleList(Layer(tensors, i, config["num_attention_heads"], dropout) for i in range(config["num_hidden_layers"]))
        self.dense, self.out = nn.Linear(hidden, hidden), nn.Linear(hidden, CLASSES)
        for linear in (self.dense, self.out):
            nn.init.normal_(linear.weight, 0, 0.02)
            nn.init.zeros_(linear.bias)

    def forward(self, ids):
        mask = ids.ne(1)
        positions = mask.long().cumsum(1) * mask + 1
        bias = None if bool(mask.all()) else torch.zeros(ids.shape[0], 1, 1, ids.shape[1]).masked_fill_(~mask[:, None, None, :], float("-inf"))
        x = F.embedding(ids, self.words) + F.embedding(positions, self.positions) + self.types[0]
        x = F.dropout(self.norm(x), self.dropout)
        for layer in self.layers:
            x = layer(x, bias)
        x = torch.tanh(self.dense(F.dropout(x[:, 0], self.dropout)))
        return self.out(F.dropout(x, self.dropout))


class Trainer:
    def __init__(self, args):
        torch.manual_seed(0)
        self.model = Roberta(args.model, args.dropout)
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-3, weight_decay=0.01)

    def step(self, ids, labels):
        loss = F.cross_entropy(self.model(ids), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()


def training(args):
    rows = []
    for length in args.length:
        trainer = Trainer(args)
        generator = torch.Generator().manual_seed(1)
        batches = []
        for _ in range(8):
            ids = torch.randint(4, trainer.model.vocabulary, (args.batch, length), generator=generator)
            ids[:, 0], ids[:, -1] = 0, 2
            batches.append((ids, torch.randint(0, CLASSES, (args.batch,), generator=generator)))
        for i in range(args.warmup):
            trainer.step(*batches[i % len(batches)])
        times, cpu, loss = [], [], 0.0
        for _ in range(args.blocks):
            began, cpu_began = time.perf_counter(), time.process_time()
            for i in range(args.steps):
                loss += float(trainer.step(*batches[i % len(batches)]))
            times.append(1000 * (time.perf_counter() - began) / args.steps)
            cpu.append(1000 * (time.process_time() - cpu_began) / args.steps)
        median = statistics.median(times)
        rows.append(row("training", "python", {"shape": args.shape, "batch": args.batch, "length": length, "precision": "fp32", "dropout": args.dropout, "device": "cpu"}, {
            "step_ms": median, "step_ms_min": min(times), "step_ms_max": max(times), "samples_per_second": 1000 * args.batch / median,
            "cpu_ms_per_sample": statistics.median(cpu) / args.batch, "steps": args.steps, "blocks": args.blocks, "mean_loss": loss / (args.steps * args.blocks)}))
    return rows


def epoch(args):
    with open(args.rows, encoding="utf-8") as file:
        data = json.load(file)
    labels = torch.tensor(data["labels"]).long()
    count = len(data["ids"])

    def run(trainer, batches):
        began, cpu_began = time.perf_counter(), time.process_time()
        loss = 0.0
        for chosen in batches:
            rows = [data["ids"][i] for i in chosen]
            longest = max(len(r) for r in rows)
            ids = torch.tensor([r + [1] * (longest - len(r)) for r in rows])
            loss += float(trainer.step(ids, labels[chosen]))
        return 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - cpu_began), loss / len(batches)

    rows = []
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0)).tolist()
    shuffled = [order[i:i + data["batch"]] for i in range(0, count, data["batch"])]
    run(Trainer(args), data["batches"][:4])
    for variant, batches in (("python_same_batches", data["batches"]), ("python_shuffled", shuffled)):
        measured = [run(Trainer(args), batches) for _ in range(args.repeats)]
        milliseconds, cpu, loss = (statistics.median(m[i] for m in measured) for i in range(3))
        padded = sum(max(len(data["ids"][i]) for i in b) * len(b) for b in batches) / sum(len(i) for i in data["ids"])
        rows.append(row("epoch", variant, {"task": data["task"], "shape": data["shape"], "batch": data["batch"], "precision": "fp32", "epochs": 1, "device": "cpu"}, {
            "epoch_ms": milliseconds, "samples_per_second": 1000 * count / milliseconds, "cpu_ms_per_sample": cpu / count, "rows": count,
            "tokens_with_padding": padded, "mean_loss": loss}))
    return rows


def row(benchmark, variant, configuration, metrics):
    print(benchmark, variant, configuration, {k: round(v, 3) for k, v in metrics.items()}, flush=True)
    return {"benchmark": benchmark, "variant": variant, "configuration": configuration, "metrics": metrics}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=["training", "epoch"])
    parser.add_argument("--model", required=True, help="folder with config.json and model.safetensors")
    parser.add_argument("--shape", default="mini", help="what results call the model: as ours, so that rows join")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=lambda t: [int(v) for v in t.split(",")], default=[32, 128])
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--rows", help="what epoch --export wrote")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = training(args) if args.benchmark == "training" else epoch(args)
    if args.json:
        results = {
            "tool": "roberta_cpu",
            "machine": {"operating_system": platform.platform(), "torch_threads": str(torch.get_num_threads()), "processors": str(os.cpu_count())},
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
            "rows": rows,
        }
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
