using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>How a library's columns follow those of its input: output columns 0 … input count − 1 are the input's.</summary>
internal sealed class LibrarySchema
{
    private readonly DataViewSchema.Column[] _read;
    private readonly bool _hasText2;

    /// <exception cref="ArgumentException">A column is missing or not text.</exception>
    public LibrarySchema(DataViewSchema input, AdapterLibraryColumns columns)
    {
        columns.Texts.Check(input, LabelKind.Key);
        var adapter = input.GetColumnOrNull(columns.Adapter)
            ?? throw new ArgumentException($"There is no column '{columns.Adapter}', which should name each row's adapter. The data has: {string.Join(", ", input.Where(c => !c.IsHidden).Select(c => $"'{c.Name}'"))}.");
        if (adapter.Type is not TextDataViewType)
            throw new ArgumentException($"The adapter column '{adapter.Name}' has the type {adapter.Type}. Expected: text (in .NET: string).");
        Input = input;
        _hasText2 = columns.Text2 is not null;
        _read = _hasText2 ? [adapter, input[columns.Text], input[columns.Text2!]] : [adapter, input[columns.Text]];
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(input);
        builder.AddColumn(columns.PredictedLabel, TextDataViewType.Instance);
        builder.AddColumn(columns.Score, new VectorDataViewType(NumberDataViewType.Single));
        builder.AddColumn(columns.Probability, NumberDataViewType.Single);
        Output = builder.ToSchema();
    }

    public DataViewSchema Input { get; }

    public DataViewSchema Output { get; }

    public bool IsPrediction(int outputIndex) => outputIndex >= Input.Count;

    /// <summary>The input columns needed for these output columns.</summary>
    public IEnumerable<DataViewSchema.Column> Dependencies(IEnumerable<DataViewSchema.Column> outputs)
    {
        var indices = new SortedSet<int>();
        foreach (var column in outputs)
            if (IsPrediction(column.Index))
                indices.UnionWith(_read.Select(c => c.Index));
            else
                indices.Add(column.Index);
        return indices.Select(i => Input[i]);
    }

    /// <summary>Reads a row's adapter and texts through getters of its own.</summary>
    public Func<AdapterRequest> Reader(DataViewRow row)
    {
        var getters = _read.Select(c => row.GetGetter<ReadOnlyMemory<char>>(c)).ToArray();
        ReadOnlyMemory<char> value = default;
        return () => new(Read(0), Read(1), _hasText2 ? Read(2) : null);

        string Read(int i)
        {
            getters[i](ref value);
            return value.ToString();
        }
    }

    /// <summary>The value getter of a written column for the row that <paramref name="current"/> returns.</summary>
    /// <exception cref="InvalidOperationException">The column is of another type.</exception>
    public ValueGetter<TValue> Getter<TValue>(DataViewSchema.Column column, Func<AdapterPrediction> current)
    {
        Delegate getter = (column.Index - Input.Count) switch
        {
            0 => (ValueGetter<ReadOnlyMemory<char>>)((ref ReadOnlyMemory<char> value) => value = current().PredictedLabel.AsMemory()),
            1 => (ValueGetter<VBuffer<float>>)((ref VBuffer<float> value) =>
            {
                var scores = current().Score;
                var editor = VBufferEditor.Create(ref value, scores.Count);
                for (int i = 0; i < scores.Count; i++)
                    editor.Values[i] = scores[i];
                value = editor.Commit();
            }),
            _ => (ValueGetter<float>)((ref float value) => value = current().Probability),
        };
        return getter as ValueGetter<TValue>
            ?? throw new InvalidOperationException($"The column '{column.Name}' has the type {column.Type}, which {typeof(TValue)} does not hold.");
    }
}
