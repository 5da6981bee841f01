namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>Numbers of things in words.</summary>
internal static class Count
{
    /// <summary><c>1 row</c>, <c>2 rows</c>, <c>2 classes</c>.</summary>
    public static string Of(long number, string thing) => number == 1 ? $"1 {thing}" : $"{number} {thing}{(thing.EndsWith('s') ? "es" : "s")}";
}
