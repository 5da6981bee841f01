using System.Threading.RateLimiting;
using Microsoft.ML.LoraInit.Samples.Web.Serving;

namespace Microsoft.ML.LoraInit.Samples.Web.Endpoints;

/// <summary><c>POST /predict</c>: <c>{"text": "…"}</c> in, the classes' probabilities out.</summary>
internal static class PredictEndpoint
{
    private const int MaxCharacters = 10_000;

    public static void MapPredict(this WebApplication app) =>
        app.MapPost("/predict", Predict).AddEndpointFilter(WithPermit);

    // A filter runs once the body has been read: a client that sends slowly holds no permit.
    private static async ValueTask<object?> WithPermit(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        using var lease = await http.RequestServices.GetRequiredService<ConcurrencyLimiter>().AcquireAsync(1, http.RequestAborted);
        return lease.IsAcquired
            ? await next(context)
            : Results.Problem("Too many requests wait already; try again later.", statusCode: StatusCodes.Status503ServiceUnavailable);
    }

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
