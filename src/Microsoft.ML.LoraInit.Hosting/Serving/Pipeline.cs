using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Hosting.Serving;

/// <summary>A look into a pipeline.</summary>
internal static class Pipeline
{
    /// <summary>Its steps in order, chains within it taken apart.</summary>
    public static IEnumerable<ITransformer> Steps(ITransformer step) =>
        step is IEnumerable<ITransformer> chain ? chain.SelectMany(Steps) : [step];

    /// <summary>Disposes of what one pipeline has and another one has not.</summary>
    public static void DisposeRest(ITransformer former, ITransformer kept)
    {
        if (ReferenceEquals(former, kept))
            return;
        var still = Steps(kept).ToHashSet(ReferenceEqualityComparer.Instance);
        foreach (var step in Steps(former))
            if (!still.Contains(step))
                (step as IDisposable)?.Dispose();
    }

    /// <summary>The type of the step that scores.</summary>
    public static string Engine(ITransformer pipeline)
    {
        var steps = Steps(pipeline).ToArray();
        return (steps.FirstOrDefault(s => s is ITextTransformer or AdapterLibraryTransformer) ?? steps[^1]).GetType().Name;
    }

    /// <summary>The names of the scores: slot names of the last column of scores that has some.</summary>
    public static IReadOnlyList<string> OutputNames(DataViewSchema output)
    {
        var column = output.LastOrDefault(c => IsScore(c) && c.HasSlotNames());
        if (column.Name is null)
            return [];
        VBuffer<ReadOnlyMemory<char>> names = default;
        column.GetSlotNames(ref names);
        return [.. names.DenseValues().Select(n => n.ToString())];
    }

    /// <summary>Whether ML.NET's annotations call a column one of scores.</summary>
    public static bool IsScore(DataViewSchema.Column column) => Annotation(column, "ScoreValueKind") == "Score";

    /// <summary>A text that is attached to a column, or null.</summary>
    public static string? Annotation(DataViewSchema.Column column, string kind)
    {
        if (column.Annotations.Schema.GetColumnOrNull(kind) is not { Type: TextDataViewType })
            return null;
        ReadOnlyMemory<char> value = default;
        column.Annotations.GetValue(kind, ref value);
        return value.ToString();
    }
}
