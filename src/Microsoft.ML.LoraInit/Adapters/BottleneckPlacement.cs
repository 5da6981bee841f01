using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>Where bottleneck adapters sit in every layer, and how wide they are.</summary>
/// <param name="Size">m, the inner width.</param>
/// <param name="AfterAttention">Whether one follows the attention sublayer; one follows the feed-forward sublayer in any case.</param>
internal sealed record BottleneckPlacement(int Size, bool AfterAttention)
{
    /// <summary>Names and shapes of all bottleneck tensors in a model.</summary>
    public IEnumerable<(string Name, long[] Shape)> Layout(RobertaConfig config) =>
        from module in Enumerable.Range(0, config.Layers).SelectMany(Modules)
        from tensor in new (string, long[])[]
        {
            ($"{module}.down.weight", [Size, config.HiddenSize]),
            ($"{module}.down.bias", [Size]),
            ($"{module}.up.weight", [config.HiddenSize, Size]),
            ($"{module}.up.bias", [config.HiddenSize]),
        }
        select tensor;

    /// <summary>Fresh bottlenecks that start as the identity: D ~ N(0, <c>initializer_range</c>), the rest zero.</summary>
    public void AttachFresh(RobertaClassifier model, int seed) => Attach(model, (name, shape) =>
    {
        if (!name.EndsWith(".down.weight", StringComparison.Ordinal))
            return zeros(shape);
        using var generator = new Generator(SeededRandom.Hash(seed, name), CPU);
        return empty(shape).normal_(0.0, model.Config.InitializerRange, generator);
    });

    /// <summary>Bottlenecks with stored values, which are copied.</summary>
    public void Attach(RobertaClassifier model, IReadOnlyDictionary<string, Tensor> values) => Attach(model, (name, _) => values[name].clone());

    private void Attach(RobertaClassifier model, Func<string, long[], Tensor> value)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var shapes = Layout(model.Config).ToDictionary(t => t.Name, t => t.Shape, StringComparer.Ordinal);
        for (int i = 0; i < model.Layers.Count; i++)
        {
            if (AfterAttention)
                model.Layers[i].AttentionBottleneck = Create(BottleneckAdapter.AttentionName(i));
            model.Layers[i].OutputBottleneck = Create(BottleneckAdapter.OutputName(i));
        }

        BottleneckAdapter Create(string module) =>
            new(module, Make($"{module}.down.weight"), Make($"{module}.down.bias"), Make($"{module}.up.weight"), Make($"{module}.up.bias"));

        Tensor Make(string name) => value(name, shapes[name]).to(model.Device);
    }

    private IEnumerable<string> Modules(int layer) => AfterAttention
        ? [BottleneckAdapter.AttentionName(layer), BottleneckAdapter.OutputName(layer)]
        : [BottleneckAdapter.OutputName(layer)];
}
