using System.Diagnostics;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Libraries;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Libraries;

/// <summary>
/// Adapters of random numbers on query and value, of ranks from 4 to 64 and 2 to 150 labels, as training would leave them. The numbers are
/// pieces of one long draw, since drawing takes longer than all else.
/// </summary>
/// <param name="precision">What models of their own compute in: the library's, since another rounding would be counted against it.</param>
internal sealed class MadeUpAdapters(Precision precision) : IDisposable
{
    private static readonly int[] Ranks = [4, 8, 16, 32, 64];
    private static readonly int[] Labels = [2, 5, 20, 77, 150];

    private readonly Tensor _numbers = Draw();

    /// <summary>Adds one.</summary>
    /// <param name="library">Where it goes.</param>
    /// <param name="name">Its name.</param>
    /// <param name="seed">Of its numbers, rank and labels.</param>
    /// <param name="replace">Whether one of this name gives way.</param>
    /// <returns>Milliseconds that the library took, without those that making it up took.</returns>
    public double Add(AdapterLibrary library, string name, int seed, bool replace = false)
    {
        TimeSpan made = default;
        var started = Stopwatch.GetTimestamp();
        library.Add(name, replace, () =>
        {
            var begun = Stopwatch.GetTimestamp();
            var source = Source(library, name, seed);
            made = Stopwatch.GetElapsedTime(begun);
            return source;
        });
        return (Stopwatch.GetElapsedTime(started) - made).TotalMilliseconds;
    }

    public void Dispose() => _numbers.Dispose();

    private AdapterSource Source(AdapterLibrary library, string name, int seed)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var (random, config) = (new SeededRandom(SeededRandom.Hash(seed, "adapter")), library.Base.Config);
        var (rank, labels) = (Ranks[random.Next(Ranks.Length)], Labels[random.Next(Labels.Length)]);
        var adapters = AdapterPlanner.Plan(new AdapterSettings { Rank = rank, Alpha = 2 * rank }, config)
            .Select(t => new PlainAdapter(t, Piece(t.Rank, t.InFeatures), Piece(t.OutFeatures, t.Rank), null) { TrainedRank = rank }).ToArray();
        var head = ClassificationHead.Layout(config, labels).ToDictionary(l => l.Name, l => Piece(l.Shape), StringComparer.Ordinal);
        var weights = new PeftWeights(adapters, head, 0);
        var scores = PeftAdapter.Scores(new PeftAdapterOptions { Labels = [.. Enumerable.Range(0, labels).Select(i => $"{name} {i}")] }, labels);
        var settings = new FineTunedModel.Settings(scores, new TextColumns("Text", null), Math.Min(128, config.MaxLength), precision, ModelSaveMode.AdapterOnly);
        return new(weights.ToState(library.Base.Identity, config), settings, PeftAdapter.History(weights, library.Base.Parameters, scores));

        Tensor Piece(params long[] shape)
        {
            long count = shape.Aggregate(1L, (product, size) => product * size);
            return _numbers.narrow(0, random.Next((int)(_numbers.shape[0] - count)), count).view(shape);
        }
    }

    private static Tensor Draw()
    {
        using var generator = new Generator(7, CPU);
        return empty(4_000_000).normal_(0, 0.05, generator);
    }
}
