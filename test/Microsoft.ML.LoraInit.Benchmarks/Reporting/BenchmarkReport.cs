using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.LoraInit.Benchmarks.Reporting;

/// <summary>What one run measured: printed as it comes, compared and written at the end.</summary>
internal sealed class BenchmarkReport
{
    public const string Ours = "ours";

    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private readonly List<BenchmarkRow> _rows = [];

    public IReadOnlyList<BenchmarkRow> Rows => _rows;

    /// <summary>Takes a row in and prints it.</summary>
    public void Add(BenchmarkRow row)
    {
        _rows.Add(row);
        var metrics = string.Join(", ", row.Metrics.Select(m => $"{m.Key} {Number(m.Value)}"));
        Console.Out.WriteLine($"{row.Variant,-18} {row.Key}\n{"",-18} {metrics}");
    }

    /// <summary>Takes the rows of the Python script in.</summary>
    /// <exception cref="InvalidDataException">The file is none of the script's.</exception>
    public void Join(string path)
    {
        File? file;
        try
        {
            file = JsonSerializer.Deserialize<File>(System.IO.File.ReadAllText(path), Format);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{path}' is not a result of eng/benchmarks/peft_benchmark.py: {e.Message}", e);
        }
        if (file?.Rows is null)
            throw new InvalidDataException($"'{path}' is not a result of eng/benchmarks/peft_benchmark.py: it has no 'rows'.");
        Console.Out.WriteLine($"\n{path}: {string.Join(", ", file.Versions.Select(v => $"{v.Key} {v.Value}"))}");
        foreach (var row in file.Rows)
            Add(row);
    }

    /// <summary>Prints how our rows stand to the others of the same work.</summary>
    public void Compare()
    {
        Console.Out.WriteLine("\nOurs against (speed: times as many samples a second; memory and processor time: ours as a share)");
        foreach (var ours in _rows.Where(r => IsOurs(r) && r.Metrics.ContainsKey(BenchmarkRow.Speed)))
        {
            foreach (var other in _rows.Where(r => !IsOurs(r) && r.Key == ours.Key && r.Metrics.ContainsKey(BenchmarkRow.Speed)))
            {
                var speed = ours.Metrics[BenchmarkRow.Speed] / other.Metrics[BenchmarkRow.Speed];
                Console.Out.WriteLine($"  {(ours.Variant == Ours ? "" : $"{ours.Variant} / ")}{other.Variant,-18} speed {Number(speed)}{Share("memory", BenchmarkRow.Peak)}{Share("processor time", BenchmarkRow.Cpu)}   {ours.Key}");

                string Share(string name, string metric) =>
                    ours.Metrics.TryGetValue(metric, out var mine) && other.Metrics.TryGetValue(metric, out var theirs) && theirs > 0 ? $", {name} {Number(mine / theirs)}" : "";
            }
        }
    }

    public void Write(string path, SortedDictionary<string, string> machine, SortedDictionary<string, string> versions) =>
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, new File("lorainit", machine, versions, _rows), Format));

    // "ours", and "ours_int8" and the like.
    private static bool IsOurs(BenchmarkRow row) => row.Variant.StartsWith(Ours, StringComparison.Ordinal);

    private static string Number(double value) => value.ToString(Math.Abs(value) >= 100 ? "0.0" : "0.000", CultureInfo.InvariantCulture);

    private sealed record File(string Tool, SortedDictionary<string, string> Machine, SortedDictionary<string, string> Versions, IReadOnlyList<BenchmarkRow> Rows);
}
