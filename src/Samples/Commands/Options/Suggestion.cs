namespace Microsoft.ML.LoraInit.Samples.Commands.Options;

/// <summary>The name that was probably meant.</summary>
internal static class Suggestion
{
    /// <summary><c> Did you mean 'pissa'?</c>, with a blank before it; empty where nothing is near.</summary>
    public static string For(string typed, IEnumerable<string> known) => Nearest(typed, known) is { } near ? $" Did you mean '{near}'?" : "";

    /// <summary>The known name that takes the fewest corrections, at most a third of its letters; null where none is near.</summary>
    public static string? Nearest(string typed, IEnumerable<string> known)
    {
        var word = typed.ToLowerInvariant();
        var (name, distance) = known.Distinct()
            .Select(k => (Name: k, Distance: k.StartsWith(word, StringComparison.OrdinalIgnoreCase) && word.TrimStart('-').Length >= 3 ? 1 : Distance(word, k.ToLowerInvariant())))
            .OrderBy(c => c.Distance).ThenBy(c => c.Name, StringComparer.Ordinal)
            .FirstOrDefault(("", int.MaxValue));
        return distance <= Math.Max(1, name.TrimStart('-').Length / 3) ? name : null;
    }

    // Insertions, deletions, replacements, and two neighbours exchanged.
    private static int Distance(string a, string b)
    {
        var table = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
            for (int j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    table[i, j] = i + j;
                    continue;
                }
                int replaced = table[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                table[i, j] = Math.Min(replaced, Math.Min(table[i - 1, j], table[i, j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    table[i, j] = Math.Min(table[i, j], table[i - 2, j - 2] + 1);
            }
        return table[a.Length, b.Length];
    }
}
