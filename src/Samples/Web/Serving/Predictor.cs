namespace Microsoft.ML.LoraInit.Samples.Web.Serving;

/// <summary>Predicts with the model that serves, never with one that has been replaced.</summary>
internal sealed class Predictor(ModelFileLoader loader)
{
    private const int Attempts = 100;

    /// <summary>The classes' probabilities, the most probable first.</summary>
    /// <exception cref="InvalidOperationException">There is no model yet.</exception>
    public IReadOnlyList<(string Label, float Probability)> Predict(string text)
    {
        for (int attempt = 1; ; attempt++)
        {
            var model = loader.Current ?? throw new InvalidOperationException($"There is no model: {loader.Problem ?? "its file was not read yet"}");
            try
            {
                var scores = model.Engines.Predict(new Request { Text = text }).Score;
                return [.. model.Classes.Zip(scores).OrderByDescending(c => c.Second)];
            }
            catch (ObjectDisposedException) when (attempt < Attempts)
            {
                // It was replaced between the two lines above: the loader has the next one.
            }
        }
    }
}
