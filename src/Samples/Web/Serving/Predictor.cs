using Microsoft.Extensions.ML;

namespace Microsoft.ML.LoraInit.Samples.Web.Serving;

/// <summary>Predicts with the pool's engines, never with a model that has been replaced.</summary>
/// <remarks>
/// An engine that was out while its model was replaced must not go back: the pool would take it for one of the new model
/// (PoolLoader and PredictionEnginePool of Microsoft.Extensions.ML 5.0.0 in dotnet/machinelearning). Its model is disposed
/// of, so it says so, and is dropped.
/// </remarks>
internal sealed class Predictor(IServiceProvider services, ModelFileLoader loader)
{
    private const int Attempts = 100;

    private PredictionEnginePool<Request, Answer>? _pool;

    // Made with the first prediction: the pool asks for a model at once. It must not be replaced before the pool listens.
    private PredictionEnginePool<Request, Answer> Pool =>
        _pool ??= loader.WhileUnchanged(services.GetRequiredService<PredictionEnginePool<Request, Answer>>);

    /// <summary>The classes' probabilities, the most probable first.</summary>
    /// <exception cref="InvalidOperationException">There is no model yet.</exception>
    public IReadOnlyList<(string Label, float Probability)> Predict(string text)
    {
        for (int attempt = 1; ; attempt++)
        {
            var engine = Pool.GetPredictionEngine();
            try
            {
                var scores = engine.Predict(new Request { Text = text }).Score;
                var classes = ServedModel.ClassesOf(engine.OutputSchema);
                Pool.ReturnPredictionEngine(engine);
                return [.. classes.Zip(scores).OrderByDescending(c => c.Second)];
            }
            catch (ObjectDisposedException) when (attempt < Attempts)
            {
                // The next engine is of the new model, or of the old one, of which there are only a few.
            }
        }
    }
}
