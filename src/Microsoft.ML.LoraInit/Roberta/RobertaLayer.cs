using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>One transformer block, normalised after each residual (as BERT and RoBERTa are).</summary>
internal sealed class RobertaLayer
{
    private readonly RobertaConfig _config;

    public RobertaLayer(RobertaConfig config, int index, Func<string, Linear> linear, Func<string, LayerNorm> norm)
    {
        _config = config;
        Attention = new SelfAttention(config, Linear);
        AttentionOutput = Linear(EncoderModule.AttentionOutput);
        AttentionNorm = norm(RobertaNames.InLayer(index, RobertaNames.AttentionNorm));
        Intermediate = Linear(EncoderModule.Intermediate);
        Output = Linear(EncoderModule.Output);
        OutputNorm = norm(RobertaNames.InLayer(index, RobertaNames.OutputNorm));

        Linear Linear(EncoderModule module) => linear(RobertaNames.Linear(index, module));
    }

    public SelfAttention Attention { get; }

    public Linear AttentionOutput { get; }

    public LayerNorm AttentionNorm { get; }

    public Linear Intermediate { get; }

    public Linear Output { get; }

    public LayerNorm OutputNorm { get; }

    /// <summary>The bottlenecks, or a fusion of some, that a method has put on the layer.</summary>
    public SortedDictionary<BottleneckPlace, InsertedLayer> Bottlenecks { get; } = [];

    /// <summary>x [batch, length, hidden] → the same shape.</summary>
    public Tensor forward(Tensor x, Tensor? mask, ForwardContext context, bool firstOnly = false)
    {
        // What no backward pass needs is free at the block's end, not the model's.
        using var scope = NewDisposeScope();
        var attended = context.ApplyDropout(AttentionOutput.forward(Attention.forward(x, mask, context, firstOnly), context), _config.HiddenDropout);
        attended = Through(BottleneckPlace.Attention, attended, context);
        x = AttentionNorm.forward(attended.Add_(firstOnly ? x.narrow(1, 0, 1) : x));

        var transformed = nn.functional.gelu(Intermediate.forward(x, context));
        transformed = context.ApplyDropout(Output.forward(transformed, context), _config.HiddenDropout);
        transformed = Through(BottleneckPlace.Output, transformed, context);
        return Through(BottleneckPlace.Layer, OutputNorm.forward(transformed.Add_(x)), context).MoveToOuterDisposeScope();
    }

    private Tensor Through(BottleneckPlace place, Tensor x, ForwardContext context) => Bottlenecks.TryGetValue(place, out var inserted) ? inserted.forward(x, context) : x;
}
