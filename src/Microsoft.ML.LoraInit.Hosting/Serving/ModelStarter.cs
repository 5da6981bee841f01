using Microsoft.Extensions.Hosting;

namespace Microsoft.ML.LoraInit.Hosting.Serving;

/// <summary>Begins to load all models when the host starts, so that the first call need not wait and wrong options end the start.</summary>
internal sealed class ModelStarter(ModelRegistrations registrations, IServiceProvider services) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var registration in registrations.All)
            registration.Get(services);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
