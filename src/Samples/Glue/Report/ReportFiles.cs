using System.Text;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>Writes a folder's report in every format.</summary>
internal static class ReportFiles
{
    /// <param name="directory">The results.</param>
    /// <param name="output">Where the report goes.</param>
    /// <param name="peers">PEFT's figures, to stand beside ours; null for none.</param>
    /// <returns>The files written.</returns>
    /// <exception cref="RunFileException">There is no run, or one cannot be read.</exception>
    public static IReadOnlyList<string> Write(string directory, string output, PeerFigures? peers = null)
    {
        var model = Read(directory, out var records, peers);
        (string Name, string Text)[] files =
        [
            ("report.md", MarkdownReport.Write(model)),
            ("report.csv", CsvReport.Cells(model)),
            ("runs.csv", CsvReport.Runs(records)),
            ("report.html", HtmlReport.Write(model)),
        ];
        Directory.CreateDirectory(output);
        foreach (var (name, text) in files)
            AtomicFile.Write(Path.Combine(output, name), stream => stream.Write(Encoding.UTF8.GetBytes(text)));
        return [.. files.Select(f => Path.Combine(output, f.Name))];
    }

    /// <summary>What the report of a folder says.</summary>
    /// <exception cref="RunFileException">There is no run, or one cannot be read.</exception>
    public static ReportModel Read(string directory) => Read(directory, out _, null);

    private static ReportModel Read(string directory, out IReadOnlyList<RunRecord> records, PeerFigures? peers)
    {
        if (!Directory.Exists(directory))
            throw new RunFileException(directory, "is no folder.");
        var store = new RunStore(directory);
        records = store.ReadAll();
        return records.Count > 0 ? ReportBuilder.Build(records, store.ReadPlans(), peers) : throw new RunFileException(directory, "holds no runs: none has ended yet, or this is not the folder that 'glue --out' wrote.");
    }
}
