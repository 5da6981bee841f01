using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>A layer that a method puts between a model's own, and that no merge removes.</summary>
internal abstract class InsertedLayer
{
    /// <summary>Its tensors, trained or not.</summary>
    public abstract IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>x [..., hidden] → the same shape.</summary>
    public abstract Tensor forward(Tensor x, ForwardContext context);

    /// <summary>The same layer over other tensors.</summary>
    /// <param name="values">By full name, all of them; taken over.</param>
    public abstract InsertedLayer Over(IReadOnlyDictionary<string, Tensor> values);
}
