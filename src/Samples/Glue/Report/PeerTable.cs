namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>Our figures with those of PEFT beside them, task by task, for the methods that both have.</summary>
internal static class PeerTable
{
    public static ReportTable Of(Section section)
    {
        string[] tasks = [.. section.Tasks.Where(t => section.Rows.Any(r => r.Peers.ContainsKey(t)))];
        return new(
            "peers", "Beside PEFT",
            "Dev set, in percent, for the methods that Python's PEFT has too: ours as above, and PEFT's on the same weights and rows, the best of its "
            + "epochs at its best learning rate, with its n. Rates tried, epochs and precision are each side's own; bold is the higher of two means over equally many seeds, from five on.",
            ["strategy", .. tasks.SelectMany(t => new TableCell[] { new(TaskNames.Display(t), section.Metrics.GetValueOrDefault(t)), new("PEFT", TaskNames.Display(t)) })],
            [
                .. section.Rows.Where(r => r.Peers.Count > 0).Select(row => (IReadOnlyList<TableCell>)[new(row.Label), .. tasks.SelectMany(t => Pair(row, t))]),
            ]);
    }

    private static TableCell[] Pair(Row row, string task)
    {
        if (!row.Peers.TryGetValue(task, out var peer) || !row.Cells.TryGetValue(task, out var cell))
            return [TableCell.Missing, TableCell.Missing];
        var best = Spread.Highest([cell.Spread, peer.Spread]);
        return
        [
            new(Figures.Percent(cell.Spread), $"lr {Figures.Rate(cell.Rate)}, n = {cell.Spread.Count}", cell.Spread.Is(best) ? CellMark.Best : CellMark.None),
            new(Figures.Percent(peer.Spread), $"lr {Figures.Rate(peer.Rate)}, n = {peer.Spread.Count}, {peer.Epochs} epochs", peer.Spread.Is(best) ? CellMark.Best : CellMark.None),
        ];
    }
}
