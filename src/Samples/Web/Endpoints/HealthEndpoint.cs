using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.ML.LoraInit.Hosting;
using Microsoft.ML.LoraInit.Samples.Web.Training;

namespace Microsoft.ML.LoraInit.Samples.Web.Endpoints;

/// <summary>
/// <c>GET /health</c>: 200 while every model serves, 503 otherwise, and which they are. <c>GET /health/live</c>: 200 while the process
/// answers, whatever its models do.
/// </summary>
internal static class HealthEndpoint
{
    public const string Route = "/health", Ready = "ready";

    public static void MapModelHealth(this WebApplication app)
    {
        app.MapHealthChecks(Route, new HealthCheckOptions { ResponseWriter = Write });
        app.MapHealthChecks($"{Route}/live", new HealthCheckOptions { Predicate = _ => false });
    }

    public static Model Of(ITextModel model) =>
        new(model.Name, model.Problem, model.Current is { } now ? new(now.Version, now.SavedAt, now.LoadedAt, now.Outputs, now.Engine) : null);

    private static Task Write(HttpContext context, HealthReport report)
    {
        Model[] models = [.. context.RequestServices.GetServices<ITextModel>().Select(Of)];
        var training = context.RequestServices.GetRequiredService<TrainingStatus>().Text;
        var worst = models.FirstOrDefault(m => m.Serves is null) ?? models.FirstOrDefault(m => m.Problem is not null) ?? models[0];
        var reason = worst.Serves is null && training is not null ? training : report.Entries[worst.Name].Description;
        return context.Response.WriteAsJsonAsync(new Health(report.Status.ToString(), reason, models[0].Serves, models), context.RequestAborted);
    }

    /// <param name="Status"><c>Healthy</c>, <c>Degraded</c> or <c>Unhealthy</c>: the worst model's.</param>
    /// <param name="Reason">Why.</param>
    /// <param name="Model">What serves as the first model, or null.</param>
    /// <param name="Models">All of them.</param>
    internal sealed record Health(string Status, string? Reason, Served? Model, IReadOnlyList<Model> Models);

    /// <param name="Name">By which requests name it.</param>
    /// <param name="Problem">Why its file as it is now does not serve, or null.</param>
    /// <param name="Serves">What serves, or null.</param>
    internal sealed record Model(string Name, string? Problem, Served? Serves);

    internal sealed record Served(string Version, DateTimeOffset SavedAt, DateTimeOffset LoadedAt, IReadOnlyList<string> Classes, string Engine);
}
