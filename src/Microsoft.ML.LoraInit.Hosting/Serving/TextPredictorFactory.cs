using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.ML.LoraInit.Hosting.Serving;

/// <summary>Finds predictors by name.</summary>
internal sealed class TextPredictorFactory(ModelRegistrations registrations, IServiceProvider services) : ITextPredictorFactory
{
    public IReadOnlyList<string> Names => [.. registrations.All.Select(r => r.Name)];

    public ITextPredictor<TInput, TPrediction> Get<TInput, TPrediction>(string name)
        where TInput : class
        where TPrediction : class, new()
    {
        ArgumentNullException.ThrowIfNull(name);
        var registration = registrations.All.FirstOrDefault(r => r.Name == name)
            ?? throw new ArgumentException($"There is no model '{name}'; there are: {string.Join(", ", Names.Select(n => $"'{n}'"))}.", nameof(name));
        return registration.Input == typeof(TInput) && registration.Prediction == typeof(TPrediction)
            ? services.GetRequiredKeyedService<ITextPredictor<TInput, TPrediction>>(name)
            : throw new ArgumentException($"The model '{name}' was added with {registration.Input.Name} and {registration.Prediction.Name}, and asked for with {typeof(TInput).Name} and {typeof(TPrediction).Name}.", nameof(name));
    }

    /// <summary>The one predictor of these types.</summary>
    /// <exception cref="InvalidOperationException">There are several; the message says how to choose.</exception>
    public static ITextPredictor<TInput, TPrediction> Single<TInput, TPrediction>(IServiceProvider services)
        where TInput : class
        where TPrediction : class, new()
    {
        var names = services.GetRequiredService<ModelRegistrations>().All.Where(r => r.Input == typeof(TInput) && r.Prediction == typeof(TPrediction)).Select(r => r.Name).ToArray();
        return names is [var only]
            ? services.GetRequiredKeyedService<ITextPredictor<TInput, TPrediction>>(only)
            : throw new InvalidOperationException($"Several models answer {typeof(TInput).Name} with {typeof(TPrediction).Name}: {string.Join(", ", names)}. Choose one: [FromKeyedServices(\"{names[0]}\")], or {nameof(ITextPredictorFactory)}.");
    }
}
