using Microsoft.ML.LoraInit.Data.Tasks;

namespace Microsoft.ML.LoraInit.Data;

/// <summary>Puts class weights on training rows, or on the loss of a multi-label task.</summary>
internal static class ClassWeighting
{
    private static readonly string[] FalseAndTrue = ["false", "true"];

    /// <summary>Checks names before anything long begins.</summary>
    /// <param name="weights">The option.</param>
    /// <param name="task">What the classes are of.</param>
    /// <param name="first">The first class that training rows may have.</param>
    /// <exception cref="ArgumentException">A class has no weight, or a weight is for no class.</exception>
    public static void Check(ClassWeights weights, TextTask task, int first = 0)
    {
        if (weights is not ExplicitClassWeights { Weights: var given })
            return;
        IReadOnlyList<string> names = [.. Names(task).Skip(first)];
        if (given.Keys.FirstOrDefault(n => !names.Contains(n, StringComparer.Ordinal)) is { } unknown)
            throw new ArgumentException($"ClassWeights has a weight for '{unknown}', which is no class. The classes are {List(names)}.");
        if (names.FirstOrDefault(n => !given.ContainsKey(n)) is { } missing)
            throw new ArgumentException($"ClassWeights has no weight for the class '{missing}': give one for every class, 1 where it is to count as it is.");
    }

    /// <summary>What is trained in place of <paramref name="task"/> and <paramref name="train"/>.</summary>
    public static (TextTask Task, TextDataset Train) Apply(ClassWeights weights, TextTask task, TextDataset train)
    {
        if (weights == ClassWeights.None)
            return (task, train);
        if (task is MultiLabelTask several)
            return (Weighted(several, weights, train), train);
        var byClass = weights is ExplicitClassWeights { Weights: var given }
            ? [.. Names(task).Select(n => (float)given.GetValueOrDefault(n, 1))] // known classes have none, and no rows
            : Balanced(Counts(train.Labels, task is BinaryTask ? 2 : task.OutputCount));
        return (task, train with { Weights = [.. train.Labels.Select((label, row) => byClass[(int)label] * (train.Weights?[row] ?? 1))] });
    }

    /// <summary>n / (classes that occur · count) a class; 1 for one that does not occur.</summary>
    internal static float[] Balanced(int[] counts)
    {
        double rows = counts.Sum();
        int occurring = counts.Count(c => c > 0);
        return Array.ConvertAll(counts, c => c > 0 ? (float)(rows / ((double)occurring * c)) : 1);
    }

    private static MultiLabelTask Weighted(MultiLabelTask task, ClassWeights weights, TextDataset train)
    {
        int labels = task.OutputCount;
        if (weights is ExplicitClassWeights { Weights: var given })
            return task.Weighted([.. Names(task).Select(n => (float)given[n])], [.. Enumerable.Repeat(1f, labels)]);
        var balanced = Enumerable.Range(0, labels)
            .Select(l => Balanced(Counts(train.Labels.Where((_, i) => i % labels == l), 2))).ToArray();
        return task.Weighted([.. balanced.Select(b => b[1])], [.. balanced.Select(b => b[0])]);
    }

    private static int[] Counts(IEnumerable<float> labels, int classes)
    {
        var counts = new int[classes];
        foreach (var label in labels)
            counts[(int)label]++;
        return counts;
    }

    private static IReadOnlyList<string> Names(TextTask task) => task switch
    {
        BinaryTask => FalseAndTrue,
        MulticlassTask { ClassNames: { } names } => names,
        MultiLabelTask { LabelNames: { } names } => names,
        _ => throw new ArgumentException($"ClassWeights.PerClass needs names, and the label column has none: {(task is MultiLabelTask ? "name its slots, as Transforms.Concatenate does" : "make its keys with Transforms.Conversion.MapValueToKey")}, or use ClassWeights.Balanced."),
    };

    private static string List(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(20).Select(n => $"'{n}'")) + (names.Count > 20 ? $" and {names.Count - 20} more" : "");
}
