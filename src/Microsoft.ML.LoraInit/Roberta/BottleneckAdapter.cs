using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// A bottleneck adapter: y = x + U gelu(D x + d) + u (Houlsby et al., arXiv 1902.00751) with D [m, hidden], U [hidden, m]; with a norm,
/// y = x + U relu(D norm(x) + d) + u (Lin et al., arXiv 2004.03829). U starts at zero, so it starts as the identity.
/// </summary>
internal sealed class BottleneckAdapter : InsertedLayer
{
    private readonly LayerNorm? _norm;
    private readonly string _name;

    /// <param name="name">The module's name.</param>
    /// <param name="values">Its tensors under their full names, which this takes over.</param>
    /// <param name="eps">Added to the variance of the norm, where there is one.</param>
    public BottleneckAdapter(string name, IReadOnlyDictionary<string, Tensor> values, double eps)
    {
        _name = name;
        Down = Of("down.weight", decay: true);
        DownBias = Of("down.bias", decay: false);
        Up = Of("up.weight", decay: true);
        UpBias = Of("up.bias", decay: false);
        Parameters = [Down, DownBias, Up, UpBias];
        Eps = eps;
        if (!values.ContainsKey($"{name}.norm.weight"))
            return;
        _norm = new(Of("norm.weight", decay: false), Of("norm.bias", decay: false), eps);
        Parameters = [.. Parameters, _norm.Weight, _norm.Bias];

        Parameter Of(string part, bool decay) => new($"{name}.{part}", values[$"{name}.{part}"], owned: true, decay) { Trained = true };
    }

    /// <summary>The name of a layer's bottleneck at a place.</summary>
    public static string NameOf(int layer, BottleneckPlace place) => RobertaNames.InLayer(layer, place switch
    {
        BottleneckPlace.Attention => RobertaNames.AttentionBottleneck,
        BottleneckPlace.Output => RobertaNames.OutputBottleneck,
        _ => RobertaNames.LayerBottleneck,
    });

    public Parameter Down { get; }

    public Parameter DownBias { get; }

    public Parameter Up { get; }

    public Parameter UpBias { get; }

    public double Eps { get; }

    public override IReadOnlyList<Parameter> Parameters { get; }

    public override Tensor forward(Tensor x, ForwardContext context) => x.Add(Change(x));

    /// <summary>What is added to x [..., hidden].</summary>
    public Tensor Change(Tensor x)
    {
        var type = x.dtype;
        // The norm's weights are fp32 while trained, whatever x is.
        var normed = _norm is null ? x : nn.functional.layer_norm(x, _norm.Weight.Shape, _norm.Weight.Value.to(type), _norm.Bias.Value.to(type), Eps);
        var low = Products.Affine(normed, Down.Value.to(type), DownBias.Value.to(type));
        low = _norm is null ? nn.functional.gelu(low) : nn.functional.relu(low);
        return Products.Affine(low, Up.Value.to(type), UpBias.Value.to(type));
    }

    public override InsertedLayer Over(IReadOnlyDictionary<string, Tensor> values) => new BottleneckAdapter(_name, values, Eps);
}
