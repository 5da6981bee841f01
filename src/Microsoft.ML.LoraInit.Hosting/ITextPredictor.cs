namespace Microsoft.ML.LoraInit.Hosting;

/// <summary>
/// Asks a served model. Any number of threads may ask at a time; a call is answered by one model from its beginning to its end (a
/// stream: each window of it), also where the file is replaced meanwhile.
/// </summary>
/// <remarks>
/// Calls compute on threads of the pool. Until the file was looked at for the first time they wait for that.
/// All methods throw <see cref="ModelUnavailableException"/> where no model serves, <see cref="PredictionQueueFullException"/> where too
/// many calls wait already, and <see cref="ObjectDisposedException"/> once the services were disposed of.
/// </remarks>
/// <typeparam name="TInput">The row that is asked about; its properties are the pipeline's input columns.</typeparam>
/// <typeparam name="TPrediction">The answer; its properties are columns that the pipeline writes.</typeparam>
public interface ITextPredictor<TInput, TPrediction> : ITextModel
    where TInput : class
    where TPrediction : class, new()
{
    /// <summary>The prediction for one row. Rows that are asked for at the same time are scored in one forward pass where they meet.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled before it was computed.</exception>
    Task<TPrediction> PredictAsync(TInput input, CancellationToken cancellationToken = default);

    /// <summary>The predictions for some rows, in their order, scored in batches of like length; one call as far as queues are concerned.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    Task<IReadOnlyList<TPrediction>> PredictAsync(IReadOnlyList<TInput> inputs, CancellationToken cancellationToken = default);

    /// <summary>
    /// The predictions for a stream of rows, in its order, in bounded memory: what the stream has ready is scored together, up to
    /// <see cref="LoraTextOptions{TInput}.StreamWindow"/> rows.
    /// </summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    IAsyncEnumerable<TPrediction> PredictAsync(IAsyncEnumerable<TInput> inputs, CancellationToken cancellationToken = default);

    /// <summary>
    /// What each word of the row's text did to each score: by integrated gradients where libtorch scores
    /// (<see cref="LoraTextTransformer.Explain"/>), else by leaving each word out.
    /// </summary>
    /// <param name="input">The row.</param>
    /// <param name="options">How gradients are integrated; null for the defaults.</param>
    /// <param name="cancellationToken">Cancels waiting, not computing.</param>
    /// <exception cref="ArgumentException">An option is out of range, or the model has no gradients and options were given.</exception>
    /// <exception cref="NotSupportedException">The pipeline has no step of this library, several of them, or a library of adapters.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before it was computed.</exception>
    Task<PredictionExplanation> ExplainAsync(TInput input, ExplanationOptions? options = null, CancellationToken cancellationToken = default);
}

/// <summary>Finds predictors by names that are known only when the program runs.</summary>
public interface ITextPredictorFactory
{
    /// <summary>The names of all models, in the order in which they were added.</summary>
    IReadOnlyList<string> Names { get; }

    /// <summary>The predictor of a model.</summary>
    /// <exception cref="ArgumentException">There is no such model, or it has other types; the message names those that there are.</exception>
    ITextPredictor<TInput, TPrediction> Get<TInput, TPrediction>(string name)
        where TInput : class
        where TPrediction : class, new();
}
