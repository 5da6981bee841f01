namespace Microsoft.ML.LoraInit.Samples.Glue.Grid;

/// <summary>A setting for every task, with other values for some: <c>8,sst2=2,qnli=3</c> on the command line.</summary>
internal sealed class PerTask<T>(T common, IReadOnlyDictionary<string, T>? others = null)
{
    public T For(string task) => others is not null && others.TryGetValue(task, out var value) ? value : common;
}

/// <summary>Reads a <see cref="PerTask{T}"/>.</summary>
internal static class PerTask
{
    /// <exception cref="ArgumentException">There is no common value, or a part does not parse.</exception>
    public static PerTask<int> ParseCounts(string option, string text, Func<string, string> taskName)
    {
        int? common = null;
        var others = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var pair = part.Split('=', 2, StringSplitOptions.TrimEntries);
            if (!int.TryParse(pair[^1], System.Globalization.CultureInfo.InvariantCulture, out var value) || value < 1)
                throw new ArgumentException($"{option}: '{part}' is neither a number above 0 nor task=number.");
            if (pair.Length == 2)
                others[taskName(pair[0])] = value;
            else
                common = common is null ? value : throw new ArgumentException($"{option} has two common values, {common} and {value}.");
        }
        return common is { } c
            ? new PerTask<int>(c, others)
            : throw new ArgumentException($"{option} needs a value for all tasks, such as 8 or 8,sst2=2.");
    }
}
