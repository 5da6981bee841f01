using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Merged weights, and the way in which they score rows fast.</summary>
internal interface IMergedScorer : IRowScorer
{
    /// <summary>Where it runs.</summary>
    Device Device { get; }

    /// <summary>Lets others compute with the weights as tensors.</summary>
    T With<T>(Func<MergedModel, T> compute);
}
