using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Data;

/// <summary>Reads the label of a multi-label task: a vector of Boolean, or of Single that holds 0 and 1.</summary>
internal static class LabelVector
{
    /// <summary>Adds the current row's labels, 0 or 1 each; the number is the row's, from 1.</summary>
    /// <exception cref="InvalidDataException">A value is neither 0 nor 1; thrown when the row is read.</exception>
    public static Action<long, List<float>> Reader(DataViewRow row, DataViewSchema.Column column)
    {
        if (((VectorDataViewType)column.Type).ItemType is BooleanDataViewType)
            return Reader<bool>(row, column, (value, _, _) => value ? 1 : 0);
        return Reader<float>(row, column, (value, slot, number) => value is 0 or 1
            ? value
            : throw new InvalidDataException($"Row {number} has no valid label: slot {slot} of the column '{column.Name}' is {value}; a label is 0 or 1. Fill in or filter such rows."));
    }

    /// <summary>The names of the slots, or null where the column has none.</summary>
    public static IReadOnlyList<string>? Names(DataViewSchema.Column column)
    {
        if (!column.HasSlotNames())
            return null;
        VBuffer<ReadOnlyMemory<char>> names = default;
        column.GetSlotNames(ref names);
        return [.. names.DenseValues().Select(n => n.ToString())];
    }

    private static Action<long, List<float>> Reader<T>(DataViewRow row, DataViewSchema.Column column, Func<T, int, long, float> convert)
    {
        var getter = row.GetGetter<VBuffer<T>>(column);
        VBuffer<T> buffer = default;
        return (number, labels) =>
        {
            getter(ref buffer);
            int slot = 0;
            foreach (var value in buffer.DenseValues())
                labels.Add(convert(value, slot++, number));
        };
    }
}
