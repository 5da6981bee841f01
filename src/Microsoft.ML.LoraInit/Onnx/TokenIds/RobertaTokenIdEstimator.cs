using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.LoraInit.Onnx.TokenIds;
using static Microsoft.ML.SchemaShape.Column;

namespace Microsoft.ML.LoraInit;

/// <summary>The estimator of <see cref="RobertaTokenIdTransformer"/>; it learns nothing from data.</summary>
public sealed class RobertaTokenIdEstimator : IEstimator<RobertaTokenIdTransformer>
{
    private readonly RobertaTextTokenizer _tokenizer;
    private readonly TokenIdColumns _columns;

    internal RobertaTokenIdEstimator(RobertaTextTokenizer tokenizer, TokenIdColumns columns) => (_tokenizer, _columns) = (tokenizer, columns);

    /// <summary>Checks the text columns and makes the step.</summary>
    /// <exception cref="ArgumentException">A text column is missing or not text.</exception>
    public RobertaTokenIdTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var transformer = new RobertaTokenIdTransformer(_tokenizer, _columns);
        transformer.GetOutputSchema(input.Schema);
        return transformer;
    }

    /// <summary>The columns that the step adds.</summary>
    /// <exception cref="ArgumentException">A text column is missing or not text.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        foreach (var name in new[] { _columns.Text, _columns.Text2 }.OfType<string>())
            if (inputSchema.FirstOrDefault(c => c.Name == name) is not { Name: not null, Kind: VectorKind.Scalar, ItemType: TextDataViewType })
                throw new ArgumentException($"The text column '{name}' is missing, or is not text.");
        var kind = _columns.Length is null ? VectorKind.VariableVector : VectorKind.Vector;
        string[] written = [_columns.InputIds, _columns.AttentionMask];
        return new SchemaShape(inputSchema.Where(c => !written.Contains(c.Name))
            .Concat(written.Select(name => MLNetSchema.Column(name, NumberDataViewType.Int64, kind))));
    }
}
