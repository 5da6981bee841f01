using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.ML.LoraInit.Hosting.Serving;

/// <summary>
/// Healthy: the file's model serves. Degraded: the file changed and cannot be loaded, the model before serves. Unhealthy: nothing serves.
/// </summary>
internal sealed class TextModelHealthCheck(ITextModel model) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var (current, problem) = (model.Current, model.Problem);
        Dictionary<string, object> data = current is null ? [] : new()
        {
            ["version"] = current.Version,
            ["savedAt"] = current.SavedAt,
            ["loadedAt"] = current.LoadedAt,
            ["engine"] = current.Engine,
        };
        return Task.FromResult((current, problem) switch
        {
            (null, _) => new HealthCheckResult(context.Registration.FailureStatus, problem ?? "It was removed.", data: data),
            (_, { } reason) => HealthCheckResult.Degraded($"The model before serves on. {reason}", data: data),
            _ => HealthCheckResult.Healthy("The model serves.", data),
        });
    }
}
