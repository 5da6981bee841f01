using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// AdapterFusion (arXiv 2005.00247): attention over what frozen bottlenecks make of one input. With zᵢ = Uᵢ gelu(Dᵢ x + dᵢ) + uᵢ of n sources,
/// y = x + V Σ sᵢ zᵢ, s = softmax over i of (Q x + q)·(K zᵢ + k); Q, K, V [hidden, hidden], q, k [hidden].
/// </summary>
internal sealed class BottleneckFusion : InsertedLayer
{
    public const string Source = "source", Query = "query", Key = "key", Value = "value";

    private readonly string _name;
    private readonly BottleneckAdapter[] _sources;
    private readonly Parameter _query, _queryBias, _key, _keyBias;
    private readonly double _dropout;

    /// <param name="name">The module's name.</param>
    /// <param name="sources">n.</param>
    /// <param name="values">Its tensors under their full names, which this takes over.</param>
    /// <param name="dropout">Probability of dropping a score of the attention while training.</param>
    public BottleneckFusion(string name, int sources, IReadOnlyDictionary<string, Tensor> values, double dropout)
    {
        (_name, _dropout) = (name, dropout);
        _sources = [.. Enumerable.Range(0, sources).Select(i => new BottleneckAdapter($"{name}.{Source}.{i}", values, 0))];
        foreach (var parameter in _sources.SelectMany(s => s.Parameters))
            parameter.Trained = false;
        (_query, _queryBias) = (Of($"{Query}.weight", decay: true), Of($"{Query}.bias", decay: false));
        (_key, _keyBias) = (Of($"{Key}.weight", decay: true), Of($"{Key}.bias", decay: false));
        // The method's penalty is its decay, and that is towards the identity.
        Values = Of($"{Value}.weight", decay: false);
        Parameters = [.. _sources.SelectMany(s => s.Parameters), _query, _queryBias, _key, _keyBias, Values];

        Parameter Of(string part, bool decay) => new($"{name}.{part}", values[$"{name}.{part}"], owned: true, decay) { Trained = true, NeverDecays = part == $"{Value}.weight" };
    }

    /// <summary>The name of a layer's fusion.</summary>
    public static string NameOf(int layer) => RobertaNames.InLayer(layer, RobertaNames.OutputFusion);

    /// <summary>V.</summary>
    public Parameter Values { get; }

    public override IReadOnlyList<Parameter> Parameters { get; }

    public override Tensor forward(Tensor x, ForwardContext context)
    {
        var type = x.dtype;
        var z = stack([.. _sources.Select(s => s.Change(x))], -2); // [..., n, hidden]
        var query = Products.Affine(x, _query.Value.to(type), _queryBias.Value.to(type));
        // query · (K z + k) = (query K) · z + query · k: one product with K, however many sources; likewise V after the sum.
        var asked = query.matmul(_key.Value.to(type));
        var scores = z.matmul(asked.unsqueeze(-1)).squeeze(-1).Add(query.matmul(_keyBias.Value.to(type)).unsqueeze(-1)); // [..., n]
        var shares = nn.functional.softmax(context.ApplyDropout(scores, _dropout), -1);
        var mixed = shares.unsqueeze(-2).matmul(z).squeeze(-2);
        return x.Add(nn.functional.linear(mixed, Values.Value.to(type)));
    }

    public override InsertedLayer Over(IReadOnlyDictionary<string, Tensor> values) => new BottleneckFusion(_name, _sources.Length, values, _dropout);
}
