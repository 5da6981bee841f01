namespace Microsoft.ML.LoraInit;

/// <summary>Finds what this library trained in a chain.</summary>
public static class LoraModelExtensions
{
    /// <summary>
    /// The fine-tuned step of a model, however deep it lies in chains: what <c>Fit</c> or <c>mlContext.Model.Load</c> returned has it among its
    /// steps. Its scoring, history, explanations and exports are the model's.
    /// </summary>
    /// <example><code>
    /// var model = ml.Model.Load("model.mlnet", out _);
    /// model.Lora().Scoring = new() { CpuThreads = 4 };
    /// </code></example>
    /// <param name="model">A step, or a chain of steps.</param>
    /// <exception cref="ArgumentException">There is no such step, or several.</exception>
    public static LoraTextTransformer Lora(this ITransformer model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var found = Steps(model).OfType<LoraTextTransformer>().ToArray();
        return found.Length switch
        {
            1 => found[0],
            0 => throw new ArgumentException($"The model has no step that this library trained; it has {string.Join(", ", Steps(model).Select(s => s.GetType().Name))}.", nameof(model)),
            _ => throw new ArgumentException($"The model has {found.Length} steps that this library trained; take one of the chain's steps yourself.", nameof(model)),
        };
    }

    /// <summary>The bottlenecks of a model, for <see cref="FineTuningMethod.AdapterFusion(FusionSource[])"/>. They are copied: the model may be disposed.</summary>
    /// <example><code>
    /// options.Method = FineTuningMethod.AdapterFusion(topics.ToFusionSource("topics"), urgency.ToFusionSource("urgency"));
    /// </code></example>
    /// <param name="model">What a trainer with <see cref="PfeifferMethod"/>, or <c>mlContext.Model.Load</c>, returned: a step, or a chain of steps.</param>
    /// <param name="name">What reports and errors call it.</param>
    /// <exception cref="ArgumentException">The model has no step that this library trained, or several.</exception>
    /// <exception cref="NotSupportedException">It was trained by another method.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public static FusionSource ToFusionSource(this ITransformer model, string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return FusionSource.Of(name, model.Lora().Model.State);
    }

    private static IEnumerable<ITransformer> Steps(ITransformer model) =>
        model is IEnumerable<ITransformer> chain ? chain.SelectMany(Steps) : [model];
}
