using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>RoBERTa's head on the first token: dropout → dense → tanh → dropout → out_proj. Always fp32.</summary>
internal sealed class ClassificationHead
{
    private readonly double _dropout;

    public ClassificationHead(RobertaConfig config, Func<string, Linear> linear)
    {
        _dropout = config.ClassifierDropout;
        Dense = linear(RobertaNames.HeadDense);
        OutProjection = linear(RobertaNames.HeadProjection);
    }

    /// <summary>The head's weights: name and shape, in the model's order.</summary>
    public static IReadOnlyList<(string Name, long[] Shape)> Layout(RobertaConfig config, int outputs) =>
    [
        (RobertaNames.HeadDense + ".weight", [config.HiddenSize, config.HiddenSize]),
        (RobertaNames.HeadDense + ".bias", [config.HiddenSize]),
        (RobertaNames.HeadProjection + ".weight", [outputs, config.HiddenSize]),
        (RobertaNames.HeadProjection + ".bias", [outputs]),
    ];

    public Linear Dense { get; }

    public Linear OutProjection { get; }

    /// <summary>hidden [batch, length, hidden] → logits fp32 [batch, outputs].</summary>
    public Tensor forward(Tensor hidden, ForwardContext context) => OfFirst(hidden.select(1, 0), context);

    /// <summary>The first tokens' hidden states [batch, hidden] → logits fp32 [batch, outputs].</summary>
    public Tensor OfFirst(Tensor first, ForwardContext context)
    {
        var x = context.ApplyDropout(first.to(ScalarType.Float32), _dropout);
        x = Dense.Affine(x).tanh();
        return OutProjection.Affine(context.ApplyDropout(x, _dropout));
    }
}
