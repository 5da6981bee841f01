using Microsoft.ML.LoraInit.Samples.Web.Serving;

namespace Microsoft.ML.LoraInit.Samples.Web.Endpoints;

/// <summary><c>POST /predict</c>: <c>{"text": "…"}</c> in, the classes' probabilities out.</summary>
internal static class PredictEndpoint
{
    /// <summary>The name of the limit on predictions at a time.</summary>
    public const string Limiter = "predict";

    private const int MaxCharacters = 10_000;

    public static void MapPredict(this WebApplication app) =>
        app.MapPost("/predict", Predict).RequireRateLimiting(Limiter);

    private static IResult Predict(Question question, Predictor predictor, ModelFileLoader loader)
    {
        if (string.IsNullOrWhiteSpace(question.Text))
            return Results.Problem("Send a JSON object with a 'text' that is not empty.", statusCode: StatusCodes.Status400BadRequest);
        if (question.Text.Length > MaxCharacters)
            return Results.Problem($"The 'text' has {question.Text.Length} characters; at most {MaxCharacters} are taken.", statusCode: StatusCodes.Status400BadRequest);
        if (loader.Current is null)
            return Results.Problem("No model serves; GET /health says why.", statusCode: StatusCodes.Status503ServiceUnavailable);
        var probabilities = predictor.Predict(question.Text);
        return Results.Ok(new Prediction(probabilities[0].Label, [.. probabilities.Select(p => new ClassProbability(p.Label, p.Probability))]));
    }

    internal sealed record Question(string? Text);

    /// <param name="Label">The most probable class.</param>
    /// <param name="Probabilities">All classes, the most probable first.</param>
    internal sealed record Prediction(string Label, IReadOnlyList<ClassProbability> Probabilities);

    internal sealed record ClassProbability(string Label, float Probability);
}
