using System.Collections.Concurrent;

namespace Microsoft.ML.LoraInit.Samples.Web.Serving;

/// <summary>
/// Prediction engines of one model: an engine serves one thread at a time, and making one costs more than a prediction. There
/// are as many as predictions ever ran at once. They belong to their model, so none can be taken for one of the next model.
/// </summary>
/// <param name="ml">Makes the engines.</param>
/// <param name="transformer">The model; the engines do not own it.</param>
internal sealed class EnginePool(MLContext ml, ITransformer transformer)
{
    private static readonly PredictionEngineOptions Borrowed = new() { OwnsTransformer = false, IgnoreMissingColumns = false };
    private readonly ConcurrentStack<PredictionEngine<Request, Answer>> _idle = [];

    /// <summary>Runs one prediction with an engine that nobody else uses meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed of before the prediction began.</exception>
    public Answer Predict(Request request)
    {
        if (!_idle.TryPop(out var engine))
            engine = ml.Model.CreatePredictionEngine<Request, Answer>(transformer, Borrowed);
        var answer = engine.Predict(request); // An engine that throws is dropped.
        _idle.Push(engine);
        return answer;
    }

    /// <summary>What the model's engines give.</summary>
    public DataViewSchema OutputSchema()
    {
        using var engine = ml.Model.CreatePredictionEngine<Request, Answer>(transformer, Borrowed);
        return engine.OutputSchema;
    }
}
