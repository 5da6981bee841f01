using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters.Fusion;

/// <summary>One <see cref="BottleneckFusion"/> a layer, where its sources had their bottlenecks.</summary>
/// <param name="Sources">n.</param>
/// <param name="Size">m, the inner width of the sources' bottlenecks.</param>
/// <param name="Skip">How many of the first layers have none.</param>
internal sealed record FusionPlacement(int Sources, int Size, int Skip) : InsertedLayers
{
    /// <summary>What V has beside its diagonal when it starts, as in the authors' code.</summary>
    private const double BesideTheDiagonal = 1e-6;

    /// <summary>The tensors of scoring: Kᵀ Q and Kᵀ q, since k moves all scores of a row alike.</summary>
    public const string Score = "score";

    public override IEnumerable<(string Name, long[] Shape)> Layout(RobertaConfig config) =>
        Enumerable.Range(0, config.Layers).Skip(Skip).SelectMany(layer => Tensors(layer, config));

    public override void Attach(RobertaClassifier model, IReadOnlyDictionary<string, Tensor> values) => Attach(model, (_, name, _) => values[name].clone());

    /// <summary>Fusions that start near the mean of their sources: Q, K ~ N(0, <c>initializer_range</c>), q = k = 0, V the identity.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sources">Each source's numbers, by the names that it had in its own model.</param>
    /// <param name="seed">Of Q and K.</param>
    public void AttachFresh(RobertaClassifier model, IReadOnlyList<IReadOnlyDictionary<string, float[]>> sources, int seed) => Attach(model, (layer, name, shape) =>
    {
        var module = BottleneckFusion.NameOf(layer);
        var prefix = $"{module}.{BottleneckFusion.Source}.";
        if (name.StartsWith(prefix, StringComparison.Ordinal))
        {
            var parts = name[prefix.Length..].Split('.', 2);
            var own = sources[int.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture)];
            return tensor(own[$"{BottleneckAdapter.NameOf(layer, BottleneckPlace.Output)}.{parts[1]}"], shape);
        }
        if (name == $"{module}.{BottleneckFusion.Value}.weight")
            return eye(shape[0]).Add(eye(shape[0]).Rsub(1).Mul(BesideTheDiagonal));
        if (name.EndsWith(".bias", StringComparison.Ordinal))
            return zeros(shape);
        using var generator = new Generator(SeededRandom.Hash(seed, name), CPU);
        return empty(shape).normal_(0.0, model.Config.InitializerRange, generator);
    });

    public override IReadOnlyDictionary<string, Tensor> ForScoring(RobertaConfig config, IReadOnlyDictionary<string, Tensor> values)
    {
        using var noGrad = no_grad();
        var scoring = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        for (int layer = Skip; layer < config.Layers; layer++)
        {
            var module = BottleneckFusion.NameOf(layer);
            foreach (var (name, _) in Tensors(layer, config).Where(t => t.Name.StartsWith($"{module}.{BottleneckFusion.Source}.", StringComparison.Ordinal)))
                scoring.Add(name, values[name]);
            var key = values[$"{module}.{BottleneckFusion.Key}.weight"].t();
            scoring.Add($"{module}.{Score}.weight", key.matmul(values[$"{module}.{BottleneckFusion.Query}.weight"]));
            scoring.Add($"{module}.{Score}.bias", key.matmul(values[$"{module}.{BottleneckFusion.Query}.bias"]));
            scoring.Add($"{module}.{BottleneckFusion.Value}.weight", values[$"{module}.{BottleneckFusion.Value}.weight"]);
            scoring.Add($"{module}.{BottleneckFusion.Value}.bias", zeros(config.HiddenSize));
        }
        return scoring;
    }

    private void Attach(RobertaClassifier model, Func<int, string, long[], Tensor> value)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        for (int layer = Skip; layer < model.Layers.Count; layer++)
        {
            var made = Tensors(layer, model.Config).ToDictionary(t => t.Name, t => value(layer, t.Name, t.Shape).to(model.Device), StringComparer.Ordinal);
            model.Layers[layer].Bottlenecks[BottleneckPlace.Output] = new BottleneckFusion(BottleneckFusion.NameOf(layer), Sources, made, model.Config.AttentionDropout);
        }
    }

    private IEnumerable<(string Name, long[] Shape)> Tensors(int layer, RobertaConfig config)
    {
        var module = BottleneckFusion.NameOf(layer);
        long hidden = config.HiddenSize;
        for (int i = 0; i < Sources; i++)
        {
            var source = $"{module}.{BottleneckFusion.Source}.{i}";
            yield return ($"{source}.down.weight", [Size, hidden]);
            yield return ($"{source}.down.bias", [Size]);
            yield return ($"{source}.up.weight", [hidden, Size]);
            yield return ($"{source}.up.bias", [hidden]);
        }
        foreach (var part in (string[])[BottleneckFusion.Query, BottleneckFusion.Key])
        {
            yield return ($"{module}.{part}.weight", [hidden, hidden]);
            yield return ($"{module}.{part}.bias", [hidden]);
        }
        yield return ($"{module}.{BottleneckFusion.Value}.weight", [hidden, hidden]);
    }
}
