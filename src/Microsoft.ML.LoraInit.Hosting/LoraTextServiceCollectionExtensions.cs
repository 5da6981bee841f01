using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.ML;
using Microsoft.ML.LoraInit.Hosting;
using Microsoft.ML.LoraInit.Hosting.Serving;
using Microsoft.ML.LoraInit.Hosting.Telemetry;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds served models to an application's services.</summary>
public static class LoraTextServiceCollectionExtensions
{
    /// <summary>
    /// Adds a model: <see cref="ITextPredictor{TInput, TPrediction}"/> by its name as key, and without a key where it is the only one of its
    /// types; <see cref="ITextPredictorFactory"/> for names known at run time; <see cref="ITextModel"/> for all.
    /// It is loaded when the host starts, or where there is no host when it is asked for first.
    /// </summary>
    /// <typeparam name="TInput">The row that is asked about; its properties are the pipeline's input columns.</typeparam>
    /// <typeparam name="TPrediction">The answer; its properties are columns that the pipeline writes.</typeparam>
    /// <param name="services">The application's services.</param>
    /// <param name="name">The model's name, of which there is one alone.</param>
    /// <param name="configure">Sets the options; more can be set by <c>services.Configure&lt;LoraTextOptions&lt;TInput&gt;&gt;(name, …)</c>.</param>
    /// <returns>The services.</returns>
    /// <exception cref="ArgumentException">The name is empty, or taken.</exception>
    public static IServiceCollection AddLoraText<TInput, TPrediction>(this IServiceCollection services, string name, Action<LoraTextOptions<TInput>> configure)
        where TInput : class
        where TPrediction : class, new()
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(configure);
        var registrations = Registrations(services);
        if (registrations.All.Any(r => r.Name == name))
            throw new ArgumentException($"There is a model '{name}' already: give each a name of its own.", nameof(name));

        services.AddOptions<LoraTextOptions<TInput>>(name).Configure(configure);
        services.AddKeyedSingleton<ITextPredictor<TInput, TPrediction>>(name, (provider, _) => Create<TInput, TPrediction>(provider, name));
        services.TryAddSingleton(TextPredictorFactory.Single<TInput, TPrediction>);
        ITextModel Get(IServiceProvider provider) => provider.GetRequiredKeyedService<ITextPredictor<TInput, TPrediction>>(name);
        services.AddSingleton(Get);
        registrations.All.Add(new(name, typeof(TInput), typeof(TPrediction), Get));
        return services;
    }

    private static ModelRegistrations Registrations(IServiceCollection services)
    {
        if (services.FirstOrDefault(s => s.ServiceType == typeof(ModelRegistrations))?.ImplementationInstance is ModelRegistrations there)
            return there;
        var registrations = new ModelRegistrations();
        services.AddSingleton(registrations);
        services.AddSingleton<ITextPredictorFactory, TextPredictorFactory>();
        services.AddSingleton(provider => new HostingMetrics(provider.GetService<IMeterFactory>()));
        services.AddSingleton(provider => new SharedContext(Logger(provider, MLContextLog.Category)));
        services.AddSingleton<IHostedService, ModelStarter>();
        return registrations;
    }

    private static TextPredictor<TInput, TPrediction> Create<TInput, TPrediction>(IServiceProvider provider, string name)
        where TInput : class
        where TPrediction : class, new()
    {
        var options = provider.GetRequiredService<IOptionsMonitor<LoraTextOptions<TInput>>>().Get(name);
        return new(name, provider.GetRequiredService<SharedContext>().ML, options, provider.GetRequiredService<HostingMetrics>(), Logger(provider, LoraTextTelemetry.Meter));
    }

    private static ILogger Logger(IServiceProvider provider, string category) =>
        (provider.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance).CreateLogger(category);

    /// <summary>Loads and runs the models whose options name no context of their own. Not a service of its type: an application may have its own.</summary>
    private sealed class SharedContext
    {
        public SharedContext(ILogger logger) => MLContextLog.Attach(ML, logger);

        public MLContext ML { get; } = new();
    }
}
