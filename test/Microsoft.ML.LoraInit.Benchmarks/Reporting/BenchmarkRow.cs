using System.Globalization;
using System.Text.Json;

namespace Microsoft.ML.LoraInit.Benchmarks.Reporting;

/// <summary>One thing measured one way. eng/benchmarks/peft_benchmark.py writes the same form.</summary>
/// <param name="Benchmark">What was done: <c>training</c>, <c>epoch</c>, …</param>
/// <param name="Variant">By whom: <c>ours</c>, <c>torchsharp</c>, <c>peft_eager</c>, …</param>
/// <param name="Configuration">On what: rows of equal benchmark and configuration are compared.</param>
/// <param name="Metrics">Medians and counts by name.</param>
internal sealed record BenchmarkRow(string Benchmark, string Variant, SortedDictionary<string, object> Configuration, SortedDictionary<string, double> Metrics)
{
    /// <summary>The metric that comparisons are made by: more is better.</summary>
    public const string Speed = "samples_per_second";

    /// <summary>Processor time of all threads a sample, ms: less is better.</summary>
    public const string Cpu = "cpu_ms_per_sample";

    /// <summary>The rise of the device's used memory, MB: less is better.</summary>
    public const string Peak = "peak_mb";

    /// <summary>Equal for rows that measured the same work.</summary>
    public string Key => $"{Benchmark}: {string.Join(", ", Configuration.Select(c => $"{c.Key} {Canonical(c.Value)}"))}";

    // Numbers come from code as int or double, from JSON as elements; 0 and 0.0 are one value.
    private static string Canonical(object value) => value switch
    {
        JsonElement { ValueKind: JsonValueKind.Number } number => number.GetDouble().ToString("R", CultureInfo.InvariantCulture),
        JsonElement element => element.ToString(),
        int number => ((double)number).ToString("R", CultureInfo.InvariantCulture),
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        _ => value.ToString()!,
    };
}
