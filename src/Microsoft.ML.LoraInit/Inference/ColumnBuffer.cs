using System.Globalization;
using System.Reflection;
using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Keeps one column's values while a cursor has read ahead.</summary>
internal abstract class ColumnBuffer
{
    /// <summary>Keeps the source's current value at <paramref name="slot"/>.</summary>
    public abstract void Capture(int slot);

    /// <summary>A <see cref="ValueGetter{TValue}"/> of the value kept at the slot that <paramref name="slot"/> returns.</summary>
    public abstract Delegate Getter(Func<int> slot);

    /// <summary>A buffer for a column of whatever type; reflection happens here, once a column.</summary>
    public static ColumnBuffer Create(DataViewRow source, DataViewSchema.Column column, int slots)
    {
        var raw = column.Type.RawType;
        var (method, type) = raw.IsGenericType && raw.GetGenericTypeDefinition() == typeof(VBuffer<>)
            ? (nameof(OfVector), raw.GetGenericArguments()[0])
            : (nameof(OfScalar), raw);
        return (ColumnBuffer)typeof(ColumnBuffer).GetMethod(method, BindingFlags.NonPublic | BindingFlags.Static)!
            .MakeGenericMethod(type).Invoke(null, BindingFlags.DoNotWrapExceptions, null, [source, column, slots], CultureInfo.InvariantCulture)!;
    }

    // A row's value may live on in the source's own buffers where it is a vector, so those are copied out.
    private static ColumnBuffer<VBuffer<T>> OfVector<T>(DataViewRow source, DataViewSchema.Column column, int slots) =>
        new(source.GetGetter<VBuffer<T>>(column), slots, (ref VBuffer<T> kept, ref VBuffer<T> result) => kept.CopyTo(ref result));

    private static ColumnBuffer<T> OfScalar<T>(DataViewRow source, DataViewSchema.Column column, int slots) =>
        new(source.GetGetter<T>(column), slots, (ref T kept, ref T result) => result = kept);
}

/// <summary>How a kept value is handed out.</summary>
internal delegate void ValueCopier<T>(ref T kept, ref T result);

/// <summary><see cref="ColumnBuffer"/> of one type.</summary>
internal sealed class ColumnBuffer<T>(ValueGetter<T> source, int slots, ValueCopier<T> copy) : ColumnBuffer
{
    private readonly T[] _values = new T[slots];

    // Getters write into the buffer they are given, so a slot's own value is never shared.
    public override void Capture(int slot) => source(ref _values[slot]);

    public override Delegate Getter(Func<int> slot) => (ValueGetter<T>)((ref T value) => copy(ref _values[slot()], ref value));
}
