using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.ML.LoraInit.Samples.Web.Training;

namespace Microsoft.ML.LoraInit.Samples.Web.Serving;

/// <summary>
/// Healthy: the file's model serves. Degraded: the file changed and cannot be loaded, the model before serves. Unhealthy:
/// nothing serves.
/// </summary>
internal sealed class ModelHealthCheck(ModelFileLoader loader, TrainingStatus training) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult((loader.Current, loader.Problem) switch
        {
            (null, var problem) => HealthCheckResult.Unhealthy(training.Text ?? problem ?? "The model is being loaded."),
            (_, { } problem) => HealthCheckResult.Degraded($"The model before serves on. {problem}"),
            _ => HealthCheckResult.Healthy("The model serves."),
        });
}
