using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Neighbouring rows of a batch that one adapter corrects.</summary>
/// <param name="Adapter">The adapter.</param>
/// <param name="Start">The first row.</param>
/// <param name="Rows">How many.</param>
internal readonly record struct AdapterSlice(IAdapterCorrections Adapter, int Start, int Rows);

/// <summary>An adapter beside a base that stays as it is, and that other adapters share.</summary>
internal interface IAdapterCorrections
{
    /// <summary>Whether it changes a layer's product.</summary>
    /// <param name="layer">The block, from 0.</param>
    /// <param name="module">The layer within it.</param>
    bool Corrects(int layer, EncoderModule module);

    /// <summary>Corrects a layer's product in place.</summary>
    /// <param name="layer">The block, from 0.</param>
    /// <param name="module">The layer within it, one that this <see cref="Corrects"/>.</param>
    /// <param name="x">The layer's input, [rows, length, in].</param>
    /// <param name="y">[rows, length, out], a view of the product.</param>
    void Correct(int layer, EncoderModule module, Tensor x, Tensor y);
}
