using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>The layers that a method inserts into a model: where, and of what tensors.</summary>
internal abstract record InsertedLayers
{
    /// <summary>Names and shapes of all their tensors in a model, as it is trained and saved.</summary>
    public abstract IEnumerable<(string Name, long[] Shape)> Layout(RobertaConfig config);

    /// <summary>Inserts them with stored values, which are copied.</summary>
    public abstract void Attach(RobertaClassifier model, IReadOnlyDictionary<string, Tensor> values);

    /// <summary>The tensors as models that only score read them: as stored, unless said otherwise.</summary>
    public virtual IReadOnlyDictionary<string, Tensor> ForScoring(RobertaConfig config, IReadOnlyDictionary<string, Tensor> values) =>
        Layout(config).ToDictionary(t => t.Name, t => values[t.Name], StringComparer.Ordinal);
}
