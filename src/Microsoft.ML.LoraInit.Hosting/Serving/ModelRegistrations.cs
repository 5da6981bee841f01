namespace Microsoft.ML.LoraInit.Hosting.Serving;

/// <summary>What was added, in order.</summary>
internal sealed class ModelRegistrations
{
    public List<ModelRegistration> All { get; } = [];
}

/// <param name="Name">The model's name.</param>
/// <param name="Input">The rows' type.</param>
/// <param name="Prediction">The answers' type.</param>
/// <param name="Get">The predictor of a service provider.</param>
internal sealed record ModelRegistration(string Name, Type Input, Type Prediction, Func<IServiceProvider, ITextModel> Get);
