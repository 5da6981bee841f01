namespace Microsoft.ML.LoraInit.Hosting;

/// <summary>How a model is served: its file, how it is replaced, and how much is asked of it at a time.</summary>
/// <typeparam name="TInput">The row that is asked about; its properties are the pipeline's input columns.</typeparam>
public sealed class LoraTextOptions<TInput>
    where TInput : class
{
    /// <summary>
    /// The file of the pipeline, as <c>mlContext.Model.Save</c> writes it: of a model, of one for ONNX Runtime, or of an adapter library. It
    /// need not be there yet. A relative path counts from the current folder. Required.
    /// </summary>
    public string ModelPath { get; set; } = "";

    /// <summary>
    /// What a model is asked before it serves; every number that it answers has to be finite. Empty (the default): one row whose texts all
    /// say something short. A library of adapters needs rows that name an adapter.
    /// </summary>
    public IList<TInput> TrialInputs { get; } = [];

    /// <summary>Whether the file is looked at again after it was loaded. Default true.</summary>
    public bool Reload { get; set; } = true;

    /// <summary>
    /// Time between two looks at the file's time, length and place, from 10 ms to a day; where the system tells of changes at once, a
    /// look follows at once. Default 1 second.
    /// </summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Time after which the content is compared although time, length and place are as before, and after which a refused file is tried
    /// again; <see cref="Timeout.InfiniteTimeSpan"/> for never. Default 1 minute.
    /// </summary>
    public TimeSpan ContentCheckInterval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>Calls that compute at a time; the others wait in order. Null (the default): two a core.</summary>
    public int? MaxConcurrency { get; set; }

    /// <summary>Calls that may wait; further ones get a <see cref="PredictionQueueFullException"/> at once. Default 1000.</summary>
    public int MaxQueue { get; set; } = 1000;

    /// <summary>Rows of a stream that are scored together at most; fewer where the stream has no more ready. Default 256.</summary>
    public int StreamWindow { get; set; } = 256;

    /// <summary>What loads and runs the pipeline, with the GPU of its choice. Null (the default): one for all models, without a GPU of its own.</summary>
    public MLContext? Context { get; set; }

    /// <summary>
    /// What is done with a loaded pipeline before its trial: setting <c>Scoring</c> of its steps, or replacing it, such as by
    /// <c>model => model.ToOnnxRuntime(…)</c>; steps that are not part of the answer are disposed of. Null (the default): nothing.
    /// </summary>
    public Func<ITransformer, ITransformer>? Prepare { get; set; }

    internal int Places => MaxConcurrency ?? 2 * Environment.ProcessorCount;

    /// <exception cref="ArgumentException">An option cannot be used; the message names the model, the option and what was found.</exception>
    internal void Check(string name)
    {
        Expect(!string.IsNullOrWhiteSpace(ModelPath), nameof(ModelPath), $"'{ModelPath}'", "give the path of a model file");
        Expect(!Directory.Exists(ModelPath), nameof(ModelPath), ModelPath, "it is a folder; give the path of a model file");
        Expect(PollInterval >= TimeSpan.FromMilliseconds(10) && PollInterval <= TimeSpan.FromDays(1), nameof(PollInterval), PollInterval, "use 10 ms to a day");
        Expect(ContentCheckInterval == Timeout.InfiniteTimeSpan || ContentCheckInterval > TimeSpan.Zero, nameof(ContentCheckInterval), ContentCheckInterval, "use more than 0, or Timeout.InfiniteTimeSpan for never");
        Expect(MaxConcurrency is null or >= 1, nameof(MaxConcurrency), MaxConcurrency, "use at least 1, or null for two a core");
        Expect(MaxQueue >= 0, nameof(MaxQueue), MaxQueue, "use 0, for no waiting, or more");
        Expect(StreamWindow >= 1, nameof(StreamWindow), StreamWindow, "use at least 1");
        Expect(!TrialInputs.Contains(null!), nameof(TrialInputs), "null", "leave it out");

        void Expect(bool good, string option, object? value, string advice)
        {
            if (!good)
                throw new ArgumentException($"The model '{name}': {option} = {value}: {advice}.");
        }
    }
}
