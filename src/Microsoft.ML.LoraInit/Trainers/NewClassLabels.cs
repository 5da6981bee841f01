using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference.Outputs;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>The labels of rows that bring new classes: keys of all classes, the model's own first, in its order.</summary>
internal static class NewClassLabels
{
    /// <summary>The rows, their label mapped to a key of the known classes and then the new ones, in the order of the rows' own keys.</summary>
    /// <param name="rows">The rows, their label a key of names of its own; one that no row has is no class that they bring.</param>
    /// <param name="label">The label column.</param>
    /// <param name="known">The model's classes.</param>
    /// <exception cref="ArgumentException">The classes have no names, or the rows bring no new one.</exception>
    public static IDataView Widen(IDataView rows, string label, ClassNames known)
    {
        if (rows.Schema.GetColumnOrNull(label) is not { Type: KeyDataViewType } column)
            return rows; // told by the check that follows
        if (ClassNames.Of(column) is not { Type.ItemType: TextDataViewType } names || known.Type.ItemType is not TextDataViewType)
            throw new ArgumentException($"The label column '{label}' is a key of {(ClassNames.Of(column) is { } other ? other.Type.ItemType : "no values")}, and the model's classes are named by {known.Type.ItemType}: both must be texts, by which classes are told apart. Map texts with Transforms.Conversion.MapValueToKey.");
        var ml = new MLContext();
        var named = ml.Transforms.Conversion.MapKeyToValue(label).Fit(rows).Transform(rows);
        var found = named.GetColumn<ReadOnlyMemory<char>>(label).Select(t => t.ToString()).ToHashSet(StringComparer.Ordinal);
        var more = names.Texts.Where(found.Contains).Except(known.Texts, StringComparer.Ordinal).ToArray();
        if (more.Length == 0)
            throw new ArgumentException($"The label column '{label}' brings no new class: the model knows all of {List([.. names.Texts.Where(found.Contains)])}. It knows every class that the keys of its training had, with rows or without: make keys of the rows of one stage at a time.");
        var keys = ml.Data.LoadFromEnumerable(known.Texts.Concat(more).Select(t => new KeyRow { Value = t }));
        return ml.Transforms.Conversion.MapValueToKey(label, label, keyData: keys).Fit(named).Transform(named);
    }

    /// <summary>Refuses rows that a stage cannot learn from.</summary>
    /// <param name="rows">The training rows, labelled as <see cref="Widen"/> does.</param>
    /// <param name="known">How many classes the model knew.</param>
    /// <param name="names">All classes.</param>
    /// <exception cref="InvalidDataException">A row is of a known class, or all are of one class.</exception>
    public static void Check(TextDataset rows, int known, IReadOnlyList<string> names)
    {
        int old = rows.Labels.Count(l => l < known);
        if (old > 0)
            throw new InvalidDataException($"{old} of {rows.Count} training rows are of classes that the model knows, such as '{names[(int)rows.Labels.First(l => l < known)]}': a stage learns its new classes alone. Filter those rows, or train all classes anew.");
        if (rows.Labels.Distinct().Take(2).Count() < 2)
            throw new InvalidDataException($"All {rows.Count} training rows are of the class '{names[(int)rows.Labels[0]]}': a stage learns to tell its new classes from each other, and needs at least two. Wait for a second one, or train all classes anew.");
    }

    private static string List(IReadOnlyList<string> names) => string.Join(", ", names.Take(20).Select(n => $"'{n}'")) + (names.Count > 20 ? $" and {names.Count - 20} more" : "");

    private sealed class KeyRow
    {
        public string Value { get; set; } = "";
    }
}
