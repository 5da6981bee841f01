using System.Globalization;
using System.Reflection;
using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Tests.Contracts;

/// <summary>Values of any column as text, to be compared; numbers to the last bit.</summary>
internal static class RowText
{
    public static Func<string> Reader(DataViewRow row, DataViewSchema schema)
    {
        var cells = schema.Where(c => !c.IsHidden).Select(c => Cell(row, row.Schema[c.Index])).ToArray();
        return () => string.Join(" | ", cells.Select(c => c()));
    }

    public static string Annotations(DataViewSchema.Column column) => string.Join("; ", column.Annotations.Schema
        .OrderBy(a => a.Name, StringComparer.Ordinal)
        .Select(a => $"{a.Name} {a.Type} = {Invoke(nameof(AnnotationText), a.Type.RawType, column.Annotations, a)}"));

    private static Func<string> Cell(DataViewRow row, DataViewSchema.Column column) =>
        (Func<string>)Invoke(nameof(Getter), column.Type.RawType, row, column);

    private static object Invoke(string method, Type type, params object[] arguments) =>
        typeof(RowText).GetMethod(method, BindingFlags.NonPublic | BindingFlags.Static)!.MakeGenericMethod(type).Invoke(null, arguments)!;

    private static Func<string> Getter<T>(DataViewRow row, DataViewSchema.Column column)
    {
        var getter = row.GetGetter<T>(column);
        return () =>
        {
            T value = default!;
            getter(ref value);
            return Text(value);
        };
    }

    private static string AnnotationText<T>(DataViewSchema.Annotations annotations, DataViewSchema.Column annotation)
    {
        T value = default!;
        annotations.GetValue(annotation.Name, ref value);
        return Text(value);
    }

    private static string Text(object? value) => value switch
    {
        null => "",
        float number => BitConverter.SingleToUInt32Bits(number).ToString("x8", CultureInfo.InvariantCulture),
        VBuffer<float> buffer => string.Join(' ', buffer.DenseValues().Select(v => Text(v))),
        VBuffer<bool> buffer => string.Join(' ', buffer.DenseValues()),
        VBuffer<long> buffer => string.Join(' ', buffer.DenseValues()),
        VBuffer<int> buffer => string.Join(' ', buffer.DenseValues()),
        VBuffer<uint> buffer => string.Join(' ', buffer.DenseValues()),
        VBuffer<ReadOnlyMemory<char>> buffer => string.Join(' ', buffer.DenseValues()),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };
}
