namespace Microsoft.ML.LoraInit.Inference;

/// <summary>How computed columns follow those of their input: output columns 0 … input count − 1 are the input's.</summary>
/// <typeparam name="TRow">What a row is scored by; rows that are equal score alike.</typeparam>
/// <typeparam name="TResult">What a row's computed columns are made of.</typeparam>
/// <param name="input">The input's columns.</param>
/// <param name="read">Those that the computed ones depend on.</param>
/// <param name="computed">The computed ones.</param>
internal abstract class RowSchema<TRow, TResult>(
    DataViewSchema input, IReadOnlyList<DataViewSchema.Column> read, IEnumerable<DataViewSchema.DetachedColumn> computed)
{
    public DataViewSchema Input => input;

    public DataViewSchema Output { get; } = Follow(input, computed);

    public bool IsComputed(int outputIndex) => outputIndex >= input.Count;

    /// <summary>The input columns needed for these output columns.</summary>
    public IEnumerable<DataViewSchema.Column> Dependencies(IEnumerable<DataViewSchema.Column> outputs)
    {
        var indices = new SortedSet<int>();
        foreach (var column in outputs)
            if (IsComputed(column.Index))
                indices.UnionWith(read.Select(c => c.Index));
            else
                indices.Add(column.Index);
        return indices.Select(i => input[i]);
    }

    /// <summary>Reads what a row is scored by, through getters of its own.</summary>
    public abstract Func<TRow> Reader(DataViewRow row);

    /// <summary>How many characters there are to tokenise.</summary>
    public abstract int Characters(TRow row);

    /// <summary>The value getter of a computed column for the row whose result <paramref name="current"/> returns.</summary>
    /// <exception cref="InvalidOperationException">The column is of another type.</exception>
    public ValueGetter<TValue> Getter<TValue>(DataViewSchema.Column column, Func<TResult> current) =>
        OfType<TValue>(column, Getter(column.Index - input.Count, current));

    /// <exception cref="InvalidOperationException">The column is of another type.</exception>
    public static ValueGetter<TValue> OfType<TValue>(DataViewSchema.Column column, Delegate getter) => getter as ValueGetter<TValue>
        ?? throw new InvalidOperationException($"The column '{column.Name}' has the type {column.Type}, which {typeof(TValue)} does not hold.");

    /// <summary>A <see cref="ValueGetter{TValue}"/> of the computed column at <paramref name="index"/>.</summary>
    protected abstract Delegate Getter(int index, Func<TResult> current);

    private static DataViewSchema Follow(DataViewSchema input, IEnumerable<DataViewSchema.DetachedColumn> computed)
    {
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(input);
        foreach (var column in computed)
            builder.AddColumn(column.Name, column.Type, column.Annotations);
        return builder.ToSchema();
    }
}
