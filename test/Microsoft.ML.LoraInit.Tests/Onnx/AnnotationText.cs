using System.Reflection;
using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Tests.Onnx;

/// <summary>A schema as text: every column with its type and the values of its annotations.</summary>
internal static class AnnotationText
{
    public static string[] Describe(DataViewSchema schema) => [.. schema.SelectMany(column => (string[])[
        $"{column.Name}: {column.Type}",
        .. column.Annotations.Schema.Select(a => $"{column.Name}.{a.Name}: {a.Type} = {Value(column.Annotations, a)}")])];

    private static string Value(DataViewSchema.Annotations annotations, DataViewSchema.Column column)
    {
        var raw = column.Type.RawType;
        var (method, type) = column.Type is VectorDataViewType vector ? (nameof(Vector), vector.ItemType.RawType) : (nameof(Scalar), raw);
        return (string)typeof(AnnotationText).GetMethod(method, BindingFlags.NonPublic | BindingFlags.Static)!.MakeGenericMethod(type).Invoke(null, [annotations, column.Name])!;
    }

    private static string Scalar<T>(DataViewSchema.Annotations annotations, string name)
    {
        T value = default!;
        annotations.GetValue(name, ref value);
        return $"{value}";
    }

    private static string Vector<T>(DataViewSchema.Annotations annotations, string name)
    {
        VBuffer<T> value = default;
        annotations.GetValue(name, ref value);
        return string.Join(", ", value.DenseValues());
    }
}
