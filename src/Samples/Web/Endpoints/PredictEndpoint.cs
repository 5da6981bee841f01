using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.ML.LoraInit.Hosting;

namespace Microsoft.ML.LoraInit.Samples.Web.Endpoints;

/// <summary>
/// <c>POST /predict</c> (and <c>/models/{name}/predict</c>): <c>{"text": "…"}</c> in, the classes' probabilities out;
/// <c>/explain</c> likewise: what each word did.
/// </summary>
internal static class PredictEndpoint
{
    private const int MaxCharacters = 10_000;

    public static void MapPredict(this WebApplication app)
    {
        app.MapPost("/predict", (Question question, WebSettings settings, ITextPredictorFactory models, CancellationToken stop) =>
            Predict(settings.Models[0].Name, question, models, stop)).Describe("Predict", "The classes' probabilities, by the first model.");
        app.MapPost("/models/{name}/predict", Predict).Describe("PredictByModel", "The classes' probabilities.");
        app.MapPost("/models/{name}/explain", Explain).Describe("ExplainByModel", "What each word did to the score of the most probable class.");
        app.MapGet("/models", (IEnumerable<ITextModel> models) => models.Select(HealthEndpoint.Of).ToArray()).WithName("Models").WithSummary("The models and what serves of them.");
    }

    private static async Task<Results<Ok<Prediction>, ProblemHttpResult>> Predict(string name, Question question, ITextPredictorFactory models, CancellationToken stop)
    {
        if (Problem(name, question, models) is { } problem)
            return problem;
        var model = models.Get<Request, Answer>(name);
        return TypedResults.Ok(Ranked(model, await model.PredictAsync(new Request { Text = question.Text! }, stop)));
    }

    private static async Task<Results<Ok<Explanation>, ProblemHttpResult>> Explain(string name, Question question, ITextPredictorFactory models, CancellationToken stop)
    {
        if (Problem(name, question, models) is { } problem)
            return problem;
        var model = models.Get<Request, Answer>(name);
        var request = new Request { Text = question.Text! };
        var prediction = Ranked(model, await model.PredictAsync(request, stop));
        var explanation = await model.ExplainAsync(request, cancellationToken: stop);
        int output = Math.Max(0, explanation.Outputs.ToList().IndexOf(prediction.Label));
        return TypedResults.Ok(new Explanation(explanation.Outputs[output], explanation.Method.ToString(),
            [.. explanation.Words.Select(w => new Word(w.Text, w.Start, w.Length, w.Attributions[output]))]));
    }

    private static ProblemHttpResult? Problem(string name, Question question, ITextPredictorFactory models)
    {
        if (!models.Names.Contains(name, StringComparer.Ordinal))
            return TypedResults.Problem("There is no such model; GET /models names those that there are.", statusCode: StatusCodes.Status404NotFound);
        if (string.IsNullOrWhiteSpace(question.Text))
            return TypedResults.Problem("Send a JSON object with a 'text' that is not empty.", statusCode: StatusCodes.Status400BadRequest);
        return question.Text.Length > MaxCharacters
            ? TypedResults.Problem($"The 'text' has {question.Text.Length} characters; at most {MaxCharacters} are taken.", statusCode: StatusCodes.Status400BadRequest)
            : null;
    }

    private static Prediction Ranked(ITextModel model, Answer answer)
    {
        // Names of another model than the one that answered would be wrong names; they fit unless the classes were changed in this moment.
        var names = model.Current?.Outputs is { } outputs && outputs.Count == answer.Score.Length
            ? outputs : [.. answer.Score.Select((_, i) => $"{i}")];
        ClassProbability[] ranked = [.. names.Zip(answer.Score, (label, probability) => new ClassProbability(label, probability)).OrderByDescending(c => c.Probability)];
        return new(ranked[0].Label, ranked);
    }

    private static void Describe(this RouteHandlerBuilder route, string name, string summary) => route.WithName(name).WithSummary(summary)
        .ProducesProblem(StatusCodes.Status400BadRequest).ProducesProblem(StatusCodes.Status413PayloadTooLarge)
        .ProducesProblem(StatusCodes.Status429TooManyRequests).ProducesProblem(StatusCodes.Status503ServiceUnavailable);

    internal sealed record Question(string? Text);

    /// <param name="Label">The most probable class.</param>
    /// <param name="Probabilities">All classes, the most probable first.</param>
    internal sealed record Prediction(string Label, IReadOnlyList<ClassProbability> Probabilities);

    internal sealed record ClassProbability(string Label, float Probability);

    /// <param name="Label">The class whose score is explained: the most probable one.</param>
    /// <param name="Method"><c>IntegratedGradients</c> or <c>LeftOut</c>.</param>
    /// <param name="Words">The words in the text's order.</param>
    internal sealed record Explanation(string Label, string Method, IReadOnlyList<Word> Words);

    /// <param name="Text">The word.</param>
    /// <param name="Start">Its first character in the text.</param>
    /// <param name="Length">Its length in UTF-16 characters.</param>
    /// <param name="Attribution">Above 0 where the word raised the score.</param>
    internal sealed record Word(string Text, int Start, int Length, double Attribution);
}
