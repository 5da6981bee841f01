namespace Microsoft.ML.LoraInit.Samples.Web.Serving;

/// <summary>Predicts with the model that serves, never with one that has been replaced.</summary>
internal sealed class Predictor(ModelFileLoader loader)
{
    /// <summary>The classes' probabilities, the most probable first.</summary>
    /// <exception cref="InvalidOperationException">There is no model.</exception>
    public IReadOnlyList<(string Label, float Probability)> Predict(string text)
    {
        for (; ; )
        {
            var model = loader.Current ?? throw new InvalidOperationException($"There is no model: {loader.Problem ?? "its file was not read yet"}");
            try
            {
                var scores = model.Engines.Predict(new Request { Text = text }).Score;
                return [.. model.Classes.Zip(scores).OrderByDescending(c => c.Second)];
            }
            catch (ObjectDisposedException) when (!ReferenceEquals(loader.Current, model))
            {
                // It was replaced after it was taken: the next one serves.
            }
        }
    }
}
