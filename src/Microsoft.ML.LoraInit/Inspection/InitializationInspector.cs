using Microsoft.ML.LoraInit.Inspection;

namespace Microsoft.ML.LoraInit;

/// <summary>Shows what adapters start from, without training them.</summary>
public static class InitializationInspector
{
    /// <summary>
    /// Loads the base model, initialises adapters as training with the same options would, and measures them: per layer
    /// and in sum, the product against W, the subspaces, gradients and outputs at step 0, time and memory.
    /// </summary>
    /// <param name="options">Base model, initialisation, and data where there is some.</param>
    /// <exception cref="ArgumentException">An option does not fit the base model, or the initialisation needs data and there is none.</exception>
    /// <exception cref="InvalidDataException">The base model is damaged, or a row has no valid label.</exception>
    /// <exception cref="OperationCanceledException"><see cref="LoraTrainerOptions.CancellationToken"/> was cancelled.</exception>
    public static InspectionReport Inspect(InspectionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new InspectionRun(options).Execute();
    }
}
