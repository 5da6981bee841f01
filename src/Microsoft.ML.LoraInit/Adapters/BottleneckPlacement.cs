using System.Globalization;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>Where bottleneck adapters sit, and how wide they are.</summary>
/// <param name="Size">m, the inner width.</param>
/// <param name="Places">Where in a layer.</param>
/// <param name="Skip">How many of the first layers have none.</param>
internal sealed record BottleneckPlacement(int Size, IReadOnlyList<BottleneckPlace> Places, int Skip = 0) : InsertedLayers
{
    private const string LayerPrefix = "roberta.encoder.layer.";

    public override IEnumerable<(string Name, long[] Shape)> Layout(RobertaConfig config) =>
        from layer in Enumerable.Range(0, config.Layers).Skip(Skip)
        from place in Places
        from tensor in Tensors(BottleneckAdapter.NameOf(layer, place), place, config)
        select tensor;

    /// <summary>Whether a parameter of the encoder lies in a layer that has bottlenecks.</summary>
    public bool Reaches(string parameterName) =>
        parameterName.StartsWith(LayerPrefix, StringComparison.Ordinal)
        && int.Parse(parameterName[LayerPrefix.Length..].Split('.')[0], CultureInfo.InvariantCulture) >= Skip;

    /// <summary>Fresh bottlenecks that start as the identity: D ~ N(0, <c>initializer_range</c>), a norm's weight 1, the rest zero.</summary>
    public void AttachFresh(RobertaClassifier model, int seed) => Attach(model, (name, shape) =>
    {
        if (name.EndsWith(".norm.weight", StringComparison.Ordinal))
            return ones(shape);
        if (!name.EndsWith(".down.weight", StringComparison.Ordinal))
            return zeros(shape);
        using var generator = new Generator(SeededRandom.Hash(seed, name), CPU);
        return empty(shape).normal_(0.0, model.Config.InitializerRange, generator);
    });

    public override void Attach(RobertaClassifier model, IReadOnlyDictionary<string, Tensor> values) => Attach(model, (name, _) => values[name].clone());

    private void Attach(RobertaClassifier model, Func<string, long[], Tensor> value)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        for (var layer = Skip; layer < model.Layers.Count; layer++)
            foreach (var place in Places)
            {
                var name = BottleneckAdapter.NameOf(layer, place);
                var made = Tensors(name, place, model.Config).ToDictionary(t => t.Name, t => value(t.Name, t.Shape).to(model.Device), StringComparer.Ordinal);
                model.Layers[layer].Bottlenecks[place] = new BottleneckAdapter(name, made, model.Config.LayerNormEps);
            }
    }

    private IEnumerable<(string Name, long[] Shape)> Tensors(string module, BottleneckPlace place, RobertaConfig config)
    {
        yield return ($"{module}.down.weight", [Size, config.HiddenSize]);
        yield return ($"{module}.down.bias", [Size]);
        yield return ($"{module}.up.weight", [config.HiddenSize, Size]);
        yield return ($"{module}.up.bias", [config.HiddenSize]);
        if (place != BottleneckPlace.Layer)
            yield break;
        yield return ($"{module}.norm.weight", [config.HiddenSize]);
        yield return ($"{module}.norm.bias", [config.HiddenSize]);
    }
}
