using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Libraries;
using Microsoft.ML.LoraInit.Options;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.LoraInit.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Many adapters beside one frozen base: each takes the memory of its factors and its head, not that of a model. An adapter is
/// chosen by name, for a call or for each row; rows of different adapters go through the base together.
/// </summary>
/// <example>
/// <code>
/// using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
/// library.Add("topic", trainedPipeline);
/// library.Add("urgent", "urgent.mlnet");
/// library.Add("intent", "peft-folder", new PeftAdapterOptions { Labels = ["buy", "ask", "leave"] });
/// string topic = library.Predict("topic", "The striker scored.").PredictedLabel;
/// </code>
/// </example>
/// <remarks>
/// All members may be called from several threads at once. An adapter that is removed or replaced serves the calls under way and
/// is freed after them. Adapters are LoRA of any rank and on any layers, DoRA, or a head alone; what changes the base itself
/// (full fine-tuning, BitFit, bottlenecks, a base in 4 bits) is refused. The library holds native memory until <see cref="Dispose"/>.
/// </remarks>
public sealed class AdapterLibrary : IDisposable
{
    private readonly LibraryBase _base;
    private readonly AdapterRegistry _registry;

    private AdapterLibrary(LibraryBase origin)
    {
        _base = origin;
        _registry = new AdapterRegistry(origin.Predictor.Dispose);
    }

    /// <summary>The names of the adapters, sorted.</summary>
    public IReadOnlyList<string> Names => [.. _registry.Adapters.Keys];

    /// <summary>The base's id: <c>mini</c>, a hub id, or a folder's name.</summary>
    public string BaseModelId => _base.Identity.Id;

    internal LibraryBase Base => _base;

    /// <summary>Another object after each change of the adapters.</summary>
    internal object Version => _registry.Adapters;

    /// <summary>Bytes of the adapters' numbers in a file.</summary>
    internal long StoredBytes => _registry.Adapters.Values.Sum(a => a.StoredBytes);

    /// <summary>What is known of an adapter.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="ArgumentException">There is no such adapter; the message lists those that there are.</exception>
    public AdapterInfo this[string name] => _registry.Find(name, null).Info;

    /// <summary>Loads a base without adapters.</summary>
    /// <param name="baseModel">The base, downloaded where it is on the hub.</param>
    /// <param name="options">Device, precision and batches; null (the default) for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="InvalidOperationException">TorchSharp's native libraries cannot be loaded; the message says what is missing.</exception>
    public static AdapterLibrary Create(RobertaCheckpoint baseModel, AdapterLibraryOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(baseModel);
        options ??= new();
        if (options.MaxTokensPerBatch < 1)
            throw new ArgumentException($"MaxTokensPerBatch = {options.MaxTokensPerBatch} is out of range: use at least 1.", nameof(options));
        if (!Enum.IsDefined(options.Precision))
            throw new ArgumentException($"Precision = {options.Precision} is out of range.", nameof(options));
        NativeLibraries.Require();
        var device = options.Device ?? CPU;
        return new(LibraryBase.Load(baseModel, device, ComputeDevice.BaseType(options.Precision, device), options));
    }

    /// <summary>Loads the base that a model was trained on, without adapters.</summary>
    /// <param name="model">A trained model, which is not added; its base may lie within its file.</param>
    /// <param name="options">As of <see cref="Create(RobertaCheckpoint, AdapterLibraryOptions?)"/>.</param>
    public static AdapterLibrary Create(LoraTextTransformer model, AdapterLibraryOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Create(model.Model.Checkpoint, options);
    }

    /// <summary>Reads a folder that <see cref="Save"/> wrote.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="options">As of <see cref="Create(RobertaCheckpoint, AdapterLibraryOptions?)"/>.</param>
    /// <param name="baseModel">Where the base is now; null (the default) for where it was when the library was saved.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">A file is missing or damaged, or the base is another one.</exception>
    public static AdapterLibrary Load(string folder, AdapterLibraryOptions? options = null, RobertaCheckpoint? baseModel = null) =>
        LibraryFolder.Read(folder, options, baseModel);

    /// <summary>Adds a trained model's adapter; the model stays the caller's and may be disposed.</summary>
    /// <param name="name">The adapter's name.</param>
    /// <param name="model">What a trainer's <c>Fit</c> or <c>mlContext.Model.Load</c> returned: a <see cref="LoraTextTransformer"/>, or a pipeline with one.</param>
    /// <param name="rank">The highest rank wanted, as of <see cref="LoraTextTransformerExport.SavePeftAdapter"/>; null (the default) keeps everything. What is no low-rank product over the base needs one, as LoftQ and RoSA.</param>
    /// <param name="replace">Whether an adapter of this name gives way; false (the default) refuses a name in use.</param>
    /// <exception cref="ArgumentException">The name is in use or empty, the pipeline has no such step, or the base is another one.</exception>
    /// <exception cref="NotSupportedException">The model is no low-rank adapter beside the base; the message says why.</exception>
    public AdapterInfo Add(string name, ITransformer model, int? rank = null, bool replace = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Add(name, replace, () => AdapterReader.FromModel(name, AdapterReader.Step(name, model).Model, _base, rank));
    }

    /// <summary>Adds an adapter from a file: a saved <c>.mlnet</c> model, or a folder that PEFT wrote.</summary>
    /// <param name="name">The adapter's name.</param>
    /// <param name="path">The file or folder.</param>
    /// <param name="options">For a folder: task, labels, text columns and length; device, precision and base are the library's. Null for a multiclass adapter without labels.</param>
    /// <param name="replace">Whether an adapter of this name gives way; false (the default) refuses a name in use.</param>
    /// <exception cref="ArgumentException">The name is in use or empty, an option does not fit, or the base is another one.</exception>
    /// <exception cref="FileNotFoundException">There is nothing at the path.</exception>
    /// <exception cref="InvalidDataException">What is there is damaged or does not fit the base.</exception>
    /// <exception cref="NotSupportedException">The model is no low-rank adapter beside the base; the message says why.</exception>
    public AdapterInfo Add(string name, string path, PeftAdapterOptions? options = null, bool replace = false)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (Directory.Exists(path))
            return Add(name, replace, () => AdapterReader.FromFolder(path, options ?? new(), _base));
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is neither an .mlnet file nor an adapter's folder '{path}'.", path);
        if (options is not null)
            throw new ArgumentException($"'{path}' is a saved model and says by itself what these options say: leave them out.", nameof(options));
        _registry.CheckName(name, replace);
        var model = SavedModelFile.Load(path);
        using (model as IDisposable)
            return Add(name, model, replace: replace);
    }

    /// <summary>Removes an adapter; calls under way finish with it.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>Whether there was one.</returns>
    public bool Remove(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _registry.Remove(name);
    }

    /// <summary>Adds an adapter made of several of one task.</summary>
    /// <param name="name">The new adapter's name.</param>
    /// <param name="method">How, such as <see cref="AdapterCombination.Svd"/>.</param>
    /// <param name="parts">Names and weights; a weight may be negative.</param>
    /// <param name="headFrom">Whose classification head to take; null (the default) for the weighted mean of the heads, which suits adapters trained from one start.</param>
    /// <param name="replace">Whether an adapter of this name gives way; false (the default) refuses a name in use.</param>
    /// <exception cref="ArgumentException">A part is unknown, named twice or of another task, a weight is not finite, or the parts do not fit the method.</exception>
    public AdapterInfo Combine(
        string name, AdapterCombination method, IReadOnlyList<(string Name, double Weight)> parts, string? headFrom = null, bool replace = false)
    {
        ArgumentNullException.ThrowIfNull(method);
        ArgumentNullException.ThrowIfNull(parts);
        CheckParts(parts);
        using var held = _registry.Enter();
        var chosen = parts.Select(p => held.Get(p.Name, null)).ToArray();
        if (chosen.FirstOrDefault(a => !IsSameTask(a.Info, chosen[0].Info)) is { } other)
            throw new ArgumentException($"The adapters '{chosen[0].Name}' ({Describe(chosen[0].Info)}) and '{other.Name}' ({Describe(other.Info)}) are not of one task, so their heads do not fit together.");
        return Add(name, replace, () =>
        {
            using var scope = NewDisposeScope();
            var weights = AdapterCombiner.Combine([.. chosen.Zip(parts, (a, p) => (a.Name, a.Source.State, p.Weight))], method, headFrom);
            // What was calibrated were the parts.
            var first = chosen[0].Source.Settings;
            var settings = first with { MaxLength = chosen.Max(a => a.Info.MaxLength), Scores = first.Scores.With(Inference.Outputs.ScoreCalibration.None) };
            return new AdapterSource(weights.ToState(_base.Identity, _base.Config), settings, PeftAdapter.History(weights, _base.Parameters, settings.Scores));
        });
    }

    /// <summary>One text, or pair of texts, by one adapter.</summary>
    /// <param name="name">The adapter's name.</param>
    /// <param name="text">The text.</param>
    /// <param name="text2">The second text, for an adapter that reads pairs; else null.</param>
    /// <exception cref="ArgumentException">There is no such adapter, or it reads pairs and there is one text, or the other way round.</exception>
    public AdapterPrediction Predict(string name, string text, string? text2 = null) => Predict([new(name, text, text2)])[0];

    /// <summary>Texts by one adapter.</summary>
    /// <param name="name">The adapter's name.</param>
    /// <param name="texts">The texts.</param>
    /// <exception cref="ArgumentException">There is no such adapter, or it reads pairs.</exception>
    public IReadOnlyList<AdapterPrediction> Predict(string name, IEnumerable<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return Predict(texts.Select(t => new AdapterRequest(name, t)));
    }

    /// <summary>Texts each by its own adapter, batched together.</summary>
    /// <param name="requests">Adapters and texts.</param>
    /// <returns>The predictions, in the requests' order.</returns>
    /// <exception cref="ArgumentException">An adapter is unknown, or reads pairs and there is one text, or the other way round; the message names adapter and row.</exception>
    public IReadOnlyList<AdapterPrediction> Predict(IEnumerable<AdapterRequest> requests)
    {
        ArgumentNullException.ThrowIfNull(requests);
        var rows = requests.ToArray();
        for (int i = 0; i < rows.Length; i++)
        {
            if (rows[i].Text is null)
                throw new ArgumentException($"Row {i + 1} has no text.", nameof(requests));
            if (rows[i].Text2 is not null && !_registry.Find(rows[i].Adapter, i).Info.IsPair)
                throw new ArgumentException($"Row {i + 1} has a second text, and the adapter '{rows[i].Adapter}' reads single texts.", nameof(requests));
        }
        return Score(rows, 0);
    }

    /// <summary>A pipeline step that reads each row by the adapter that the row names.</summary>
    /// <param name="columns">The columns read and written; null (the default) for <c>Text</c>, <c>Adapter</c> and the usual outputs.</param>
    /// <returns>A transformer over this library, which it does not own: adapters added later can be named by rows too.</returns>
    /// <exception cref="ArgumentException">A column's name is empty, or two are the same.</exception>
    public AdapterLibraryTransformer CreateTransformer(AdapterLibraryColumns? columns = null)
    {
        columns = (columns ?? new()).Checked();
        return new(this, columns, ownsLibrary: false);
    }

    /// <summary>
    /// An adapter as a model of its own, its base merged: it can be saved to an <c>.mlnet</c> file, exported
    /// (<see cref="LoraTextTransformerExport.SavePeftAdapter"/>) and put into pipelines as any trained model.
    /// </summary>
    /// <param name="name">The adapter's name.</param>
    /// <returns>A model that the caller disposes; it takes the memory of a whole model.</returns>
    /// <exception cref="ArgumentException">There is no such adapter.</exception>
    /// <exception cref="InvalidDataException">The base's files have changed.</exception>
    public LoraTextTransformer CreateModel(string name)
    {
        using var held = _registry.Enter();
        var source = held.Get(name, null).Source;
        using var files = _base.OpenFiles();
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        var state = source.CloneState();
        try
        {
            return LoraTextTransformer.Of(FineTunedModel.Create(
                source.Settings, state, source.History, _base.Checkpoint,
                _base.Predictor.Tokenizer.With(source.Settings.Tokenizer ?? TokenizerRule.Plain), weights, _base.Device));
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    /// <summary>Writes every adapter and the base's id and hash to a folder, whole or not at all; the base itself is not written.</summary>
    /// <param name="folder">The folder; must be new or empty, and its parent must exist.</param>
    /// <exception cref="IOException">The folder is not empty or cannot be written.</exception>
    public void Save(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        using var held = _registry.Enter();
        LibraryFolder.Write(folder, _base, held.All());
    }

    /// <summary>Frees the native memory once no call is under way; later calls throw <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose() => _registry.Close();

    /// <summary>Predictions in the rows' order; second texts are ignored by adapters of single texts.</summary>
    /// <param name="rows">Adapters and texts.</param>
    /// <param name="firstRow">The number of rows before these, for messages.</param>
    internal AdapterPrediction[] Score(IReadOnlyList<AdapterRequest> rows, long firstRow)
    {
        using var work = new LibraryWork(_registry, rows, firstRow, CancellationToken.None);
        return work.Read(_base.Predictor);
    }

    /// <summary>Starts to score a window: tokenised by other threads at once.</summary>
    /// <inheritdoc cref="Score"/>
    internal ScoringRun<AdapterPrediction> Begin(IReadOnlyList<AdapterRequest> rows, long firstRow) =>
        new LibraryRun(_base.Predictor, stop => new(_registry, rows, firstRow, stop));

    /// <summary>Adds what <paramref name="read"/> gives under a name that is checked before and after.</summary>
    internal AdapterInfo Add(string name, bool replace, Func<AdapterSource> read)
    {
        _registry.CheckName(name, replace);
        using var held = _registry.Enter();
        var source = read();
        IAdapterWeights? weights = null;
        LibraryAdapter added;
        try
        {
            using var scope = NewDisposeScope();
            using var reader = new LibraryBase.Reader(_base);
            weights = _base.Predictor.Store.Add(new(source.State, reader.Tensor));
            added = new LibraryAdapter(name, source, weights, _base.Predictor.Tokenizer);
        }
        catch
        {
            weights?.Dispose();
            source.State.Dispose();
            throw;
        }
        _registry.Add(added, replace);
        return added.Info;
    }

    private static void CheckParts(IReadOnlyList<(string Name, double Weight)> parts)
    {
        if (parts.Count == 0)
            throw new ArgumentException("There are no adapters to combine.", nameof(parts));
        if (parts.GroupBy(p => p.Name, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new ArgumentException($"The adapter '{twice.Key}' is named {twice.Count()} times: name each part once.", nameof(parts));
        if (parts.FirstOrDefault(p => !double.IsFinite(p.Weight)) is { Name: { } name } bad)
            throw new ArgumentException($"The weight of the adapter '{name}' is {bad.Weight}: it must be a finite number.", nameof(parts));
    }

    private static bool IsSameTask(AdapterInfo a, AdapterInfo b) =>
        a.Task == b.Task && a.IsPair == b.IsPair && a.Labels.SequenceEqual(b.Labels, StringComparer.Ordinal);

    private static string Describe(AdapterInfo info) =>
        $"{info.Task}{(info.IsPair ? " of pairs" : "")}{(info.Labels.Count == 0 ? "" : $": {string.Join(", ", info.Labels)}")}";
}
