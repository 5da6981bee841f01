using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// What one forward pass needs beside weights and ids. Training and evaluation differ by this object alone: no module
/// has a mode that concurrent readers could see change.
/// </summary>
internal sealed class ForwardContext
{
    /// <summary>A pass without dropout.</summary>
    public static ForwardContext Inference { get; } = new();

    /// <summary>Whether this is a pass of a training step, where a method may compute with a part of an adapter.</summary>
    public bool IsTraining { get; init; }

    /// <summary>Draws dropout masks; null outside training.</summary>
    public DropoutSource? Dropout { get; init; }

    /// <summary>Called with each adaptable linear layer and its input [rows..., in] before the product.</summary>
    public Action<Linear, Tensor>? OnLinearInput { get; init; }

    /// <summary>Called with the hidden states [batch, length, hidden] after the embeddings (0) and after each layer (1..n).</summary>
    public Action<int, Tensor>? OnHiddenState { get; init; }

    /// <summary>Inverted dropout from this pass's own generator: the global random state is neither read nor changed.</summary>
    public Tensor ApplyDropout(Tensor x, double probability)
    {
        if (Dropout is null || probability <= 0)
            return x;
        var keep = 1.0 - probability;
        return x * Dropout.Mask(x, keep);
    }
}
