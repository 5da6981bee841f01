using System.Globalization;

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
        foreach (var (task, part) in Parts(text))
        {
            if (!int.TryParse(part, CultureInfo.InvariantCulture, out var value) || value < 1)
                throw new ArgumentException($"{option}: '{part}' is neither a number above 0 nor task=number.");
            if (task is not null)
                others[taskName(task)] = value;
            else
                common = common is null ? value : throw new ArgumentException($"{option} has two common values, {common} and {value}.");
        }
        return common is { } c
            ? new PerTask<int>(c, others)
            : throw new ArgumentException($"{option} needs a value for all tasks, such as 8 or 8,sst2=2.");
    }

    /// <summary>Lists of learning rates: <c>5e-4,1e-3,sst2=4e-4/8e-4</c>.</summary>
    /// <exception cref="ArgumentException">There is no common list, or a part does not parse.</exception>
    public static PerTask<IReadOnlyList<double>> ParseRates(string option, string text, Func<string, string> taskName)
    {
        var common = new List<double>();
        var others = new Dictionary<string, IReadOnlyList<double>>(StringComparer.Ordinal);
        foreach (var (task, part) in Parts(text))
        {
            double[] rates = [.. part.Split('/').Select(t => double.TryParse(t, NumberStyles.Float, CultureInfo.InvariantCulture, out var rate) && rate > 0 && double.IsFinite(rate)
                ? rate
                : throw new ArgumentException($"{option}: '{t}' is not a number of the kind wanted, a rate above 0; another list for a task is task=rate/rate."))];
            if (task is null)
                common.AddRange(rates);
            else
                others[taskName(task)] = [.. rates.Distinct()];
        }
        return common.Count == 0
            ? throw new ArgumentException($"{option} is empty; name at least one rate for all tasks.")
            : new([.. common.Distinct()], others);
    }

    /// <summary>A text for some tasks and none for the others: <c>mrpc=mnli,rte=mnli</c>.</summary>
    /// <exception cref="ArgumentException">A part is not of the form task=text.</exception>
    public static PerTask<string?> ParseNames(string option, string text, Func<string, string> taskName)
    {
        var named = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var (task, part) in Parts(text))
            named[taskName(task ?? throw new ArgumentException($"{option}: '{part}' is not of the form task=value."))] = part;
        return new(null, named);
    }

    private static IEnumerable<(string? Task, string Value)> Parts(string text) =>
        from part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        let pair = part.Split('=', 2, StringSplitOptions.TrimEntries)
        select (pair.Length == 2 ? pair[0] : null, pair[^1]);
}
