using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// RoBERTa with a sequence-classification head: embeddings → layers → head. Base weights are shared with other models
/// through <see cref="BaseWeights"/>; head and adapters belong to this one.
/// </summary>
internal sealed class RobertaClassifier : IDisposable
{
    private readonly BaseWeights _base;
    private readonly Dictionary<string, Parameter> _parameters = new(StringComparer.Ordinal);
    private readonly List<Linear> _linears = [];

    /// <param name="weights">The frozen base; the model keeps a lease on it until disposed.</param>
    /// <param name="outputs">Number of logits: classes, or 1 for regression and binary.</param>
    /// <param name="head">The head's initial weights, by name; taken over.</param>
    public RobertaClassifier(BaseWeights weights, int outputs, IReadOnlyDictionary<string, Tensor> head)
    {
        _base = weights.AddLease();
        Config = weights.Config;
        Outputs = outputs;
        Embeddings = new RobertaEmbeddings(Config, FromBase);
        Layers = [.. Enumerable.Range(0, Config.Layers).Select(i => new RobertaLayer(Config, i, BaseLinear, BaseNorm))];
        Head = new ClassificationHead(Config, name => new Linear(name, FromHead($"{name}.weight", true), FromHead($"{name}.bias", false)));

        Parameter FromHead(string name, bool decay) => Register(new Parameter(name, head[name], owned: true, decay) { Trained = true });
    }

    public RobertaConfig Config { get; }

    public BaseWeights Base => _base;

    public int Outputs { get; }

    public RobertaEmbeddings Embeddings { get; }

    public IReadOnlyList<RobertaLayer> Layers { get; }

    public ClassificationHead Head { get; }

    public Device Device => _base.Device;

    /// <summary>The encoder's linear layers in the model's order: what adapters may be put on.</summary>
    public IReadOnlyList<Linear> Linears => _linears;

    /// <summary>Every parameter of base and head, then those of the adapters: every A first, so that layers with one input have theirs side by side.</summary>
    public IEnumerable<Parameter> Parameters => _parameters.Values
        .Concat(AdapterParameters.Where(p => p.IsA).Concat(AdapterParameters.Where(p => !p.IsA)).Select(p => p.Parameter))
        .Concat(Enum.GetValues<BottleneckPlace>().SelectMany(place => Layers.SelectMany(l => l.Bottlenecks.TryGetValue(place, out var b) ? b.Parameters : [])));

    /// <summary>The parameters of the base alone, frozen unless a method trains them.</summary>
    public IEnumerable<Parameter> BaseParameters => _parameters.Values.Where(p => _base.Contains(p.Name));

    /// <summary>The parameters of the head.</summary>
    public IEnumerable<Parameter> HeadParameters => _parameters.Values.Where(p => !_base.Contains(p.Name));

    private IEnumerable<(Parameter Parameter, bool IsA)> AdapterParameters => _linears
        .Select(l => l.Adapter).OfType<LinearAdapter>().SelectMany(a => a.Parameters.Select(p => (p, ReferenceEquals(p, (a as LowRankAdapter)?.A))));

    /// <summary>Logits, fp32 [batch, outputs].</summary>
    public Tensor forward(EncodedBatch batch, ForwardContext context) =>
        Head.forward(Encode(batch, context, context.OnHiddenState is null && context.OnLinearInput is null), context);

    /// <summary>The last hidden states, [batch, length, hidden].</summary>
    public Tensor Encode(EncodedBatch batch, ForwardContext context, bool firstOnly = false)
    {
        var mask = batch.AttentionMask?.unsqueeze(1).unsqueeze(1);
        var x = Embeddings.forward(batch, context);
        context.OnHiddenState?.Invoke(0, x);
        for (int i = 0; i < Layers.Count; i++)
        {
            using var before = context.OnHiddenState is null ? x : null;
            x = Layers[i].forward(x, mask, context, firstOnly && i == Layers.Count - 1);
            context.OnHiddenState?.Invoke(i + 1, x);
        }
        return x;
    }

    public void Dispose()
    {
        foreach (var parameter in Parameters)
            parameter.Release();
        foreach (var linear in _linears)
            linear.Adapter?.Dispose();
        _base.Dispose();
    }

    private Parameter FromBase(string name) => Register(_base.Quantized.TryGetValue(name, out var quantized)
        ? new Parameter(name, quantized, _base.DType)
        : new Parameter(name, _base[name], decay: !IsBiasOrNorm(name)));

    private Linear BaseLinear(string name)
    {
        var linear = new Linear(name, FromBase($"{name}.weight"), FromBase($"{name}.bias"));
        _linears.Add(linear);
        return linear;
    }

    private LayerNorm BaseNorm(string name) =>
        new(FromBase($"{name}.weight"), FromBase($"{name}.bias"), Config.LayerNormEps);

    private Parameter Register(Parameter parameter)
    {
        _parameters.Add(parameter.Name, parameter);
        return parameter;
    }

    private static bool IsBiasOrNorm(string name) =>
        name.EndsWith(".bias", StringComparison.Ordinal) || name.Contains("LayerNorm", StringComparison.Ordinal);
}
