using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Data;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>A trained model with what its schema says about it.</summary>
internal sealed class ModelFile : IDisposable
{
    private readonly string _path;

    private ModelFile(string path, ITransformer model, DataViewSchema input)
    {
        _path = path;
        Model = model;
        var output = model.GetOutputSchema(input);
        Kind = KindOf(path, input, output);
        IsPair = input.GetColumnOrNull(DataViews.Text2) is not null;
        Classes = Kind is TaskKind.Multiclass or TaskKind.MultiLabel ? ClassesOf(output) : [];
        LabelDelimiter = Kind == TaskKind.MultiLabel ? DataViews.Delimiter(input) : LabelList.DefaultDelimiter;
    }

    public ITransformer Model { get; }

    public TaskKind Kind { get; }

    /// <summary>Whether the model reads pairs of texts.</summary>
    public bool IsPair { get; }

    /// <summary>Names of the classes or labels in the order of the probabilities; empty for numbers and yes or no.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>What stands between the labels of a row, where it may have several.</summary>
    public char LabelDelimiter { get; }

    /// <summary>The trained part of the chain, or null if another program made the file without one.</summary>
    public LoraTextTransformer? Trained => Find(Model);

    public static LoraTextTransformer? Find(ITransformer model) =>
        model as LoraTextTransformer ?? (model as IEnumerable<ITransformer>)?.Select(Find).FirstOrDefault(t => t is not null);

    public static void Save(MLContext ml, ITransformer model, DataViewSchema schema, string path) =>
        AtomicFile.Write(path, stream => ml.Model.Save(model, schema, stream));

    /// <param name="ml">The context.</param>
    /// <param name="path">A saved model.</param>
    /// <param name="int8">Whether it is to score in 8-bit integers.</param>
    /// <exception cref="UsageException">The file is missing, is not a model, is one with other columns, or does not score in 8 bits.</exception>
    public static ModelFile Load(MLContext ml, string path, bool int8 = false)
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
        var file = new ModelFile(path, model, schema);
        if (int8)
            file.UseInt8();
        return file;
    }

    /// <summary>Checks that a layout gives the model the texts that it was trained on.</summary>
    public void Check(bool hasText2, string option)
    {
        if (IsPair != hasText2)
            throw new UsageException(IsPair
                ? $"{_path} was trained on pairs of texts: give {option} too."
                : $"{_path} was trained on single texts: leave out {option}.");
    }

    public void Dispose() => (Model as IDisposable)?.Dispose();

    private void UseInt8()
    {
        try
        {
            (Trained ?? throw new ArgumentException($"{_path} has no part that this program trained.")).Scoring = new() { Int8 = true };
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            Dispose();
            throw new UsageException($"--int8: {e.Message}", e);
        }
    }

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
