using System.Reflection;

namespace Microsoft.ML.LoraInit.Hosting.Serving;

/// <summary>
/// A model that has been loaded and has answered. It is disposed of when the last call that uses it has ended and it serves no more.
/// </summary>
internal sealed class LoadedModel<TInput, TPrediction>
    where TInput : class
    where TPrediction : class, new()
{
    private readonly Action _disposed;
    private int _users = 1; // that it serves

    private LoadedModel(MLContext ml, ITransformer transformer, EnginePool<TInput, TPrediction> engines, ServedModelInfo info, Action disposed)
    {
        (ML, Transformer, Engines, Info, _disposed) = (ml, transformer, engines, info, disposed);
    }

    public MLContext ML { get; }

    public ITransformer Transformer { get; }

    public EnginePool<TInput, TPrediction> Engines { get; }

    public ServedModelInfo Info { get; }

    /// <param name="ml">Loads it.</param>
    /// <param name="file">The file, from its beginning on.</param>
    /// <param name="sha256">Of the file.</param>
    /// <param name="savedAt">When it was written.</param>
    /// <param name="options">What is done before it serves.</param>
    /// <param name="disposed">Called when it is gone.</param>
    /// <exception cref="InvalidDataException">The file is damaged, unfinished, or a model that cannot serve here.</exception>
    /// <exception cref="IOException">The file cannot be read just now.</exception>
    public static LoadedModel<TInput, TPrediction> Load(MLContext ml, Stream file, string sha256, DateTimeOffset savedAt, LoraTextOptions<TInput> options, Action disposed)
    {
        var transformer = Read(ml, file);
        try
        {
            transformer = Prepared(transformer, options.Prepare);
            var engines = new EnginePool<TInput, TPrediction>(ml, transformer);
            var output = ModelTrial.Ask(ml, transformer, engines, options.TrialInputs);
            return new(ml, transformer, engines,
                new(sha256[..12], sha256, savedAt, DateTimeOffset.UtcNow, Pipeline.OutputNames(output), Pipeline.Engine(transformer)), disposed);
        }
        catch
        {
            (transformer as IDisposable)?.Dispose();
            throw;
        }
    }

    /// <summary>Keeps it alive until <see cref="Leave"/>; false where it is gone already.</summary>
    public bool TryEnter()
    {
        int users;
        do
        {
            users = Volatile.Read(ref _users);
            if (users == 0)
                return false;
        }
        while (Interlocked.CompareExchange(ref _users, users + 1, users) != users);
        return true;
    }

    /// <summary>Ends what <see cref="TryEnter"/> began, or its service.</summary>
    public void Leave()
    {
        if (Interlocked.Decrement(ref _users) != 0)
            return;
        (Transformer as IDisposable)?.Dispose();
        _disposed();
    }

    private static ITransformer Read(MLContext ml, Stream file)
    {
        try
        {
            return ml.Model.Load(file, out _);
        }
        catch (Exception e) when (e is not (OutOfMemoryException or IOException))
        {
            throw new InvalidDataException($"It cannot be loaded: {Told(e).Message}", e);
        }
    }

    // ML.NET calls loaders by reflection. What they throw says what to do; what lies below that, such as an assembly that is missing, does not.
    private static Exception Told(Exception e) => e is TargetInvocationException { InnerException: { } inner } ? Told(inner) : e;

    private static ITransformer Prepared(ITransformer loaded, Func<ITransformer, ITransformer>? prepare)
    {
        if (prepare is null)
            return loaded;
        ITransformer prepared;
        try
        {
            prepared = prepare(loaded) ?? throw new InvalidDataException($"{nameof(LoraTextOptions<>.Prepare)} gave null: return the pipeline that is to serve.");
        }
        catch (Exception e) when (e is not (OutOfMemoryException or InvalidDataException))
        {
            throw new InvalidDataException($"It cannot be prepared: {e.GetBaseException().Message}", e);
        }
        Pipeline.DisposeRest(loaded, prepared);
        return prepared;
    }
}
