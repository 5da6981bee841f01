using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Options;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training;

/// <summary>Everything that a fine-tuning run needs, with all data read and checked.</summary>
internal sealed record FineTuningRequest
{
    /// <summary>What is to be done, checked.</summary>
    public required FineTuningSettings Settings { get; init; }

    /// <summary>The adapter that <see cref="FineTuningSettings.InitialAdapter"/> names, read; null where it names none. Its tensors stay the caller's.</summary>
    public PeftWeights? InitialAdapter { get; init; }

    /// <summary>The model that learns further classes, the task's last ones; null for a training from the base. Stays the caller's.</summary>
    public FineTunedState? Known { get; init; }

    /// <summary>What its stages learnt, where the method keeps that; null elsewhere. Stays the caller's.</summary>
    public EarlierDirections? Earlier { get; init; }

    /// <summary>What is learnt.</summary>
    public required TextTask Task { get; init; }

    /// <summary>Training rows.</summary>
    public required TextDataset Train { get; init; }

    /// <summary>The class weights that are in <see cref="Train"/> already, for readers of the model; null where all count alike.</summary>
    public ClassWeights? ClassWeights { get; init; }

    /// <summary>Rows to validate on after each epoch, or null.</summary>
    public TextDataset? Validation { get; init; }

    /// <summary>The base, on the training device in the training precision. The run takes a lease of its own.</summary>
    public required BaseWeights Base { get; init; }

    /// <summary>The devices that share every batch with the base's; empty for one device.</summary>
    public IReadOnlyList<Device> OtherDevices { get; init; } = [];

    /// <summary>Seed of every draw.</summary>
    public required int Seed { get; init; }

    /// <summary>Receives progress; or null.</summary>
    public IProgress<TrainingProgress>? Progress { get; init; }

    /// <summary>Ends the run.</summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>Receives messages for people, one an epoch and some beside; or null.</summary>
    public Action<string>? Log { get; init; }

    /// <summary>Receives messages of what went wrong and does not matter to the result; null for <see cref="Log"/>.</summary>
    public Action<string>? Warn { get; init; }

    /// <summary>Called after each optimiser step with the number of steps done; tests interrupt runs here.</summary>
    public Action<long>? OnStep { get; init; }

    /// <summary>Whether anything is dropped out.</summary>
    public bool DropsOut => Base.Config is { } c && (c.HiddenDropout > 0 || c.AttentionDropout > 0 || c.ClassifierDropout > 0 || Settings.Adapters.Dropout > 0);
}
