using System.Security.Cryptography;
using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Samples.Web.Serving;

/// <summary>A model that has been loaded and has answered once.</summary>
/// <param name="Transformer">The model; whoever replaces it disposes of it.</param>
/// <param name="Engines">Predict with it.</param>
/// <param name="Version">The first 12 hexadecimal digits of the file's SHA-256.</param>
/// <param name="SavedAt">When the file was written.</param>
/// <param name="LoadedAt">When it was loaded.</param>
/// <param name="Classes">The classes' names, in the order of the probabilities.</param>
internal sealed record ServedModel(
    ITransformer Transformer, EnginePool Engines, string Version, DateTimeOffset SavedAt, DateTimeOffset LoadedAt, IReadOnlyList<string> Classes) : IDisposable
{
    /// <exception cref="InvalidDataException">The file is damaged, unfinished, or a model of other columns.</exception>
    /// <exception cref="IOException">The file is not there, or not readable just now.</exception>
    public static ServedModel Load(MLContext ml, string path)
    {
        var before = FileStamp.Of(path) ?? throw new FileNotFoundException($"There is no file {path}.", path);
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var version = Convert.ToHexStringLower(SHA256.HashData(file))[..12];
        file.Position = 0;
        var transformer = Load(ml, file);
        try
        {
            var engines = new EnginePool(ml, transformer);
            var classes = Try(engines);
            if (FileStamp.Of(path) != before)
                throw new IOException($"{path} changed while it was read.");
            return new(transformer, engines, version, before.WrittenAt, DateTimeOffset.UtcNow, classes);
        }
        catch
        {
            (transformer as IDisposable)?.Dispose();
            throw;
        }
    }

    public void Dispose() => (Transformer as IDisposable)?.Dispose();

    private static ITransformer Load(MLContext ml, Stream file)
    {
        try
        {
            return ml.Model.Load(file, out _);
        }
        catch (Exception e) when (e is not (OutOfMemoryException or IOException))
        {
            throw new InvalidDataException($"It cannot be loaded: {e.GetBaseException().Message}", e);
        }
    }

    /// <summary>One prediction, so that a model that cannot serve is refused before it serves; gives the classes.</summary>
    private static string[] Try(EnginePool engines)
    {
        try
        {
            var classes = ClassesOf(engines.OutputSchema());
            int scores = engines.Predict(new Request { Text = "A first question." }).Score.Length;
            return scores == classes.Length ? classes : throw new InvalidDataException($"It has {classes.Length} class names for {scores} scores.");
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or FormatException)
        {
            throw new InvalidDataException($"It is not a model of this service, which reads the columns Text and Label and answers with Score and PredictedLabel: {e.GetBaseException().Message}", e);
        }
    }

    /// <summary>The classes' names, in the order of the probabilities.</summary>
    public static string[] ClassesOf(DataViewSchema output)
    {
        VBuffer<ReadOnlyMemory<char>> names = default;
        output[nameof(Answer.Score)].GetSlotNames(ref names);
        return [.. names.DenseValues().Select(n => n.ToString())];
    }
}
