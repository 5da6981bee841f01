using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Data;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>A trained model with what its schema says about it.</summary>
internal sealed class ModelFile : IDisposable
{
    private readonly string _path;
    private readonly ITransformer _loaded;
    private readonly DataViewSchema _input;

    private ModelFile(string path, ITransformer model, DataViewSchema input)
    {
        (_path, _input) = (path, input);
        Model = _loaded = model;
        var output = model.GetOutputSchema(input);
        Kind = KindOf(path, input, output);
        IsPair = input.GetColumnOrNull(DataViews.Text2) is not null;
        Classes = Kind is TaskKind.Multiclass or TaskKind.MultiLabel ? ClassesOf(output) : [];
        LabelDelimiter = Kind == TaskKind.MultiLabel ? DataViews.Delimiter(input) : LabelList.DefaultDelimiter;
    }

    /// <summary>What scores.</summary>
    public ITransformer Model { get; private set; }

    public TaskKind Kind { get; }

    /// <summary>Whether the model reads pairs of texts.</summary>
    public bool IsPair { get; }

    /// <summary>Names of the classes or labels in the order of the probabilities; empty for numbers and yes or no.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>What stands between the labels of a row, where it may have several.</summary>
    public char LabelDelimiter { get; }

    /// <summary>The trained part of the chain, or null if another program made the file without one.</summary>
    public LoraTextTransformer? Trained => Find(_loaded);

    /// <summary>The tokenizer of what was trained; null if another program made the file.</summary>
    public RobertaTextTokenizer? Tokenizer => Trained is { } trained ? RobertaTextTokenizer.Of(trained) : FindOnnx(_loaded)?.Tokenizer;

    public static LoraTextTransformer? Find(ITransformer model) =>
        model as LoraTextTransformer ?? (model as IEnumerable<ITransformer>)?.Select(Find).FirstOrDefault(t => t is not null);

    public static void Save(MLContext ml, ITransformer model, DataViewSchema schema, string path) =>
        AtomicFile.Write(path, stream => ml.Model.Save(model, schema, stream));

    /// <param name="ml">The context.</param>
    /// <param name="path">A saved model.</param>
    /// <exception cref="UsageException">The file is missing, is not a model, or is one with other columns.</exception>
    public static ModelFile Load(MLContext ml, string path)
    {
        if (!File.Exists(path))
            throw new UsageException($"--model: there is no file {path}.");
        ITransformer model;
        DataViewSchema schema;
        try
        {
            model = ml.Model.Load(path, out schema);
        }
        catch (Exception e) when (e is not (OutOfMemoryException or OperationCanceledException))
        {
            throw new UsageException($"--model: {path} cannot be loaded: {Reason(e)}", e);
        }
        return new(path, model, schema);
    }

    /// <summary>Checks that a layout gives the model the texts that it was trained on.</summary>
    public void Check(bool hasText2, string option)
    {
        if (IsPair != hasText2)
            throw new UsageException(IsPair
                ? $"{_path} was trained on pairs of texts: give {option} too."
                : $"{_path} was trained on single texts: leave out {option}.");
    }

    public void Dispose()
    {
        (Model as IDisposable)?.Dispose();
        (_loaded as IDisposable)?.Dispose();
    }

    /// <summary>Scores in 8-bit integers.</summary>
    public void UseInt8()
    {
        try
        {
            if (FindOnnx(_loaded) is not { Scoring.Int8: true })
                (Trained ?? throw new ArgumentException($"{_path} has no part that this program trained.")).Scoring = new() { Int8 = true };
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw new UsageException($"--int8: {e.Message}", e);
        }
    }

    /// <summary>Scores by ONNX Runtime.</summary>
    public void UseOnnx(bool int8)
    {
        try
        {
            if (FindOnnx(_loaded) is not { } already || already.Scoring.Int8 != int8)
                Model = _loaded.ToOnnxRuntime(new() { Int8 = int8 });
        }
        catch (ArgumentException e)
        {
            throw new UsageException($"--engine onnx: {e.Message}", e);
        }
    }

    /// <summary>Saves what scores now.</summary>
    public void Save(MLContext ml, string path) => Save(ml, Model, _input, path);

    private static OnnxTextTransformer? FindOnnx(ITransformer model) =>
        model as OnnxTextTransformer ?? (model as IEnumerable<ITransformer>)?.Select(FindOnnx).FirstOrDefault(t => t is not null);

    private static TaskKind KindOf(string path, DataViewSchema input, DataViewSchema output)
    {
        if (input.GetColumnOrNull(DataViews.Text)?.Type is not TextDataViewType)
            throw new UsageException($"--model: {path} has no text column '{DataViews.Text}'; it has {string.Join(", ", input.Select(c => c.Name))}.");
        return input.GetColumnOrNull(DataViews.Label)?.Type switch
        {
            TextDataViewType when output.GetColumnOrNull(DataViews.Label)?.Type is VectorDataViewType => TaskKind.MultiLabel,
            TextDataViewType => TaskKind.Multiclass,
            BooleanDataViewType => TaskKind.Binary,
            NumberDataViewType number when number == NumberDataViewType.Single => TaskKind.Regression,
            var other => throw new UsageException($"--model: {path} has no label column '{DataViews.Label}' of text, Boolean or Single (found: {other?.ToString() ?? "none"})."),
        };
    }

    private static string[] ClassesOf(DataViewSchema output)
    {
        VBuffer<ReadOnlyMemory<char>> names = default;
        output["Score"].GetSlotNames(ref names);
        return [.. names.DenseValues().Select(n => n.ToString())];
    }

    // ML.NET reports a loader's failure as a reflection error around it.
    private static string Reason(Exception e) =>
        e is System.Reflection.TargetInvocationException { InnerException: { } inner } ? Reason(inner) : e.Message;
}
