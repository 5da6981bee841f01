using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Adapters.Fusion;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Attention over what several trained models know. See <see cref="AdapterFusionMethod"/>.</summary>
    /// <param name="sources">Models that <see cref="PfeifferMethod"/> trained on one base, two at least.</param>
    /// <exception cref="ArgumentException">Two sources have one name.</exception>
    public static FineTuningMethod AdapterFusion(params FusionSource[] sources) => new AdapterFusionMethod { Sources = sources };

    /// <summary>Attention over what several saved models know. See <see cref="AdapterFusionMethod"/>.</summary>
    /// <param name="files">Saved models that <see cref="PfeifferMethod"/> trained on one base, two at least; each source is called as its file, without the ending.</param>
    /// <exception cref="ArgumentException">Two sources have one name.</exception>
    public static FineTuningMethod AdapterFusion(params string[] files)
    {
        ArgumentNullException.ThrowIfNull(files);
        return new AdapterFusionMethod { Sources = [.. files.Select(f => FusionSource.FromFile(f))] };
    }
}

/// <summary>
/// AdapterFusion (arXiv 2005.00247): the bottlenecks of several models, each trained on a task of its own, stay frozen side by side; in every layer an
/// attention learns for a new task how much of each to take. With zᵢ = Uᵢ gelu(Dᵢ x + dᵢ) + uᵢ of n sources,
/// y = x + V Σ sᵢ zᵢ, s = softmax over i of (Q x + q)·(K zᵢ + k); Q, K, V [hidden, hidden], q, k [hidden] and the head are trained.
/// </summary>
/// <remarks>
/// As the authors' library does (adapter-hub/adapters 88f18eb, src/adapters/methods/modeling.py, BertFusion, and bottleneck.py, compose_fuse): keys and
/// values are what a bottleneck adds, not its input; V starts as the identity with 1e-6 beside its diagonal and is kept near it by 0.01·‖V − I‖² a layer in
/// the loss (model_mixin.py, get_fusion_regularization_loss; there from the second step on); scores are dropped out with the model's
/// <c>attention_probs_dropout_prob</c>. x, which asks and which bottlenecks read, is what the feed-forward sublayer gives, as with
/// <see cref="PfeifferMethod"/>; there it is that after residual and norm. Q and K start from N(0, <c>initializer_range</c>), so that the model starts
/// near the mean of its sources. Does not merge into plain weights. On a command line: <c>fusion:sources=a.mlnet+b.mlnet</c>.
/// </remarks>
public sealed record AdapterFusionMethod : FineTuningMethod
{
    /// <summary>The models whose bottlenecks are fused, in the order in which a fused model keeps them: two at least, of one base, size and skip.</summary>
    /// <exception cref="ArgumentException">Two sources have one name.</exception>
    [JsonPropertyName("sources")]
    [JsonConverter(typeof(FusionSourcesJson))]
    public IReadOnlyList<FusionSource> Sources { get; init => field = Distinct(value); } = [];

    /// <summary>The weight of Σ ‖V − I‖² over the layers in the loss, at least 0. Default 0.01, as in the code.</summary>
    [JsonPropertyName("penalty")]
    public double Penalty { get; init => field = Setting.NotNegative(value, nameof(Penalty)); } = 0.01;

    /// <inheritdoc/>
    public override string Name => "fusion";

    [JsonIgnore]
    internal override FusionPlacement Bottlenecks => Sources is [{ Size: { } size, Skip: { } skip }, ..] ? new(Sources.Count, size, skip)
        : throw new InvalidDataException("The fusion names no sources, or such as were not read.");

    [JsonIgnore]
    internal override FineTuningMethod Stored => this with { Sources = [.. Sources.Select(s => s.Described)] };

    /// <summary>Whether the other fuses the same sources in the same order with the same penalty.</summary>
    public bool Equals(AdapterFusionMethod? other) => other is not null && Penalty.Equals(other.Penalty) && Sources.SequenceEqual(other.Sources);

    /// <inheritdoc/>
    public override int GetHashCode() => Sources.Aggregate(Penalty.GetHashCode(), HashCode.Combine);

    internal override void Validate(RobertaConfig config)
    {
        if (Sources.Count < 2)
            throw new ArgumentException($"The method 'fusion' has {(Sources.Count == 0 ? "no sources" : $"one source, '{Sources[0].Name}'")}: name at least two trained models to choose between.");
        foreach (var source in Sources)
            if (source.Content is null)
                throw new ArgumentException(source.Path is { } path
                    ? $"The source '{source.Name}' was not read from '{path}' yet."
                    : $"The source '{source.Name}' is known by its name alone, as a fused model keeps it: give the trained model itself.");
        var first = Sources[0];
        if (Sources.FirstOrDefault(s => s.Size != first.Size) is { } other)
            throw new ArgumentException($"The source '{other.Name}' has bottlenecks of size {other.Size} and '{first.Name}' of size {first.Size}: fuse models of one size.");
        if (Sources.FirstOrDefault(s => s.Skip != first.Skip) is { } shifted)
            throw new ArgumentException($"The source '{shifted.Name}' has its first bottleneck in layer {shifted.Skip} and '{first.Name}' in layer {first.Skip}: fuse models of one skip.");
    }

    internal override void Validate(BaseIdentity identity, BaseQuantization? quantization)
    {
        foreach (var source in Sources)
        {
            if (source.Content!.Base.Sha256 != identity.Sha256)
                throw new ArgumentException($"The source '{source.Name}' was trained on the base '{source.Content.Base.Id}' (SHA-256 {source.Content.Base.Sha256}), and the training is on '{identity.Id}' ({identity.Sha256}): fuse models of the base that is trained on.");
            if (quantization is { } held && source.Content.Quantization != held)
                throw new ArgumentException($"The source '{source.Name}' was trained with BaseQuantization = {source.Content.Quantization}, and the training has {held}: use the sources' own.");
        }
    }

    internal override void Apply(RobertaClassifier model, FineTuningPlan plan)
    {
        Validate(model.Config);
        Validate(model.Base.Identity, model.Base.IsQuantized ? BaseQuantization.Nf4 : BaseQuantization.None);
        MarkBase(model);
        Bottlenecks.AttachFresh(model, [.. Sources.Select(s => s.Content!.Numbers)], plan.Seed);
    }

    internal override MethodHooks? Hooks(MethodRun run) => Penalty == 0 ? null : new FusionHooks(run, Penalty);

    private static FusionSource[] Distinct(IReadOnlyList<FusionSource> sources)
    {
        ArgumentNullException.ThrowIfNull(sources);
        if (sources.Any(s => s is null))
            throw new ArgumentException("One of the sources is null.", nameof(sources));
        return sources.GroupBy(s => s.Name, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice
            ? throw new ArgumentException($"Two sources have the name '{twice.Key}': give them different names.", nameof(sources))
            : [.. sources];
    }

    private sealed class FusionHooks(MethodRun run, double penalty) : MethodHooks
    {
        private readonly Parameter[] _values = [.. run.Model.Layers.SelectMany(l => l.Bottlenecks.Values).OfType<BottleneckFusion>().Select(f => f.Values)];

        public override Tensor? Penalty()
        {
            var values = stack([.. _values.Select(v => v.Value)]);
            return (values - eye(values.shape[1], device: values.device)).Square().sum().Mul(penalty);
        }
    }
}
