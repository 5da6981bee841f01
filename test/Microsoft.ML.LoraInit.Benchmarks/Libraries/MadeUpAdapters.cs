using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Libraries;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Libraries;

/// <summary>Adapters of random numbers on query and value, of ranks from 4 to 64 and 2 to 150 labels, as training would leave them.</summary>
internal static class MadeUpAdapters
{
    private static readonly int[] Ranks = [4, 8, 16, 32, 64];
    private static readonly int[] Labels = [2, 5, 20, 77, 150];

    /// <param name="library">Where it goes.</param>
    /// <param name="name">Its name.</param>
    /// <param name="seed">Of its numbers, rank and labels.</param>
    /// <param name="replace">Whether one of this name gives way.</param>
    public static void Add(AdapterLibrary library, string name, int seed, bool replace = false) => library.Add(name, replace, () =>
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var generator = new Generator((ulong)seed, CPU);
        var (random, config) = (new SeededRandom(SeededRandom.Hash(seed, "adapter")), library.Base.Config);
        var (rank, labels) = (Ranks[random.Next(Ranks.Length)], Labels[random.Next(Labels.Length)]);
        var adapters = AdapterPlanner.Plan(new AdapterSettings { Rank = rank, Alpha = 2 * rank }, config)
            .Select(t => new PlainAdapter(t, Normal(0.05, t.Rank, t.InFeatures), Normal(0.05, t.OutFeatures, t.Rank), null) { TrainedRank = rank }).ToArray();
        var head = ClassificationHead.Layout(config, labels).ToDictionary(l => l.Name, l => Normal(0.05, l.Shape), StringComparer.Ordinal);
        var weights = new PeftWeights(adapters, head, 0);
        var scores = PeftAdapter.Scores(new PeftAdapterOptions { Labels = [.. Enumerable.Range(0, labels).Select(i => $"{name} {i}")] }, labels);
        var settings = new FineTunedModel.Settings(scores, new TextColumns("Text", null), Math.Min(128, config.MaxLength), Precision.Auto, ModelSaveMode.AdapterOnly);
        return new AdapterSource(weights.ToState(library.Base.Identity, config), settings, PeftAdapter.History(weights, library.Base.Parameters, scores));

        Tensor Normal(double deviation, params long[] shape) => empty(shape).normal_(0, deviation, generator);
    });
}
