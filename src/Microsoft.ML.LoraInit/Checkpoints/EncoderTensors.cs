using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>Which tensors a RoBERTa encoder consists of, and the check of a checkpoint against that list.</summary>
internal static class EncoderTensors
{
    private const int NamesInError = 5;
    private const string Prefix = "roberta.";

    /// <summary>Every encoder tensor of this shape of model with its dimensions, in the model's order.</summary>
    public static IEnumerable<(string Name, long[] Shape)> Expected(RobertaConfig config)
    {
        long hidden = config.HiddenSize;
        yield return (RobertaNames.Words, [config.VocabularySize, hidden]);
        yield return (RobertaNames.Positions, [config.MaxPositions, hidden]);
        yield return (RobertaNames.TokenTypes, [config.TypeVocabularySize, hidden]);
        yield return ($"{RobertaNames.EmbeddingNorm}.weight", [hidden]);
        yield return ($"{RobertaNames.EmbeddingNorm}.bias", [hidden]);
        for (int i = 0; i < config.Layers; i++)
        {
            foreach (var module in Enum.GetValues<EncoderModule>())
            {
                var (name, (outputs, inputs)) = (RobertaNames.Linear(i, module), RobertaNames.Shape(module, config));
                yield return ($"{name}.weight", [outputs, inputs]);
                yield return ($"{name}.bias", [outputs]);
            }
            foreach (var norm in new[] { RobertaNames.AttentionNorm, RobertaNames.OutputNorm })
            {
                yield return ($"{RobertaNames.InLayer(i, norm)}.weight", [hidden]);
                yield return ($"{RobertaNames.InLayer(i, norm)}.bias", [hidden]);
            }
        }
    }

    /// <summary>Checks names, shapes and types, and returns the encoder's names.</summary>
    /// <param name="config">What the configuration promises.</param>
    /// <param name="found">The checkpoint's tensors.</param>
    /// <param name="source">What error messages call the checkpoint.</param>
    /// <exception cref="InvalidDataException">A tensor is missing, surplus, of another shape, or not of a floating-point type.</exception>
    public static IReadOnlyList<string> Check(RobertaConfig config, IReadOnlyDictionary<string, (ScalarType DType, long[] Shape)> found, string source)
    {
        var expected = Expected(config).ToList();
        var missing = expected.Where(e => !found.ContainsKey(e.Name)).Select(e => e.Name).ToList();
        if (missing.Count > 0)
            throw new InvalidDataException($"'{source}' lacks {missing.Count} tensors that its configuration asks for: {List(missing)}.");

        foreach (var (name, shape) in expected)
        {
            var (dtype, actual) = found[name];
            if (!actual.AsSpan().SequenceEqual(shape))
                throw new InvalidDataException($"'{source}': '{name}' has the shape [{string.Join(", ", actual)}], but the configuration asks for [{string.Join(", ", shape)}].");
            if (dtype is not (ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64))
                throw new InvalidDataException($"'{source}': '{name}' has the type {SafetensorsDType.Name(dtype)}; weights are F16, BF16, F32 or F64.");
        }

        var names = expected.Select(e => e.Name).ToList();
        var surplus = found.Keys.Except(names).Where(n => n.StartsWith(Prefix, StringComparison.Ordinal) && !IsTolerated(n)).Order(StringComparer.Ordinal).ToList();
        if (surplus.Count > 0)
            throw new InvalidDataException($"'{source}' holds {surplus.Count} tensors that a RoBERTa of its configuration has no place for: {List(surplus)}.");
        return names;
    }

    /// <summary>Tensors of heads that this library does not read: what is outside the encoder and no head of masked words or classes.</summary>
    public static IReadOnlyList<string> Foreign(IEnumerable<string> names) =>
    [
        .. names.Where(n => !n.StartsWith(Prefix, StringComparison.Ordinal)
            && !n.StartsWith("lm_head.", StringComparison.Ordinal) && !n.StartsWith("classifier.", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
    ];

    /// <summary>A sentence on what <see cref="Foreign"/> found.</summary>
    public static string Ignored(IReadOnlyList<string> foreign) =>
        $"{foreign.Count} tensors outside the encoder are not used: {List([.. foreign])}.";

    // What published encoders carry beside what is computed: the unused pooler, and old versions' buffers.
    private static bool IsTolerated(string name) =>
        name.StartsWith("roberta.pooler.", StringComparison.Ordinal)
        || name is "roberta.embeddings.position_ids" or "roberta.embeddings.token_type_ids";

    private static string List(List<string> names) =>
        string.Join(", ", names.Take(NamesInError).Select(n => $"'{n}'")) + (names.Count > NamesInError ? $" and {names.Count - NamesInError} more" : "");
}
