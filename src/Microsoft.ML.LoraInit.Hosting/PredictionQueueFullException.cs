namespace Microsoft.ML.LoraInit.Hosting;

/// <summary>As many calls wait already as may (<see cref="LoraTextOptions{TInput}.MaxQueue"/>); ask again later.</summary>
public sealed class PredictionQueueFullException : InvalidOperationException
{
    /// <param name="name">The model's name.</param>
    /// <param name="queue">How many may wait.</param>
    public PredictionQueueFullException(string name, int queue)
        : base($"{queue} calls wait for the model '{name}' already; ask again later.") => ModelName = name;

    /// <summary>The model's name.</summary>
    public string ModelName { get; }
}
