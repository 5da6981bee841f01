using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>An adapter of a library: what it scores with, what a saved one consists of, and how its logits are read.</summary>
internal sealed class LibraryAdapter
{
    private readonly SharedLifetime _lifetime;
    private readonly string[] _labels;

    /// <param name="name">Its name in the library.</param>
    /// <param name="source">State (taken over), columns and history.</param>
    /// <param name="weights">Its form beside the base; taken over.</param>
    /// <param name="vocabulary">The base's tokenizer, under any rule.</param>
    public LibraryAdapter(string name, AdapterSource source, IAdapterWeights weights, SubwordTokenizer vocabulary)
    {
        (Name, Source, Weights) = (name, source, weights);
        Encoder = FineTunedModel.Encoder(source.Settings, vocabulary.With(source.Settings.Tokenizer ?? TokenizerRule.Plain));
        _labels = Labels(source.Settings.Scores.Task);
        _lifetime = new SharedLifetime(Free, name);
        StoredBytes = source.State.Tensors.Values.Sum(t => t.numel() * t.ElementSize);
        Info = AdapterInfo.Of(name, source, StoredBytes + weights.OwnBytes, _labels);
    }

    public string Name { get; }

    public AdapterSource Source { get; }

    public IAdapterWeights Weights { get; }

    /// <summary>Makes rows of texts, by the base's tokenizer under the adapter's rule.</summary>
    public TextEncoder Encoder { get; }

    public AdapterInfo Info { get; }

    /// <summary>Bytes of its numbers in a file.</summary>
    public long StoredBytes { get; }

    /// <summary>Begins a use of the tensors.</summary>
    /// <exception cref="ObjectDisposedException">The adapter was removed.</exception>
    public SharedLifetime.Use Enter() => _lifetime.Enter();

    /// <summary>Frees the tensors once no use is under way.</summary>
    public void Close() => _lifetime.Close();

    /// <summary>What users see of a row's logits.</summary>
    public AdapterPrediction Read(float[] logits)
    {
        var task = Source.Settings.Scores.Task;
        var scores = Source.Settings.Scores.Scores(logits);
        if (task is BinaryTask)
            scores = [1 - scores[0], scores[0]];
        if (_labels.Length == 0)
            return new() { Adapter = Name, PredictedLabel = "", Score = scores, Probability = float.NaN };
        int best = task is BinaryTask ? (logits[0] > 0 ? 1 : 0) : MulticlassTask.Largest(logits);
        return new() { Adapter = Name, PredictedLabel = _labels[best], Score = scores, Probability = scores[best] };
    }

    // Other tasks than these two have no one class to name.
    private static string[] Labels(TextTask task) => task switch
    {
        BinaryTask => [bool.FalseString, bool.TrueString],
        MulticlassTask multiclass => [.. multiclass.ClassNames ?? Enumerable.Range(0, task.OutputCount).Select(i => $"LABEL_{i}")],
        _ => [],
    };

    private void Free()
    {
        Weights.Dispose();
        Source.State.Dispose();
    }
}

/// <summary>An adapter before it is on a device.</summary>
/// <param name="State">Plain LoRA or DoRA over the untouched base, or a head alone.</param>
/// <param name="Settings">Columns, longest text, precision.</param>
/// <param name="History">How it was trained.</param>
internal sealed record AdapterSource(FineTunedState State, FineTunedModel.Settings Settings, TrainingHistory History)
{
    /// <summary>A state of its own with the same content.</summary>
    public FineTunedState CloneState()
    {
        using var scope = NewDisposeScope();
        return new(State.Base, State.Config, State.Outputs, State.Description,
            State.Tensors.ToDictionary(t => t.Key, t => t.Value.clone(), StringComparer.Ordinal), State.Stored);
    }
}
