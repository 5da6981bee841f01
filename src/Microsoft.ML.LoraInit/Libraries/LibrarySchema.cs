using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>How a library's columns follow those of its input.</summary>
/// <exception cref="ArgumentOutOfRangeException">A column is missing or not text.</exception>
internal sealed class LibrarySchema(DataViewSchema input, AdapterLibraryColumns columns)
    : RowSchema<AdapterRequest, AdapterPrediction>(input, Read(input, columns), Computed(columns))
{
    public override Func<AdapterRequest> Reader(DataViewRow row)
    {
        var getters = Read(Input, columns).Select(c => row.GetGetter<ReadOnlyMemory<char>>(c)).ToArray();
        ReadOnlyMemory<char> value = default;
        return () => new(Text(0), Text(1), getters.Length > 2 ? Text(2) : null);

        string Text(int i)
        {
            getters[i](ref value);
            return value.ToString();
        }
    }

    public override int Characters(AdapterRequest row) => row.Text.Length + (row.Text2?.Length ?? 0);

    protected override Delegate Getter(int index, Func<AdapterPrediction> current) => index switch
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

    /// <summary>Adapter, text and, where there is one, second text.</summary>
    private static DataViewSchema.Column[] Read(DataViewSchema input, AdapterLibraryColumns columns)
    {
        columns.Texts.Check(input, LabelKind.Key);
        var adapter = input.GetColumnOrNull(columns.Adapter)
            ?? throw new ArgumentOutOfRangeException(null, $"There is no column '{columns.Adapter}', which should name each row's adapter. The data has: {string.Join(", ", input.Where(c => !c.IsHidden).Select(c => $"'{c.Name}'"))}.");
        if (adapter.Type is not TextDataViewType)
            throw new ArgumentOutOfRangeException(null, $"The adapter column '{adapter.Name}' has the type {adapter.Type}. Expected: text (in .NET: string).");
        return columns.Text2 is null ? [adapter, input[columns.Text]] : [adapter, input[columns.Text], input[columns.Text2]];
    }

    private static DataViewSchema.DetachedColumn[] Computed(AdapterLibraryColumns columns) =>
    [
        new(columns.PredictedLabel, TextDataViewType.Instance),
        new(columns.Score, new VectorDataViewType(NumberDataViewType.Single)),
        new(columns.Probability, NumberDataViewType.Single),
    ];
}
