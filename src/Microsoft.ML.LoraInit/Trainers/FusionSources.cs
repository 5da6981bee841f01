namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>Reads the saved models that a fusion names.</summary>
internal static class FusionSources
{
    /// <summary>The method with its sources read; one that names none stays as it is.</summary>
    /// <exception cref="ArgumentException">A file is missing or no model of this library's, or a source is known by its name alone.</exception>
    /// <exception cref="NotSupportedException">A model was trained by another method.</exception>
    /// <exception cref="InvalidDataException">A model is damaged, or its base is missing.</exception>
    public static FineTuningMethod Read(FineTuningMethod method)
    {
        if (method is not AdapterFusionMethod fusion || fusion.Sources.All(s => s.Content is not null))
            return method;
        if (fusion.Sources.FirstOrDefault(s => s is { Content: null, Path: null }) is { } nameOnly)
            throw new ArgumentException($"The source '{nameOnly.Name}' is known by its name alone, as a fused model keeps it: give the trained model itself.");
        return fusion with { Sources = [.. fusion.Sources.Select(Read)] };
    }

    private static FusionSource Read(FusionSource source)
    {
        if (source.Path is not { } path)
            return source;
        if (!File.Exists(path))
            throw new ArgumentException($"There is no file '{path}', which the source '{source.Name}' of a fusion is to be read from: name a saved model that FineTuningMethod.Pfeiffer() trained.");
        var model = SavedModelFile.Load(path);
        using (model as IDisposable)
            return Steps(model).OfType<LoraTextTransformer>().ToArray() is [var step]
                ? FusionSource.Of(source.Name, step.Model.State)
                : throw new ArgumentException($"'{path}', which the source '{source.Name}' of a fusion is to be read from, has {Steps(model).OfType<LoraTextTransformer>().Count()} steps that this library trained: name a model with one.");
    }

    private static IEnumerable<ITransformer> Steps(ITransformer model) => model is IEnumerable<ITransformer> chain ? chain.SelectMany(Steps) : [model];
}
