using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.ML.LoraInit.Samples.Web.Serving;

namespace Microsoft.ML.LoraInit.Samples.Web.Endpoints;

/// <summary><c>GET /health</c>: 200 while a model serves, 503 otherwise, and which one it is.</summary>
internal static class HealthEndpoint
{
    public static void MapModelHealth(this WebApplication app) =>
        app.MapHealthChecks("/health", new HealthCheckOptions { ResponseWriter = Write });

    private static Task Write(HttpContext context, HealthReport report)
    {
        var loader = context.RequestServices.GetRequiredService<ModelFileLoader>();
        var model = loader.Current is { } served ? new Model(served.Version, served.SavedAt, served.LoadedAt, served.Classes) : null;
        return context.Response.WriteAsJsonAsync(new Health(report.Status.ToString(), report.Entries["model"].Description, model), context.RequestAborted);
    }

    /// <param name="Status"><c>Healthy</c>, <c>Degraded</c> or <c>Unhealthy</c>.</param>
    /// <param name="Reason">Why.</param>
    /// <param name="Model">What serves, or null.</param>
    internal sealed record Health(string Status, string? Reason, Model? Model);

    internal sealed record Model(string Version, DateTimeOffset SavedAt, DateTimeOffset LoadedAt, IReadOnlyList<string> Classes);
}
