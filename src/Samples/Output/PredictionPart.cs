using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Samples.Glue.Grid;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>One of several parts of a file's predictions: the rows whose number, from 0, modulo the number of parts is the part's.</summary>
/// <param name="Shard">Which of how many.</param>
internal readonly partial record struct PredictionPart(Shard Shard)
{
    public static readonly PredictionPart Whole = new(Shard.Whole);

    public int Count => Shard.Count;

    public bool Has(long row) => row % Shard.Count == Shard.Index;

    /// <summary>The part's file beside the file that all parts make.</summary>
    public string Of(string path) => string.Create(CultureInfo.InvariantCulture, $"{path}.part-{Shard.Index}-of-{Shard.Count}");

    /// <summary>The files of all parts, in order.</summary>
    /// <exception cref="UsageException">There is none, one is missing, or there are parts of another number.</exception>
    public static string[] All(string path)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var name = Path.GetFileName(path);
        var there = (Directory.Exists(folder) ? Directory.GetFiles(folder, $"{name}.part-*-of-*") : [])
            .Select(file => (File: file, Match: Ending().Match(file))).Where(f => f.Match.Success).ToArray();
        int[] counts = [.. there.Select(f => int.Parse(f.Match.Groups[1].Value, CultureInfo.InvariantCulture)).Distinct()];
        if (counts is not [var count])
            throw new UsageException(counts.Length == 0
                ? $"--output: there is no {path}.part-I-of-N; 'predict --shard I/N --output {path}' writes one."
                : $"--output: beside {path} lie parts of {string.Join(" and of ", counts.Order())}; delete those that are not meant.");
        string[] all = [.. Enumerable.Range(0, count).Select(i => new PredictionPart(new Shard(i, count)).Of(Path.GetFullPath(path)))];
        return all.FirstOrDefault(file => !File.Exists(file)) is { } missing
            ? throw new UsageException($"--output: {missing} is missing, one of {count} parts.")
            : all;
    }

    [GeneratedRegex(@"\.part-[0-9]{1,9}-of-([0-9]{1,9})\z")]
    private static partial Regex Ending();
}
