using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Tasks;

/// <summary>A program that shows one task. Its file reads on its own: data, pipeline, metrics, predictions.</summary>
internal abstract class TaskSample
{
    /// <summary>What it is called on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>What it shows, for the help.</summary>
    public abstract string Description { get; }

    /// <summary>Passes over the data, unless the command line says otherwise.</summary>
    public abstract int Epochs { get; }

    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public abstract void Run(Terminal terminal, int epochs, CancellationToken cancellation);

    protected static string DataFile(string name) => Path.Combine(AppContext.BaseDirectory, "Data", name);
}
