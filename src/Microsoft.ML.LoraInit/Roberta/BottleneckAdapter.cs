using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// A bottleneck adapter (Houlsby et al., arXiv 1902.00751): y = x + U gelu(D x + d) + u with D [m, hidden],
/// U [hidden, m]. U starts at zero, so the layer starts as the identity.
/// </summary>
internal sealed class BottleneckAdapter
{
    public BottleneckAdapter(string name, Tensor down, Tensor downBias, Tensor up, Tensor upBias)
    {
        Down = new Parameter($"{name}.down.weight", down, owned: true) { Trained = true };
        DownBias = new Parameter($"{name}.down.bias", downBias, owned: true, decay: false) { Trained = true };
        Up = new Parameter($"{name}.up.weight", up, owned: true) { Trained = true };
        UpBias = new Parameter($"{name}.up.bias", upBias, owned: true, decay: false) { Trained = true };
        Parameters = [Down, DownBias, Up, UpBias];
    }

    /// <summary>Name of the bottleneck after a layer's attention sublayer.</summary>
    public static string AttentionName(int layer) => RobertaNames.InLayer(layer, RobertaNames.AttentionBottleneck);

    /// <summary>Name of the bottleneck after a layer's feed-forward sublayer.</summary>
    public static string OutputName(int layer) => RobertaNames.InLayer(layer, RobertaNames.OutputBottleneck);

    public Parameter Down { get; }

    public Parameter DownBias { get; }

    public Parameter Up { get; }

    public Parameter UpBias { get; }

    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>x [..., hidden] → the same shape.</summary>
    public Tensor forward(Tensor x)
    {
        var type = x.dtype;
        var low = nn.functional.gelu(nn.functional.linear(x, Down.Value.to(type), DownBias.Value.to(type)));
        return x + nn.functional.linear(low, Up.Value.to(type), UpBias.Value.to(type));
    }
}
