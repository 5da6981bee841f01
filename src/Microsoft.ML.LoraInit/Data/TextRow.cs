using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Data;

/// <summary>Reads the current row of a cursor; the getters are made once a cursor.</summary>
internal sealed class TextRow
{
    public TextRow(DataViewRow row, TextColumns columns, LabelKind kind)
    {
        Text = TextGetter(row, columns.Text);
        Text2 = columns.Text2 is null ? null : TextGetter(row, columns.Text2);
        Label = columns.Label is null ? null : LabelReader(row, columns.Label, kind);
        Weight = columns.Weight is null ? null : WeightGetter(row, columns.Weight);
    }

    /// <summary>The text; a missing one is empty.</summary>
    public Func<string> Text { get; }

    /// <summary>The second text; null without such a column.</summary>
    public Func<string>? Text2 { get; }

    /// <summary>Given the row's number (from 1, for messages), adds the class index, 0/1, the value, or 0/1 a label; null without such a column.</summary>
    public Action<long, List<float>>? Label { get; }

    /// <summary>From the row's number to its weight; null without such a column.</summary>
    public Func<long, float>? Weight { get; }

    private static Func<string> TextGetter(DataViewRow row, string name)
    {
        var getter = row.GetGetter<ReadOnlyMemory<char>>(row.Schema[name]);
        ReadOnlyMemory<char> value = default;
        return () =>
        {
            getter(ref value);
            return value.ToString(); // The cursor goes on to reuse the characters.
        };
    }

    /// <summary>As <see cref="Label"/>, of a column by itself.</summary>
    public static Action<long, List<float>> LabelReader(DataViewRow row, string name, LabelKind kind)
    {
        if (kind == LabelKind.Vector)
            return LabelVector.Reader(row, row.Schema[name]);
        var getter = LabelGetter(row, name, kind);
        return (number, labels) => labels.Add(getter(number));
    }

    private static Func<long, float> LabelGetter(DataViewRow row, string name, LabelKind kind)
    {
        var column = row.Schema[name];
        switch (kind)
        {
            case LabelKind.Key:
                var count = ((KeyDataViewType)column.Type).Count;
                var key = KeyGetter(row, column);
                return number => key() is var value && value >= 1 && value <= count
                    ? value - 1
                    : throw new InvalidDataException($"Row {number} has no valid label: the key in the column '{name}' is {(value == 0 ? "missing" : $"{value}, beyond the key's {count} values")}. Fill in or filter such rows.");
            case LabelKind.Boolean:
                var boolean = row.GetGetter<bool>(column);
                return _ =>
                {
                    bool value = default;
                    boolean(ref value);
                    return value ? 1 : 0;
                };
            default:
                var single = row.GetGetter<float>(column);
                return number =>
                {
                    float value = default;
                    single(ref value);
                    return float.IsFinite(value) ? value : throw new InvalidDataException($"Row {number} has no valid label: the value in the column '{name}' is {value}, and regression needs a finite number. Filter such rows, for example with Data.FilterRowsByMissingValues.");
                };
        }
    }

    private static Func<long, float> WeightGetter(DataViewRow row, string name)
    {
        var getter = row.GetGetter<float>(row.Schema[name]);
        return number =>
        {
            float value = default;
            getter(ref value);
            return float.IsFinite(value) && value >= 0 ? value : throw new InvalidDataException($"Row {number} has the weight {value} in the column '{name}'; a weight must be a number of at least 0.");
        };
    }

    private static Func<ulong> KeyGetter(DataViewRow row, DataViewSchema.Column column)
    {
        var type = column.Type.RawType;
        if (type == typeof(byte))
            return Widen<byte>(row, column, v => v);
        if (type == typeof(ushort))
            return Widen<ushort>(row, column, v => v);
        return type == typeof(uint) ? Widen<uint>(row, column, v => v) : Widen<ulong>(row, column, v => v);
    }

    private static Func<ulong> Widen<T>(DataViewRow row, DataViewSchema.Column column, Func<T, ulong> widen)
        where T : struct
    {
        var getter = row.GetGetter<T>(column);
        return () =>
        {
            T value = default;
            getter(ref value);
            return widen(value);
        };
    }
}
