using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>Takes adapters over a library's base out of trained models and PEFT folders, as plain LoRA or DoRA over the untouched base.</summary>
internal static class AdapterReader
{
    /// <param name="name">The adapter's name, for messages.</param>
    /// <param name="model">A trained model; stays the caller's.</param>
    /// <param name="library">The base.</param>
    /// <param name="rank">The highest rank wanted, or null.</param>
    /// <exception cref="ArgumentException">The model's base is another one.</exception>
    /// <exception cref="NotSupportedException">The model is not one of low-rank adapters and head over that base.</exception>
    public static AdapterSource FromModel(string name, FineTunedModel model, LibraryBase library, int? rank)
    {
        using var scope = NewDisposeScope();
        var state = model.State;
        library.Check(name, state.Base, state.Config);
        if (state.IsQuantized)
            throw new NotSupportedException($"The adapter '{name}' was trained over a base in 4 bits and belongs to that; the library's base is not quantised. Serve the model by itself: merged, it is exact.");
        var head = ClassificationHead.Layout(state.Config, state.Outputs).ToDictionary(l => l.Name, l => state.Tensors[l.Name], StringComparer.Ordinal);
        if (state.Method == FineTuningMethod.HeadOnly())
            return new(HeadAlone(state, head), model.ModelSettings, model.History);
        if (state.Adapters.Count == 0)
            throw new NotSupportedException($"The adapter '{name}' was trained by the method '{state.Method.Name}', which is no low-rank adapter beside the base: {Why(state)} Serve the model by itself.");
        if (state.TrainedBase.Count > 0)
            throw new NotSupportedException($"The adapter '{name}' was trained by the method '{state.Method.Name}' with bias = {(state.Method as LoraMethod)?.Bias}: it changed the base's biases, which the other adapters need as they were. Serve the model by itself.");
        using var reader = new LibraryBase.Reader(library);
        var plain = Plain($"The adapter '{name}'", state, reader, rank);
        var weights = new PeftWeights(plain, head, state.Adapters[0].Description.Dropout);
        return new(weights.ToState(state.Base, state.Config), model.ModelSettings, model.History);
    }

    /// <summary>Reads a PEFT folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="options">Task, labels, columns and length; the rest is the library's.</param>
    /// <param name="library">The base.</param>
    public static AdapterSource FromFolder(string folder, PeftAdapterOptions options, LibraryBase library)
    {
        using var scope = NewDisposeScope();
        using var adapter = PeftFolder.Open(folder);
        if (options.BaseModel is { } other && other.Id != library.Checkpoint.Id)
            throw new ArgumentException($"BaseModel = '{other.Id}' is not the library's base '{library.Checkpoint.Id}': leave it null, or make another library for it.", nameof(options));
        using var files = library.OpenFiles();
        adapter.CompleteHead(files);
        var scores = PeftAdapter.Scores(options, PeftAdapter.Outputs(adapter, options));
        if (options.MaxLength > library.Config.MaxLength)
            throw new ArgumentException($"MaxLength = {options.MaxLength} is more than the {library.Config.MaxLength} tokens of '{library.Checkpoint.Id}': use less, or null for the model's maximum.", nameof(options));
        var read = adapter.Read(library.Config);
        if (read.Biases.Count > 0)
            throw new NotSupportedException($"The adapter in '{adapter.Path}' was trained with bias = {read.Bias}: it changed the base's biases, which the other adapters need as they were. Serve it by itself: {nameof(PeftAdapter)}.{nameof(PeftAdapter.Load)}.");
        var weights = read.Outputs == scores.Task.OutputCount ? read : read.WithOneLogit();
        var rule = files.OpenTokenizerOf(adapter.Path).Rule with { SpecialTokensAsText = options.SpecialTokensAsText };
        var settings = new FineTunedModel.Settings(
            scores, new TextColumns(options.TextColumnName, options.Text2ColumnName), options.MaxLength ?? library.Config.MaxLength,
            options.Precision, options.SaveMode ?? Trainers.SaveModes.Default(library.Checkpoint), rule);
        return new(Plain(adapter.Path, weights, library), settings, PeftAdapter.History(weights, library.Parameters, scores));
    }

    // Variants are served as the plain LoRA that they are, where they are one.
    private static FineTunedState Plain(string folder, PeftWeights weights, LibraryBase library)
    {
        var state = weights.ToState(library.Identity, library.Config);
        if (weights.Family is null)
            return state;
        using (state)
        {
            using var reader = new LibraryBase.Reader(library);
            var adapters = Plain($"The adapter in '{folder}'", state, reader, null);
            return new PeftWeights(adapters, weights.Head, weights.Dropout).ToState(library.Identity, library.Config);
        }
    }

    private static IReadOnlyList<PlainAdapter> Plain(string named, FineTunedState state, LibraryBase.Reader reader, int? rank)
    {
        try
        {
            return PlainLoraConversion.Convert(state, module => reader.Tensor($"{module}.weight"), rank);
        }
        catch (NotSupportedException e)
        {
            throw new NotSupportedException($"{named} is no plain LoRA. {e.Message}", e);
        }
    }

    /// <summary>The one trained step of a pipeline.</summary>
    /// <exception cref="ArgumentException">There is none, or there are several.</exception>
    public static LoraTextTransformer Step(string name, ITransformer model)
    {
        var steps = Steps(model).ToArray();
        return steps.Length == 1 ? steps[0]
            : throw new ArgumentException($"The model for the adapter '{name}' has {steps.Length} steps that the LoRA trainers made; give a pipeline with one.", nameof(model));
    }

    private static IEnumerable<LoraTextTransformer> Steps(ITransformer model) => model switch
    {
        LoraTextTransformer step => [step],
        IEnumerable<ITransformer> chain => chain.SelectMany(Steps),
        _ => [],
    };

    private static FineTunedState HeadAlone(FineTunedState state, IReadOnlyDictionary<string, Tensor> head) => new(
        state.Base, state.Config, state.Outputs, new FineTunedDescription { Method = FineTuningMethod.HeadOnly() },
        head.ToDictionary(h => h.Key, h => h.Value.clone(), StringComparer.Ordinal));

    private static string Why(FineTunedState state) => state.HasBottlenecks
        ? "bottlenecks are layers of their own."
        : "it changed the base's own weights, which the other adapters need as they were.";
}
