namespace Microsoft.ML.LoraInit.Hosting;

/// <summary>No model serves: its file is not there, cannot be read, or is none that the service can use.</summary>
public sealed class ModelUnavailableException : InvalidOperationException
{
    /// <param name="name">The model's name.</param>
    /// <param name="problem">Why none serves, in words that name no folder.</param>
    public ModelUnavailableException(string name, string problem)
        : base($"No model '{name}' serves: {problem}") => ModelName = name;

    /// <summary>The model's name.</summary>
    public string ModelName { get; }
}
