"""Draws docs/pictures/starts.svg, the README's picture, from docs/results/report.csv: python eng/pictures/starts.py"""
import csv
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
TASKS = {"cola": "CoLA, Matthews", "stsb": "STS-B, Pearson", "sst2": "SST-2, accuracy", "qnli": "QNLI, accuracy"}
LEFT, PANEL, GAP, TOP, ROW = 112, 220, 18, 64, 20  # pixels
LOWEST, HIGHEST = -14, 4  # points, the ends of a panel
SCALE = PANEL / (HIGHEST - LOWEST)
COLOURS = {0: "#5b6575", 1: "#11733b", -1: "#a8321f"}

rows = [r for r in csv.DictReader(open(ROOT / "docs/results/report.csv", encoding="utf-8")) if r["difference"]]
names = sorted({r["strategy"] for r in rows}, key=lambda n: -sum(float(r["difference"]) for r in rows if r["strategy"] == n))
width, height = LEFT + len(TASKS) * (PANEL + GAP) - GAP + 12, TOP + ROW * len(names) + 44


def text(x, y, content, anchor="start", size=13, weight="normal", colour="#1d2430"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" fill="{colour}">{content}</text>'


out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui, Segoe UI, Roboto, DejaVu Sans, sans-serif" role="img">',
       f"<title>{len(names)} starts of the adapters against LoRA's own on four tasks, with 95 % intervals</title>",
       f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
       text(12, 24, "Is another start better than LoRA's own (kaiming)?", size=15, weight="600")]
for i, (task, title) in enumerate(TASKS.items()):
    zero = LEFT + i * (PANEL + GAP) - LOWEST * SCALE
    out.append(text(zero + LOWEST * SCALE, TOP - 14, title, weight="600"))
    for tick in range(-12, 5, 4):
        x, bottom = zero + tick * SCALE, TOP + ROW * len(names)
        out.append(f'<line x1="{x:.0f}" x2="{x:.0f}" y1="{TOP - 6}" y2="{bottom}" stroke="{"#1d2430" if tick == 0 else "#d9dee6"}"/>')
        out.append(text(x, bottom + 16, f"{tick:+d}".replace("-", "−") if tick else "0", "middle", 11, colour="#5b6575"))
    for j, name in enumerate(names):
        row = next(r for r in rows if r["strategy"] == name and r["task"] == task)
        mean, low, high = (min(max(100 * float(row[k]), LOWEST), HIGHEST) for k in ("difference", "difference_low", "difference_high"))  # longer lines end at the panel
        colour = COLOURS[0 if float(row["p_holm"]) >= 0.05 else 1 if mean > 0 else -1]
        y = TOP + ROW * (j + 0.5)
        if i == 0:
            out.append(text(12, y + 4, name))
        out.append(f'<line x1="{zero + low * SCALE:.1f}" x2="{zero + high * SCALE:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>')
        out.append(f'<circle cx="{zero + mean * SCALE:.1f}" cy="{y}" r="4.5" fill="{colour}"/>')
out.append(text(12, height - 10, f"Points of difference over {rows[0]['pairs']} paired seeds, each at its best of six rates; colour: shown by a test over the whole table.", size=11, colour="#5b6575"))
out.append("</svg>")
(ROOT / "docs/pictures/starts.svg").write_text("\n".join(out) + "\n", encoding="utf-8")
