using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.ML.LoraInit.Hosting;
using Microsoft.ML.LoraInit.Hosting.Serving;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds served models to an application's health checks.</summary>
public static class LoraTextHealthChecksBuilderExtensions
{
    /// <summary>
    /// Checks a model: healthy while the file's model serves, degraded while its file cannot be loaded and the model before serves, and
    /// otherwise the failure status. The entry's data has <c>version</c>, <c>savedAt</c>, <c>loadedAt</c> and <c>engine</c>.
    /// </summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="name">The model's name, and the entry's.</param>
    /// <param name="failureStatus">Where none serves; null (the default) for unhealthy.</param>
    /// <param name="tags">The entry's tags, such as <c>ready</c>; a process without a model is alive all the same.</param>
    /// <returns>The builder.</returns>
    public static IHealthChecksBuilder AddLoraText(this IHealthChecksBuilder builder, string name, HealthStatus? failureStatus = null, IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return builder.Add(new(name, services => new TextModelHealthCheck(Find(services, name)), failureStatus, tags));
    }

    private static ITextModel Find(IServiceProvider services, string name)
    {
        var all = services.GetServices<ITextModel>().ToArray();
        return all.FirstOrDefault(m => m.Name == name)
            ?? throw new InvalidOperationException($"A health check asks for the model '{name}', which was not added; there are: {string.Join(", ", all.Select(m => m.Name))}.");
    }
}
