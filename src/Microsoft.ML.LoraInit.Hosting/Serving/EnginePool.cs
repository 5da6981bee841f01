using System.Collections.Concurrent;

namespace Microsoft.ML.LoraInit.Hosting.Serving;

/// <summary>
/// Prediction engines of one model: an engine serves one thread at a time, and making one costs more than a prediction. There are as
/// many as predictions ever ran at once. They belong to their model, so none can be taken for one of the next model.
/// </summary>
/// <param name="ml">Makes the engines.</param>
/// <param name="transformer">The model; the engines do not own it.</param>
internal sealed class EnginePool<TInput, TPrediction>(MLContext ml, ITransformer transformer)
    where TInput : class
    where TPrediction : class, new()
{
    private static readonly PredictionEngineOptions Borrowed = new() { OwnsTransformer = false, IgnoreMissingColumns = false };
    private readonly ConcurrentStack<PredictionEngine<TInput, TPrediction>> _idle = [];

    /// <summary>Runs one prediction with an engine that nobody else uses meanwhile.</summary>
    public TPrediction Predict(TInput input)
    {
        if (!_idle.TryPop(out var engine))
            engine = ml.Model.CreatePredictionEngine<TInput, TPrediction>(transformer, Borrowed);
        var answer = engine.Predict(input); // An engine that throws is dropped.
        _idle.Push(engine);
        return answer;
    }
}
